"""What the caller heard: of the reply that sounds, of the reply that was cut, and what the user spoke over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

from bargein import notices as n
from bargein import protocols as c
from bargein.call.context import CallContext
from bargein.call.output.reply import Replies, Reply
from bargein.call.output.track import Position, Track
from bargein.call.record.conversation import Conversation
from bargein.units import last_units

log = logging.getLogger(__name__)

CONFIRM_MS = 250  # a cut waits so long for the client's word on what was heard, then goes by its own count
OVER_WORDS = 12  # of the agent's sentence go with the words that were said over it
TELL_MS = 2_000.0  # between two words of the record on a reply that sounds
OWN_BEFORE_MS = 1000  # an echo comes after what it repeats


class Ledger:
    """Writes down what was heard of each reply. Times in ms on the call's clock.

    reports: the client says where a cut caught it.
    """

    def __init__(self, context: CallContext, replies: Replies, conversation: Conversation, *, reports: bool) -> None:
        self._context = context
        self._replies = replies
        self._conversation = conversation
        self._reports = reports

    def begins(self, reply: Reply) -> None:
        """The reply begins to sound."""
        self._replies.sounded = reply
        reply.tell_ms = self._context.now_ms() + TELL_MS
        if reply.kind != "filler":  # it is no answer, and the model never learns of it
            self._conversation.agent_begins(reply.id)

    def heard_chars(self, now_ms: float) -> int:
        """How many characters of the reply that sounds were heard."""
        track = self._sounded_track()
        return 0 if track is None else track.words.heard(track.position(now_ms).ms).end

    # ------------------------------------------------------------------------------------------------- endings

    def cut(self, reply: Reply, position: Position) -> None:
        """The reply was cut, and the client was here as far as we know."""
        reply.over_ms = self._context.now_ms()
        self._write(reply, "cut", position)
        self._confirm()  # a cut before this one is asked about no more
        if self._reports:
            reply.confirm_by_ms = reply.over_ms + CONFIRM_MS
            self._replies.unconfirmed = reply

    def lost(self, reply: Reply, position: Position) -> None:
        """The connection was lost in the reply: only a client that comes back can say more."""
        self.cut(reply, position)
        reply.confirm_by_ms = float("inf")

    def restored(self, reply: Reply, position: Position, now_ms: float, *, asks: bool) -> None:
        """The server on which the reply sounded was lost. asks: the client is waited for, who may say more."""
        reply.over_ms = now_ms
        self._write(reply, "cut", position)
        if asks:
            reply.confirm_by_ms = now_ms + CONFIRM_MS
            self._replies.unconfirmed = reply

    def client_back(self, now_ms: float) -> None:
        """A client that was away may say now what it had heard."""
        if (reply := self._replies.unconfirmed) is not None:
            reply.confirm_by_ms = min(reply.confirm_by_ms, now_ms + CONFIRM_MS)

    def forget_lost(self) -> None:
        """What was lost with the connection is not said any more."""
        self._replies.lost = None

    def on_flushed(self, now_ms: float, report: c.Flushed) -> None:
        """The client's last word on a cut reply: this much was heard."""
        reply = self._replies.unconfirmed
        if reply is None or reply.id != report.reply or reply.track is None:
            return
        track = reply.track
        if track.can_have_played(report.samples):
            samples = track.reach(report.samples)
            track.report(now_ms, samples, playing=False, bound_ms=report.bound_ms, final=True)
            self._write(reply, "cut", Position(samples, samples * 1000 / track.rate, report.bound_ms))
        self._confirm()

    def over(self, reply: Reply, ended: Literal["completed", "failed"], *, confirmed: bool = True) -> None:
        """The reply was heard to its end, or to where it failed. confirmed: the client has said so."""
        reply.over_ms = self._context.now_ms()
        track = reply.track
        if track is None:
            return
        ms = float("inf") if ended == "completed" else track.made * 1000 / track.rate
        self._write(reply, ended, Position(track.made, ms, 0.0 if confirmed else track.made * 1000 / track.rate))

    async def wait_confirmed(self) -> None:
        """Wait until it is known what was heard of a reply that was cut."""
        if (reply := self._replies.unconfirmed) is not None:
            await reply.confirmed.wait()

    def tick(self, now_ms: float) -> None:
        """A client that is late with its word on a cut is waited for no longer."""
        reply = self._replies.unconfirmed
        if reply is not None and now_ms >= reply.confirm_by_ms:
            log.info(
                "Call %s: no word from the client on what was heard of reply %d; going by our own count",
                self._context.call_id,
                reply.id,
            )
            self._confirm()

    def _confirm(self) -> None:
        if (reply := self._replies.unconfirmed) is not None:
            self._replies.unconfirmed = None
            reply.confirmed.set()

    def _write(self, reply: Reply, ended: Literal["completed", "cut", "failed"], at: Position) -> None:
        track = reply.track
        if track is None:
            return
        reply.heard_ms = min(at.ms, track.made * 1000 / track.rate)
        if track.record is not None:
            track.record.over(min(at.samples, track.made))
        heard = track.words.heard(at.ms)
        said = reply.text[: heard.end].strip() if ended != "completed" else reply.text.strip()
        unheard = reply.text[heard.end :].strip() if ended != "completed" else ""
        exact = at.bound_ms == 0 if ended == "completed" else heard.exact and _same_words(track, at)
        chars = len(reply.text) if ended == "completed" else heard.end
        self._note_words(reply, track, track.words.words, chars, reply.heard_ms)
        if self._conversation.agent_heard(reply.id, said, unheard, ended, exact=exact) is not None:
            self._context.notify(n.Transcript("agent", said, final=exact, reply_id=reply.id, unheard=unheard))
            self._context.journal.note(
                self._context.now_ms(), "heard", reply=reply.id, ended=ended, text=said, unheard=unheard, exact=exact
            )

    def tell_words(self, reply: Reply, now_ms: float) -> None:
        """The record learns what sounds while it sounds: a server that is killed leaves it."""
        reply.tell_ms = now_ms + TELL_MS
        if reply.track is not None:
            at = reply.track.position(now_ms)
            # A word's signs end where the next word begins, so the newest word waits for that.
            words = reply.track.words.settled[:-1]
            self._note_words(reply, reply.track, words, reply.track.words.heard(at.ms).end, at.ms)

    def _note_words(
        self, reply: Reply, track: Track, words: Sequence[c.Word], heard_chars: int, played_ms: float
    ) -> None:
        """The record can say when each word sounded. It gets each word once."""
        heard = sum(word.end <= heard_chars for word in words)
        facts: dict[str, object] = {"reply": reply.id, "heard": heard, "played_ms": round(played_ms)}
        if new := words[reply.told :]:
            following = track.words.words[len(words) : len(words) + 1]
            begins = [_sign_begin(reply.text, new[0].begin), *(word.begin for word in new[1:])]
            last = following[0].begin if following else _sign_end(reply.text, new[-1].end)
            facts |= {
                "reply_kind": reply.kind,
                "first": reply.told,
                "text": [reply.text[begin:end] for begin, end in zip(begins, [*begins[1:], last], strict=True)],
                "times": [round(ms) for word in new for ms in (word.start_ms, word.end_ms)],
                "timed": track.words.exact,
            }
            reply.told = len(words)
        self._context.journal.note(self._context.now_ms(), "words", **facts)

    # --------------------------------------------------------------------------------------------- said over it

    def said_over(self, onset_ms: float) -> c.SaidOver | None:
        """What the agent was saying at a moment of the call."""
        reply, track = self._replies.sounded, self._sounded_track()
        if reply is None or track is None or onset_ms > reply.over_ms or reply.kind == "filler":
            return None
        word = track.words.sounding(track.was_at_ms(onset_ms))
        if word is None:
            return None
        return c.SaidOver(reply.id, last_units(track.words.text[: word.end], OVER_WORDS))

    def echo_words(self, onset_ms: float, until_ms: float) -> str:
        """The agent's words that could come back as an echo between two moments of the call."""
        reply, track = self._replies.sounded, self._sounded_track()
        if reply is None or track is None or onset_ms > reply.over_ms:
            return ""
        return track.words.between(track.was_at_ms(onset_ms) - OWN_BEFORE_MS, track.was_at_ms(until_ms))

    def _sounded_track(self) -> Track | None:
        sounded = self._replies.sounded
        return None if sounded is None else sounded.track


def _sign_begin(text: str, begin: int) -> int:
    """Where the signs before a word begin that belong to no word before it: only the first word has such."""
    return begin if any(map(str.isalnum, text[:begin])) else 0


def _sign_end(text: str, end: int) -> int:
    """Where the signs after a word end."""
    while end < len(text) and not text[end].isspace() and not text[end].isalnum():
        end += 1
    return end


def _same_words(track: Track, at: Position) -> bool:
    """Whether the words are the same wherever the client was within the bound."""
    if at.bound_ms == 0:
        return True
    words = track.words
    return words.heard(at.ms - at.bound_ms).end == words.heard(at.ms + at.bound_ms).end
