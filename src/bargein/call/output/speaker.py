"""Makes replies: one task each, from the model's first word to the last sample that the playout has taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from bargein.call.context import CallContext
from bargein.call.output.client_playout import ClientPlayout
from bargein.call.output.playout import SLICE_MS, Playout
from bargein.call.output.reply import Replies, Reply, ReplySource, SpeechSource
from bargein.call.output.text_streams import closing, slices
from bargein.errors import BargeinError, Unavailable
from bargein.floor import ReplyEnded, ReplyFailed, ReplyProtected
from bargein.notices import Problem, ReplyBegins, WordsAdded, WordTimes
from bargein.protocols import TTS, SpeechChunk, Word

log = logging.getLogger(__name__)


class Speaker:
    """Starts and stops the making of the live reply.

    tts: None for a realtime model, which speaks by itself. fallback_tts: says that the tts, or the model, is lost.
    """

    def __init__(
        self,
        context: CallContext,
        replies: Replies,
        playout: Playout | ClientPlayout,
        tts: TTS | None,
        fallback_tts: TTS | None = None,
    ) -> None:
        self._context = context
        self._replies = replies
        self._playout = playout
        self._tts = tts
        self._fallback_tts = fallback_tts
        self._tts_lost = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, reply: Reply, source: ReplySource) -> None:
        """Make the reply the live one, and start making it. source: gives its text or audio."""
        self._replies.begin(reply)
        if reply.protected != 0:
            self._context.feed(ReplyProtected(self._context.now_ms(), reply.id, protected=True))
        self._task = self._context.spawn(self._make(reply, source, self._task), f"reply {reply.id}")

    def stop(self) -> Reply | None:
        """End the live reply before its time. Returns it; None: there was none.

        Its task is cancelled here, and awaited by the next reply's task or by the end of the call.
        """
        live = self._replies.live
        if live is not None:
            self._replies.end(live.id)
            live.cut = True
            if live.response is not None:
                live.response.cancel()  # at once, and not when the task is cancelled
        if self._task is not None:
            self._task.cancel()
        return live

    def release(self) -> None:
        """The call is over. The last task's error would hold all that the task knew."""
        self._task = None

    async def _make(self, reply: Reply, source: ReplySource, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        try:
            content = await source(reply)
            if content is None:
                self._replies.end(reply.id)
                self._context.feed(ReplyEnded(self._context.now_ms(), reply.id))
            elif isinstance(content, SpeechSource):
                await self._speak(reply, content.audio, content.rate)
            else:
                await self._speak_text(reply, content)
        except BargeinError as error:
            self._fail(reply, "model_lost" if reply.llm_lost else "voice_lost", error.message, error.advice)
        except Exception as error:
            log.exception("Reply %d failed", reply.id)
            advice = "Look into the server's log: this is a fault of ours or of the agent's own code"
            self._fail(reply, "internal", f"{type(error).__name__} while making a reply", advice)

    async def _speak_text(self, reply: Reply, text: AsyncIterator[str]) -> None:
        fallback = self._fallback_tts if self._tts_lost and reply.kind == "reprompt" else None
        tts = fallback or self._tts or self._fallback_tts
        if tts is None:
            raise Unavailable("The agent has no TTS to say this with", advice="Give the agent a fallback_tts")
        # The text is closed, too: a TTS need not close its input, and the model must stop with the cut.
        async with closing(text):
            await self._speak(reply, tts.speak(text), tts.rate)
        self._tts_lost = self._tts_lost and fallback is not None

    async def _speak(self, reply: Reply, audio: AsyncIterator[SpeechChunk], rate: int) -> None:
        context, playout, begun = self._context, self._playout, False
        playout.begin(reply, rate)
        context.notify(ReplyBegins(reply.id, reply.kind, interruptible=reply.protected == 0))
        async with closing(audio) as chunks:
            async for whole in chunks:
                # A call waits here for most of its life: it keeps only audio that is still to be played.
                sliced = slices(whole, SLICE_MS)
                del whole
                while sliced:
                    chunk = sliced.popleft()
                    words = playout.push_audio(reply.id, chunk)
                    if chunk.text or words:
                        exact = chunk.words is not None and chunk.exact
                        context.notify(WordsAdded(reply.id, chunk.text, _times(words), exact))
                    if not begun and len(chunk.pcm):
                        begun = True
                        context.kick()  # the first audio does not wait for the ticker
                    await playout.wait_room()
        if rest := playout.finish(reply.id):
            context.notify(WordsAdded(reply.id, "", _times(rest), exact=False))

    def _fail(self, reply: Reply, code: str, message: str, advice: str) -> None:
        self._tts_lost = code == "voice_lost"
        self._context.meter.count("vendor_errors", cause=code)
        self._context.notify(Problem(code, message, advice))
        if self._replies.live_track(reply.id) is not None:
            self._playout.finish(reply.id, message)  # audio that was made is played first
        else:
            self._replies.end(reply.id)
            self._context.feed(ReplyFailed(self._context.now_ms(), reply.id, message))


def _times(words: tuple[Word, ...]) -> tuple[WordTimes, ...]:
    return tuple((w.start_ms, w.end_ms, w.begin, w.end) for w in words)
