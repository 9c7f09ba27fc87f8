"""The user's audio in a simulated session: turns are found in it, become items, and are transcribed.

Times are positions in the audio, not clock times.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import deque
from collections.abc import Sequence

import numpy as np

from bargein.audio.alaw import from_alaw
from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import HotResampler, resample
from bargein_simulators.realtime_behavior import RealtimeBehavior
from bargein_simulators.realtime_config import AUDIO_FORMATS, PADDING_MS, PCM, SEMANTIC_MS, STREAMING
from bargein_simulators.realtime_events import Json, new_id
from bargein_simulators.realtime_idle import IdleTimeout
from bargein_simulators.realtime_items import ServerItem
from bargein_simulators.realtime_parameters import RealtimeRefused
from bargein_simulators.realtime_port import SessionPort
from bargein_simulators.realtime_responses import Responses
from bargein_simulators.realtime_vad import SimulatedServerVAD

LEAST_COMMIT_MS = 100
MOST_APPEND_BYTES = 15 * 1024 * 1024
PARTIAL_MS = 600  # of speech, after which a streaming model sends its first words


class UserAudioBuffer:
    """The input audio buffer of one session."""

    def __init__(self, sim: RealtimeBehavior, session: SessionPort, responses: Responses) -> None:
        self._sim, self._session, self._responses = sim, session, responses
        self._script = sim.script if sim.scripts is None else deque(sim.scripts())
        self.vad = SimulatedServerVAD(16_000)
        self._resampler: HotResampler | None = HotResampler(PCM, 16_000)
        self._next_item: str | None = None  # id of the item that the running speech will be
        self._partial_item: str | None = None  # id of the item whose first words were sent
        self._unmarked = False  # whether words are sent while the user speaks, and no turns are found
        self._idle = IdleTimeout(session, lambda: self.vad.now_ms, self._timed_out)
        responses.begun, responses.ended = self._idle.stop, self._response_over

    def configure(self, input_config: Json) -> None:
        """Apply the session's audio.input."""
        rate = AUDIO_FORMATS[input_config["format"]["type"]]
        want = 8_000 if rate == 8_000 else 16_000
        if self.vad.rate != want:
            self.vad = SimulatedServerVAD(want)
            self._resampler = None if want == rate else HotResampler(rate, want)
        turns = input_config.get("turn_detection")
        streams = (input_config.get("transcription") or {}).get("model") == STREAMING
        self._unmarked = turns is None and streams and not self._answers
        self.vad.on = turns is not None or self._unmarked
        if turns is not None:
            semantic = turns["type"] == "semantic_vad"
            self.vad.threshold = 0.5 if semantic else turns["threshold"]
            self.vad.silence_ms = SEMANTIC_MS[turns["eagerness"]] if semantic else turns["silence_duration_ms"]

    @property
    def _turns(self) -> Json | None:
        found: Json | None = self._session.config["audio"]["input"].get("turn_detection")
        return found

    @property
    def _answers(self) -> bool:
        """Whether the session has a model that answers; a transcription session has none."""
        return bool(self._session.config["type"] == "realtime")

    def append(self, audio: str) -> None:
        """Take audio from an event, in base64. Raises RealtimeRefused."""
        self.push_audio(self._decoded(audio, "audio"))

    def _decoded(self, audio: str, param: str) -> Samples:
        """Audio from base64 at the rate of the session's input format. Raises RealtimeRefused."""
        try:
            data = base64.b64decode(audio, validate=True)
        except ValueError:
            raise RealtimeRefused("invalid_value", "Invalid audio: expected base64.", param) from None
        if len(data) > MOST_APPEND_BYTES:
            raise RealtimeRefused("invalid_value", "Audio chunk too large.", param)
        match self._session.config["audio"]["input"]["format"]["type"]:
            case "audio/pcmu":
                return from_mulaw(data)
            case "audio/pcma":
                return from_alaw(data)
            case _:
                return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)

    def read_item(self, item: ServerItem, parts: Sequence[Json]) -> None:
        """Transcribe the audio in an item that the client sent whole. Raises RealtimeRefused."""
        rate = AUDIO_FORMATS[self._session.config["audio"]["input"]["format"]["type"]]
        sent = [self._decoded(part["audio"], "item.content") for part in parts]
        item.read.clear()
        self._session.spawn(self._read_sent(item, resample(Pcm(np.concatenate(sent), rate), 16_000)))

    async def _read_sent(self, item: ServerItem, pcm: Pcm) -> None:
        said = await self._sim.read(pcm, self._script, over=True)
        item.text = " ".join(text for text in (item.text, said) if text)
        item.read.set()

    def push_audio(self, samples: Samples) -> None:
        """Take audio at the rate of the session's input format."""
        if self._resampler is not None:
            samples = self._resampler.push_audio(samples)
        padding = (self._turns or {}).get("prefix_padding_ms", PADDING_MS)
        for detected in self.vad.push_audio(samples):
            if self._unmarked:
                self._next_item = self._next_item or new_id("item")
            elif detected.kind == "started":
                self._idle.stop()
                self._next_item = new_id("item")
                self._session.send(
                    "input_audio_buffer.speech_started",
                    audio_start_ms=max(0, int(detected.at_ms - padding)),
                    item_id=self._next_item,
                )
                if self._sim.fault("drop_speech"):
                    self._session.disconnect(1011)
                elif (self._turns or {}).get("interrupt_response", self._answers):
                    self._responses.interrupt()
            else:
                item = self._next_item or new_id("item")
                self._session.send("input_audio_buffer.speech_stopped", audio_end_ms=int(detected.at_ms), item_id=item)
                self._commit(item, self.vad.commit(detected.began_ms - padding, detected.at_ms))
                if (self._turns or {}).get("create_response", self._answers):
                    self._responses.respond_to_turn()
        if self.vad.speaking and self.vad.now_ms - self.vad.speech_ms >= PARTIAL_MS:
            self._send_partial()

    def _send_partial(self) -> None:
        transcription = self._session.config["audio"]["input"].get("transcription") or {}
        if self._partial_item != self._next_item and transcription.get("model") == STREAMING:
            self._partial_item = self._next_item
            self._session.spawn(self._read_partial(str(self._next_item), self.vad.since(self.vad.speech_ms - 150)))

    async def _read_partial(self, item: str, pcm: Pcm) -> None:
        text = await self._sim.read(pcm, self._script, over=False)
        if text and item == self._next_item:
            kind = "conversation.item.input_audio_transcription.delta"
            self._session.send(kind, item_id=item, content_index=0, delta=text)

    def commit(self) -> None:
        """The client ends the turn. Raises RealtimeRefused for less than LEAST_COMMIT_MS of audio."""
        if self.vad.waiting_ms < LEAST_COMMIT_MS:
            raise RealtimeRefused(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer "
                f"only has {self.vad.waiting_ms:.2f}ms of audio.",
            )
        known = self._next_item if self.vad.speaking or self._unmarked else None
        item = known or new_id("item")
        self._commit(item, self.vad.commit())

    def _response_over(self, audio_ms: float) -> None:
        """A response of the conversation is over. audio_ms: length of its audio."""
        if not self.vad.speaking:  # the user's speech may have ended it
            self._idle.start(audio_ms)

    def _timed_out(self, from_ms: float, until_ms: float) -> None:
        """The user was silent for idle_timeout_ms: the silence becomes an item, and the model speaks again."""
        item = new_id("item")
        kind = "input_audio_buffer.timeout_triggered"
        self._session.send(kind, audio_start_ms=int(from_ms), audio_end_ms=int(until_ms), item_id=item)
        self._commit(item, self.vad.commit(from_ms, until_ms), silent=True)
        self._responses.respond_to_turn()

    def _commit(self, item_id: str, pcm: Pcm, *, silent: bool = False) -> None:
        self._next_item = None
        last = next(reversed(self._session.items), None)
        self._session.send("input_audio_buffer.committed", item_id=item_id, previous_item_id=last)
        wire = {
            "id": item_id,
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        item = self._session.add(ServerItem(wire, pcm.ms))
        if silent:
            item.read.set()
        else:
            self._session.spawn(self._read(item, pcm))

    async def _read(self, item: ServerItem, pcm: Pcm) -> None:
        began = time.monotonic()
        item.text = await self._sim.read(pcm, self._script, over=True)
        item.read.set()
        if self._session.config["audio"]["input"].get("transcription") is None:
            return
        await asyncio.sleep(max(0.0, began + self._sim.transcript_ms / 1000 - time.monotonic()))
        kind = "conversation.item.input_audio_transcription"
        if self._sim.fault("no_transcript"):
            error = {"type": "server_error", "code": "transcription_failed", "message": "Failed.", "param": None}
            self._session.send(f"{kind}.failed", item_id=item.id, content_index=0, error=error)
            return
        usage = {"type": "duration", "seconds": round(pcm.ms / 1000)}
        self._session.send(f"{kind}.completed", item_id=item.id, content_index=0, transcript=item.text, usage=usage)
