"""Who may speak. Pure: events in with their times, actions out, a deadline. No clock, no asyncio, no sockets.

floor = Floor(Policy.balanced())
for action in floor.handle(SpeechWindow(at_ms=1000, until_ms=1032, speech=0.9)):
    ...
floor.deadline  # hand in Tick(floor.deadline) when that time has come
"""

from bargein.floor.actions import (DiscardLateReply, Action, Answer, BargeIn, CloseTurn, Cut, DiscardReply, DiscardPrepared, Hold, Ignore, EndCall, Listen, ReadWords, Prepare, Reprompt, Resume, Say, Dismiss, Source)
from bargein.floor.events import (STTChanged, Event, HungUp, Interrupted, Judged, KeyPressed, LevelOnset, PolicyChanged, ReplyEnded, ReplyFailed, ReplyProtected, ReplyStarted, SayRequested, SpeechWindow, Tick, TurnEnded, TurnEnding, TurnResumed, TurnStarted, UserTyped, Words)
from bargein.floor.state import State
from bargein.floor.lexicon import (Lexicon, WordClass)
from bargein.floor.rules import Floor
from bargein.floor.policy import Policy

__all__ = [
    "DiscardLateReply",
    "Action",
    "Answer",
    "BargeIn",
    "CloseTurn",
    "Cut",
    "DiscardReply",
    "STTChanged",
    "Event",
    "Floor",
    "DiscardPrepared",
    "Hold",
    "HungUp",
    "Ignore",
    "Interrupted",
    "Judged",
    "KeyPressed",
    "EndCall",
    "LevelOnset",
    "Lexicon",
    "Listen",
    "ReadWords",
    "Policy",
    "PolicyChanged",
    "Prepare",
    "ReplyEnded",
    "ReplyFailed",
    "ReplyProtected",
    "ReplyStarted",
    "Reprompt",
    "Resume",
    "WordClass",
    "Say",
    "SayRequested",
    "Dismiss",
    "Source",
    "SpeechWindow",
    "State",
    "Tick",
    "TurnEnded",
    "TurnEnding",
    "TurnResumed",
    "TurnStarted",
    "UserTyped",
    "Words",
]
