"""The rules on all other evidence about the user: the page's level watch, words, the STT's turns, a judge, and the
hard-stop lane of keys, typed words, the button and operators."""

from __future__ import annotations

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.actions import Action, Source
from bargein.floor.lexicon import WordClass
from bargein.floor.moves import (
    answer,
    cut,
    discard_prepared,
    dismiss,
    flush_client,
    hold,
    open_turn,
    prepare,
    resume,
)
from bargein.floor.speech import Evidence
from bargein.floor.speech_rules import weigh
from bargein.floor.state import FloorState, State


def on_level(floor: FloorState, e: ev.LevelOnset, out: list[Action]) -> None:
    """The page has paused the reply by itself: share its hold, or undo it."""
    reply = floor.reply
    firm = floor.speech.evidence is Evidence.FIRM
    if floor.state is State.BARGE_IN and e.reply == reply.id:
        return
    if floor.state is not State.SPEAKING or e.reply != reply.id:
        why = "that reply does not sound"
    elif reply.protected:
        why = "this reply is protected"
    elif floor.onset.dismissed and floor.speech.evidence is not Evidence.SILENT:
        why = "this sound was decided about already"
    elif floor.guarded and not firm:
        why = f"loudness alone, within {floor.policy.echo.echo_guard_ms:g} ms of the agent's first sound"
    elif floor.wary and not firm:
        why = f"loudness alone, after {reply.false_holds} false holds in this reply"
    else:
        hold(floor, Source.PAGE, e.at_ms, "the page heard a clear onset", out)
        return
    out.append(do.Ignore("page", why))
    if floor.live and e.reply == reply.id:
        out.append(do.Resume(e.reply, why))


# ----------------------------------------------------------------------------------------------------------- words


def on_words(floor: FloorState, e: ev.Words, out: list[Action]) -> None:
    """Words were read in the user's speech, or it could not be read."""
    onset = floor.onset
    current = e.reading is None or e.reading == onset.reading
    if e.reading == onset.reading:
        onset.awaiting_words = False
    if e.text is None:
        on_unreadable(floor, current, out)
        return
    meaning, count = floor.lexicon.judge(e.text)
    if floor.unconfirmed and meaning is WordClass.STOP:
        flush_client(floor, f"stop phrase in {e.text.strip()!r}", out)
    if not floor.live or (e.reading != onset.reading and floor.before_reply(e.at_ms)):
        return  # they belong to a turn that is open or was answered: the transcript has them
    if meaning is WordClass.STOP:
        cut(floor, Source.STOP_PHRASE, e.at_ms, 1.0, f"stop phrase in {e.text.strip()!r}", out)
    elif floor.reply.protected:
        on_words_over_protected(floor, e, meaning, current, out)
    elif meaning is WordClass.WORDS and floor.disbelieves(count):
        if not floor.sound.aside:
            floor.sound.said = e.text.strip()
    elif meaning is WordClass.WORDS and is_weak(floor, e):
        onset.doubt = f"a lone {e.text.strip()!r}, as small STTs read sounds"
        onset.doubt_text = e.text.strip()
        if floor.speech.evidence is Evidence.SILENT:
            resume(floor, f"it read as {onset.doubt}", onset.doubt_text, out)
        else:
            weigh(floor, out)
    elif meaning is WordClass.WORDS and is_half_read(floor, e):
        onset.doubt = f"the beginning of a backchannel, {e.text.strip()!r}"
        weigh(floor, out)
    elif meaning is WordClass.WORDS and count >= floor.policy.verdict.min_words + floor.doubted:
        if floor.state is State.BARGE_IN or not onset.dismissed:
            cut(floor, Source.WORDS, e.at_ms, 0.9, f"said {e.text.strip()!r}", out)
    elif floor.state is State.BARGE_IN and current:
        if meaning is WordClass.NOTHING and e.reading is None:
            return
        onset.doubt = {
            WordClass.NOTHING: "nothing readable",
            WordClass.BACKCHANNEL: f"a backchannel, {e.text.strip()!r}",
        }.get(meaning, f"too few words, {e.text.strip()!r}")
        onset.doubt_text = e.text.strip() if meaning is not WordClass.NOTHING else ""
        if floor.speech.evidence is Evidence.SILENT:
            resume(floor, f"it read as {onset.doubt}", onset.doubt_text, out)
        else:
            weigh(floor, out)


