"""The rules on the user's speech, window by window: is it the agent's own sound, does it hold, is it enough to cut,
and what follows when it is over."""

from __future__ import annotations

from dataclasses import replace

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.actions import Action, Source
from bargein.floor.endpointing_rules import hear_turn
from bargein.floor.moves import (
    begin_onset,
    carry,
    cut,
    cut_by_speech,
    excuse,
    hold,
    judge_sound,
    open_turn,
    read_words,
    resume,
)
from bargein.floor.speech import Evidence
from bargein.floor.state import FloorState, State

LEVEL_MS = 10.0  # of the sound that the page took for an onset: its level watch needs so much


def on_window(floor: FloorState, w: ev.SpeechWindow, out: list[Action]) -> None:
    """A window of the user's audio was judged."""
    p, speech = floor.policy, floor.speech
    if w.echo >= p.echo.echo_threshold and w.speech >= min(p.hold.hold_threshold, p.hold.loud_threshold):
        on_own_sound(floor, w, out)
        return
    before = speech.evidence
    if speech.push(w, p.hold):
        end_speech(floor, out)
        return
    if speech.evidence is Evidence.SILENT:
        return
    if before is Evidence.SILENT:
        begin_onset(floor)
    elif floor.sound.aside:
        judge_if_due(floor, out)  # a laugh that words follow
    elif floor.onset.aside and not floor.far:
        speech.onset_ms = w.at_ms  # here the caller joins in
        begin_onset(floor)
    consider(floor, out)
    weigh(floor, out)
    if speech.evidence is Evidence.FIRM and floor.turn.open:
        hear_turn(floor, out)


def on_own_sound(floor: FloorState, w: ev.SpeechWindow, out: list[Action]) -> None:
    """The window is the agent's own sound, come back: it is no speech, and a hold that it caused ends."""
    speech, echo = floor.speech, floor.policy.echo
    surely = "" if w.echo > echo.echo_threshold else "perhaps "
    why = f"{surely}the agent's own sound, come back ({w.echo:.2f} of it)"
    by_level = speech.evidence is Evidence.SILENT and speech.lasted_ms <= 0 and w.until_ms >= speech.onset_ms + LEVEL_MS
    heard = speech.evidence is not Evidence.SILENT or by_level
    if floor.state is State.BARGE_IN and not floor.onset.dismissed and heard:
        if speech.lasted_ms <= echo.echo_doubt_ms:
            speech.end()
            floor.onset.dismissed = True
            resume(floor, why, "", out)
            return
    elif not floor.reply.echo_reported:
        floor.reply.echo_reported = True
        out.append(do.Ignore("onset", why))
    if speech.push(replace(w, speech=0.0), floor.policy.hold):
        end_speech(floor, out)


def consider(floor: FloorState, out: list[Action]) -> None:
    """Speech runs: does it hold the reply, or open a turn?"""
    p, speech, reply = floor.policy, floor.speech, floor.reply
    firm = speech.evidence is Evidence.FIRM
    if floor.onset.dismissed:
        return
    if floor.state is State.IDLE:
        if firm:
            open_turn(floor, speech.onset_ms, "the user speaks", out)
            floor.state = State.LISTENING
    elif floor.state in (State.THINKING, State.SPEAKING):
        if reply.protected:
            if firm and not floor.turn.open:
                open_turn(floor, speech.onset_ms, "said over a protected reply, kept", out)
            excuse(floor, "onset", "this reply is protected: what is said over it is kept", out)
            read_if_long(floor, out)
        elif not firm and floor.before_reply(speech.onset_ms):
            excuse(floor, "onset", "faint, and older than this reply", out)
        elif not firm and floor.guarded:
            excuse(floor, "onset", f"faint, within {p.echo.echo_guard_ms:g} ms of the agent's first sound", out)
        elif not firm and floor.wary:
            excuse(floor, "onset", f"faint, after {reply.false_holds} false holds in this reply", out)
        elif floor.far and reply.far_reported:
            floor.onset.aside = True
            excuse(floor, "onset", how_far(floor), out)
        elif p.verdict.confirm_ms == 0:
            cut(floor, Source.ONSET, speech.onset_ms, speech.peak, "policy: on the onset", out)
        else:
            hold(floor, Source.SPEECH, speech.onset_ms, f"speech {speech.peak:.2f}", out)


