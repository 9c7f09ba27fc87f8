"""Keeps the memory of a call up to date: after each turn, cut and tool call, and as the reply grows.

A change only marks the memory as old. It is written at the next tick, and only the fields that have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from bargein.call.memory.fields import (
    ABOUT,
    REPLY,
    STATE,
    About,
    MemorySink,
    RememberedReply,
    StateNow,
    Waiting,
    encode,
    encode_item,
    ending,
    item_field,
)
from bargein.call.output.reply import Replies, Reply
from bargein.call.output.utterance_queue import UtteranceQueue
from bargein.call.record.conversation import Conversation
from bargein.floor import Floor, Policy
from bargein.protocols import ConversationItem

MOST_BYTES = 48 * 1024  # of the conversation's newest items, in the memory
AGAIN_MS = 200.0  # between two writings of a reply that grows
SELDOM_MS = 1_000.0  # the same, where enough of it is remembered already
AHEAD_MS = 1_500.0  # so much audio beyond the client's position is enough


def _never() -> bool:
    """A call without a recording."""
    return False


class MemoryKeeper:
    """One for each call. Nothing here waits but `durable`."""

    def __init__(
        self,
        sink: MemorySink,
        about: About,
        floor: Floor,
        conversation: Conversation,
        replies: Replies,
        utterances: UtteranceQueue,
        now_ms: Callable[[], float],
        *,
        stale: Iterable[str] = (),
    ) -> None:
        """stale: names of fields that another server has written, and that count no more."""
        self._sink = sink
        self._about = about
        self._floor = floor
        self._conversation = conversation
        self._replies = replies
        self._utterances = utterances
        self._now_ms = now_ms
        self._old = True
        self._policy: Policy | None = None
        self._known: list[ConversationItem | None] = []  # as they were written; None: dropped, or never written
        self._sizes: list[int] = []
        self._bytes = 0
        self._oldest = 0  # index of the oldest item that is remembered
        self._state: StateNow | None = None
        self._reply: RememberedReply | None = None
        self._stale = tuple(stale)
        self._reply_ms = -SELDOM_MS
        self.lasted_before_ms = 0.0
        """How long the call lasted on other servers."""
        self.is_recording: Callable[[], bool] = _never
        """Whether the call's audio is being recorded."""

    def touch(self) -> None:
        """Something has changed."""
        self._old = True

    def tick(self, now_ms: float) -> None:
        """Write what has changed, if there is anything. Called every 20 ms."""
        if self._old or self._grows(now_ms):
            self.write()

    async def durable(self) -> bool:
        """All that is known of the call now is kept. False: it could not be kept in time."""
        self.write()
        return await self._sink.remembered()

    async def release(self) -> bool:
        """Let another server take the call up. False: that cannot be done now."""
        return await self._sink.release()

    def write(self) -> None:
        """Remember all that has changed."""
        self._old = False
        fields: dict[str, bytes | None] = dict.fromkeys(self._stale)
        self._stale = ()
        if self._floor.policy is not self._policy:
            self._policy = self._floor.policy
            self._about = msgspec.structs.replace(self._about, policy=dict(self._policy.numbers()))
            fields[ABOUT] = encode(self._about)
        self._write_items(fields)
        state = self._state_now()
        if state != self._state:
            self._state = state
            fields[STATE] = encode(state)
        reply = self._reply_now()
        if reply != self._reply:
            self._reply, self._reply_ms = reply, self._now_ms()
            fields[REPLY] = None if reply is None else encode(reply)
        if fields:
            self._sink.remember(fields)

    # ------------------------------------------------------------------------------------------------- the parts

    def _write_items(self, fields: dict[str, bytes | None]) -> None:
        items, known, sizes = self._conversation.items, self._known, self._sizes
        for i in range(self._oldest, len(items)):
            if i < len(known) and known[i] is items[i]:
                continue
            data = encode_item(items[i])
            if i == len(known):
                known.append(None)
                sizes.append(0)
            self._bytes += len(data) - sizes[i]
            known[i], sizes[i] = items[i], len(data)
            fields[item_field(i)] = data
        while self._bytes > MOST_BYTES and self._oldest < len(items) - 1:
            self._bytes -= sizes[self._oldest]
            fields[item_field(self._oldest)] = None
            known[self._oldest], sizes[self._oldest] = None, 0
            self._oldest += 1

    def _state_now(self) -> StateNow:
        floor, live = self._floor, self._replies.live
        behind = self._replies.behind
        made = behind if behind is not None else live  # a filler is no answer
        answering = made is not None and made.kind == "reply" and not self._replies.has_sounded(made)
        owed = made is not None and (made.busy or (made.owed_from is not None and len(made.text) <= made.owed_from + 1))
        return StateNow(
            reply=floor.reply.id,
            turn=floor.turn.id,
            floor=floor.state.value,
            answering=(answering and self._conversation.has_turn(floor.turn.id))
            or owed
            or self._utterances.owes_results,
            lasted_ms=round(self.lasted_before_ms + self._now_ms(), -2),
            items=len(self._conversation.items),
            waiting=[Waiting(u.kind, u.text, u.protected) for u in self._utterances.texts],
            recording=self.is_recording(),
        )

    def _reply_now(self) -> RememberedReply | None:
        live = self._replies.live
        reply = live if live is not None else self._replies.lost  # of a client that is away: it will be said again
        if reply is None or reply.kind == "filler":
            return None
        track = reply.track
        position = track.position(self._now_ms()).samples if track is not None and reply.over_ms > self._now_ms() else 0
        if track is not None and reply is not live:
            position = round(reply.heard_ms * track.rate / 1000)
        from_ms = 0.0 if track is None else position * 1000 / track.rate
        words = [] if track is None else [w for w in track.words.words if w.end_ms > from_ms - 1_000]
        return RememberedReply(
            id=reply.id,
            kind=reply.kind,
            text=reply.text,
            sounded=self._replies.has_sounded(reply),
            rate=0 if track is None else track.rate,
            made=0 if track is None else track.made,
            heard=position,
            over=reply is not live,
            complete=track is not None and track.complete,
            exact=track is not None and track.words.exact,
            words=[(round(w.start_ms), round(w.end_ms), w.begin, w.end) for w in words],
            preface=reply.preface,
            protected=reply.protected,
            terminal=[(call.id, call.tool, call.arguments) for call in reply.terminal],
            end=ending(reply.end_request),
        )

    def _grows(self, now_ms: float) -> bool:
        """The live reply has grown, and too little beyond the client's position is remembered."""
        live, known = self._replies.live, self._reply
        since_ms = now_ms - self._reply_ms
        if live is None or live.kind == "filler" or since_ms < AGAIN_MS:
            return False
        if known is None or known.id != live.id:
            return True
        track = live.track
        if track is None:
            return len(live.text) > len(known.text) and since_ms >= SELDOM_MS
        if track.made == known.made and track.complete == known.complete and len(live.text) == len(known.text):
            return False
        ahead_ms = (known.made - track.position(now_ms).samples) * 1000 / track.rate
        return since_ms >= SELDOM_MS or ahead_ms < AHEAD_MS


def heard_now(reply: Reply | None, now_ms: float) -> tuple[int, int] | None:
    """The id of a reply that sounds, and how many samples of it the client has played. None: none sounds."""
    if reply is None or reply.track is None or reply.kind == "filler":
        return None
    return reply.id, reply.track.position(now_ms).samples
