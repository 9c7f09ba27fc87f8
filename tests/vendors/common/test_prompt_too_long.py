"""A prompt that is too long is told apart from every other refusal, in the words of each server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse

from bargein.errors import PromptTooLong, VendorRefused
from bargein.protocols import Prompt, UserSaid
from bargein.vendors.common.context_sizes import DEFAULT_TOKENS, context_tokens
from bargein.vendors.groq.chat import GroqChat
from bargein.vendors.local.ollama import OllamaChat
from bargein.vendors.mistral.chat import VoxtralChat
from bargein.vendors.openai.chat import OpenAIChat, OpenAICompatibleChat
from tests.simulators.serving import serving

PROMPT = Prompt("", [UserSaid(1, "hello")])
OPENAI = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
VLLM = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4850 in the messages)."
NEW_VLLM = "The decoder prompt (length 9000) is longer than the maximum model length of 8192."
GROQ = "Request too large for model `x` in organization `org_1` on tokens per minute (TPM): Limit 8000, Requested 9000"
MISTRAL = "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length"
LLAMA = "the request exceeds the available context size, try increasing it"
TOO_LONG = {
    "openai": (400, {"error": {"message": OPENAI, "type": "invalid_request_error", "code": "context_length_exceeded"}}),
    "groq, by its code": (400, {"error": {"message": "Please reduce", "code": "context_length_exceeded"}}),
    "groq, too many a minute": (413, {"error": {"message": GROQ, "type": "tokens", "code": "rate_limit_exceeded"}}),
    "openai, too many a minute": (429, {"error": {"message": GROQ, "type": "tokens", "code": "rate_limit_exceeded"}}),
    "vllm": (400, {"object": "error", "message": VLLM, "type": "BadRequestError", "code": 400}),
    "vllm, nested": (400, {"error": {"message": NEW_VLLM, "type": "BadRequestError", "code": 400}}),
    "llama.cpp": (400, {"error": {"code": 400, "message": LLAMA, "type": "exceed_context_size_error"}}),
    "llama.cpp, older": (500, {"error": {"code": 500, "message": "Context size has been exceeded."}}),
    "TGI": (422, {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 9000"}),
    "TGI, with the answer": (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 9000"}),
    "xAI": (400, {"error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."}),
    "Qwen": (400, {"error": {"message": "Range of input length should be [1, 30720]", "code": "invalid_parameter"}}),
    "Kimi": (400, {"error": {"message": "Your request exceeded model token limit: 8192", "type": "invalid_request"}}),
    "GLM": (400, {"error": {"code": "1261", "message": "Prompt 超长"}}),
    "Anthropic": (400, {"error": {"message": "input length and `max_tokens` exceed context limit: 190000 + 20000"}}),
    "a server on FastAPI": (400, {"detail": "Input is too long for requested model."}),
    "a proxy": (413, {"detail": "Payload Too Large"}),
}
OTHERS = {
    "a wrong model": (404, {"error": {"message": "The model does not exist", "code": "model_not_found"}}),
    "a wrong value": (400, {"error": {"message": "temperature must be at most 2", "code": "invalid_value"}}),
    "a long description": (400, {"error": {"message": "Invalid 'description': string too long. Expected 1024"}}),
    "a long field": (400, {"error": {"message": "Invalid input length for field 'name'"}}),
    "max_tokens": (400, {"error": {"message": "max_tokens is too large: 999999", "code": "invalid_value"}}),
}


def refusing(status: int, body: object) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.post("/v1/chat/completions")
    async def completions() -> Response:
        return JSONResponse(body, status)

    return app


@pytest.mark.parametrize("case", TOO_LONG)
async def test_a_prompt_that_is_too_long_is_known_as_such_and_the_advice_says_what_to_do(case: str) -> None:
    async with serving(refusing(*TOO_LONG[case])) as url:
        llm = OpenAICompatibleChat("m", base_url=f"{url}/v1", api_key="sk-secret")
        with pytest.raises(PromptTooLong, match="max_prompt_tokens") as raised:
            [piece async for piece in llm.reply(PROMPT)]
        assert "9000" not in str(raised.value), "nothing of the server's words is passed on"
        await llm.aclose()


@pytest.mark.parametrize("hosted", ["OpenAI", "Mistral"])
async def test_a_prompt_that_is_too_long_for_a_minute_is_not_sent_again(hosted: str) -> None:
    asked: list[int] = []
    app = FastAPI(openapi_url=None)

    @app.post("/v1/chat/completions")
    async def completions() -> Response:
        asked.append(1)
        return JSONResponse(TOO_LONG["openai, too many a minute"][1], 429, {"retry-after": "0.05"})

    async with serving(app) as url:
        llm: OpenAIChat | VoxtralChat
        llm = OpenAIChat(base_url=f"{url}/v1") if hosted == "OpenAI" else VoxtralChat(base_url=url)
        with pytest.raises(PromptTooLong):
            [piece async for piece in llm.reply(PROMPT)]
        await llm.aclose()
    assert len(asked) == 1


@pytest.mark.parametrize("case", OTHERS)
async def test_other_refusals_stay_what_they_are(case: str) -> None:
    async with serving(refusing(*OTHERS[case])) as url:
        llm = OpenAICompatibleChat("m", base_url=f"{url}/v1", api_key="sk-secret")
        with pytest.raises(VendorRefused) as raised:
            [piece async for piece in llm.reply(PROMPT)]
        assert not isinstance(raised.value, PromptTooLong)
        await llm.aclose()


async def test_an_error_in_the_stream_is_read_too() -> None:
    app = FastAPI(openapi_url=None)

    @app.post("/v1/chat/completions")
    async def completions() -> Response:
        async def events() -> AsyncIterator[str]:
            yield 'data: {"error": {"message": "too long", "code": "context_length_exceeded"}}\n\n'

        return StreamingResponse(events(), media_type="text/event-stream")

    async with serving(app) as url:
        llm = OpenAICompatibleChat("m", base_url=f"{url}/v1", api_key="sk-secret")
        with pytest.raises(PromptTooLong):
            [piece async for piece in llm.reply(PROMPT)]
        await llm.aclose()


@pytest.mark.parametrize("code", ["3051", 3051, None])
async def test_mistral_says_it_in_its_own_words(code: object) -> None:
    body = {"object": "error", "message": MISTRAL, "type": "invalid_request_prompt", "param": None, "code": code}
    async with serving(refusing(400, body)) as url:
        llm = VoxtralChat(base_url=url, api_key="secret")
        with pytest.raises(PromptTooLong):
            [piece async for piece in llm.reply(PROMPT)]
        await llm.aclose()


def test_the_context_is_known_by_the_models_name_and_can_be_given() -> None:
    assert OpenAIChat(api_key="k").context_tokens == 1_000_000
    assert GroqChat(api_key="k").context_tokens == 131_000
    assert VoxtralChat(api_key="k").context_tokens == 32_000
    assert OllamaChat("llama3").context_tokens == 4_000
    assert OpenAICompatibleChat("my-own", api_key="k").context_tokens == DEFAULT_TOKENS
    assert OpenAICompatibleChat("my-own", api_key="k", context_tokens=2_000).context_tokens == 2_000
    assert context_tokens("gpt-4o-mini") == 128_000
    assert context_tokens("gpt-4") == 8_000
