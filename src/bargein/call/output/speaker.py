"""Makes replies: one task each, from the model's first word to the last sample that the playout has taken.

A voice that fails before any of it was heard is replaced, in the same reply, by the fallback TTS: it raised an error,
gave no sound, gave silence for words, or did not begin in time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from bargein.call.context import CallContext
from bargein.call.output.client_playout import ClientPlayout
from bargein.call.output.playout import BUFFER_MS, SLICE_MS, Playout
from bargein.call.output.quiet_voice import SILENT_MS, QuietVoice, is_audible
from bargein.call.output.read_ahead import ReadText, ReplyText, has_words
from bargein.call.output.reply import FirstSound, Replies, Reply, ReplySource, SpeechSource
from bargein.call.output.text_streams import closing, own_cancellation, slices
from bargein.call.record.outages import Outages
from bargein.call.record.vendor_call import Part, VendorCall
from bargein.errors import BargeinError, Unavailable, UsageError, VendorLost
from bargein.floor import ReplyEnded, ReplyFailed, ReplyProtected
from bargein.notices import Problem, ReplyBegins, WordsAdded, WordTimes
from bargein.protocols import TTS, SpeaksAhead, SpeechChunk, Word
from bargein.spoken_form import SpokenForm

log = logging.getLogger(__name__)

VOICE_MS = 3_000  # from the first whole clause to the first sound; then the fallback speaks. The slowest take two


class Speaker:
    """Starts and stops the making of the live reply.

    tts: None for a realtime model, which speaks by itself. fallback_tts: speaks where the tts, or the model, does not;
    None where the client gets its audio from elsewhere. outages: told when a voice goes away and comes back. lost: gets
    each reply that was lost before its end. spoken_form: as in Agent.
    """

    def __init__(
        self,
        context: CallContext,
        replies: Replies,
        playout: Playout | ClientPlayout,
        tts: TTS | None,
        fallback_tts: TTS | None = None,
        *,
        spoken_form: SpokenForm = True,
        outages: Outages | None = None,
        lost: Callable[[Reply], None] = lambda _: None,
    ) -> None:
        self._spoken_form = spoken_form
        self._context = context
        self._replies = replies
        self._playout = playout
        self._tts = tts
        self._fallback_tts = fallback_tts
        self._outages = outages or Outages(context)
        self._lost = lost
        self._carries_audio = isinstance(playout, Playout)
        self._tts_lost = False
        self.waits: Callable[[Reply, float], None] = _waits
        """Gets the live reply, every 20 ms, while none of it has come."""
        self._filler: asyncio.Task[None] | None = None  # of the newest filler
        self._tasks: list[asyncio.Task[None]] = []  # of the live reply, the one behind it, and those that are stopping

    def begin(self, reply: Reply, source: ReplySource) -> None:
        """Make the reply the live one, and start making it. source: gives its text or audio."""
        self._replies.begin(reply)
        if reply.protected != 0:
            self._context.feed(ReplyProtected(self._context.now_ms(), reply.id, protected=True))
        self._start(reply, source, [task for task in self._tasks if not task.done()])

    def begin_filler(self, reply: Reply, source: ReplySource) -> None:
        """Make the filler the live reply. The one before goes on being made behind it."""
        self._replies.begin_filler(reply)
        self._start(reply, source, [])
        self._filler = self._tasks[-1]

    def continue_behind(self, reply: int) -> Reply | None:
        """The filler is over, whether it was heard or not: the reply behind it is live again, under this id. Returns
        that reply; None: there is none."""
        self._stop_filler()  # it is late, or the reply behind it is ready
        behind = self._replies.continue_behind(reply)
        if behind is not None:
            self._playout.go_on(behind)
            if behind.track is not None:
                self._context.notify(ReplyBegins(behind.id, behind.kind, interruptible=behind.protected == 0))
        return behind

    def stop(self) -> Reply | None:
        """End the live reply before its time, and the one behind it. Returns the live one; None: there was none.

        Its task is cancelled here, and awaited by the next reply's task or by the end of the call.
        """
        live, behind = self._replies.live, self._replies.behind
        self._replies.live = self._replies.behind = None
        for reply in (live, behind):
            if reply is not None:
                reply.cut = True
                if reply.response is not None:
                    reply.response.cancel()  # at once, and not when the task is cancelled
        for task in self._tasks:
            task.cancel()
        return live

    def release(self) -> None:
        """The call is over. A task's error would hold all that the task knew."""
        self._tasks = []
        self._filler = None
        self.waits = _waits

    def tick(self, now_ms: float) -> None:
        """Wait no longer for a voice that does not begin. Called every 20 ms."""
        live = self._replies.live
        for reply in (live, self._replies.behind):
            if reply is not None and reply.first_sound is not None and not reply.busy:
                reply.first_sound.tick(now_ms, VOICE_MS)
        if live is not None and live.track is None:
            self.waits(live, now_ms)

    # ------------------------------------------------------------------------------------------------ one reply

    def _start(self, reply: Reply, source: ReplySource, before: list[asyncio.Task[None]]) -> None:
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(self._context.spawn(self._make(reply, source, before), f"reply {reply.id}"))

    async def _make(self, reply: Reply, source: ReplySource, before: list[asyncio.Task[None]]) -> None:
        if before:
            await asyncio.wait(before)
        try:
            content = await source(reply)
            if content is None:
                await reply.may_sound.wait()
                self._replies.end(reply.id)
                self._context.feed(ReplyEnded(self._context.now_ms(), reply.id))
            else:
                await self._say(reply, content)
        except BargeinError as error:
            await self._fail(reply, _code(reply), error.message, error.advice)
        except Exception as error:
            log.exception("Call %s: reply %d failed", self._context.call_id, reply.id)
            advice = "Look into the server's log: this is a fault of ours or of the agent's own code"
            await self._fail(reply, "internal", f"{type(error).__name__} while making a reply", advice)

    async def _say(self, reply: Reply, content: SpeechSource | AsyncIterator[str]) -> None:
        """With its own voice, or else with the fallback's."""
        if isinstance(content, SpeechSource):
            text, audio = content.text, content
        else:
            written = ReadText(content, self._context.spawn, f"text of reply {reply.id}")
            text, audio = written, None
        try:
            try:
                await self._speak_first(reply, audio, text)
            except Exception as error:
                fallback = self._fallback_tts
                if reply.track is not None or fallback is None or reply.by_fallback or text is None or not text.known:
                    raise  # some of it was heard, or no other voice can say it
                if reply.response is not None:
                    reply.response.cancel()
                    reply.llm_lost = True
                self._lose_voice(reply, error)
                reply.by_fallback = True
                await self._speak_with(reply, fallback, text)
        finally:
            if text is not None:
                await text.aclose()  # a TTS need not close its input, and the model must stop with the cut

    async def _speak_first(self, reply: Reply, audio: SpeechSource | None, text: ReplyText | None) -> None:
        prepared = reply.kind == "filler" and audio is not None
        if audio is not None and prepared:
            await self._speak(reply, audio.audio, audio.rate, text, None)
        elif audio is not None:
            part: Part = "tts" if reply.response is None else "realtime"
            with VendorCall(self._context, part, audio.name, reply) as told:
                await self._speak(reply, audio.audio, audio.rate, text, told)
        else:
            assert text is not None
            reply.by_fallback = self._tts is None or (reply.kind in ("reprompt", "filler") and self._tts_lost)
            tts = (self._fallback_tts if reply.by_fallback else None) or self._tts
            if tts is None:
                raise Unavailable("The agent has no TTS to say this with", advice="Give the agent a fallback_tts")
            reply.by_fallback = tts is self._fallback_tts
            await self._speak_with(reply, tts, text)
        if not reply.by_fallback and self._tts is not None and not prepared:
            self._tts_lost = False
            self._outages.restored("voice_lost")

    async def _speak_with(self, reply: Reply, tts: TTS, text: ReplyText) -> None:
        with VendorCall(self._context, "tts", tts.name, reply) as told:
            spoken = reply.spoken(told.watched(text.read()), self._spoken_form)
            await self._speak(reply, tts.speak(spoken), tts.rate, text, told, _ahead(tts))

    async def _speak(
        self,
        reply: Reply,
        audio: AsyncIterator[SpeechChunk],
        rate: int,
        text: ReplyText | None,
        told: VendorCall | None,
        ahead_ms: float = BUFFER_MS,
    ) -> None:
        context, playout = self._context, self._playout
        quiet = QuietVoice()
        with own_cancellation("The voice"):
            async with closing(audio) as chunks:
                first = await self._first_sound(reply, chunks, text)
                if told is not None:
                    told.came(sum(len(each.text) for each in first))
                if not reply.may_sound.is_set():
                    self._end_filler()
                await reply.may_sound.wait()
                playout.begin(reply, rate, ahead_ms)
                context.notify(ReplyBegins(reply.id, reply.kind, interruptible=reply.protected == 0))
                while first:
                    await self._play(reply, first.pop(0), quiet)
                context.kick()  # the first audio does not wait for the ticker
                async for chunk in chunks:
                    demand_chunk(chunk)
                    if told is not None:
                        told.came(len(chunk.text))
                    await self._play(reply, chunk, quiet)
            for held in quiet.flush():
                await self._play_slice(reply, held)
        rest = playout.finish(reply.id)
        left = reply.show("")
        if rest or left:
            context.notify(WordsAdded(reply.id, left, _times(rest), exact=False))

    def _end_filler(self) -> None:
        """The reply behind the filler is ready: the filler ends with the word that sounds, or is never said."""
        filler = self._replies.live
        if filler is None:
            return
        if self._replies.has_sounded(filler):
            self._stop_filler()
            self._playout.end_at_word(filler.id)
        else:
            self._context.feed(ReplyEnded(self._context.now_ms(), filler.id))

    def _stop_filler(self) -> None:
        filler, self._filler = self._filler, None
        if filler is not None:
            filler.cancel()

    async def _play(self, reply: Reply, whole: SpeechChunk, quiet: QuietVoice) -> None:
        # A call waits here for most of its life: it keeps only audio that is still to be played.
        sliced = slices(whole, SLICE_MS)
        del whole
        while sliced:
            if not self._carries_audio:
                await self._play_slice(reply, sliced.popleft())
                continue
            ready = deque(quiet.push(sliced.popleft()))
            if quiet.failed:
                raise _no_voice("gave silence in place of words")
            while ready:
                await self._play_slice(reply, ready.popleft())

    async def _play_slice(self, reply: Reply, chunk: SpeechChunk) -> None:
        words = self._playout.push_audio(reply.id, chunk)
        if chunk.text or words:
            exact = chunk.words is not None and chunk.exact
            self._context.notify(WordsAdded(reply.id, reply.show(chunk.text), _times(words), exact))
        del chunk
        await self._playout.wait_room()

    async def _first_sound(
        self, reply: Reply, chunks: AsyncIterator[SpeechChunk], text: ReplyText | None
    ) -> list[SpeechChunk]:
        """The chunks up to the first that can be heard. Raises VendorLost for words without a sound."""
        limit: AbstractAsyncContextManager[object] = nullcontext()
        if text is not None and self._carries_audio and self._fallback_tts is not None and not reply.by_fallback:
            limit = reply.first_sound = FirstSound(text)
        try:
            async with limit:
                return await self._until_audible(chunks, text)
        except TimeoutError:
            raise _no_voice(f"gave no sound for {VOICE_MS / 1000:g} s") from None
        finally:
            reply.first_sound = None

    async def _until_audible(self, chunks: AsyncIterator[SpeechChunk], text: ReplyText | None) -> list[SpeechChunk]:
        held: list[SpeechChunk] = []
        words, ms = False, 0.0
        async for chunk in chunks:
            demand_chunk(chunk)
            held.append(chunk)
            if not self._carries_audio or is_audible(chunk):
                return held
            words, ms = words or has_words(chunk.text), ms + chunk.pcm.ms
            if ms >= SILENT_MS:
                if not words:
                    return held  # it is nothing that is said, and may be silent
                raise _no_voice("gave silence in place of words")
        if self._carries_audio and (words or (text is not None and text.known)):
            raise _no_voice("gave silence in place of words" if ms else "gave no sound for its words")
        return held

    # ---------------------------------------------------------------------------------------------------- losses

    async def _fail(self, reply: Reply, code: str, message: str, advice: str) -> None:
        await reply.may_sound.wait()
        self._tell_loss(reply, code, message, advice)
        self._lost(reply)
        if self._replies.live_track(reply.id) is not None:
            self._playout.finish(reply.id, message)  # audio that was made is played first
        else:
            self._replies.end(reply.id)
            self._context.feed(ReplyFailed(self._context.now_ms(), reply.id, message))

    def _lose_voice(self, reply: Reply, error: Exception) -> None:
        """The reply goes on with the fallback TTS."""
        if isinstance(error, BargeinError):
            self._tell_loss(reply, _code(reply), error.message, error.advice)
            return
        log.error("Call %s: the voice of reply %d failed", self._context.call_id, reply.id, exc_info=error)
        advice = "Look into the server's log: this is a fault of the voice's own code"
        self._tell_loss(reply, _code(reply), f"{type(error).__name__} in the voice", advice)

    def _tell_loss(self, reply: Reply, code: str, message: str, advice: str) -> None:
        self._tts_lost = self._tts_lost or code == "voice_lost"
        self._context.meter.count("vendor_errors", cause=code)
        self._context.notify(Problem(code, message, advice))
        if code != "internal":
            self._outages.lost(code, f"{message}. {advice}")


def _waits(reply: Reply, now_ms: float) -> None:
    """Nothing is made ready."""


def _ahead(tts: TTS) -> float:
    return tts.ahead_ms if isinstance(tts, SpeaksAhead) else BUFFER_MS


def _code(reply: Reply) -> str:
    return "model_lost" if reply.llm_lost else "voice_lost"


def _no_voice(what: str) -> VendorLost:
    return VendorLost(f"The voice {what}", advice="Look at the vendor's status, and at the voice's settings")


def demand_chunk(chunk: object) -> None:
    """Raises UsageError for what no TTS may give: a TTS may be anybody's object."""
    if not isinstance(chunk, SpeechChunk):
        advice = "Let speak(text) yield SpeechChunk(Pcm(samples, rate), text)"
        raise UsageError(f"The TTS yielded a {type(chunk).__name__}", advice=advice)


def _times(words: tuple[Word, ...]) -> tuple[WordTimes, ...]:
    return tuple((w.start_ms, w.end_ms, w.begin, w.end) for w in words)