def weigh(floor: FloorState, out: list[Action]) -> None:
    """Held, and the user speaks: is it enough to cut?"""
    p, speech, onset = floor.policy.verdict, floor.speech, floor.onset
    if floor.state is not State.BARGE_IN or onset.dismissed or speech.evidence is Evidence.SILENT:
        return
    lasted = speech.lasted_ms + onset.carried_ms
    if floor.far and speech.lasted_ms >= p.far_ms:
        onset.aside = floor.reply.far_reported = True
        resume(floor, how_far(floor), "", out)
        return
    judge_if_due(floor, out)
    read_if_long(floor, out)
    confirm = floor.confirm_ms
    if speech.evidence is not Evidence.FIRM or lasted < confirm or floor.wordless:
        return
    if onset.doubt or speech.peak < p.sure_threshold or floor.doubted:
        if lasted >= max(p.other_ms if floor.doubted else p.doubt_ms, confirm):
            peak = f"reached only {speech.peak:.2f}" if speech.peak < p.sure_threshold else "may be another person's"
            doubt = f"read as {onset.doubt}" if onset.doubt else peak
            cut_by_speech(floor, f"lasted {lasted:.0f} ms, though it {doubt}", out)
    elif floor.stt_words and not onset.unreadable and lasted < max(p.confirm_ms, p.look_ms) + p.words_wait_ms:
        return
    else:
        cut_by_speech(floor, f"lasted {lasted:.0f} ms", out)


def how_far(floor: FloorState) -> str:
    below = (floor.turn.own_level_db or 0.0) - (floor.speech.level_db or 0.0)
    return f"{below:.0f} dB softer than the caller's turns: another person's speech"


def judge_if_due(floor: FloorState, out: list[Action]) -> None:
    """Ask for a look at the sound: at `sound_ms`, at `sound_again_ms`, and every `sound_every_ms` after."""
    speech, sound, p = floor.speech, floor.sound, floor.policy.verdict
    if not floor.hears_sound or sound.pending or not p.sound_ms or speech.evidence is not Evidence.FIRM:
        return
    if sound.asked_until_ms:
        # Words that were found are seldom none after all.
        every_ms = p.sound_every_ms * (3 if sound.worded and not sound.unsure else 1)
        due_ms = max(speech.onset_ms + p.sound_again_ms, sound.asked_until_ms + every_ms)
    else:
        due_ms = speech.onset_ms + p.sound_ms
    if speech.until_ms >= due_ms:
        judge_sound(floor, f"{speech.lasted_ms:.0f} ms of sound, undecided", out)


def judge_at_end(floor: FloorState, out: list[Action]) -> None:
    """The sound is over: ask for a last look, if a part of it was not looked at."""
    sound, p = floor.sound, floor.policy.verdict
    asked = floor.hears_sound and p.sound_ms and not sound.pending
    if asked and sound.asked_until_ms < floor.speech.until_ms:
        judge_sound(floor, "the sound is over, undecided", out)


def read_if_long(floor: FloorState, out: list[Action]) -> None:
    """Ask for the words once the speech is long enough to hold one, and again when as much has come since."""
    speech, onset = floor.speech, floor.onset
    if not floor.stt_words or onset.awaiting_words or speech.evidence is not Evidence.FIRM:
        return
    if speech.until_ms - max(speech.onset_ms, onset.asked_until_ms) >= floor.policy.verdict.look_ms:
        read_words(floor, f"{speech.lasted_ms:.0f} ms of speech, undecided", out)


def end_speech(floor: FloorState, out: list[Action]) -> None:
    """The speech is over: resume where it was too little, or wait for its words."""
    speech, onset, p = floor.speech, floor.onset, floor.policy
    firm = speech.evidence is Evidence.FIRM
    unread_ms = speech.until_ms - onset.asked_until_ms
    speech.end()
    floor.sound.aside = False
    if floor.state is State.BARGE_IN and not onset.dismissed:
        if firm:
            judge_at_end(floor, out)
        if not firm:
            resume(floor, f"{speech.lasted_ms:.0f} ms of sound, never clear speech", "", out)
        elif floor.by_length and floor.patience_ms > p.hold.speech_gap_ms:
            carry(floor)  # the longer a phrase was, the likelier it goes on
        elif not floor.stt_words or onset.unreadable:
            carry(floor)
            resume(floor, f"speech ended after {speech.lasted_ms:.0f} ms", "", out)
        elif onset.doubt and not onset.awaiting_words and unread_ms < p.verdict.look_ms / 2:
            resume(floor, f"it read as {onset.doubt}", onset.doubt_text, out)
        elif not onset.awaiting_words or onset.asked_until_ms < speech.until_ms:
            read_words(floor, "the speech is over, undecided", out)
    elif floor.state in (State.THINKING, State.SPEAKING) and firm and floor.stt_words:
        if onset.dismissed or onset.aside:
            return
        read_words(floor, "speech over a reply that was not held", out)
