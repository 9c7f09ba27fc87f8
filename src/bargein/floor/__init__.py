"""Who may speak. Pure: events in with their times, actions out, a deadline. No clock, no asyncio, no sockets.

floor = Floor(Policy.balanced())
for action in floor.handle(SpeechWindow(at_ms=1000, until_ms=1032, speech=0.9)):
    ...
floor.deadline  # hand in Tick(floor.deadline) when that time has come
"""

from bargein.floor.actions import (
    Abandon,
    Action,
    Answer,
    BargeIn,
    Close,
    Cut,
    Drop,
    Hold,
    Ignore,
    Leave,
    Listen,
    Look,
    Reprompt,
    Resume,
    Say,
    Settle,
    Source,
)
from bargein.floor.events import (
    EarsChanged,
    Event,
    HungUp,
    Interrupted,
    Judged,
    KeyPressed,
    LevelOnset,
    PolicyChanged,
    ReplyEnded,
    ReplyFailed,
    ReplyProtected,
    ReplyStarted,
    SayRequested,
    SpeechWindow,
    Tick,
    TurnEnded,
    TurnStarted,
    UserTyped,
    Words,
)
from bargein.floor.ground import State
from bargein.floor.lexicon import Lexicon, Said
from bargein.floor.machine import Floor
from bargein.floor.policy import Policy

__all__ = [
    "Abandon",
    "Action",
    "Answer",
    "BargeIn",
    "Close",
    "Cut",
    "Drop",
    "EarsChanged",
    "Event",
    "Floor",
    "Hold",
    "HungUp",
    "Ignore",
    "Interrupted",
    "Judged",
    "KeyPressed",
    "Leave",
    "LevelOnset",
    "Lexicon",
    "Listen",
    "Look",
    "Policy",
    "PolicyChanged",
    "ReplyEnded",
    "ReplyFailed",
    "ReplyProtected",
    "ReplyStarted",
    "Reprompt",
    "Resume",
    "Said",
    "Say",
    "SayRequested",
    "Settle",
    "Source",
    "SpeechWindow",
    "State",
    "Tick",
    "TurnEnded",
    "TurnStarted",
    "UserTyped",
    "Words",
]
