"""The versions of Pipecat that have the hook we need."""

from __future__ import annotations

import re

import pipecat
from pipecat.transports.base_transport import TransportParams

from bargein.errors import UsageError

OLDEST = "1.14"


def check_version() -> None:
    """Raises UsageError where Pipecat's output cannot be held."""
    if "audio_out_filter" not in TransportParams.model_fields:
        raise UsageError(
            f"pipecat-ai {version()} cannot hold its output: it has no TransportParams.audio_out_filter",
            advice=f"Install pipecat-ai {OLDEST} or later",
        )


def version() -> str:
    """Of the installed Pipecat."""
    found = re.match(r"[\d.]+", str(pipecat.__version__))
    return found.group().rstrip(".") if found else "of an unknown version"
