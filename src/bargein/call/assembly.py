"""From an agent's parts to those of one call: who listens for words, and who makes the replies."""

from __future__ import annotations

from collections.abc import Callable

from bargein import floor as f
from bargein import protocols as c
from bargein.agent import Agent
from bargein.call.input.stt_stream import STTStream
from bargein.call.input.turns import Turns
from bargein.call.input.user_audio import UserAudio
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import Ledger
from bargein.call.responders.chat import ChatResponder
from bargein.call.responders.realtime import RealtimeResponder
from bargein.call.responders.responder import Responder, ResponderHooks


def speech_line(
    agent: Agent, hearing: UserAudio, transport: c.Transport, conversation: Conversation
) -> c.RealtimeConnection | None:
    """The call's line to the agent's speech model, if that is what it has."""
    if agent.realtime is None:
        return None
    specs = tuple(tool.spec for tool in agent.tools)
    brief = c.SessionConfig(agent.instructions, agent.language, specs, hearing.rate, transport.capabilities.mulaw)
    return agent.realtime.open(brief, lambda: conversation.items)


def streaming_ears(
    agent: Agent,
    line: c.RealtimeConnection | None,
    hearing: UserAudio,
    *,
    feed: Callable[[f.Event], None],
    own: Callable[[str, float, float], bool],
    changed: Callable[[c.STTLost | None, bool], None],
) -> STTStream | None:
    """Who listens as the user speaks: a transcriber, or the speech model itself; None when nobody does."""
    model, transcriber = agent.realtime, agent.streaming_stt
    ears: STTStream | None = None
    if model is not None and line is not None:
        ears = STTStream(
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
        ears = STTStream(
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
    line: c.RealtimeConnection | None,
    hearing: UserAudio,
    ears: STTStream | None,
    *,
    conversation: Conversation,
    ledger: Ledger,
    turns: Turns,
    hands: ResponderHooks,
) -> Responder:
    """Who makes the replies."""
    seat: Responder
    if line is not None:
        seat = RealtimeResponder(agent, line, conversation, ledger, turns, hearing, hands)
    else:
        assert agent.llm is not None  # Agent has seen to both
        assert agent.tts is not None
        seat = ChatResponder(agent, agent.llm, agent.tts, conversation, ledger, turns, hands)
    if ears is not None:
        ears.on_words = seat.words
    return seat
