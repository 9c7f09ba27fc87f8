"""The proof is proved: break any one rule of the floor, and the search must find it."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import bargein.floor
from bargein.floor import Floor
from tests.floor.search import LEVELS, QUIET_OR_SURE, begin, search
from tests.floor.small_policies import POLICIES
from tests.floor.world import Broken

pytestmark = pytest.mark.slow

ROOM = Path(bargein.floor.__file__).parent
FINE = (0.0, 0.35, 0.6, 0.95)

# In the order in which they import each other.
RULES = (
    "state",
    "moves",
    "client_rules",
    "ending_rules",
    "endpointing_rules",
    "speech_rules",
    "evidence_rules",
    "sound_rules",
    "reply_rules",
    "timers",
    "rules",
)

# what is broken: (file, the rule, its mutant, policy, groups, levels)
MUTANTS = {
    "the agent's own sound counts as speech": (
        "speech_rules", "if w.echo >= p.echo.echo_threshold and", "if w.echo > 1 and", "balanced", "echo", LEVELS),
    "windows that come late are none": (
        "timers", "due.append((speech.noticed_ms + p.endpointing.deaf_ms", "due.append((speech.until_ms + p.endpointing.deaf_ms",
        "short", "stall", (0.0, 0.95)),
    "a hold for our own sound goes on": (
        "speech_rules", "        if speech.lasted_ms <= echo.echo_doubt_ms:", "        if False:", "echoing", "echo", LEVELS),
    "a call is left while somebody speaks": (
        "timers", "            due.append((turn.since_ms + p.endpointing.max_turn_ms, turn_too_long))",
        "            due.append((turn.since_ms + 1, user_gone))", "leaving", "", LEVELS),
    "a protected reply is held": (
        "speech_rules", "        if reply.protected:\n            if firm", "        if False:\n            if firm",
        "balanced", "protect", LEVELS),
    "no echo guard": (
        "speech_rules", "elif not firm and floor.guarded:", "elif False:", "balanced", "", LEVELS),
    "speech cuts however short": (
        "speech_rules", "is not Evidence.FIRM or lasted < confirm or", "is not Evidence.FIRM or", "balanced", "", LEVELS),
    "length alone cuts as soon as words do": (
        "state", "max(verdict.confirm_ms, verdict.alone_ms) if self.by_length", "verdict.confirm_ms if self.by_length", "alone", "", LEVELS),
    "somebody else's speech cuts": (
        "speech_rules", "if floor.far and speech.lasted_ms >= p.far_ms:", "if False:", "far", "far", (0.0,)),
    "somebody else's speech holds again and again": (
        "speech_rules", "elif floor.far and reply.far_reported:", "elif False:", "far", "far", (0.0,)),
    "doubtful speech cuts like sure speech": (
        "speech_rules", "if onset.doubt or speech.peak < p.sure_threshold or", "if onset.doubt or", "balanced", "", FINE),
    "sure speech never cuts": (
        "speech_rules", '        cut_by_speech(floor, f"lasted {lasted:.0f} ms", out)', "        pass", "balanced", "", LEVELS),
    "thinking has no limit": (
        "timers", "            due.append((max(reply.due_from_ms + _patience_ms(floor), reply.tools_until_ms), reply_late))\n", "",
        "balanced", "", LEVELS),
    "a button does not stop a held reply": (
        "evidence_rules", '    if not floor.live:\n        out.append(do.Ignore(source.value, "nothing to interrupt"))',
        '    if floor.state is not State.SPEAKING:\n        out.append(do.Ignore(source.value, "nothing"))',
        "balanced", "hard", LEVELS),
    "something is said over a reply": (
        "reply_rules", "if floor.state is State.IDLE and not floor.says_waiting and", "if not floor.says_waiting and",
        "balanced", "", LEVELS),
    "an old reply's end ends the new one": (
        "reply_rules", "    if e.reply != floor.reply.id or not floor.live:\n        return\n    reply = floor.reply\n    if reply.sounding:",
        "    if not floor.live:\n        return\n    reply = floor.reply\n    if reply.sounding:", "balanced", "late", LEVELS),
    "a reply that its client does not play goes on": (
        "reply_rules", "    out.append(do.CutStalledReply(e.reply, e.why))\n", "", "short", "unplayed", LEVELS),
    "an old reply's stall ends the new one": (
        "reply_rules", "    if e.reply != floor.reply.id or not floor.live:\n        return\n    out.append(do.CutStalledReply(e.reply,",
        "    if not floor.live:\n        return\n    out.append(do.CutStalledReply(floor.reply.id,", "short", "unplayed", LEVELS),
    "what was not played is forgotten": (
        "reply_rules", "    floor.unconfirmed = e.reply\n", "", "short", "unplayed hard", LEVELS),
    "an end by our own pace is the client's word": (
        "reply_rules", "    if reply.sounding:\n        floor.unconfirmed = 0 if e.confirmed else e.reply\n",
        "", "short", "unplayed hard", LEVELS),
    "a button on a free floor empties nothing": (
        "evidence_rules", "    if floor.unconfirmed:\n        flush_client(floor, why, out)\n", "    if False:\n", "short",
        "unplayed hard", LEVELS),
    "a key on a free floor empties nothing": (
        "evidence_rules", "    flush_client(floor, why, out)\n    if floor.live:\n        cut(floor, source, at_ms",
        "    if floor.live:\n        cut(floor, source, at_ms", "short", "unplayed hard", LEVELS),
    "a stop phrase on a free floor empties nothing": (
        "evidence_rules", '        flush_client(floor, f"stop phrase in {e.text.strip()!r}", out)\n', "        pass\n", "short",
        "unplayed turns", LEVELS),
    "a client is emptied of what has ended": (
        "reply_rules", "    floor.unconfirmed = 0\n", "", "short", "unplayed hard", LEVELS),
    "a hang-up is not the end": ("reply_rules", "floor.over = True", "floor.over = False", "balanced", "", LEVELS),
    "a page's onset holds a protected reply": (
        "evidence_rules", '    elif reply.protected:\n        why = "this reply is protected"\n',
        '    elif False:\n        why = "this reply is protected"\n', "balanced", "page protect", LEVELS),
    "too short a sound is forgotten": (
        "timers", 'out.append(do.CloseTurn(turn.id, f"{turn.spoken_ms:.0f} ms of sound is no turn"))', "pass", "balanced", "",
        LEVELS),
    "a stop phrase does not pass a protection": (
        "evidence_rules", "    if meaning is WordClass.STOP:", "    if meaning is WordClass.STOP and not floor.reply.protected:",
        "balanced", "turns protect", LEVELS),
    "the hold is not told": (
        "moves", "    out.append(do.Hold(floor.reply.id, onset_ms, source, why))", "    pass", "balanced", "", LEVELS),
    "a held thought resumes as speech": (
        "moves", "floor.state = State.SPEAKING if reply.sounding else State.THINKING", "floor.state = State.SPEAKING",
        "balanced", "", LEVELS),
    "the agent is said to speak for ever": (
        "moves", "floor.reply.sounding = floor.reply.protected = floor.onset.awaiting_words = False\n    floor.reply.turn = 0",
        "floor.reply.protected = floor.onset.awaiting_words = False\n    floor.reply.turn = 0", "balanced", "", LEVELS),
    "two replies of one number": ("moves", "reply.id += 1", "reply.id += 0", "balanced", "", LEVELS),
    "what never sounded is cut": (
        "moves", "    if reply.sounding:\n        out.append(do.Cut(", "    if True:\n        out.append(do.Cut(", "balanced", "",
        LEVELS),
    "first syllables are lost": (
        "moves", "out.append(do.Listen(turn.id, onset_ms - floor.policy.endpointing.pre_roll_ms, why))",
        "out.append(do.Listen(turn.id, onset_ms + 1, why))", "balanced", "", LEVELS),
    "words over a protected reply are forgotten": (
        "moves", "if floor.turn.open or floor.talking or undecided:", "if floor.talking or undecided:", "balanced", "protect",
        LEVELS),
    "a lost reply is nobody's business": (
        "moves", '    out.append(do.CloseTurn(turn, f"no reply: {why}"))', "    pass", "balanced", "fail", LEVELS),
    "a lost reply is passed over in silence": (
        "moves", "    if (enough or not reply.reprompting) and", "    if enough and", "balanced", "fail", LEVELS),
    "an apology that is talked over makes the next failure silent": (
        "moves", "    if (enough or not reply.reprompting) and", "    if (enough or (not reply.reprompting and floor.failures < 2)) and",
        "failing", "fail", LEVELS),
    "the agent never gives up": (
        "moves", "floor.failures = min(floor.failures + 1, most)", "floor.failures = 0", "losing", "fail", LEVELS),
    "an apology that is heard makes up for the loss": (
        "reply_rules", "    elif not floor.reply.reprompting:\n        floor.failures = 0", "    else:\n        floor.failures = 0",
        "losing", "fail", LEVELS),
    "a call is given up without a word": (
        "moves", "        reply.giving_up = enough\n", "        floor.left = enough\n", "losing", "fail", LEVELS),
    "a call goes on that was given up": (
        "moves", "    if giving_up:\n", "    if False:\n", "losing", "fail", LEVELS),
    "a call is given up while the user talks": (
        "moves", "    if floor.turn.open or floor.talking or undecided:\n        yield",
        "    if (floor.turn.open or floor.talking or undecided) and not giving_up:\n        yield", "failing", "fail", LEVELS),
    "a tool is no excuse": (
        "timers", "max(reply.due_from_ms + _patience_ms(floor), reply.tools_until_ms)",
        "reply.due_from_ms + _patience_ms(floor)", "waiting", "tools", LEVELS),
    "a filler though nobody waits": (
        "timers", "if not owed or floor", "if floor", "waiting", "tools", LEVELS),
    "a filler comes at once": (
        "timers", "            if (filler_ms := _filler_ms(floor)) is not None:\n                due.append((reply.silent_from_ms + filler_ms,",
        "            if (filler_ms := _filler_ms(floor)) is not None:\n                due.append((reply.silent_from_ms,", "waiting", "tools",
        LEVELS),
    "fillers without end": (
        "timers", "or reply.protected or reply.fillers >= idle.max_fillers:", "or reply.protected:", "waiting", "tools", LEVELS),
    "a turn that goes on has its fillers anew": (
        "moves", "reply.fillers = floor.turn.fillers if turn and turn == floor.turn.id else 0", "reply.fillers = 0", "waiting", "", LEVELS),
    "fillers keep a late reply from being late": (
        "moves", "    reply.due_from_ms = floor.now_ms - waited_ms", "    reply.due_from_ms = floor.now_ms + 60", "waiting", "", LEVELS),
    "the reply behind a filler is forgotten": (
        "reply_rules", '        end_filler(floor, "the filler is over", out)\n', "        free_floor(floor, out)\n", "waiting", "tools", LEVELS),
    "a filler counts as the answer": (
        "moves", "(reply.filler or not reply.sounding):\n        out.append", "not reply.sounding:\n        out.append",
        "waiting", "tools", LEVELS),
    "a filler that is lost is a lost reply": (
        "reply_rules", "    if floor.reply.filler:\n        end_filler(floor, f", "    if False:\n        end_filler(floor, f",
        "waiting losing", "tools fail", LEVELS),
    "a filler that is late is a lost reply": (
        "timers", "    if floor.reply.filler:\n", "    if False:\n", "waiting", "tools", LEVELS),
    "a guess that was wrong is kept": (
        "evidence_rules", 'discard_prepared(floor, "the turn goes on", out)', "pass", "short", "guesses", LEVELS),
    "a guess is made about an old turn": (
        "evidence_rules", "trusted and e.at_ms >= floor.turn.since_ms:\n        prepare(",
        "trusted:\n        from bargein.floor.moves import begin_reply\n        begin_reply(floor, 1); prepare(", "short", "guesses",
        LEVELS),
    "two replies are made ahead": (
        "moves", 'discard_prepared(floor, "another guess was made", out)', "pass", "short", "guesses", LEVELS),
    "keys do not change what was made ahead": (
        "evidence_rules", 'discard_prepared(floor, f"more was said: {why}", out)', "pass", "short", "guesses hard", LEVELS),
    "the agent talks between two keys": (
        "timers", "max(turn.spoken_until_ms + quiet_ms(floor), turn.keys_until_ms)", "turn.spoken_until_ms + quiet_ms(floor)",
        "balanced", "hard", LEVELS),
    "the STT ends a turn of keys": (
        "evidence_rules", "elif floor.now_ms < floor.turn.keys_until_ms:", "elif False:", "short", "guesses hard", LEVELS),
    "the last key waits for another": (
        "evidence_rules", "    if e.ends and not (floor.talking or floor.mute):", "    if False:", "balanced", "hard", LEVELS),
    "a reply goes on into a lost connection": (
        "client_rules", "_end_live_reply(floor, out) if floor.live else 0", "0", "short", "away", LEVELS),
    "a turn is answered while the client is away": (
        "timers", "        return [*due, (floor.away_until_ms, client_gone)]", "        due.append((floor.away_until_ms, client_gone))",
        "short", "away", LEVELS),
    "a client is waited for without end": (
        "timers", "        return [*due, (floor.away_until_ms, client_gone)]", "        return due", "short", "away", LEVELS),
    "something is said to a client that is away": (
        "reply_rules", "and not floor.says_waiting and not floor.mute:", "and not floor.says_waiting:", "short", "away", LEVELS),
    "typed words are answered while the client is away": (
        "evidence_rules", "not floor.talking and not floor.mute:", "not floor.talking and not floor.leaving:", "short", "away hard", LEVELS),
    "an STT's turn is answered while the client is away": (
        "evidence_rules", "verdict.trust_transcriber_turns and not floor.mute:\n        if", "verdict.trust_transcriber_turns:\n        if",
        "short", "away guesses", LEVELS),
    "a reply is made ahead for a client that is away": (
        "evidence_rules", "trusted = floor.policy.verdict.trust_transcriber_turns and not floor.mute",
        "trusted = floor.policy.verdict.trust_transcriber_turns", "short", "away guesses", LEVELS),
    "an answer that was not heard is forgotten": (
        "client_rules", "if reply.turn == turn.id and not turn.open else 0", "if False else 0\n    reply.turn = 0", "short",
        "away hard", LEVELS),
    "the question behind a filler is lost with the connection": (
        "client_rules", "        if not reply.filler:\n", "        if True:\n", "waiting", "tools away", QUIET_OR_SURE),
    "a caller who comes back after all is never apologized to": (
        "client_rules", "    floor.left = False  #", "    #", "losing", "fail away", QUIET_OR_SURE),
    "what the user was saying is lost with the connection": (
        "client_rules", "    elif spoken and not turn.open:", "    elif False:", "balanced", "away", LEVELS),
    "nobody speaks to a client that is back": (
        "client_rules", '    out.append(do.Reprompt(floor.reply.id, e.cause, "the client is back"))', "    end_reply(floor)", "short",
        "away", LEVELS),
    "the goodbye can be talked over": (
        "ending_rules", "    floor.reply.protected = True\n", "", "short", "ending", LEVELS),
    "after the goodbye the call goes on": (
        "rules", "if self.leaving and not self.live and not self.over:", "if False:", "short", "ending", LEVELS),
    "typed words are answered after the goodbye": (
        "evidence_rules", "not floor.talking and not floor.mute:", "not floor.talking and not floor.away:", "short",
        "ending hard", LEVELS),
    "a reply is cut for the goodbye without a word": (
        "ending_rules", "    stop_all(floor, e.why, out)\n    if floor.away", "    if floor.away", "short", "ending", LEVELS),
    "a client that did not come back is still there": (
        "client_rules", "floor.left = floor.over = True", "floor.left = True", "short", "away", LEVELS),
    "a turn is read again and again": (
        "endpointing_rules", "State.LISTENING or floor.pause_read or not", "State.LISTENING or not",
        "pausing", "pauses", (0.0, 0.95)),
    "an old reading ends a turn": (
        "endpointing_rules", "if not here or e.reading != pause.reading or not", "if not here or not", "pausing", "pauses",
        (0.0, 0.95)),
    "a reading of an older turn ends this one": (
        "endpointing_rules", "turn.open and e.turn == turn.id and not floor.mute", "turn.open and not floor.mute",
        "pausing", "pauses", (0.0, 0.95)),
    "after words that hang no more is awaited": (
        "endpointing_rules", "quiet = hang_ms + (open_ms - hang_ms) * score / OPEN", "quiet = open_ms", "pausing", "pauses", (0.0, 0.95)),
    "a reply is made ahead of words that hang": (
        "endpointing_rules", " and pause.score >= PARTS:", ":", "pausing", "pauses", (0.0, 0.95)),
    "a reply is made ahead twice": (
        "endpointing_rules", "and p.make_ahead and not turn.prepared and", "and p.make_ahead and", "pausing", "pauses guesses", (0.0, 0.95)),
    "a hanging turn is waited for without end": (
        "timers", "max(turn.spoken_until_ms + quiet_ms(floor), turn.keys_until_ms)", "max(turn.spoken_until_ms + 2 * quiet_ms(floor), turn.keys_until_ms)",
        "pausing", "pauses", (0.0, 0.95)),
    "a turn is answered while the user speaks": (
        "timers", "            if not floor.talking:\n                due.append((max(turn", "            if True:\n                due.append((max(turn",
        "pausing", "pauses", (0.0, 0.95)),
    "a turn is read while the client is away": (
        "endpointing_rules", "and e.turn == turn.id and not floor.mute", "and e.turn == turn.id", "pausing", "pauses away", (0.0, 0.95)),
    "one look is enough": (
        "sound_rules", "elif sound.empty == 2 or", "elif sound.empty >= 1 or", "looking", "looks", QUIET_OR_SURE),
    "no look is ever enough": (
        "sound_rules", "elif sound.empty == 2 or", "elif", "looking", "looks", QUIET_OR_SURE),
    "one sign is enough": (
        "sound_rules", "other = sound.signs + floor.soft >= 2", "other = sound.signs + floor.soft >= 1", "looking", "looks",
        QUIET_OR_SURE),
    "signs count for nothing": (
        "sound_rules", "other = sound.signs + floor.soft >= 2", "other = False", "looking", "looks", QUIET_OR_SURE),
    "an old look decides": (
        "sound_rules", "if e.look != sound.look or not sound.pending:", "if not sound.pending:", "looking", "looks",
        QUIET_OR_SURE),
    "a look that finds words cuts": (
        "sound_rules", "    sound.empty = 0 if sound.worded else min(sound.empty + 1, 2)\n",
        "    sound.empty = 0 if sound.worded else min(sound.empty + 1, 2)\n    floor.onset.doubt, sound.said = '', 'tell me'\n",
        "looking", "looks", QUIET_OR_SURE),
    "words cut though no words sound": (
        "evidence_rules", "elif meaning is WordClass.WORDS and floor.disbelieves(count):", "elif False:", "looking",
        "looks reads", QUIET_OR_SURE),
    "length cuts though no words sound": (
        "speech_rules", "lasted < confirm or floor.wordless:", "lasted < confirm:", "looking", "looks", QUIET_OR_SURE),
    "a look is waited for without end": (
        "timers", "        due.append((floor.sound.asked_ms + p.verdict.sound_wait_ms, sound_late))\n", "        pass\n",
        "looking", "looks", QUIET_OR_SURE),
    "a call without a judge is asked": (
        "speech_rules", "if not floor.hears_sound or sound.pending", "if sound.pending", "looking", "sound", QUIET_OR_SURE),
    "an onset is decided about before it is heard": (
        "moves", "onset.dismissed = onset.excused = onset.awaiting_words = onset.aside = False", "onset.dismissed = True",
        "balanced", "", LEVELS),
}  # fmt: skip


@contextmanager
def mutated(file: str, rule: str, mutant: str) -> Iterator[type[Floor]]:
    """The floor with one rule broken, in modules of its own."""
    sources = {name: (ROOM / f"{name}.py").read_text() for name in RULES}
    assert sources[file].count(rule) == 1, f"the rule stands {sources[file].count(rule)} times in {file}.py"
    sources[file] = sources[file].replace(rule, mutant)
    made: list[str] = []
    try:
        for name, source in sources.items():
            module = types.ModuleType(f"mutant_{name}")
            made.append(module.__name__)
            sys.modules[module.__name__] = module
            text = re.sub(rf"from bargein\.floor\.({'|'.join(RULES)}) import", r"from mutant_\1 import", source)
            exec(compile(text, f"{name}.py (mutant)", "exec"), module.__dict__)
        broken: type[Floor] = sys.modules["mutant_rules"].__dict__["Floor"]
        yield broken
    finally:
        for name in made:
            del sys.modules[name]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_found(name: str) -> None:
    file, rule, mutant, policy, groups, levels = MUTANTS[name]
    with mutated(file, rule, mutant) as broken:
        floor = begin(broken(POLICIES[policy]), set(groups.split()), stt="reads" in groups)
        with pytest.raises(Broken):
            search(floor, set(groups.split()), levels=levels, most=300_000)


def test_the_floor_as_it_is_passes_the_same_way() -> None:
    """Or every mutant above would be found for nothing."""
    with mutated("reply_rules", "floor.over = True", "floor.over = bool(1)") as same:
        search(same(POLICIES["instant"]), levels=(0.0, 0.95))
