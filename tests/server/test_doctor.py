"""What `bargein doctor` finds, and what it never shows."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from bargein.errors import VendorRefused
from bargein.server import doctor
from bargein.server.doctor import doctor_command, examine, table
from bargein.server.doctor_findings import Finding
from bargein.server.listening import listen
from bargein_simulators.openai_realtime import RealtimeSimulator, realtime_app
from tests.server.fake_parts import Fake
from tests.server.kit import bare, settings
from tests.server.test_registry import KEY, REGISTRY, fake
from tests.simulators.serving import serving

__all__ = ["fake"]

GROQ = "https://user:password@groq.test/v1"


def found(findings: list[Finding], what: str) -> Finding:
    (one,) = [finding for finding in findings if finding.what.startswith(what)]
    return one


async def test_without_keys_the_local_parts_are_tried_and_the_rest_is_said() -> None:
    findings = await examine(settings(), bare())
    for vendor in (vendor for vendor in REGISTRY.vendors if vendor.key is not None):
        assert vendor.key is not None
        finding = found(findings, vendor.title + " (")
        assert (finding.state, finding.detail) == ("off", "not tried: no key")
        assert finding.advice == f"Set {vendor.key.variables[0]}"
    assert found(findings, "espeak").state == "works"
    assert found(findings, "Moonshine").state == "works"
    assert found(findings, "OpenAI-compatible").detail == "not tried: no OPENAI_BASE_URL"
    assert found(findings, "Twilio").state == "off"
    failing = [finding.what for finding in findings if finding.state == "fails"]
    assert failing == ["Ollama, on this machine (llm)"], "it alone has an address, where nobody answers"


async def test_a_wrong_key_is_one_clear_line_without_the_key(fake: type[Fake]) -> None:
    fake.does = VendorRefused(f"Deepgram refused the key {KEY}", advice="Check it")
    findings = await examine(settings(), bare(DEEPGRAM_API_KEY=KEY))
    flux = found(findings, "Deepgram Flux")
    assert flux == Finding(
        "Deepgram Flux (stt)", "fails", "Deepgram refused the key (the key)", "Check it (DEEPGRAM_API_KEY)"
    )


async def test_a_speech_model_says_a_word_and_a_wrong_key_is_told() -> None:
    sim = RealtimeSimulator(first_audio_ms=0, speed=0, api_key=KEY)
    async with serving(realtime_app(sim), ws=True) as url:
        keys = bare(OPENAI_API_KEY=KEY, BARGEIN_OPENAI_URL=f"{url}/v1")
        findings = await examine(settings(), keys, within_s=4)
        well = found(findings, "OpenAI Realtime (realtime)")
        sim.api_key = "another"
        findings = await examine(settings(), keys, within_s=4)
        refused = found(findings, "OpenAI Realtime (realtime)")
    await sim.speech.aclose()
    assert well.state == "works"
    assert well.detail.startswith("connected, and first sound after ")
    assert refused.state == "fails"
    assert "401" in refused.detail
    assert "OPENAI_API_KEY" in refused.advice


async def test_a_vendor_that_never_answers_holds_nothing_up(fake: type[Fake]) -> None:
    fake.does = "hang"
    findings = await examine(settings(), bare(GROQ_API_KEY=KEY, BARGEIN_GROQ_URL=GROQ), within_s=0.2)
    groq = found(findings, "Groq (llm")
    assert groq.state == "fails"
    assert groq.detail == "Groq did not answer within 0.2 s, at groq.test"


async def test_a_key_without_its_package_fails(fake: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bargein.server.registry.RegisteredPart.installed", property(lambda self: False))
    findings = await examine(settings(), bare(CARTESIA_API_KEY=KEY))
    assert found(findings, "Cartesia") == Finding(
        "Cartesia (tts)", "fails", "not installed", "Install it: pip install 'bargein'"
    )
    assert found(findings, "espeak").state == "off"


async def test_a_port_that_is_taken_is_told(fake: type[Fake]) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        findings = await examine(settings(port=port, public_url="http://a.test", twilio_auth_token=KEY), bare())
    assert found(findings, f"127.0.0.1:{port}").state == "look"
    assert found(findings, "BARGEIN_PUBLIC_URL").state == "look"
    assert found(findings, "Twilio").advice == "Set TWILIO_ACCOUNT_SID, too"


@pytest.mark.parametrize(("state", "code"), [("works", 0), ("off", 0), ("look", 0), ("fails", 1)])
def test_only_what_is_configured_and_fails_makes_the_exit_code_1(
    state: Any, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def examined(_: object) -> list[Finding]:
        return [Finding("Deepgram Flux", state, "[as it is]")]

    monkeypatch.setattr("bargein.server.doctor.examine", examined)
    app = typer.Typer()
    app.command()(doctor_command)
    result = CliRunner().invoke(app, [])
    assert result.exit_code == code
    assert "[as it is]" in result.output


def test_a_setting_that_cannot_be_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARGEIN_PORT", "a-secret-by-mistake")
    app = typer.Typer()
    app.command()(doctor_command)
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert "Change BARGEIN_PORT" in result.output
    assert "a-secret" not in result.output


def test_the_table_shows_every_finding() -> None:
    console = Console(width=120, record=True, file=None)
    with console.capture() as shown:
        console.print(table([Finding("A", "works", "fine"), Finding("B", "fails", "broken", "Mend it")]))
    assert "Mend it" in shown.get()


def test_the_doctor_says_whether_laughs_are_told_by_their_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._sounds().state == "works"
    monkeypatch.setattr(doctor, "installed_front_end", lambda _: None)
    found = doctor._sounds()
    assert (found.state, found.advice[:24]) == ("off", "Install bargein[sound], ")
