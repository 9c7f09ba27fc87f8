"""Signatures, by the example of Standard Webhooks' own specification."""

from __future__ import annotations

import pytest

from bargein.server.webhook.signing import keys_of, signed

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def test_the_example_of_the_specification() -> None:
    headers = signed(keys_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_one_secret_replaces_another_both_sign() -> None:
    headers = signed(keys_of(f"{SECRET}, whsec_{'QUJD' * 8}"), "m", 1, BODY)
    assert len(headers["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize(
    "secret", ["", "hunter2", "whsec_", "whsec_QUJD", "whsec_" + "A" * 400, f"{SECRET},", "whsec_ä"]
)
def test_what_is_no_secret_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match="openssl rand") as refused:
        keys_of(secret)
    assert secret in ("", "whsec_") or secret not in str(refused.value)
