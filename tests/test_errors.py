"""Which error is which, for a caller who catches them, and what a reader sees of one."""

from __future__ import annotations

import pytest

from bargein import errors
from bargein.errors import (
    AudioShapeError,
    BargeinError,
    ProtocolError,
    Unavailable,
    UsageError,
    VendorLost,
    VendorRefused,
)

EVERY = [UsageError, AudioShapeError, VendorRefused, VendorLost, Unavailable]


@pytest.mark.parametrize("kind", EVERY)
def test_an_error_says_what_happened_and_what_to_do(kind: type[BargeinError]) -> None:
    error = kind("Deepgram refused the key", advice="Set DEEPGRAM_API_KEY")
    assert str(error) == "Deepgram refused the key. Set DEEPGRAM_API_KEY"
    assert (error.message, error.advice) == ("Deepgram refused the key", "Set DEEPGRAM_API_KEY")
    assert isinstance(error, BargeinError)


def test_a_protocol_error_has_a_code_for_machines() -> None:
    error = ProtocolError("A frame without audio", advice="Send samples", code="bad_audio")
    assert (str(error), error.code) == ("A frame without audio. Send samples", "bad_audio")


def test_advice_cannot_be_left_out() -> None:
    with pytest.raises(TypeError):
        UsageError("The VAD was started before")  # type: ignore[call-arg]  # the mistake
    with pytest.raises(TypeError):
        ProtocolError("A frame without audio", advice="Send samples")  # type: ignore[call-arg]  # the mistake


def test_a_caller_who_catches_one_kind_does_not_catch_another() -> None:
    parents = {kind: {other for other in (*EVERY, ProtocolError) if issubclass(kind, other)} for kind in EVERY}
    assert parents == {
        UsageError: {UsageError},
        AudioShapeError: {AudioShapeError, UsageError},
        VendorRefused: {VendorRefused},
        VendorLost: {VendorLost},
        Unavailable: {Unavailable},
    }


def test_the_tree_at_the_top_of_the_file_names_every_error() -> None:
    public = {name for name, value in vars(errors).items() if isinstance(value, type)}
    tree = (errors.__doc__ or "").splitlines()[2:]
    assert public == {line.split()[0] for line in tree if line}
