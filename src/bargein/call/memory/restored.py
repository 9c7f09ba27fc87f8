"""A call begins again on this server, from what is remembered of it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from bargein import floor as f
from bargein import notices as n
from bargein.audio.words import WordClock
from bargein.call.assembly import CallParts
from bargein.call.memory.fields import (
    ABOUT,
    ITEM,
    REPLY,
    STATE,
    About,
    MemoryUnreadable,
    RememberedReply,
    StateNow,
    as_request,
    calls_of,
    decode,
    decode_about,
    decode_items,
)
from bargein.call.output.reply import Reply, ReplyKind
from bargein.call.output.track import Position, Track
from bargein.call.output.utterance_queue import Utterance
from bargein.call.responders.tool_runner import UNKNOWN
from bargein.protocols import AgentSaid, ConversationItem, ToolResult, Word

SLACK_MS = 100.0
"""How far beyond its last known position a client is taken to have been when its server was lost. Audio is sent 100 ms
ahead, and positions are told each 50 ms: the true position is 0 to 50 ms beyond where the client discards what it has
at the loss, and up to 150 ms where it still plays that."""
KINDS: tuple[str, ...] = get_args(ReplyKind)


@dataclass(frozen=True, slots=True)
class RestoredCall:
    """What is remembered of a call."""

    call_id: str
    epoch: int
    """How often the call has changed its server."""
    about: About
    state: StateNow
    items: tuple[ConversationItem, ...]
    """The conversation. A tool that was begun, and whose result is not known, has a result that says so."""
    reply: RememberedReply | None
    """The reply that was being made or sounded. None: there was none."""
    heard: int
    """Samples of it that the client is known to have played."""
    moved: bool
    """The call has left its server in good order, at a quiet moment."""
    others: dict[str, bytes] = field(default_factory=dict)
    """Fields that belong to the connection."""
    names: tuple[str, ...] = ()
    """The fields of the call itself."""

    @property
    def newest_reply(self) -> int:
        """The id of the newest reply that a client may know."""
        return max(self.state.reply, 0 if self.reply is None else self.reply.id)

    @property
    def agent(self) -> str:
        """The agent's name."""
        return self.about.agent


def read_memory(
    call_id: str, epoch: int, fields: Mapping[str, bytes], position: tuple[int, int] | None, *, moved: bool
) -> RestoredCall:
    """position: the reply that sounded, and how many of its samples were heard, by the newest word on it. Raises
    MemoryUnreadable."""
    about = decode_about(fields.get(ABOUT))
    state = decode(fields.get(STATE), StateNow, STATE)
    reply = decode(fields[REPLY], RememberedReply, REPLY) if fields.get(REPLY) else None
    heard = 0 if reply is None else reply.heard
    if reply is not None and position is not None and position[0] == reply.id:
        heard = max(heard, min(position[1], reply.made))
    if reply is not None and reply.kind not in KINDS:
        raise MemoryUnreadable(f"A reply is of the unknown kind {reply.kind[:20]!r}", advice="Greet the caller anew")
    others = {
        name: data
        for name, data in fields.items()
        if name not in (ABOUT, STATE, REPLY) and not (name.startswith(ITEM) and name[1:].isdigit())
    }
    items = tuple(_with_unknown(item) for item in decode_items(fields))
    names = tuple(fields.keys() - others.keys())
    return RestoredCall(call_id, epoch, about, state, items, reply, heard, moved, others, names)


def begin_again(restored: RestoredCall, parts: CallParts, floor: f.Floor, now_ms: float, *, asks: bool) -> None:
    """Go on with the call, before anything else has happened in it.

    asks: the client may say how much of the reply it has heard.
    """
    state, reply = restored.state, restored.reply
    conversation, replies = parts.conversation, parts.replies
    lost = _lost_reply(reply) if reply is not None else None
    conversation.items = _closed(restored.items, lost.id if lost is not None and lost.track is not None else 0)
    if lost is not None and reply is not None and lost.track is not None:
        replies.sounded = lost
        slack_ms = 0.0 if reply.over else SLACK_MS
        told_ms = restored.heard * 1000 / reply.rate
        ms = min(told_ms + slack_ms, reply.made * 1000 / reply.rate)
        at = Position(round(ms * reply.rate / 1000), ms, slack_ms)
        lost.track.report(now_ms, restored.heard, playing=False, bound_ms=slack_ms)
        parts.ledger.restored(lost, at, now_ms, asks=asks)
        parts.context.notify(_interrupted(parts, lost))
    # An answer that never sounded is made anew, from the conversation.
    replies.lost = None if lost is None or (lost.kind == "reply" and lost.track is None) else lost
    quiet = restored.moved and replies.lost is None
    parts.reply_starter.asks_again = state.floor == f.State.LISTENING.value or (
        lost is not None and replies.lost is None and not state.answering
    )
    parts.context.feed(f.CallRestored(now_ms, restored.newest_reply, state.turn, "moved" if quiet else "restored"))
    parts.ledger.forget_lost()
    for waiting in state.waiting:
        kind: ReplyKind = waiting.kind if waiting.kind in KINDS else "say"  # type: ignore[assignment]
        parts.utterances.add_text(waiting.text, kind, waiting.protected)
    if state.answering:
        parts.utterances.add(Utterance("reply", parts.responder.answer_again))


def _lost_reply(known: RememberedReply) -> Reply:
    reply = Reply(known.id, known.kind, 0.0, known.protected)  # type: ignore[arg-type]  # read_memory checks the kind
    reply.text, reply.preface, reply.over_ms, reply.cut = known.text, known.preface, 0.0, True
    reply.terminal, reply.end_request = calls_of(known.terminal), as_request(known.end)
    if known.rate and known.sounded:
        words = tuple(Word(start, end, begin, last) for start, end, begin, last in known.words)
        ms = known.made * 1000 / known.rate
        clock = WordClock.restored(known.text, words, ms, exact=known.exact, finished=known.complete)
        # The lost server may have sent more since it wrote this down.
        reply.track = Track.restored(known.id, known.rate, clock, made=known.made, complete=known.complete)
    return reply


def _interrupted(parts: CallParts, lost: Reply) -> n.AudioInterrupted:
    """The client may still play what the lost server had sent."""
    said = parts.conversation.agent(lost.id)
    return n.AudioInterrupted(
        conversation_id=parts.context.call_id,
        reply_id=lost.id,
        cleared_chunks=0,
        cleared_ms=0.0,
        heard_ms=round(lost.heard_ms, 1),
        heard_text=said.text if said is not None else "",
        timestamp=time.time(),
    )


def _with_unknown(item: ConversationItem) -> ConversationItem:
    if isinstance(item, ToolResult) and item.result is None:
        return dataclasses.replace(item, result=UNKNOWN, error=True)
    return item


def _closed(items: tuple[ConversationItem, ...], reply: int) -> list[ConversationItem]:
    """The conversation, in which no reply sounds any more. reply: the one whose end is written down elsewhere."""
    return [
        dataclasses.replace(item, ended="failed")
        if isinstance(item, AgentSaid) and item.ended == "sounding" and item.reply != reply
        else item
        for item in items
    ]
