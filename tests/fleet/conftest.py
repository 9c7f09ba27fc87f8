"""One redis-server for all tests of a worker, emptied for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet.redis_server import RedisServer, redis_server


@pytest.fixture(scope="session")
def redis_of_session() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_here(redis_of_session: RedisServer) -> RedisServer:
    """Running and empty."""
    redis_of_session.do("FLUSHALL")
    return redis_of_session
