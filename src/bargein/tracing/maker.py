"""Makes the spans of one call, on the call's clock, with no more of its words than the owner wants."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer, set_span_in_context

from bargein.recorder.redaction import Redaction
from bargein.tracing.attributes import without_words

Told = Mapping[str, str | bool | int | float | Sequence[str]]
"""Attributes of a span."""
NS_PER_MS = 1_000_000
COUNTED = ("turn", "reply", "hold", "verdict")


class SpanMaker:
    """content: redacts the words of the call, which stand in the spans; None: no words do."""

    def __init__(self, tracer: Tracer, content: Redaction | None) -> None:
        self._tracer = tracer
        self._content = content
        self._began_ns = time.time_ns()
        self.at_ms = 0.0
        """The call's time, as far as it was told."""
        self.counts = dict.fromkeys(COUNTED, 0)
        """How many spans of these kinds there were."""

    @property
    def has_words(self) -> bool:
        """The words of the call may stand in its spans."""
        return self._content is not None

    def start(
        self,
        name: str,
        at_ms: float,
        inside: Context | None,
        told: Told,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] | None = None,
    ) -> Span:
        """A span that begins at a moment of the call."""
        if name in self.counts:
            self.counts[name] += 1
        return self._tracer.start_span(name, inside, kind, told, links, start_time=self.ns(at_ms))

    def ns(self, at_ms: float | None = None) -> int:
        """A moment of the call (None: now), since the epoch."""
        return self._began_ns + int((self.at_ms if at_ms is None else at_ms) * NS_PER_MS)

    def why(self, why: str) -> str:
        """A reason, as it may stand in a span."""
        return without_words(why) if self._content is None else self._content.text(why)

    def words(self, text: object) -> str:
        """Words of the call. Empty where none may stand in a span."""
        return "" if self._content is None else self._content.text(str(text or ""))

    def fact(self, name: str, text: object) -> str:
        """A tool's arguments or result. Empty where none may stand in a span."""
        return "" if self._content is None else str(self._content.fields({name: str(text or "")})[name])


def inside(span: Span, context: Context | None) -> Context:
    """The context of a span."""
    return set_span_in_context(span, context)
