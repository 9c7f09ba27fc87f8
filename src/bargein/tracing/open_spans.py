"""The replies of a call whose spans are open, and the contexts of those that were."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.trace import Span

KEPT = 8  # replies: a vendor's last word on a reply comes soon after the reply's end


@dataclass(slots=True, eq=False)
class OpenReply:
    """A reply's span, and the hold within it."""

    span: Span
    context: Context
    """The context of the reply's span."""
    asked_ms: float
    hold: Span | None = None
    onset_ms: float = 0.0
    """The first sample of the sound that holds."""
    ended_ns: int | None = None
    """When the reply ended. The span is open until the next reply begins: what was heard is known later."""


class OpenReplies:
    """Replies by the floor's numbers."""

    def __init__(self) -> None:
        self._open: dict[int, OpenReply] = {}
        self._behind: int | None = None
        self._contexts: dict[int, Context] = {}
        self.live: OpenReply | None = None
        """The newest reply."""

    def get(self, reply: int) -> OpenReply | None:
        return self._open.get(reply)

    def context(self, reply: int, otherwise: Context) -> Context:
        """The context of a reply, also of one that was over a while ago."""
        return self._contexts.get(reply, otherwise)

    def begin(self, reply: int, opened: OpenReply) -> None:
        """One more. Those that are over are ended for good."""
        for number in [number for number, known in self._open.items() if known.ended_ns is not None]:
            self._close(number)
        self._open[reply] = self.live = opened
        self._keep(reply, opened)

    def put_behind(self) -> None:
        """A filler begins: the live reply goes on behind it."""
        behind = next((number for number, known in self._open.items() if known is self.live), None)
        self._behind = behind if behind is not None and self._open[behind].ended_ns is None else None

    def continue_behind(self, reply: int) -> None:
        """The filler is over: the reply behind it has another number from now on."""
        if self._behind is not None and (behind := self._open.pop(self._behind, None)) is not None:
            self._open[reply] = self.live = behind
            self._keep(reply, behind)
        self._behind = None

    def end(self, reply: int, at_ns: int) -> OpenReply | None:
        """The reply is over. None: it is unknown, or was over."""
        known = self._open.get(reply)
        if known is None or known.ended_ns is not None:
            return None
        known.ended_ns = at_ns
        return known

    def close(self, at_ns: int) -> None:
        """The call is over."""
        for number, known in list(self._open.items()):
            if known.ended_ns is None:
                known.ended_ns = at_ns
            self._close(number)
        self.live = None

    def _close(self, reply: int) -> None:
        known = self._open.pop(reply)
        if known.hold is not None:
            known.hold.end(known.ended_ns)
        known.span.end(known.ended_ns)

    def _keep(self, reply: int, opened: OpenReply) -> None:
        self._contexts[reply] = opened.context
        while len(self._contexts) > KEPT:
            del self._contexts[next(iter(self._contexts))]
