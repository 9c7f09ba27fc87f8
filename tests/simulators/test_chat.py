"""The simulated chat server, spoken to with the vendor's own SDK and its own types."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import groq
import numpy as np
import openai
import pytest
from mistralai.client import Mistral
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from bargein_simulators.audio_formats import CompressedEncoder, wav_header
from bargein_simulators.chat import ChatSimulator, Fault, chat_app
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.openai_speech import SpeechSimulator, add_speech
from bargein_simulators.openai_transcriptions import TranscriptionsSimulator, add_transcriptions, transcriptions_app
from tests.simulators.serving import serving

WORDS = "Well, here it is."


@pytest.fixture
def chat() -> ChatSimulator:
    return ChatSimulator(respond=lambda _: WORDS)


@pytest.fixture
async def client(chat: ChatSimulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        serving(chat_app(chat)) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="key-1", max_retries=0, timeout=5) as sdk,
    ):
        yield sdk


async def streamed(client: openai.AsyncOpenAI, model: str = "simulated-chat") -> list[str]:
    stream = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hello?"}], stream=True
    )
    return [chunk.choices[0].delta.content or "" async for chunk in stream]


async def test_a_streamed_answer_comes_token_by_token(chat: ChatSimulator, client: openai.AsyncOpenAI) -> None:
    assert await streamed(client) == ["", "Well,", " here", " it", " is.", ""]
    [served] = chat.served
    await served.over.wait()
    assert served.ended == "completed"
    assert served.sent == ["Well,", " here", " it", " is."]
    assert [(m.role, m.content) for m in served.request.messages] == [("user", "Hello?")]


async def test_every_chunk_is_what_the_vendors_types_say(client: openai.AsyncOpenAI) -> None:
    response = await client.chat.completions.with_raw_response.create(
        model="simulated-chat", messages=[{"role": "user", "content": "Hello?"}], stream=True
    )
    raw = response.http_response
    connections = [line.removeprefix("data: ") async for line in raw.aiter_lines() if line]
    assert connections[-1] == "[DONE]"
    chunks = [ChatCompletionChunk.model_validate(json.loads(line), strict=True) for line in connections[:-1]]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(not chunk.model_extra for chunk in chunks)


async def test_an_answer_in_one_piece_is_what_the_vendors_types_say(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="simulated-chat", messages=[{"role": "user", "content": "Hello?"}], max_tokens=2
    )
    assert answer.choices[0].message.content == "Well, here"
    ChatCompletion.model_validate(answer.model_dump(exclude_unset=True), strict=True)


async def test_it_says_the_users_words_back_unless_told_otherwise() -> None:
    async with serving(chat_app()) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        assert "".join(await streamed(client)).endswith("You said: Hello?")


async def test_it_lists_its_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id for model in (await client.models.list()).data] == ["simulated-chat"]


async def test_an_unknown_model_is_refused(chat: ChatSimulator, client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await streamed(client, model="another")
    assert chat.served[0].ended == "refused"


async def test_a_wrong_key_is_refused(chat: ChatSimulator, client: openai.AsyncOpenAI) -> None:
    chat.api_key = "key-2"
    with pytest.raises(openai.AuthenticationError):
        await streamed(client)
    with pytest.raises(openai.AuthenticationError):
        await client.models.list()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", openai.AuthenticationError),
        ("404", openai.NotFoundError),
        ("429", openai.RateLimitError),
        ("quota", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("drop", openai.APIConnectionError),
        ("error_chunk", openai.APIError),
        ("malformed", json.JSONDecodeError),
    ],
)
async def test_a_fault_comes_once_and_the_next_request_is_well(
    chat: ChatSimulator, client: openai.AsyncOpenAI, fault: Fault, error: type[Exception]
) -> None:
    chat.faults.append(fault)
    with pytest.raises(error):
        await streamed(client)
    assert "".join(await streamed(client)) == WORDS


async def test_a_client_that_goes_away_is_recorded_with_what_it_got(
    chat: ChatSimulator, client: openai.AsyncOpenAI
) -> None:
    chat.faults.append("stall")
    stream = await client.chat.completions.create(
        model="simulated-chat", messages=[{"role": "user", "content": "Hello?"}], stream=True
    )
    texts = [(await anext(stream)).choices[0].delta.content for _ in range(2)]
    await stream.close()
    await chat.served[0].over.wait()
    assert texts == ["", "Well,"]
    assert (chat.served[0].ended, chat.served[0].sent) == ("disconnected", ["Well,"])


async def test_faults_and_the_record_are_there_over_the_wire(chat: ChatSimulator, client: openai.AsyncOpenAI) -> None:
    root = str(client.base_url).removesuffix("v1/")
    assert await client.post(f"{root}simulator/faults", body={"faults": ["empty"]}, cast_to=object) == {"waiting": 1}
    assert await streamed(client) == ["", ""]
    await chat.served[0].over.wait()
    [served] = await client.get(f"{root}simulator/requests", cast_to=list[dict[str, object]])
    assert (served["ended"], served["sent"]) == ("completed", "")


# --------------------------------------------------------------------------- usage, tools, and the wires of the vendors


async def chunks(client: openai.AsyncOpenAI, **more: Any) -> list[dict[str, Any]]:
    asked: Any = {"model": "simulated-chat", "messages": [{"role": "user", "content": "Hello?"}], **more}
    stream = await client.chat.completions.create(**asked, stream=True)
    return [chunk.to_dict() async for chunk in stream]


async def test_usage_comes_in_a_chunk_of_its_own_where_it_is_asked_for(client: openai.AsyncOpenAI) -> None:
    made = await chunks(client, stream_options={"include_usage": True})
    assert made[-1]["choices"] == []
    assert made[-1]["usage"] == {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}
    assert {chunk["usage"] for chunk in made[:-1]} == {None}
    assert all("usage" not in chunk for chunk in await chunks(client))


async def test_a_whole_answer_has_its_usage_and_why_it_ended(client: openai.AsyncOpenAI, chat: ChatSimulator) -> None:
    asked: Any = {"model": "simulated-chat", "messages": [{"role": "user", "content": "Hello?"}]}
    answer = await client.chat.completions.create(**asked, max_tokens=2)
    assert answer.usage is not None
    assert (answer.usage.total_tokens, answer.choices[0].finish_reason) == (3, "length")
    assert (await client.chat.completions.create(**asked)).choices[0].finish_reason == "stop"
    chat.respond = lambda _: [ServedToolCall("weather")]
    called = (await client.chat.completions.create(**asked)).choices[0]
    assert (called.finish_reason, called.message.content) == ("tool_calls", None)
    silent = (await client.chat.completions.create(**asked, tool_choice="none")).choices[0]
    assert silent.message.tool_calls is None


async def test_a_stop_text_ends_the_answer(client: openai.AsyncOpenAI) -> None:
    made = await chunks(client, stop=["it is"])
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in made) == "Well, here"


@pytest.mark.parametrize(
    ("more", "param", "code"),
    [
        ({"n": 2}, "n", "not_simulated"),
        ({"logprobs": True}, "logprobs", "not_simulated"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"max_tokens": "many"}, "max_tokens", "invalid_type"),
    ],
)
async def test_what_it_does_not_do_is_refused_by_name(
    client: openai.AsyncOpenAI, more: dict[str, Any], param: str, code: str
) -> None:
    asked = {"model": "simulated-chat", "messages": [{"role": "user", "content": "Hello?"}], **more}
    body = {name: value for name, value in asked.items() if value is not None}
    with pytest.raises(openai.BadRequestError) as refused:
        await client.post("/chat/completions", body=body, cast_to=ChatCompletion)
    assert (refused.value.type, refused.value.param, refused.value.code) == ("invalid_request_error", param, code)


async def test_a_call_on_demand_comes_once_and_its_result_is_spoken_of() -> None:
    app = chat_app()
    sim: ChatSimulator = app.state.chat
    sim.tool_calls.append(ServedToolCall("weather", '{"city": "Oslo"}'))
    async with serving(app) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        asked: Any = {"model": "simulated-chat", "messages": [{"role": "user", "content": "Hello?"}]}
        message = (await client.chat.completions.create(**asked)).choices[0].message
        assert message.tool_calls is not None
        [call] = message.tool_calls
        asked["messages"] += [message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        assert (await client.chat.completions.create(**asked)).choices[0].message.content == "The tool says: sunny"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_tool_that_must_be_called_is_called(client: openai.AsyncOpenAI, choice: Any) -> None:
    answer = await client.chat.completions.create(
        model="simulated-chat",
        messages=[{"role": "user", "content": "Hello?"}],
        tools=[{"type": "function", "function": {"name": "weather", "parameters": {}}}],
        tool_choice=choice,
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.tool_calls is not None
    [call] = answer.choices[0].message.tool_calls
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("weather", "{}")


async def test_groqs_own_client_finds_its_paths_and_its_usage(chat: ChatSimulator) -> None:
    app = chat_app(chat)
    add_transcriptions(app, TranscriptionsSimulator())
    speech = SpeechSimulator()
    add_speech(app, speech)
    async with serving(app) as url, groq.AsyncGroq(base_url=url, api_key="key-1") as client:
        stream = await client.chat.completions.create(
            model="simulated-chat", messages=[{"role": "user", "content": "Hello?"}], stream=True
        )
        made = [chunk async for chunk in stream]
        assert made[0].x_groq is not None
        assert made[-1].x_groq is not None
        assert made[-1].x_groq.usage is not None
        assert made[-1].x_groq.usage.completion_tokens == 4
        assert [model.id for model in (await client.models.list()).data] == ["simulated-chat"]
        heard = await client.audio.transcriptions.create(model="whisper-large-v3", file=("a.wav", silence()))
        assert heard.text == "Hello there, can you help me?"
        spoken = await client.audio.speech.create(
            model="canopylabs/orpheus-v1-english", voice="hannah", input="Hello.", response_format="wav"
        )
        assert (await spoken.read())[:4] == b"RIFF"
    await speech.speech.aclose()


async def test_mistrals_own_client_gets_the_usage_unasked(chat: ChatSimulator) -> None:
    chat.models = ()
    async with serving(chat_app(chat)) as url, Mistral(api_key="key-1", server_url=url) as client:
        stream = await client.chat.stream_async(
            model="mistral-small-latest", messages=[{"role": "user", "content": "Hello?"}]
        )
        made = [event.data async for event in stream]
    assert made[-1].usage is not None
    assert (made[-1].usage.completion_tokens, made[0].usage) == (4, None)


async def test_transcripts_are_streamed_word_by_word() -> None:
    sim = TranscriptionsSimulator()
    async with (
        serving(transcriptions_app(sim)) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client,
    ):
        stream = await client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=("a.wav", silence()), stream=True
        )
        events = [event async for event in stream]
        assert [event.type for event in events] == ["transcript.text.delta"] * 6 + ["transcript.text.done"]
        deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
        assert ["".join(deltas)] == [event.text for event in events if event.type == "transcript.text.done"]
        whole = await client.audio.transcriptions.create(
            model="whisper-1",
            file=("a.wav", silence()),
            response_format="verbose_json",
            timestamp_granularities=["word"],
        )
        assert whole.words is not None
        assert [word.word for word in whole.words] == ["Hello", "there,", "can", "you", "help", "me?"]
        mp3 = CompressedEncoder("mp3", 24_000)
        file = mp3.push(np.zeros(24_000, np.int16)) + mp3.end()
        await client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", file))
        with pytest.raises(openai.BadRequestError, match="does not give srt"):
            await client.audio.transcriptions.create(
                model="whisper-1", file=("a.wav", silence()), response_format="srt"
            )
    assert sim.served[2].pcm is not None
    assert sim.served[2].pcm.ms == pytest.approx(1_000, abs=60)


async def test_a_wav_without_a_rate_is_no_audio(chat: ChatSimulator) -> None:
    chat.models = ()
    app = chat_app(chat)
    add_transcriptions(app, TranscriptionsSimulator())
    file = wav_header(0) + bytes(32_000)
    said: Any = {"type": "input_audio", "input_audio": {"data": b64encode(file).decode(), "format": "wav"}}
    async with serving(app) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="key-1", max_retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="Invalid file format"):
            await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", file))
        with pytest.raises(openai.BadRequestError, match="audio cannot be read"):
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": [said]}])


def silence() -> bytes:
    """A second of silence as a WAV."""
    return wav_header(16_000) + bytes(32_000)
