"""This server's place among the nodes of its fleet: alone, a supervisor's worker, or one of many by Redis."""

from __future__ import annotations

from pydantic import SecretStr

from bargein import __version__
from bargein.clock import Clock
from bargein.fleet.fleet import Fleet
from bargein.fleet.memory import MemoryStore
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
    return MemoryStore(clock)


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
