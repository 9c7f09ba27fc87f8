"""From an agent's parts to those of one call: who listens for words, and who makes the replies."""

from __future__ import annotations

from collections.abc import Callable

from bargein import contracts as c
from bargein import floor as f
from bargein.call.agent import Agent
from bargein.call.answering import Answering
from bargein.call.conversation import Conversation
from bargein.call.ears import Ears
from bargein.call.hearing import Hearing
from bargein.call.ledger import Ledger
from bargein.call.seat import Hands, Seat
from bargein.call.speech import SpeechSeat
from bargein.call.turns import Turns


def speech_line(
    agent: Agent, hearing: Hearing, transport: c.Transport, conversation: Conversation
) -> c.SpeechLine | None:
    """The call's line to the agent's speech model, if that is what it has."""
    if agent.realtime is None:
        return None
    specs = tuple(tool.spec for tool in agent.tools)
    brief = c.Brief(agent.instructions, agent.language, specs, hearing.rate, transport.can.mulaw)
    return agent.realtime.open(brief, lambda: conversation.items)


def streaming_ears(
    agent: Agent,
    line: c.SpeechLine | None,
    hearing: Hearing,
    *,
    feed: Callable[[f.Event], None],
    own: Callable[[str, float, float], bool],
    changed: Callable[[c.EarsLost | None, bool], None],
) -> Ears | None:
    """Who listens as the user speaks: a transcriber, or the speech model itself; None when nobody does."""
    model, transcriber = agent.realtime, agent.transcriber
    ears: Ears | None = None
    if model is not None and line is not None:
        ears = Ears(
            model.name,
            line,
            hearing.rate,
            turns=model.turns,
            feed=feed,
            at_ms=hearing.at,
            own=own,
            changed=changed,
        )
    elif transcriber is not None:
        ears = Ears(
            transcriber.name,
            transcriber.open(hearing.rate),
            hearing.rate,
            turns=transcriber.turns,
            feed=feed,
            at_ms=hearing.at,
            own=own,
            changed=changed,
        )
    if ears is not None:
        hearing.on_sound = ears.sound
    return ears


def seat_of(
    agent: Agent,
    line: c.SpeechLine | None,
    hearing: Hearing,
    ears: Ears | None,
    *,
    conversation: Conversation,
    ledger: Ledger,
    turns: Turns,
    hands: Hands,
) -> Seat:
    """Who makes the replies."""
    seat: Seat
    if line is not None:
        seat = SpeechSeat(agent, line, conversation, ledger, turns, hearing, hands)
    else:
        assert agent.mind is not None  # Agent has seen to both
        assert agent.voice is not None
        seat = Answering(agent, agent.mind, agent.voice, conversation, ledger, turns, hands)
    if ears is not None:
        ears.on_words = seat.words
    return seat
