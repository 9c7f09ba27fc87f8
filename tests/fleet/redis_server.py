"""A redis-server of the test's own: on a unix socket in a temporary folder, without a file of data."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


class RedisServer:
    """May be killed and started again, at the same address."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.path = folder / "redis.sock"
        self.url = f"unix://{self.path}"
        self._folder, self._options = folder, options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.path), "--save", "", "--appendonly", "no"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, *self._options], cwd=self._folder, stdout=log, stderr=log)
        until = time.monotonic() + 10
        while True:
            try:
                with self._client() as client:
                    client.ping()
                    return
            except redis.AuthenticationError:
                return
            except (redis.ConnectionError, redis.ResponseError):
                assert time.monotonic() < until, (self._folder / "log").read_text()
                time.sleep(0.01)

    def kill(self) -> None:
        """As a machine dies."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.path.unlink(missing_ok=True)

    def do(self, *command: str | int) -> object:
        """A command by a client of the test's own."""
        with self._client() as client:
            return client.execute_command(*command)

    def _client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.path), protocol=2, retry=Retry(NoBackoff(), 0))


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Running, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()
