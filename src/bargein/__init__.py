"""Bargein: voice agents that can be interrupted as a person can.

    from bargein import Agent, serve

    agent = Agent(stt=..., llm=..., tts=..., greeting="Good evening, how may I help?")
    serve(agent)

Importing this package imports nothing else: each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bargein.agent import Agent, Greeting, Message
    from bargein.errors import (
        AudioShapeError,
        BargeinError,
        ProtocolError,
        Unavailable,
        UsageError,
        VendorLost,
        VendorRefused,
    )
    from bargein.floor import Policy
    from bargein.protocols import HangUp, RecordingRequest, Transfer
    from bargein.run import create_app, run_call, serve, uvicorn_options
    from bargein.tools import collect_digits, hang_up, recording_consent, tool, transfer_to

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "AudioShapeError",
    "BargeinError",
    "Greeting",
    "HangUp",
    "Message",
    "Policy",
    "ProtocolError",
    "RecordingRequest",
    "Transfer",
    "Unavailable",
    "UsageError",
    "VendorLost",
    "VendorRefused",
    "__version__",
    "collect_digits",
    "create_app",
    "hang_up",
    "recording_consent",
    "run_call",
    "serve",
    "tool",
    "transfer_to",
    "uvicorn_options",
]

_MODULES = {
    "bargein.agent": ("Agent", "Greeting", "Message"),
    "bargein.errors": (
        "AudioShapeError",
        "BargeinError",
        "ProtocolError",
        "Unavailable",
        "UsageError",
        "VendorLost",
        "VendorRefused",
    ),
    "bargein.floor": ("Policy",),
    "bargein.protocols": ("HangUp", "RecordingRequest", "Transfer"),
    "bargein.run": ("create_app", "run_call", "serve", "uvicorn_options"),
    "bargein.tools": ("collect_digits", "hang_up", "recording_consent", "tool", "transfer_to"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """PEP 562: a public name, loaded when it is first used."""
    if name not in _HOME:
        msg = f"module 'bargein' has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
