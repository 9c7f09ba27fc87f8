"""Settings from arguments and the environment: a wrong one is named by where it was written."""

from __future__ import annotations

import pytest

from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.server.make_settings import make_settings
from bargein.server.telephone.serve import LONGEST_MS
from tests.server.kit import settings, tone_agent, world
from tests.server.telephone.test_twilio import stream


@pytest.mark.parametrize(
    ("variable", "value", "setting"),
    [
        ("BARGEIN_POLICY", "hasty", "'hasty'"),
        ("BARGEIN_PORT", "99999", "port"),
        ("BARGEIN_LEAD_MS", "fast", "lead_ms"),
        ("BARGEIN_PUBLIC_URL", "phone.example", "public_url"),
        ("TWILIO_AUTH_TOKEN", "a b", "twilio_auth_token"),
        ("TWILIO_ACCOUNT_SID", "AC\u00a01", "twilio_account_sid"),
    ],
)
def test_a_wrong_variable_is_named_at_the_start(
    variable: str, value: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError) as wrong:
        make_settings()
    assert setting in wrong.value.message
    if variable != "BARGEIN_POLICY":  # whose advice names the presets
        assert wrong.value.advice == f"Change {variable}"


def test_a_wrong_argument_is_named_as_an_argument_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BARGEIN_PORT", "8080")
    monkeypatch.setenv("BARGEIN_POLICY", "hasty")
    with pytest.raises(UsageError) as wrong:
        make_settings(port=-1, policy="patient")
    assert wrong.value.advice == "Change the option or argument port"
    assert make_settings(policy="patient").policy == "patient"


@pytest.mark.parametrize(("max_call_s", "expected_ms"), [(77.0, 77_000), (None, LONGEST_MS)])
async def test_a_telephone_that_names_no_policy_of_ours_has_the_servers_bounds(
    max_call_s: float | None, expected_ms: float
) -> None:
    chosen = settings(policy="patient", max_call_s=max_call_s)
    async with world(chosen, tone_agent(greeting="one two three " * 9)) as here, stream(here) as phone:
        await phone.start(parameters={"policy": "hasty"})
        await phone.until("media")
        (call_id,) = here.hub.calls.ids
        policy = here.hub.calls.call(call_id).floor.policy
        assert policy.idle.max_call_ms == expected_ms
        assert policy.verdict == Policy.patient().verdict
        await phone.say("stop")
        await phone.closed()
