"""The proof is proved: break any one rule of the floor, and the search must find it."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import bargein.floor
from bargein.floor import Floor, STTChanged
from tests.floor.monitor import Broken
from tests.floor.search import LEVELS, POLICIES, search

ROOM = Path(bargein.floor.__file__).parent
FINE = (0.0, 0.35, 0.6, 0.95)

# what is broken: (file, the rule, its mutant, policy, groups, levels)
MUTANTS = {
    "the agent's own sound counts as speech": (
        "machine", "if w.echo >= self._policy.echo_threshold and", "if w.echo > 1 and", "balanced", "echo", LEVELS),
    "a hold for our own sound goes on": (
        "machine", "            if s.lasted_ms <= p.echo_doubt_ms:", "            if False:", "echoing", "echo", LEVELS),
    "a call is left while somebody speaks": (
        "machine", "                due.append((self._turn_since_ms + p.max_turn_ms, self._turn_too_long))",
        "                due.append((self._turn_since_ms + 1, self._nobody_there))", "leaving", "", LEVELS),
    "a protected reply is held": (
        "machine", "            if self._protected:\n                if voice", "            if False:\n                if voice",
        "balanced", "protect", LEVELS),
    "no echo guard": (
        "machine", "elif voice is not Voice.FIRM and self._guarded():", "elif False:", "balanced", "", LEVELS),
    "speech cuts however short": (
        "machine", "is not Voice.FIRM or lasted < confirm:", "is not Voice.FIRM:", "balanced", "", LEVELS),
    "length alone cuts as soon as words do": (
        "ground", "max(p.confirm_ms, p.alone_ms) if self._by_length", "p.confirm_ms if self._by_length", "alone", "", LEVELS),
    "somebody else's speech cuts": (
        "machine", "if self._far and self.speech.lasted_ms >= p.far_ms:", "if False:", "far", "far", (0.0,)),
    "somebody else's speech holds again and again": (
        "machine", "elif self._far and self._far_said:", "elif False:", "far", "far", (0.0,)),
    "doubtful speech cuts like sure speech": (
        "machine", "if self._doubt or self.speech.peak < p.sure_threshold:", "if self._doubt:", "balanced", "", FINE),
    "sure speech never cuts": (
        "machine", '            self._cut_by_speech(f"lasted {lasted:.0f} ms", out)', "            pass",
        "balanced", "", LEVELS),
    "thinking has no limit": (
        "machine", "due.append((self._reply_due_ms + p.answer_timeout_ms, self._late))", "pass", "balanced", "", LEVELS),
    "a button does not stop a held reply": (
        "machine", '        if not self.live:\n            out.append(do.Ignore(source.value, "nothing to interrupt"))',
        '        if self.state is not State.SPEAKING:\n            out.append(do.Ignore(source.value, "nothing"))',
        "balanced", "hands", LEVELS),
    "something is said over a reply": (
        "machine", "if self.state is State.IDLE and not self._says:", "if not self._says:", "balanced", "", LEVELS),
    "an old reply's end ends the new one": (
        "machine", "    def _on_ended(self, e: ev.ReplyEnded, out: list[Action]) -> None:\n        if e.reply != self.reply or not",
        "    def _on_ended(self, e: ev.ReplyEnded, out: list[Action]) -> None:\n        if not", "balanced", "late", LEVELS),
    "a hang-up is not the end": ("machine", "self._over = True", "self._over = False", "balanced", "", LEVELS),
    "a page's onset holds a protected reply": (
        "machine", '        elif self._protected:\n            why = "this reply is protected"\n',
        '        elif False:\n            why = "this reply is protected"\n', "balanced", "page protect", LEVELS),
    "too short a sound is forgotten": (
        "machine", 'out.append(do.Close(self.turn, f"{self._turn_spoken_ms:.0f} ms of sound is no turn"))', "pass",
        "balanced", "", LEVELS),
    "a stop phrase does not pass a protection": (
        "machine", "if said is Said.STOP:", "if said is Said.STOP and not self._protected:", "balanced", "turns protect",
        LEVELS),
    "the hold is not told": (
        "ground", "        out.append(do.Hold(self.reply, onset_ms, source, why))", "        pass", "balanced", "", LEVELS),
    "a held thought resumes as speech": (
        "ground", "self.state = State.SPEAKING if self._sounding else State.THINKING", "self.state = State.SPEAKING",
        "balanced", "", LEVELS),
    "the agent is said to speak for ever": (
        "ground", "self._sounding = self._protected = self._looking = False\n        self._reply_turn = 0",
        "self._protected = self._looking = False\n        self._reply_turn = 0", "balanced", "", LEVELS),
    "two replies of one number": ("ground", "self.reply += 1", "self.reply += 0", "balanced", "", LEVELS),
    "what never sounded is cut": (
        "ground", "        if self._sounding:\n            out.append(do.Cut(", "        if True:\n            out.append(do.Cut(",
        "balanced", "", LEVELS),
    "first syllables are lost": (
        "ground", "out.append(do.Listen(self.turn, onset_ms - self._policy.pre_roll_ms, why))",
        "out.append(do.Listen(self.turn, onset_ms + 1, why))", "balanced", "", LEVELS),
    "words over a protected reply are forgotten": (
        "ground", "if self._turn_open or self._talking or undecided:", "if self._talking or undecided:", "balanced",
        "protect", LEVELS),
    "a lost reply is nobody's business": (
        "ground", '        out.append(do.Close(turn, f"no reply: {why}"))', "        pass", "balanced", "fail", LEVELS),
    "a guess that was wrong is kept": (
        "machine", 'self._forget("the turn goes on", out)', "pass", "short", "guesses", LEVELS),
    "a guess is made about an old turn": (
        "machine", "trusted and e.at_ms >= self._turn_since_ms:\n            self._prepare(", "trusted:\n            self._begin(1); self._prepare(",
        "short", "guesses", LEVELS),
    "two replies are made ahead": (
        "ground", 'self._forget("another guess was made", out)', "pass", "short", "guesses", LEVELS),
    "keys do not change what was made ahead": (
        "machine", 'self._forget(f"more was said: {why}", out)', "pass", "short", "guesses hands", LEVELS),
    "an onset is decided about before it is heard": (
        "ground", "self._settled = self._excused = self._looking = self._aside = False", "self._settled = True", "balanced", "", LEVELS),
}  # fmt: skip


@contextmanager
def mutated(file: str, rule: str, mutant: str) -> Iterator[type[Floor]]:
    """The floor with one rule broken, in modules of its own."""
    sources = {name: (ROOM / f"{name}.py").read_text() for name in ("ground", "machine")}
    assert sources[file].count(rule) == 1, f"the rule stands {sources[file].count(rule)} times in {file}.py"
    sources[file] = sources[file].replace(rule, mutant)
    made: list[str] = []
    try:
        for name, source in sources.items():
            module = types.ModuleType(f"mutant_{name}")
            made.append(module.__name__)
            sys.modules[module.__name__] = module
            text = source.replace("bargein.floor.state import", "mutant_ground import")
            exec(compile(text, f"{name}.py (mutant)", "exec"), module.__dict__)
        broken: type[Floor] = sys.modules["mutant_machine"].__dict__["Floor"]
        yield broken
    finally:
        for name in made:
            del sys.modules[name]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_found(name: str) -> None:
    file, rule, mutant, policy, groups, levels = MUTANTS[name]
    with mutated(file, rule, mutant) as broken:
        floor = broken(POLICIES[policy])
        if "ears" in groups:
            floor.handle(STTChanged(0, words=True, turns=False))
        with pytest.raises(Broken):
            search(floor, set(groups.split()), levels=levels, most=300_000)


def test_the_floor_as_it_is_passes_the_same_way() -> None:
    """Or every mutant above would be found for nothing."""
    with mutated("machine", "self._over = True", "self._over = bool(1)") as same:
        search(same(POLICIES["instant"]), levels=(0.0, 0.95))
