"""What a client that lost its connection has not heard, and what is said when it is back."""

from __future__ import annotations

import re
from collections.abc import Callable

from bargein.call.context import CallContext
from bargein.call.output.reply import Replies, Reply, ReplyContent, ReplySource
from bargein.call.record.ledger import Ledger
from bargein.floor import ReplyProtected

SENTENCE_END = re.compile(r"[.!?\u2026]+[\"')\u00bb\u201d]*(?=\s|$)|[\u3002\uff01\uff1f]")


class LostWords:
    """Makes the reply to a client that is back.

    source_of: how a given text is said.
    """

    def __init__(
        self, context: CallContext, replies: Replies, ledger: Ledger, source_of: Callable[[str], ReplySource]
    ) -> None:
        self._context = context
        self._replies = replies
        self._ledger = ledger
        self._source_of = source_of

    def source(self, preface: str, bridge: str = "") -> ReplySource:
        """Says the preface, and goes on with the words that were not heard, where there are any; the bridge stands
        before them. The new reply inherits what the lost one was to do: its protection, and the end of the call."""

        lost, self._replies.lost = self._replies.lost, None

        async def source(reply: Reply) -> ReplyContent:
            await self._ledger.wait_confirmed()
            text = preface.strip()
            if lost is not None:
                rest, protected = _unheard(lost)
                text = f"{text} {bridge}".strip() if rest else text
                reply.preface = len(text)
                if protected and rest:
                    reply.protected = None if protected >= len(rest) else len(text) + 1 + protected
                    self._context.feed(ReplyProtected(self._context.now_ms(), reply.id, protected=True))
                reply.end_request, reply.end_call = lost.end_request, lost.end_call
                reply.terminal.extend(lost.terminal)
                text = f"{text} {rest}".strip()
            return await self._source_of(text)(reply)

        return source


def _unheard(lost: Reply) -> tuple[str, int]:
    """The words to go on with, and how many of their characters are protected. A text that its model had not finished
    ends with its last whole sentence."""
    track = lost.track
    begin = track.words.heard(lost.heard_ms).end if track is not None and lost.heard_ms > 0 else 0
    begin = max(begin, lost.preface)
    rest = lost.text[begin:]
    if lost.kind == "reply" and (track is None or not track.complete):
        ends = [match.end() for match in SENTENCE_END.finditer(rest)]
        rest = rest[: ends[-1]] if ends else rest
    led = len(rest) - len(rest.lstrip())
    rest = rest.strip()
    protected = len(rest) if lost.protected is None else max(0, min(lost.protected - begin - led, len(rest)))
    return rest, protected
