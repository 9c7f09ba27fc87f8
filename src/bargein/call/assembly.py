"""From an agent and a transport to the parts of one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bargein import floor as f
from bargein import protocols as c
from bargein.agent import Agent
from bargein.audio.echo import LineEcho
from bargein.audio.pcm import Samples
from bargein.call.action_runner import ActionRunner
from bargein.call.context import CallContext
from bargein.call.ending import CallEnding
from bargein.call.inbound import InboundHandler
from bargein.call.input.line_watch import LineWatch
from bargein.call.input.machine_judge import MachineJudge
from bargein.call.input.own_words import OwnWords
from bargein.call.input.pause_reader import PauseReader
from bargein.call.input.sound_watch import SoundWatch
from bargein.call.input.speech_watch import SpeechWatch
from bargein.call.input.stt_stream import STTStream
from bargein.call.input.turns import Turns
from bargein.call.input.user_audio import UserAudio, rate_of
from bargein.call.output.client_playout import ClientPlayout
from bargein.call.output.fillers import Fillers
from bargein.call.output.lost_words import LostWords
from bargein.call.output.playout import Playout
from bargein.call.output.reply import Replies, Reply
from bargein.call.output.silence_timer import SilenceTimer
from bargein.call.output.speaker import Speaker
from bargein.call.output.utterance_queue import Utterance, UtteranceQueue
from bargein.call.record.audio import AudioRecording, RecordingPlan
from bargein.call.record.audio_taps import AudioTaps
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import Ledger
from bargein.call.record.outages import Outages
from bargein.call.record.prompt_window import PROMPT_TOKENS, newest
from bargein.call.reply_control import ReplyControl
from bargein.call.reply_progress import ReplyProgress
from bargein.call.reply_starter import ReplyStarter
from bargein.call.responders.chat import ChatResponder
from bargein.call.responders.realtime import RealtimeResponder
from bargein.call.responders.responder import Responder
from bargein.call.runtime import Runtime
from bargein.call.turn_control import TurnControl


@dataclass(frozen=True, slots=True)
class CallParts:
    """What a call is made of, as far as the call itself asks for it."""

    conversation: Conversation
    ledger: Ledger
    user_audio: UserAudio
    stt_stream: STTStream | None
    """None: the words are read in batches, or not at all."""
    sound_watch: SoundWatch
    turns: Turns
    replies: Replies
    playout: Playout | ClientPlayout
    speaker: Speaker
    responder: Responder
    utterances: UtteranceQueue
    reply_starter: ReplyStarter
    progress: ReplyProgress
    inbound: InboundHandler
    action_runner: ActionRunner
    ending: CallEnding
    line_watch: LineWatch | None
    """None: the client is no telephone line, and may be silent."""
    machine: MachineJudge | None
    """None: machines are not listened for."""
    recording: AudioRecording
    audio_taps: AudioTaps
    context: CallContext

    def release(self) -> None:
        """The call is over: no part holds another that holds the first. Memory goes at once, and not when Python's
        collector looks for circles."""
        self.context.release()
        self.user_audio.close()
        self.conversation.release()
        if self.stt_stream is not None:
            self.stt_stream.release()
        self.speaker.release()
        self.responder.release()


def assemble(
    context: CallContext,
    *,
    agent: Agent,
    transport: c.Transport,
    runtime: Runtime,
    floor: f.Floor,
    control: c.CallControl | None,
    outbound: bool = False,
    plan: RecordingPlan | None = None,
) -> CallParts:
    """Make the parts of one call, and connect them. outbound: the call is one of ours."""
    can = transport.capabilities
    conversation, replies = Conversation(), Replies()
    silence = SilenceTimer(context.meter)
    # A browser cancels echoes itself, and tells what its loudspeaker plays. A telephone network does neither for us.
    rate = rate_of(transport.rate_in)
    echo = LineEcho(rate, transport.rate_out) if can.plays_immediately else None
    speech = SpeechWatch(context, floor)
    repair_ms = transport.capabilities.repair_ms
    user_audio = UserAudio(transport.rate_in, runtime.vad, context.now_ms, speech.window, echo, repair_ms)
    sound_watch = SoundWatch(context, floor, user_audio, runtime.sound, runtime.voices)
    speech.also = sound_watch.window
    ledger = Ledger(context, replies, conversation, reports=can.reports)
    own_words = OwnWords(floor, ledger)
    outages = Outages(context)
    connection = _realtime_connection(agent, user_audio, can, conversation)
    stt_stream = _stt_stream(context, agent, connection, user_audio, own_words, outages)
    model = agent.turn_model
    turns = Turns(
        context,
        agent.batch_stt,
        user_audio,
        stt_stream,
        slow=connection is not None,
        judges_sound=model is not None,
    )
    pauses = PauseReader(context, turns, speech, conversation, agent.language, model)
    playout = (
        Playout(replies, transport, context.meter, runtime.lead_ms, echo)
        if can.carries_audio
        else ClientPlayout(replies, transport)
    )
    # Where the client gets its audio from the model, audio of ours does not reach the caller.
    fallback_tts = agent.fallback_tts if can.carries_audio else None

    def completed(reply: Reply) -> None:
        responder.completed(reply)
        ending.reply_completed(reply)

    def lost(reply: Reply) -> None:
        responder.tool_runner.abandon(reply)

    audio_taps = AudioTaps(user_audio, playout, transport.rate_out)
    speaker = Speaker(
        context, replies, playout, agent.tts, fallback_tts, spoken_form=agent.spoken_form, outages=outages, lost=lost
    )

    def say_tool_results() -> None:
        if ending.reason is None:
            utterances.add(Utterance("say", responder.say_tool_results))

    def apologize() -> None:
        said = agent.reprompts
        utterances.add_text(said.get("not_transferred") or said.get("failed", ""), "reprompt")

    responder = _responder(
        context,
        agent,
        connection,
        conversation,
        ledger,
        turns,
        user_audio,
        results_waiting=say_tool_results,
        outages=outages,
        fallback=fallback_tts is not None,
    )
    utterances = UtteranceQueue(context, floor, responder.source_of)
    ending = CallEnding(context, control, responder.tool_runner, apologize, agent.on_failure, transport)
    progress = ReplyProgress(context, replies, playout, ledger, completed, lost)
    machine = MachineJudge(context, floor, turns, user_audio.rate, agent.voicemail if outbound else None)
    conversation.on_user = machine.said
    lost_words = LostWords(context, replies, ledger, responder.source_of)
    turn_control = TurnControl(context, floor, turns, conversation, ledger, responder, stt_stream, own_words, pauses)
    reply_control = ReplyControl(context, floor, replies, playout, speaker, ledger, responder, silence, outages)
    # In a realtime model's own conversation a filler would stand as an answer: the other voice says it.
    voice = agent.tts if connection is None else fallback_tts
    fillers = Fillers(
        context, floor, agent.filler_texts, voice, runtime.fillers, agent.spoken_form, responder.filler_of
    )
    speaker.waits = fillers.waits
    reply_starter = ReplyStarter(
        context, agent, turns, speech, sound_watch, responder, speaker, utterances, lost_words, fillers, machine
    )
    inbound = InboundHandler(context, floor, user_audio, playout, silence, ledger, progress, turn_control, ending)
    recording = AudioRecording(context, plan, audio_taps)
    inbound.on_back = recording.tell_again
    user_audio.on_audio = _listeners(stt_stream, machine)
    if stt_stream is not None:
        stt_stream.on_words = responder.words_came
        stt_stream.on_connected = turns.announce
    return CallParts(
        conversation=conversation,
        ledger=ledger,
        user_audio=user_audio,
        stt_stream=stt_stream,
        sound_watch=sound_watch,
        turns=turns,
        replies=replies,
        playout=playout,
        speaker=speaker,
        responder=responder,
        utterances=utterances,
        reply_starter=reply_starter,
        progress=progress,
        inbound=inbound,
        action_runner=ActionRunner(context, reply_control, reply_starter, turn_control, sound_watch, ending),
        ending=ending,
        machine=machine if machine.listens else None,
        line_watch=LineWatch(inbound.handle, ending.hang_up) if can.plays_immediately else None,
        recording=recording,
        audio_taps=audio_taps,
        context=context,
    )


def _listeners(stt: STTStream | None, machine: MachineJudge) -> Callable[[int, Samples], None] | None:
    """What gets all of the user's audio. None: no part wants it."""
    if not machine.listens:
        return None if stt is None else stt.push_audio
    if stt is None:
        return machine.push_audio
    push_stt, push_machine = stt.push_audio, machine.push_audio

    def both(at: int, samples: Samples) -> None:
        push_stt(at, samples)
        push_machine(at, samples)

    return both


