"""What is measured, for Prometheus. In milliseconds throughout, as everything here is; a registry of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from bargein import protocols as c
from bargein.foreign import printable

BUCKETS_MS = (5, 10, 20, 30, 40, 60, 80, 110, 150, 200, 300, 450, 700, 1000, 1500, 3000, 10_000)
CONTENT_TYPE = CONTENT_TYPE_LATEST
CAUSES, CAUSE_CHARS = 100, 60  # of one metric; a cause beyond that counts as OTHER
OTHER = "other"

_LATENCIES: dict[c.Latency, str] = {
    "onset_to_hold": "from the first sample of the user's speech to the hold",
    "onset_to_cut": "from the first sample of the user's speech to the cut",
    "hold_to_resume": "how long a hold lasted that was no interruption",
    "first_audio": "from the floor's order to reply to the first sound",
    "stop": "from the decision to be silent to the client's acknowledgement that it is",
}
_COUNTERS: dict[c.Counter, str] = {
    "frames_late": "frames that left later than they were due",
    "holds": "holds, by what made them",
    "resumes": "holds that ended in a resume",
    "cuts": "replies that were cut, by what cut them",
    "stalls": "replies that the client stopped playing",
    "drops": "replies that were given up before they sounded",
    "replies": "replies that were heard to their end, by kind",
    "sound_looks": "looks at the users' sounds: do they hold words?",
    "vendor_errors": "failures of STTs, LLMs, TTSs and realtime models",
    "underruns": "times that a TTS came too slowly",
    "connections": "connections of clients that were lost, and that took their call up again",
    "prepared": "replies prepared before the turn was surely over: used, or why not",
    "prepared_waste_chars": "characters written for prepared replies that were not used",
    "prepared_waste_ms": "milliseconds of sound made for prepared replies that were not used",
    "machines": "machines that picked up a call, by the sign that told them from a person",
    "tools": "tools that the agent ran, by how it ended",
}


class Metrics:
    """A protocols.Meter by shape."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        assert set(_LATENCIES) == set(get_args(c.Latency))
        assert set(_COUNTERS) == set(get_args(c.Counter))
        self._latencies = {
            name: Histogram(f"bargein_{name}_ms", text, ["cause"], registry=self.registry, buckets=BUCKETS_MS)
            for name, text in _LATENCIES.items()
        }
        self._counters = {
            name: Counter(f"bargein_{name}", text, ["cause"], registry=self.registry)
            for name, text in _COUNTERS.items()
        }
        self._causes: dict[str, set[str]] = {}
        self._calls = Counter("bargein_calls", "calls that began", registry=self.registry)
        self._restored = Counter(
            "bargein_calls_restored",
            "calls of other nodes that go on here: moved or lost",
            ["cause"],
            registry=self.registry,
        )
        self._refused = Counter("bargein_calls_refused", "calls refused, by reason", ["cause"], registry=self.registry)
        self._lost_lines = Counter(
            "bargein_record_lines_lost", "lines of calls' records that are not on disk", registry=self.registry
        )
        self._webhooks = Counter(
            "bargein_webhooks", "webhooks of calls, by how each attempt ended", ["cause"], registry=self.registry
        )
        self._dropped = Counter(
            "bargein_notices_dropped", "notices that a slow watcher of a call missed", registry=self.registry
        )

    def observe(self, name: c.Latency, ms: float, cause: str) -> None:
        self._latencies[name].labels(self._label(name, cause)).observe(ms)

    def count(self, name: c.Counter, amount: int = 1, cause: str = "") -> None:
        self._counters[name].labels(self._label(name, cause)).inc(amount)

    def call_began(self) -> None:
        self._calls.inc()

    def call_restored(self, cause: Literal["moved", "lost"]) -> None:
        self._restored.labels(cause).inc()

    def call_refused(self, cause: str) -> None:
        self._refused.labels(self._label("refused", cause)).inc()

    def webhook_ended(self, cause: str) -> None:
        """cause: sent, failed (an attempt), or given_up."""
        self._webhooks.labels(cause).inc()

    def record_lost(self, lines: int) -> None:
        """In any thread."""
        self._lost_lines.inc(lines)

    def notice_dropped(self) -> None:
        self._dropped.inc()

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A value that is read whenever the page is asked for."""
        Gauge(f"bargein_{name}", text, registry=self.registry).set_function(value)

    def _label(self, metric: str, cause: str) -> str:
        """A cause as a label: each label lives as long as the process, and some causes are a vendor's words."""
        known = self._causes.setdefault(metric, set())
        label = cause if cause in known else printable(cause, CAUSE_CHARS)
        if label not in known:
            if len(known) >= CAUSES:
                return OTHER
            known.add(label)
        return label

    def page(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
