"""Azure OpenAI: its address and its keys, a conversation with a deployment, and what it refuses."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from bargein import protocols as c
from bargein.errors import UsageError, VendorRefused
from bargein.vendors.azure.access import azure_access
from bargein.vendors.azure.chat import AzureChat
from bargein.vendors.azure.realtime import AzureRealtime
from bargein_simulators.azure import WHISPER, AzureSimulator, azure_app
from bargein_simulators.chat import ChatSimulator
from tests.simulators.serving import serving
from tests.vendors.common.openai_realtime.kit import simulator, talk

KEY = "azure-key-of-ours"


def at(endpoint: str) -> str:
    return azure_access(api_key=KEY, base_url=None, endpoint=endpoint, tokens=None).base_url


def test_an_endpoint_with_or_without_its_path_is_the_general_releases() -> None:
    whole = "https://r.openai.azure.com/openai/v1"
    for endpoint in ("https://r.openai.azure.com", "https://r.openai.azure.com/", f"{whole}/", f"{whole}"):
        assert at(endpoint) == whole
    assert at("https://r.openai.azure.com/openai") == whole


def test_the_previews_address_and_a_missing_one_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="preview"):
        at("https://r.openai.azure.com/openai/realtime?api-version=2024-10-01-preview&deployment=x")
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    with pytest.raises(UsageError, match="AZURE_OPENAI_ENDPOINT"):
        azure_access(api_key=KEY, base_url=None, endpoint=None, tokens=None)
    with pytest.raises(UsageError, match="no key"):
        azure_access(api_key=None, base_url="https://r.example/openai/v1", endpoint=None, tokens=None)


def test_a_part_made_in_a_script_reads_the_resources_endpoint_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BARGEIN_AZURE_URL", raising=False)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    found = azure_access(api_key=None, base_url=None, endpoint=None, tokens=None)
    assert (found.base_url, found.headers) == ("https://r.openai.azure.com/openai/v1", {"api-key": KEY})
    assert KEY not in repr(found)


async def test_a_deployment_converses_and_is_cut() -> None:
    sim = simulator()
    azure = AzureSimulator(sim, key=KEY)
    made = lambda url: AzureRealtime(endpoint=url, api_key=KEY)  # noqa: E731
    async with talk(sim, app=azure_app(azure), made_by=made) as t:
        t.speaks()
        await t.until(lambda: t.text)
        reply = t.line.answer((), spoken=True)
        pieces = [piece async for piece in reply.audio() if isinstance(piece, c.SpeechChunk)]
        reply.cancel()
        reply.truncate(200, None)
        await t.until(lambda: t.sent("conversation.item.truncate"))
    assert sum(piece.pcm.ms for piece in pieces) > 500
    assert azure.asked == ["api-key"]


async def test_a_token_of_entra_is_asked_for_and_taken() -> None:
    sim = simulator()
    azure = AzureSimulator(sim, key=KEY, tokens=frozenset({"token-2"}))
    given: list[str] = []

    async def tokens() -> str:
        given.append(f"token-{len(given) + 1}")
        return "token-2"

    made = lambda url: AzureRealtime(endpoint=url, tokens=tokens)  # noqa: E731
    async with talk(sim, app=azure_app(azure), made_by=made) as t:
        await t.until(lambda: t.sim.sessions and t.sent("session.update"))
    assert azure.asked == ["bearer"]
    assert given


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"deployment": "nothing-here"}, "deployment's name"),
        ({"deployment": WHISPER}, "only transcribes"),
        ({"api_key": "another-key-of-another"}, "AZURE_OPENAI_API_KEY"),
    ],
)
async def test_what_azure_refuses_is_told_in_its_own_terms(given: dict[str, str], says: str) -> None:
    sim = simulator()
    azure = AzureSimulator(sim, key=KEY)
    made = lambda url: AzureRealtime(endpoint=url, **({"api_key": KEY} | given))  # type: ignore[arg-type]  # noqa: E731
    async with talk(sim, app=azure_app(azure), made_by=made) as t:
        await t.until(lambda: t.refused)
    assert isinstance(t.refused, VendorRefused)
    assert says in t.refused.advice
    assert "Azure OpenAI" in t.refused.message
    assert given.get("api_key", KEY) not in str(t.refused)


async def test_the_chat_answers_by_key_and_a_wrong_key_is_named() -> None:
    azure = AzureSimulator(simulator(), chat=ChatSimulator(respond=lambda _: "Good evening.", models=()), key=KEY)
    prompt = c.Prompt("Be short.", (c.UserSaid(1, "hello"),))
    async with serving(azure_app(azure)) as url:
        chat, wrong = (AzureChat(endpoint=url, api_key=key) for key in (KEY, "another-key-of-another"))
        async with aclosing(chat.reply(prompt)) as pieces:
            said = [piece.text async for piece in pieces if isinstance(piece, c.TextDelta)]
        with pytest.raises(VendorRefused, match="AZURE_OPENAI_API_KEY"):
            async with aclosing(wrong.reply(prompt)) as pieces:
                await anext(pieces)
        await chat.aclose()
        await wrong.aclose()
    assert "".join(said) == "Good evening."