def is_half_read(floor: FloorState, e: ev.Words) -> bool:
    """The user still speaks, and the words so far may yet become a backchannel: they are read again before long."""
    speaking = floor.speech.evidence is not Evidence.SILENT
    undecided = floor.state is State.BARGE_IN and not floor.onset.dismissed and speaking
    return undecided and e.reading == floor.onset.reading and floor.lexicon.may_become_backchannel(e.text or "")


def is_weak(floor: FloorState, e: ev.Words) -> bool:
    """A small STT has read one of the words that it makes of sounds, and no look at the sound found words."""
    held = floor.state is State.BARGE_IN and not floor.onset.dismissed
    return held and floor.stt_small and not floor.sound.worded and floor.lexicon.is_weak(e.text or "")


def on_unreadable(floor: FloorState, current: bool, out: list[Action]) -> None:
    """The speech could not be read: the evidence so far must do."""
    if not current or floor.state is not State.BARGE_IN:
        return
    floor.onset.unreadable = True
    if floor.speech.evidence is Evidence.SILENT:
        resume(floor, "it could not be read", "", out)
    else:
        weigh(floor, out)


def on_words_over_protected(
    floor: FloorState, e: ev.Words, meaning: WordClass, current: bool, out: list[Action]
) -> None:
    """A backchannel said over a protected reply is not kept as a turn, if the turn holds no other speech."""
    turn, text = floor.turn, (e.text or "").strip()
    alone = turn.open and turn.since_ms == floor.speech.onset_ms
    silent = floor.speech.evidence is Evidence.SILENT
    if current and alone and silent and meaning in (WordClass.NOTHING, WordClass.BACKCHANNEL):
        dismiss(floor, text, f"read as {meaning.value} over a protected reply", out)
        turn.open = False
        out.append(do.CloseTurn(turn.id, f"{meaning.value}, over a protected reply"))


# ------------------------------------------------------------------------------------------------- the STT's turns


def on_turn_started(floor: FloorState, e: ev.TurnStarted, out: list[Action]) -> None:
    """The STT says that the user took a turn."""
    turn = floor.turn
    meaning, _ = floor.lexicon.judge(e.text)
    if not floor.live:
        if floor.state is State.IDLE:
            open_turn(floor, e.at_ms, "the STT heard a turn begin", out)
            turn.spoken_until_ms = max(turn.spoken_until_ms, floor.now_ms)
            floor.state = State.LISTENING
    elif floor.before_reply(e.at_ms):
        out.append(do.Ignore("turn", "it began before this reply was asked for"))
    elif meaning in (WordClass.STOP, WordClass.BACKCHANNEL):
        on_words(floor, ev.Words(e.at_ms, e.text), out)
    elif floor.reply.protected:
        if not turn.open:
            open_turn(floor, e.at_ms, "said over a protected reply, kept", out)
            turn.spoken_until_ms = max(turn.spoken_until_ms, floor.now_ms)
    elif floor.guarded and floor.speech.evidence is not Evidence.FIRM:
        out.append(do.Ignore("turn", "within the echo guard, and we hear no firm speech"))
    elif floor.policy.verdict.trust_transcriber_turns:
        cut(floor, Source.TURN, e.at_ms, 0.8, "the STT heard a turn begin", out)
    elif floor.state is not State.BARGE_IN:
        hold(floor, Source.TURN, e.at_ms, "the STT heard a turn begin", out)


