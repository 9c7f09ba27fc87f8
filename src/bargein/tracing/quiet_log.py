"""What OpenTelemetry's SDK logs of a collector that does not take our data: one line a minute at most."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

EVERY_S = 60.0
SDK = "opentelemetry"


class _OncePerMinute(logging.Handler):
    """Passes on one of the SDK's lines a minute, in the words of this server."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last_s = -EVERY_S
        self._more = 0

    def emit(self, record: logging.LogRecord) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s < EVERY_S:
            self._more += 1
            return
        more, self._last_s, self._more = self._more, now_s, 0
        log.warning("Traces or metrics are lost: %s (%d more lines before)", record.getMessage(), more)


@contextmanager
def collector_log() -> Iterator[None]:
    """The SDK's log while the block lasts."""
    logger, handler = logging.getLogger(SDK), _OncePerMinute()
    if any(isinstance(each, _OncePerMinute) for each in logger.handlers):
        yield  # within a block of the whole process
        return
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = before
        logger.removeHandler(handler)
