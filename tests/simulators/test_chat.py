"""The simulated chat server, spoken to with the vendor's own SDK and its own types."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from bargein_simulators.chat import ChatSimulator, Fault, chat_app
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
