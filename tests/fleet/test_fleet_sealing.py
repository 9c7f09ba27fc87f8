"""A sealed field opens with its key, in its place, and unchanged; else it is refused with what to do."""

from __future__ import annotations

import pytest

from bargein.errors import MemoryRefused, UsageError
from bargein.fleet.sealing import Seal

KEYED, OTHER, PLAIN = Seal("a key of the fleet"), Seal("a key of another one"), Seal()
VALUE = b"what was heard \x00\xff"


@pytest.mark.parametrize("seal", [KEYED, PLAIN], ids=["key", "plain"])
def test_a_field_opens_in_its_own_place_only(seal: Seal) -> None:
    sealed = seal.close("c1", "turn.1", VALUE)
    assert seal.open("c1", "turn.1", sealed) == VALUE
    assert seal.open("c1", "turn.1", seal.close("c1", "turn.1", b"")) == b""
    for call_id, name in (("c2", "turn.1"), ("c1", "turn.2"), ("c1:turn", "1"), ("", "c1turn.1")):
        with pytest.raises(MemoryRefused, match="greeted anew"):
            seal.open(call_id, name, sealed)


@pytest.mark.parametrize("seal", [KEYED, PLAIN], ids=["key", "plain"])
def test_a_field_that_was_changed_at_any_byte_is_refused(seal: Seal) -> None:
    sealed = seal.close("c1", "turn.1", VALUE)
    changed = [
        sealed[:at] + bytes([sealed[at] ^ bit]) + sealed[at + 1 :] for at in range(len(sealed)) for bit in (1, 128)
    ]
    for each in (*changed, *(sealed[:end] for end in range(len(sealed))), sealed + b"x"):
        with pytest.raises(MemoryRefused) as refused:
            seal.open("c1", "turn.1", each)
        assert "c1" in refused.value.message


@pytest.mark.parametrize(
    ("closed", "opened", "message"),
    [
        (KEYED, OTHER, "another key"),
        (KEYED, PLAIN, "no fleet key is set"),
        (PLAIN, KEYED, "not encrypted, and a fleet key is set"),
    ],
)
def test_a_field_of_another_key_is_refused(closed: Seal, opened: Seal, message: str) -> None:
    with pytest.raises(MemoryRefused, match=message) as refused:
        opened.open("c1", "turn.1", closed.close("c1", "turn.1", VALUE))
    assert "BARGEIN_FLEET_KEY" in refused.value.advice


def test_a_field_of_another_version_is_refused() -> None:
    with pytest.raises(MemoryRefused, match="another version") as refused:
        KEYED.open("c1", "turn.1", b"\x02" + VALUE)
    assert "one version" in refused.value.advice


def test_what_is_encrypted_cannot_be_read_and_is_never_the_same_twice() -> None:
    sealed = [KEYED.close("c1", "turn.1", VALUE) for _ in range(2)]
    assert sealed[0] != sealed[1]
    assert not any(b"heard" in each for each in sealed)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(UsageError, match="too short"):
        Seal("short")
