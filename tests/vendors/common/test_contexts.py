"""Vendors' messages with times, as they come on the wire: the words heard are the ones that sounded."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bargein.protocols import TTS
from bargein.vendors.cartesia.speech import CartesiaSpeech
from bargein.vendors.elevenlabs.speech import ElevenLabsSpeech
from tests.vendors.timed import clock_of, spoken

RATE = 8_000
MS = 100  # of each character
TEXTS = {
    "zh": "你好我是你的新助手今天可以帮你预订酒店也可以回答任何问题请告诉我你需要什么帮助",
    "ja": "こんにちは私はあなたの新しい助手です今日はホテルの予約もできますし質問にもお答えします",
    "mixed": "我用iPhone 15。他也用iPhone 15，今天我们一起去公园拍照片，然后回家吃饭睡觉看电视。",
}
Answer = Callable[[str, str], list[dict[str, Any]]]  # context, text -> messages


def sound(chars: int) -> str:
    return base64.b64encode(b"\1\0" * (chars * MS * RATE // 1000)).decode()


def elevenlabs(context: str, text: str) -> list[dict[str, Any]]:
    """A chunk of audio for each six characters, each with the times of its characters."""
    messages = []
    for at in range(0, len(text), 6):
        part = text[at : at + 6]
        starts = [n * MS for n in range(len(part))]
        times = {"chars": list(part), "charStartTimesMs": starts, "charDurationsMs": [MS] * len(part)}
        messages.append({"contextId": context, "audio": sound(len(part)), "alignment": times})
    return messages


def elevenlabs_again(context: str, text: str) -> list[dict[str, Any]]:
    """The same, and each alignment once more, without audio."""
    return [m for message in elevenlabs(context, text) for m in (message, {**message, "audio": None, "isFinal": None})]


def cartesia(context: str, text: str, *, again: bool = False) -> list[dict[str, Any]]:
    """Times of single characters in a script without spaces, as one message for each six of them."""
    messages: list[dict[str, Any]] = []
    for at in range(0, len(text), 6):
        part = [n for n in range(0 if again else at, min(at + 6, len(text))) if not text[n].isspace()]
        times = {
            "words": [text[n] for n in part],
            "start": [n * MS / 1000 for n in part],
            "end": [(n + 1) * MS / 1000 for n in part],
        }
        chunk = {"type": "chunk", "context_id": context, "data": sound(len(text[at : at + 6]))}
        messages += [chunk, {"type": "timestamps", "context_id": context, "word_timestamps": times}]
    return messages


def cartesia_again(context: str, text: str) -> list[dict[str, Any]]:
    """Each message tells all words so far."""
    return cartesia(context, text, again=True)


@asynccontextmanager
async def vendor(answer: Answer) -> AsyncIterator[TTS]:
    """A voice, and a server that answers the whole text of a reply at its end."""
    eleven = answer in (elevenlabs, elevenlabs_again)

    async def handle(socket: ServerConnection) -> None:
        text = ""
        async for message in socket:
            asked = json.loads(message)
            text += asked.get("text" if eleven else "transcript", "")
            if asked.get("close_context") or asked.get("continue") is False:
                context = asked["context_id"]
                for said in answer(context, text.strip()):
                    await socket.send(json.dumps(said))
                done = {"contextId": context, "isFinal": True} if eleven else {"type": "done", "context_id": context}
                await socket.send(json.dumps(done))
                text = ""

    async with serve(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        make: Any = ElevenLabsSpeech if eleven else CartesiaSpeech
        voice = make(api_key="key", base_url=f"ws://127.0.0.1:{port}", rate=RATE)
        try:
            yield voice
        finally:
            await voice.aclose()


@pytest.mark.parametrize("answer", [elevenlabs, elevenlabs_again, cartesia, cartesia_again], ids=lambda a: a.__name__)
@pytest.mark.parametrize("language", ["zh", "ja"])
async def test_so_many_characters_as_sounded_are_recorded(answer: Answer, language: str) -> None:
    text = TEXTS[language]
    async with vendor(answer) as voice:
        clock = clock_of(await spoken(voice, text[:9], text[9:]))
    assert clock.text == text
    for count in (1, 7, 20, 30, 40):
        heard = clock.heard(count * MS)
        assert (heard.text, heard.exact) == (text[:count], True)


@pytest.mark.parametrize("answer", [elevenlabs, elevenlabs_again, cartesia, cartesia_again], ids=lambda a: a.__name__)
async def test_words_and_numbers_among_characters_are_heard_whole(answer: Answer) -> None:
    text = TEXTS["mixed"]
    async with vendor(answer) as voice:
        clock = clock_of(await spoken(voice, text))
    # A clause goes up with a space behind it, which has its own time.
    places = {2: "我用", 7: "我用", 8: "我用iPhone", 10: "我用iPhone", 12: "我用iPhone 15。", 14: "我用iPhone 15。他"}
    assert {count: clock.heard(count * MS).text for count in places} == places