def _realtime_connection(
    agent: Agent, user_audio: UserAudio, can: c.TransportCapabilities, conversation: Conversation
) -> c.RealtimeConnection | None:
    if agent.realtime is None:
        return None
    specs = tuple(tool.spec for tool in agent.tools)
    most = agent.max_prompt_tokens
    config = c.SessionConfig(agent.instructions, agent.language, specs, user_audio.rate, can.mulaw, most)
    return agent.realtime.open(config, lambda: newest(conversation.items, most or PROMPT_TOKENS))


def _stt_stream(
    context: CallContext,
    agent: Agent,
    realtime: c.RealtimeConnection | None,
    user_audio: UserAudio,
    own_words: OwnWords,
    outages: Outages,
) -> STTStream | None:
    """What listens as the user speaks: the realtime model itself, or a streaming STT."""
    connection: c.STTConnection
    if realtime is not None and agent.realtime is not None:
        name, turns, connection = agent.realtime.name, agent.realtime.turns, realtime
    elif (stt := agent.streaming_stt) is not None:
        name, turns, connection = stt.name, stt.turns, stt.open(user_audio.rate)
    else:
        return None
    return STTStream(
        context,
        connection,
        name=name,
        rate=user_audio.rate,
        turns=turns,
        at_ms=user_audio.at,
        is_own=own_words.explain,
        outages=outages,
    )


def _responder(
    context: CallContext,
    agent: Agent,
    connection: c.RealtimeConnection | None,
    conversation: Conversation,
    ledger: Ledger,
    turns: Turns,
    user_audio: UserAudio,
    *,
    results_waiting: Callable[[], None],
    outages: Outages,
    fallback: bool,
) -> Responder:
    """What makes the replies: the realtime model, or the LLM with the TTS."""
    if connection is not None:
        return RealtimeResponder(
            context,
            agent,
            connection,
            conversation,
            ledger,
            turns,
            user_audio,
            results_waiting,
            outages=outages,
            fallback=fallback,
        )
    assert agent.llm is not None  # Agent demands both, or a realtime model
    assert agent.tts is not None
    return ChatResponder(context, agent, agent.llm, agent.tts, conversation, ledger, turns, results_waiting, outages)
