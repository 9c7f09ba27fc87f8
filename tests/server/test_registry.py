"""What an agent can be made of, as a page asks for it; parts tried alone; and calls with an agent that was chosen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from bargein.clock import MonotonicClock
from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.server.builder import AgentBuilder, build
from bargein.server.catalogue import Catalogue
from bargein.server.probe import ProbeTimeout, try_part
from bargein.server.registry import RegisteredPart, installed_vendors
from bargein.server.toml_config import AgentChoice
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.option import Option
from bargein_simulators.deepgram_flux import FluxSimulator, flux_app
from tests.server.fake_parts import Fake
from tests.server.kit import TOKEN, World, bare, settings, tone_agent, world
from tests.simulators.serving import serving

KEY = "sk-a-very-secret-key"
REGISTRY = installed_vendors()
GUIDED: dict[str, object] = {"model": {"name": "guide"}, "voice": {"name": "espeak"}, "greeting": "Good day to you."}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    """Stands where Deepgram and Groq would."""
    kind = type("Fresh", (Fake,), {"stuck": asyncio.Event()})

    async def load(self: RegisteredPart) -> object:
        return kind if self.key_variable is not None else await really(self)

    really = RegisteredPart.load
    monkeypatch.setattr(RegisteredPart, "load", load)
    monkeypatch.setattr(RegisteredPart, "installed", property(lambda self: True))
    return kind


@asynccontextmanager
async def opened(environment: Environment) -> AsyncIterator[AgentBuilder]:
    made = AgentBuilder(environment)
    try:
        yield made
    finally:
        await made.aclose()


@asynccontextmanager
async def served(environment: Environment, **chosen: object) -> AsyncIterator[World]:
    """A server whose pages may choose parts."""
    async with world(settings(None, **chosen)) as here, opened(environment) as builder:
        here.server._app.state.hub = replace(here.hub, catalogue=Catalogue(here.hub.catalogue.agents, (), builder))
        here.hub = here.server._app.state.hub
        yield here


# ------------------------------------------------------------------------------------------------- the registry


def test_every_part_has_a_name_of_its_own_within_its_kind() -> None:
    assert len({(part.kind, part.name) for part in REGISTRY.parts}) == len(REGISTRY.parts) == 30
    assert [part.name for part in REGISTRY.of_kind("stt")][:2] == ["deepgram-flux", "deepgram-nova"]
    assert [part.name for part in REGISTRY.of_kind("llm")][:4] == ["groq", "openai", "openai-compatible", "ollama"]
    assert REGISTRY.problems == ()


@pytest.mark.parametrize("part", [part for part in REGISTRY.parts if part.installed], ids=lambda part: part.name)
async def test_every_option_and_every_setting_is_one_that_the_part_s_factory_takes(part: RegisteredPart) -> None:
    everything = _keys() | {setting.variable: "http://127.0.0.1:9/v1" for setting in part.part.settings}
    given = {o.name: o.read(_some(o)) for o in part.part.options}
    arguments = part.arguments(given, "en", bare(**everything))
    if part.part.worker:
        arguments["process"] = (await part.load_worker())()
    made: Any = (await part.load())(**arguments)
    assert made.name
    if hasattr(made, "aclose"):
        await made.aclose()


def _some(option: Option) -> object:
    if option.suggestions:
        return option.suggestions[0]
    return {"number": option.least, "words": ["Bargein"], "text": "en"}[option.kind]


def _keys() -> dict[str, str]:
    return {vendor.key.variables[0]: KEY for vendor in REGISTRY.vendors if vendor.key is not None}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("../../v1/keys", "letters, digits"),
        ("a\r\nHost: x", "letters, digits"),
        ("x" * 201, "at most 200"),
        (7, "letters, digits"),
    ],
)
def test_what_goes_into_addresses_is_looked_at(value: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Option("voice", "Voice").read(value)


def test_numbers_have_bounds() -> None:
    option = Option("eot_threshold", "", kind="number", least=0.5, most=1)
    assert option.read(0.5) == 0.5
    for wrong in (0.4, True, "0.7", float("nan")):
        with pytest.raises(UsageError, match=r"from 0\.5 to 1"):
            option.read(wrong)


def test_a_missing_key_is_named_by_its_variable(fake: type[Fake]) -> None:
    with pytest.raises(Unavailable, match=r"Deepgram Flux has no key\. Set DEEPGRAM_API_KEY"):
        REGISTRY.find("stt", "deepgram-flux").demand(bare())
    REGISTRY.find("stt", "deepgram-flux").demand(bare(DEEPGRAM_API_KEY=KEY))


def test_a_key_for_another_server_is_not_sent_to_openai(fake: type[Fake]) -> None:
    elsewhere = bare(OPENAI_API_KEY=KEY, OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    part = REGISTRY.find("llm", "openai")
    assert part.key_set(elsewhere) is False
    with pytest.raises(Unavailable, match="Choose openai-compatible, or set BARGEIN_OPENAI_URL"):
        part.demand(elsewhere)
    part.demand(elsewhere.with_({"BARGEIN_OPENAI_URL": "https://api.openai.com/v1"}))


# ---------------------------------------------------------------------------------------- agents made of parts


async def test_the_best_parts_are_those_whose_keys_are_set(fake: type[Fake]) -> None:
    async with opened(bare(**_keys())) as builder, build(AgentChoice(), builder) as agent:
        assert agent.description == "Deepgram Flux, Groq, ElevenLabs"
        assert agent.streaming_stt is not None
        assert agent.batch_stt is not None, "reads while the streaming STT is away"
        assert agent.fallback_tts is not None, "and who says that the voice is lost"
        assert agent.llm
    assert fake.closed == 3


async def test_without_a_model_it_is_said_what_would_bring_one(fake: type[Fake]) -> None:
    async with opened(bare(DEEPGRAM_API_KEY=KEY)) as builder:
        with pytest.raises(Unavailable, match=r"Set GROQ_API_KEY, OPENAI_API_KEY, .* --simulate"):
            async with build(AgentChoice(), builder):
                pass
    assert fake.closed == 2, "the transcriber and the voice that were made already"


async def test_a_choice_reaches_its_part_with_the_language(fake: type[Fake]) -> None:
    wish = {
        "stt": {"name": "deepgram-flux", "options": {"keyterms": ["Bargein"], "eot_threshold": 0.8}},
        "llm": {"name": "guide"},
        "tts": {"name": "espeak"},
        "language": "de-AT",
    }
    async with opened(bare(DEEPGRAM_API_KEY=KEY)) as builder:
        with pytest.raises(UsageError, match="does not know the language 'de-AT'"):
            async with build(AgentChoice.model_validate(wish), builder):
                pass
    key = fake.given.pop("api_key")
    assert str(key) == "**********"
    assert fake.given == {
        "base_url": None,
        "keyterms": ("Bargein",),
        "eot_threshold": 0.8,
        "language": "de",
        "model": "flux-general-multi",
    }


# ------------------------------------------------------------------------------------------------ parts alone


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("tts", "aura", ""),
        ("llm", "groq", "Hello there."),
        ("stt", "deepgram-flux", "hello you"),
        ("stt", "groq-whisper", "16000"),
    ],
)
async def test_a_part_is_tried_and_closed(fake: type[Fake], kind: Any, name: str, text: str) -> None:
    async with opened(bare(**_keys())) as builder:
        tried = await try_part(builder, MonotonicClock(), kind, name, {})
    assert tried.text == text
    assert fake.closed == 1
    assert not builder.trials


@pytest.mark.parametrize("name", ["aura", "groq", "deepgram-flux", "groq-whisper"])
@pytest.mark.parametrize("does", ["hang", VendorRefused("No", advice="Check"), VendorLost("Gone", advice="Again")])
async def test_one_that_hangs_or_fails_is_given_up_and_closed(fake: type[Fake], name: str, does: Any) -> None:
    fake.does = does
    part = next(part for part in REGISTRY.parts if part.name == name)
    async with opened(bare(**_keys())) as builder:
        await try_part(builder, MonotonicClock(), "tts", "espeak", {})  # its start is not part of the time
        with pytest.raises(ProbeTimeout if does == "hang" else type(does)):
            await try_part(builder, MonotonicClock(), part.kind, name, {}, within_s=0.3 if does == "hang" else 5)
    assert fake.closed == 1
    assert not builder.trials


async def test_one_that_will_not_even_be_cancelled_holds_nobody_up(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bargein.server.probe.CLOSE_S", 0.05)
    fake.does = "cling"
    async with opened(bare(**_keys())) as builder:
        with pytest.raises(ProbeTimeout):
            await try_part(builder, MonotonicClock(), "tts", "aura", {}, within_s=0.05)
        (left,) = builder.trials
        fake.stuck.set()
        await asyncio.wait({left})


# -------------------------------------------------------------------------------------------------- the routes


async def test_the_page_sees_which_keys_are_set_and_no_key() -> None:
    async with served(bare(GROQ_API_KEY=KEY)) as here:
        answer = await here.http.get("/parts")
    assert KEY not in answer.text
    told = {(part["kind"], part["name"]): part for part in answer.json()["parts"]}
    assert told["llm", "groq"]["key_set"] is True
    assert told["tts", "aura"]["key_set"] is False
    assert told["tts", "aura"]["variable"] == "DEEPGRAM_API_KEY"
    assert told["tts", "espeak"]["key_set"] is None


async def test_parts_are_tried_over_http() -> None:
    async with served(bare()) as here:
        tried = await here.http.post("/parts/try", json={"kind": "tts", "name": "espeak"})
        guide = await here.http.post("/parts/try", json={"kind": "llm", "name": "guide"})
        read = await here.http.post("/parts/try", json={"kind": "stt", "name": "moonshine"})
        keyless = await here.http.post("/parts/try", json={"kind": "tts", "name": "aura"})
        unknown = await here.http.post("/parts/try", json={"kind": "tts", "name": "nobody"})
        option = await here.http.post(
            "/parts/try", json={"kind": "tts", "name": "espeak", "options": {"base_url": "http://x"}}
        )
    assert tried.status_code == 200
    assert 0 < tried.json()["first_ms"] <= tried.json()["ms"]
    assert guide.json()["text"]
    assert "hear me" in read.json()["text"].lower()
    assert keyless.status_code == 409
    assert keyless.json()["error"]["code"] == "unavailable"
    assert unknown.status_code == option.status_code == 422
    assert "has no option 'base_url'" in option.json()["error"]["message"]


async def test_a_vendor_s_error_holds_no_key_and_a_third_try_waits(fake: type[Fake]) -> None:
    fake.does = VendorRefused(f"Wrong key {KEY}", advice=f"Not {KEY}")
    async with served(bare(**_keys())) as here:
        refused = await here.http.post("/parts/try", json={"kind": "tts", "name": "aura"})
        fake.does = "cling"
        two = [asyncio.create_task(here.http.post("/parts/try", json={"kind": "tts", "name": "aura"})) for _ in "ab"]
        builder = here.hub.catalogue.builder
        assert builder is not None
        async with asyncio.timeout(5):
            while len(builder.trials) < 2:
                await here.http.get("/healthz")
        third = await here.http.post("/parts/try", json={"kind": "tts", "name": "aura"})
        fake.stuck.set()
        assert [(await one).status_code for one in two] == [200, 200]
    assert refused.status_code == 502
    assert KEY not in refused.text
    assert third.status_code == 429
    assert third.json()["error"]["code"] == "busy"


async def test_flux_is_tried_on_the_wire_and_a_wrong_key_is_one_clear_error() -> None:
    async with serving(flux_app(FluxSimulator(api_key=KEY)), ws=True) as url:
        answers = []
        for key in (KEY, "another-key"):
            async with served(bare(DEEPGRAM_API_KEY=key, BARGEIN_DEEPGRAM_URL=url.replace("http", "ws"))) as here:
                body = {"kind": "stt", "name": "deepgram-flux"}
                answers.append(await here.http.post("/parts/try", json=body, timeout=10))
    right, wrong = answers
    assert right.json()["text"] == "Hello there, can you help me?"
    assert wrong.status_code == 502
    assert wrong.json()["error"]["code"] == "vendor_refused"
    assert wrong.json()["error"]["advice"] == "Check DEEPGRAM_API_KEY"


async def test_parts_are_for_who_may_call() -> None:
    async with served(bare(), token=TOKEN) as here:
        refused = [await here.http.get("/parts"), await here.http.post("/parts/try", json={})]
        page = (await here.http.post("/token", headers={"Authorization": f"Bearer {TOKEN}"})).json()["token"]
        allowed = await here.http.get("/parts", headers={"Authorization": f"Bearer {page}"})
    assert [answer.status_code for answer in refused] == [401, 401]
    assert allowed.status_code == 200


async def test_a_foreign_page_may_not_try_parts() -> None:
    async with served(bare()) as here:
        body = {"kind": "tts", "name": "espeak"}
        answer = await here.http.post("/parts/try", json=body, headers={"Origin": "http://elsewhere.example"})
    assert answer.status_code == 403


# ------------------------------------------------------------------------------------------------------- calls


async def test_a_call_is_made_of_what_its_hello_chose() -> None:
    async with served(bare()) as here, here.client({"choice": GUIDED | {"preset": "patient"}}) as client:
        welcome = client.messages[0]
        assert welcome["agent"]["llm"] == "guide"  # type: ignore[index]
        assert welcome["agent"]["tts"] == "espeak-ng"  # type: ignore[index]
        assert welcome["policy"]["preset"] == "patient"  # type: ignore[index]
        words = await client.until("words")
        assert str(words["text"]).startswith("Good day")


async def test_its_parts_are_closed_with_the_call(fake: type[Fake]) -> None:
    choice = GUIDED | {"voice": {"name": "aura"}, "transcriber": {"name": "groq-whisper"}}
    async with served(bare(**_keys())) as here:
        async with here.client({"choice": choice}) as client:
            assert client.messages[0]["agent"]["stt"] == "fake"  # type: ignore[index]
            assert fake.closed == 0
        assert await here.nobody_left()
    assert fake.closed == 2


@pytest.mark.parametrize(
    ("choice", "code", "says"),
    [
        (GUIDED | {"transcriber": {"name": "deepgram-flux"}}, "part_missing", "Deepgram Flux has no key"),
        (GUIDED | {"voice": {"name": "nobody"}}, "bad_choice", "There is no tts 'nobody'"),
        (GUIDED | {"voice": "espeak"}, "bad_choice", "key voice"),
        (GUIDED | {"base_url": "x"}, "bad_choice", "has a key base_url"),
        (GUIDED | {"language": "de"}, "bad_choice", "does not know the language 'de'"),
        ("guide", "bad_choice", "The choice"),
    ],
)
async def test_a_choice_that_cannot_be_is_refused_and_another_may_follow(choice: object, code: str, says: str) -> None:
    async with served(bare()) as here, here.client({}) as client:
        await client.send({"type": "hello", "protocol": "bargein.v1", "choice": choice})
        error = await client.until("error")
        assert (error["code"], error["fatal"]) == (code, False)
        assert says in str(error["message"])
        await client.send({"type": "hello", "protocol": "bargein.v1", "choice": None})
        await client.until("welcome")


async def test_where_there_is_no_builder_nothing_can_be_chosen() -> None:
    async with world(settings(), tone_agent()) as here, here.client({}) as client:
        await client.send({"type": "hello", "protocol": "bargein.v1", "choice": GUIDED})
        assert await client.error() == "bad_choice"
        assert (await here.http.get("/parts")).status_code == 404


async def test_the_processes_of_this_machine_are_shared_by_all_who_choose_them() -> None:
    async with opened(bare()) as builder, AsyncExitStack() as stack:
        made: list[Any] = [await builder.make(REGISTRY.find("tts", "espeak"), {}, stack) for _ in range(2)]
        assert made[0]._process is made[1]._process
