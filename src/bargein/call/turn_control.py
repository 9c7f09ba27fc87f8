"""Opens, reads and dismisses the user's turns, as the floor orders."""

from __future__ import annotations

from bargein import floor as f
from bargein.call.context import CallContext
from bargein.call.input.own_words import OwnWords
from bargein.call.input.pause_reader import PauseReader
from bargein.call.input.stt_stream import STTStream
from bargein.call.input.turns import Turns
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import Ledger
from bargein.call.responders.responder import Responder
from bargein.notices import Transcript

LEAD_IN_MS = 150  # an STT wants a little audio before the first word, and no room noise before that


class TurnControl:
    """Nothing here waits: words are read in a task of their own."""

    def __init__(
        self,
        context: CallContext,
        floor: f.Floor,
        turns: Turns,
        conversation: Conversation,
        ledger: Ledger,
        responder: Responder,
        stt_stream: STTStream | None,
        own_words: OwnWords,
        pauses: PauseReader | None = None,
    ) -> None:
        self._context = context
        self._floor = floor
        self._turns = turns
        self._conversation = conversation
        self._ledger = ledger
        self._responder = responder
        self._stt_stream = stt_stream
        self._own_words = own_words
        self._pauses = pauses
        self._pending_input = ""
        self._pending_keys: tuple[str, bool] | None = None  # all keys of the running input; whether these are whole

    def type(self, event: f.UserTyped, text: str) -> None:
        """Typed text: it interrupts, and belongs to the turn that the floor opens for it."""
        self._pending_input = text
        self._context.feed(event)

    def press(self, now_ms: float, key: str) -> None:
        """A key: as typed text, and it belongs to the keys before it, also where the agent answers these already."""
        before, digits = self._keys_before(), self._context.digits
        if not before and digits.ends_again(key, now_ms):
            self._context.journal.note(now_ms, "key", key=key, why="the digits before it are whole already")
            return
        keys = before + key
        ends, gap_ms = digits.judge(keys, now_ms)
        self._pending_keys = keys, ends
        self._context.feed(f.KeyPressed(now_ms, key, ends, gap_ms))

    def _keys_before(self) -> str:
        if self._pending_keys is not None:
            keys, whole = self._pending_keys  # fed, and not handled yet
            return "" if whole else keys
        floor, newest = self._floor, self._turns.newest
        if newest is None or newest.keys_whole:
            return ""
        here = floor.turn.open and floor.turn.id == newest.id
        return newest.keys if here or (floor.live and floor.reply.turn == newest.id) else ""

    def listen(self, order: f.Listen) -> None:
        """The user has the floor."""
        over = self._ledger.said_over(order.from_ms + self._floor.policy.endpointing.pre_roll_ms)
        turn = self._turns.open(order.turn, order.from_ms, over)
        self._responder.turn_started(order.from_ms)
        if self._pending_input:
            turn.type(self._pending_input)
            self._pending_input = ""
        if self._pending_keys is not None:
            keys, whole = self._pending_keys
            turn.key(keys, whole=whole)
            self._pending_keys = None
        self._context.decided("listen", order.why)

    def read_words(self, order: f.ReadWords) -> None:
        """The floor waits for the words of a sound."""
        onset_ms = order.from_ms + self._floor.policy.endpointing.pre_roll_ms
        self._context.spawn(self._read_words(order.reading, onset_ms), f"look {order.reading}")
        self._context.decided("look", order.why, onset_ms=onset_ms)

    def read_turn(self, order: f.ReadTurn) -> None:
        """The user pauses: the floor asks whether the turn is over."""
        newest = self._turns.newest
        if self._pauses is not None and newest is not None and newest.id == order.turn:
            self._context.spawn(self._pauses.read(order.reading, newest), f"pause {order.reading}")

    def dismiss(self, order: f.Dismiss) -> None:
        """A sound was no turn: a backchannel enters the conversation as such, a noise does not."""
        text, over, said = order.text, None, None
        if self._stt_stream is not None:
            self._stt_stream.dismiss(self._floor.speech.until_ms)
        if text:
            over = self._ledger.said_over(order.onset_ms)
            said = self._conversation.backchannel(text, over)
        self._responder.dismiss(order.onset_ms, order.until_ms, said)
        if text:
            self._context.notify(Transcript("backchannel", text, final=True, over=over.text if over else None))
        self._context.decided("settle", order.why, onset_ms=order.onset_ms)

    def keep_unanswered(self, order: f.DiscardReply) -> None:
        """The reply was discarded before it sounded: words that it was to answer must not be lost."""
        newest = self._turns.newest
        by_hand = order.barge_in.source in (f.Source.BUTTON, f.Source.OPERATOR, f.Source.MACHINE)
        if newest is not None and not order.turn and not by_hand:
            newest.unread = not self._conversation.has_turn(newest.id)

    async def _read_words(self, look: int, onset_ms: float) -> None:
        context = self._context
        text = await self._turns.words_since(onset_ms - LEAD_IN_MS)
        until_ms = context.now_ms()
        context.journal.note(until_ms, "look", look=look, text=text)
        if text and self._own_words.explain(text, onset_ms, until_ms):
            why = f"the agent's own words, {text!r}"
            context.feed(f.Judged(onset_ms, interrupts=False, confidence=0.9, why=why))
        else:
            context.feed(f.Words(onset_ms, text, look))
