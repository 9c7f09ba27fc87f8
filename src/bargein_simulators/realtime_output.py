"""The items that a simulated response makes: speech, text, tool calls, with their events in the vendor's order."""

from __future__ import annotations

import asyncio
import base64
import copy

from bargein.audio.alaw import to_alaw
from bargein.audio.mulaw import to_mulaw
from bargein.audio.pcm import Pcm, Samples
from bargein.protocols import Word
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.realtime_behavior import RealtimeBehavior
from bargein_simulators.realtime_config import AUDIO_FORMATS
from bargein_simulators.realtime_events import Json, new_id
from bargein_simulators.realtime_items import ServerItem
from bargein_simulators.realtime_port import SessionPort
from bargein_simulators.realtime_running import TEXT_TOKEN, RunningResponse
from bargein_simulators.realtime_voice import voiced

TEXT_LEAD_MS = 1_500  # a word's text comes so much earlier than its audio
ESCAPE = 2  # deltas that still come after a cancel


async def make_part(
    sim: RealtimeBehavior, session: SessionPort, running: RunningResponse, part: str | ServedToolCall
) -> None:
    """Make one item of a response: it speaks or writes a text, or calls a tool."""
    maker = _ItemMaker(sim, session, running)
    if isinstance(part, ServedToolCall):
        await maker.call(part)
    elif running.config.modality == "text":
        await maker.write(part)
    else:
        await maker.speak(part)


async def wait(running: RunningResponse, ms: float) -> None:
    """Wait for so long, or until the response is cancelled."""
    if ms > 0 and not running.cancelled():
        try:
            async with asyncio.timeout(ms / 1000):
                await running.stop.wait()
        except TimeoutError:
            pass


def encoded(samples: Samples, kind: str) -> bytes:
    """Audio in a format of the wire."""
    if kind == "audio/pcmu":
        return to_mulaw(samples)
    return to_alaw(samples) if kind == "audio/pcma" else samples.astype("<i2").tobytes()


