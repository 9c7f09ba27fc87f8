"""This server's place among the nodes of its fleet: alone, a supervisor's worker, or one of many by Redis."""

from __future__ import annotations

from importlib import import_module

from pydantic import SecretStr

from bargein import __version__
from bargein.clock import Clock
from bargein.errors import Unavailable
from bargein.fleet.fleet import Fleet
from bargein.fleet.memory import MemoryStore
from bargein.fleet.remote import RemoteStore
from bargein.fleet.sealing import Seal
from bargein.fleet.store import Store
from bargein.server.settings import Settings


def fleet_for(settings: Settings, clock: Clock) -> Fleet:
    """Not begun yet. Raises Unavailable for a part that is not installed, UsageError for a key that is too short."""
    return Fleet(
        store_for(settings, clock),
        settings.node,
        url=settings.node_url,
        group=settings.node_group,
        version=__version__,
        clock=clock,
        seal=Seal(_plain(settings.fleet_key)),
        keep_s=settings.restore_s,
    )


def store_for(settings: Settings, clock: Clock) -> Store:
    """Where this node meets the others."""
    if (url := _plain(settings.redis_url)) is not None:
        try:
            module = import_module("bargein.fleet.redis_store")  # only who uses Redis pays for its client
        except ImportError:
            advice = "pip install bargein[fleet]"
            raise Unavailable("BARGEIN_REDIS_URL is set, and `redis` is missing", advice=advice) from None
        store: Store = module.RedisStore(url)
        return store
    if settings.store_socket is not None:
        return RemoteStore(settings.store_socket)
    return MemoryStore(clock)


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