def on_turn_ended(floor: FloorState, e: ev.TurnEnded, out: list[Action]) -> None:
    """The STT says that the user's turn is over."""
    if floor.live and e.text:
        on_words(floor, ev.Words(e.at_ms, e.text), out)
    if floor.state is State.LISTENING and floor.policy.verdict.trust_transcriber_turns and not floor.mute:
        if e.at_ms < floor.turn.since_ms:
            out.append(do.Ignore("turn", "what ended is older than the turn that is open"))
        elif floor.now_ms < floor.turn.keys_until_ms:
            out.append(do.Ignore("turn", "another key may follow"))
        else:
            answer(floor, "the STT heard the turn end", out)


def on_turn_ending(floor: FloorState, e: ev.TurnEnding, out: list[Action]) -> None:
    """The STT guesses that the user's turn is over."""
    if floor.live and e.text:
        on_words(floor, ev.Words(e.at_ms, e.text), out)
    trusted = floor.policy.verdict.trust_transcriber_turns and not floor.mute
    if floor.state is State.LISTENING and trusted and e.at_ms >= floor.turn.since_ms:
        prepare(floor, "the STT guesses that the turn is over", out)


def on_turn_resumed(floor: FloorState, e: ev.TurnResumed, out: list[Action]) -> None:
    """The STT guessed wrong."""
    discard_prepared(floor, "the turn goes on", out)


# ------------------------------------------------------------------------------------------ a judge, and the hard lane


def on_judged(floor: FloorState, e: ev.Judged, out: list[Action]) -> None:
    """An outside judge gives the verdict on a hold."""
    if floor.state is not State.BARGE_IN or floor.before_reply(e.at_ms):
        return
    if e.interrupts:
        cut(floor, Source.JUDGE, e.at_ms, e.confidence, f"judged: {e.why}", out)
    else:
        floor.onset.dismissed = True
        resume(floor, f"judged: {e.why}", "", out)


def on_input(floor: FloorState, at_ms: float, source: Source, why: str, out: list[Action]) -> None:
    """Keys and typed text pass every gate, and are the user's turn. More keys may follow; typed text is whole."""
    turn = floor.turn
    was_open = turn.open
    discard_prepared(floor, f"more was said: {why}", out)
    flush_client(floor, why, out)
    if floor.live:
        cut(floor, source, at_ms, 1.0, why, out)
    if was_open:
        out.append(do.Listen(turn.id, at_ms - floor.policy.endpointing.pre_roll_ms, why))
    elif not turn.open:
        open_turn(floor, at_ms, why, out)
    turn.spoken_ms = max(turn.spoken_ms, floor.policy.endpointing.min_turn_ms)  # input is never too short
    turn.spoken_until_ms = max(turn.spoken_until_ms, at_ms)
    floor.state = State.LISTENING
    if source is Source.TYPED and not floor.talking and not floor.mute:
        answer(floor, why, out)


def on_key(floor: FloorState, e: ev.KeyPressed, out: list[Action]) -> None:
    """A key is input, and others may follow within `key_gap_ms`: nothing is said between two keys."""
    on_input(floor, e.at_ms, Source.KEY, f"key {e.key} pressed", out)
    gap_ms = floor.policy.endpointing.key_gap_ms if e.gap_ms is None else e.gap_ms
    floor.turn.keys_until_ms = e.at_ms + (0.0 if e.ends else gap_ms)
    if e.ends and not (floor.talking or floor.mute):
        answer(floor, f"key {e.key} ends the input", out)


def on_interrupted(floor: FloorState, e: ev.Interrupted, out: list[Action]) -> None:
    """The page's button or an operator stops the agent, or it talks to a machine."""
    source = Source(e.by)
    why = {Source.BUTTON: "button pressed", Source.MACHINE: "a machine picked up"}.get(source, "operator")
    if floor.unconfirmed:
        flush_client(floor, why, out)
        if not floor.live:
            return
    if not floor.live:
        out.append(do.Ignore(source.value, "nothing to interrupt"))
        return
    cut(floor, source, e.at_ms, 1.0, why, out)