class _ItemMaker:
    """Makes one item."""

    def __init__(self, sim: RealtimeBehavior, session: SessionPort, running: RunningResponse) -> None:
        self._sim, self._session, self._running = sim, session, running

    async def speak(self, text: str) -> None:
        """Send a spoken item."""
        running, speaker, config = self._running, self._session.speaker, self._running.config
        kind = config.audio_format["type"] if speaker is None else "audio/pcm"
        rate = AUDIO_FORMATS[kind]
        speech = voiced(await self._sim.speech.say(text, rate), config.voice, config.speed)
        item = ServerItem(_message(), truth=speech.words, spoken=text, pcm=speech.pcm)
        item.read.set()
        ids = self._begin(item)
        self._session.send("response.content_part.added", **ids, part={"type": "audio", "transcript": ""})
        size = int(self._sim.chunk_ms * rate / 1000)
        sent_chars, escaped = 0, 0
        for at in range(0, len(speech.pcm.samples), size):
            if running.cancelled():
                escaped += 1
                # Over WebRTC, audio that the loudspeaker did not get is never heard.
                if escaped > ESCAPE or speaker is not None:
                    break
            sent_chars = self._send_text(ids, speech.words, text, sent_chars, at * 1000 / rate + TEXT_LEAD_MS)
            chunk = speech.pcm.samples[at : at + size]
            chunk = chunk[: round(running.spend_audio(len(chunk) * 1000 / rate) * rate / 1000)]
            if self._sim.fault_after("drop", item.ms):
                self._session.disconnect(1011)
                return
            item.ms += len(chunk) * 1000 / rate
            if not len(chunk):
                break
            if speaker is not None:
                speaker.play(running.id, Pcm(chunk, rate))
            else:
                delta = base64.b64encode(encoded(chunk, kind)).decode()
                self._session.send("response.output_audio.delta", **ids, delta=delta)
            if running.exhausted:
                break
            if self._sim.speed:
                await wait(running, self._sim.chunk_ms / self._sim.speed)
            else:
                await asyncio.sleep(0)
        if not running.over():
            sent_chars = self._send_text(ids, speech.words, text, sent_chars, float("inf"))
        if speaker is not None:
            speaker.end(running.id)
        said = text[:sent_chars]
        self._session.send("response.output_audio.done", **ids)
        self._session.send("response.output_audio_transcript.done", **ids, transcript=said)
        self._session.send("response.content_part.done", **ids, part={"type": "audio", "transcript": said})
        self._end(item, [{"type": "output_audio", "transcript": said}])
        if item.truncated_ms is None:
            item.text = said
        else:  # truncated during the response: the item that is kept has no text
            item.wire["content"][0].pop("transcript")

    async def write(self, text: str) -> None:
        """Send an item of text alone."""
        running = self._running
        item = ServerItem(_message(), spoken=text)
        item.read.set()
        ids = self._begin(item)
        self._session.send("response.content_part.added", **ids, part={"type": "text", "text": ""})
        for token in TEXT_TOKEN.findall(text):
            if running.over():
                break
            delta = running.spend_text(token)
            if delta:
                item.text += delta
                self._session.send("response.output_text.delta", **ids, delta=delta)
                await wait(running, self._sim.token_ms)
        item.spoken = item.text
        self._session.send("response.output_text.done", **ids, text=item.text)
        self._session.send("response.content_part.done", **ids, part={"type": "text", "text": item.text})
        self._end(item, [{"type": "output_text", "text": item.text}])

    async def call(self, call: ServedToolCall) -> None:
        """Send a tool call."""
        wire: Json = {
            "id": new_id("item"),
            "type": "function_call",
            "status": "in_progress",
            "call_id": new_id("call"),
            "name": call.tool,
            "arguments": "",
        }
        item = ServerItem(wire)
        item.read.set()
        ids = self._begin(item)
        more = {**ids, "call_id": wire["call_id"]}
        fits = self._running.spend_call(call.tool, call.arguments)
        half = len(call.arguments) // 2
        for chunk in (call.arguments[:half], call.arguments[half:] if fits else ""):
            if chunk:
                self._session.send("response.function_call_arguments.delta", **more, delta=chunk)
            await wait(self._running, self._sim.token_ms)
            if self._running.over():
                wire["status"] = "incomplete"
                self._done(item)
                return
        wire |= {"status": "completed", "arguments": call.arguments}
        self._session.send("response.function_call_arguments.done", **more, name=call.tool, arguments=call.arguments)
        self._done(item)

    def _send_text(self, ids: Json, words: tuple[Word, ...], text: str, sent_chars: int, until_ms: float) -> int:
        """Send the transcript of the words that begin before until_ms. Returns the number of characters sent so far."""
        following = next((word.begin for word in words if word.start_ms >= until_ms), len(text))
        if following > sent_chars:
            delta = self._running.spend_text(text[sent_chars:following])
            if delta:
                self._session.send("response.output_audio_transcript.delta", **ids, delta=delta)
            return sent_chars + len(delta)
        return sent_chars

    def _begin(self, item: ServerItem) -> Json:
        """Send the begin of an item. Returns the ids that its other events have."""
        running = self._running
        index, last = len(running.output), next(reversed(self._session.items), None)
        running.output.append(item.wire)
        wire = copy.deepcopy(item.wire)
        self._session.send("response.output_item.added", response_id=running.id, output_index=index, item=wire)
        if running.default:
            self._session.items[item.id] = item
            self._session.send("conversation.item.added", item=wire, previous_item_id=last)
        ids: Json = {"response_id": running.id, "item_id": item.id, "output_index": index}
        return ids if item.wire["type"] == "function_call" else {**ids, "content_index": 0}

    def _end(self, item: ServerItem, content: list[Json]) -> None:
        item.wire["status"] = "incomplete" if self._running.over() else "completed"
        item.wire["content"] = content
        self._done(item)

    def _done(self, item: ServerItem) -> None:
        running = self._running
        wire = copy.deepcopy(item.wire)
        if running.default:
            self._session.send("conversation.item.done", item=wire, previous_item_id=None)
        index = next(k for k, made in enumerate(running.output) if made["id"] == item.id)
        running.output[index] = wire  # the response keeps the item as it was made, even when it is truncated later
        self._session.send("response.output_item.done", response_id=running.id, output_index=index, item=wire)


def _message() -> Json:
    return {"id": new_id("item"), "type": "message", "role": "assistant", "status": "in_progress", "content": []}
