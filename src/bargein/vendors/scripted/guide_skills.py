"""What the guide answers: the user's words, and what was told before, in; the whole next reply out. Pure.

The words choose by simple patterns, the surest sign first. What a "yes" means is read from the words that it was
said over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bargein.protocols import SaidOver, UserSaid
from bargein.vendors.common.messages import last_words
from bargein.vendors.scripted.guide_count import HIGHEST, count_wanted, counted, spelled
from bargein.vendors.scripted.guide_words import EXPLANATIONS, LEADS, OFFERS, SMALL_TALK, STOPPED, STORIES

Kind = Literal["story", "count", "explain", "stopped", "talk", "other"]

PERFORMANCES: tuple[Kind, ...] = ("story", "count", "explain")  # long enough to be interrupted and taken up again
REWIND_WORDS = 8  # a sentence broken off after so few words is begun again; a longer one goes on at the word
QUOTE_WORDS = 6

_DO_NOT = re.compile(
    r"\b(stop|no more|enough|quit|do not|don't) (the |this |that |your |with )*"
    r"(counting|telling|talking|explaining|speaking|story|stories|go on|continue|carry on|keep going|talk|speak)\b"
)
_CONTINUE = re.compile(
    r"\b(go on|goes on|continue|carry on|keep going|proceed|the rest|pick up|finish (it|the|your))\b"
)
_WHERE = re.compile(
    r"\bwhere (did|do|were|was|have|had|are) (you|we|i)\b.*\b(stop|stopped|got|get|left|leave|interrupt\w*)\b|"
    r"\bwhere (were we|was i|were you|did you stop)\b|\bhow far\b|\blast (thing|words?|sentence)\b"
)
_REPEAT = re.compile(
    r"\bwhat (did|have|was) (you|that)( just)? (say|said)\b|\b(repeat|say) (that|it)\b|\bcome again\b|\bpardon\b|"
    r"^(what|sorry|huh|repeat)$|\bsay again\b"
)
_AGAIN = re.compile(r"\b(again|once more|start over|from the (start|beginning|top))\b")
_COUNT = re.compile(r"\bcount(ing|down|s)?\b")
_STORY = re.compile(r"\b(story|stories|tale|tales|another one|tell me (something|more))\b")
_EXPLAIN = re.compile(
    r"\b(explain\w*|explanation|how (does|do|did|can|is) .*(work|works|interrupt\w*|stop)|"
    r"barge ?in|interruptions?|interrupting|how it works|how this works|what is this|what's this|what does this)\b"
)
_STOP = re.compile(
    r"\b(stop|stopped|quiet|silence|silent|shut up|enough|hush|wait|weight|hold on|hang on|hold it|pause|"
    r"(one|a|just a) (moment|second|minute)|excuse me|cancel)\b"
)
_YES = re.compile(
    r"^(oh |um |uh |well )*(yes|yeah|yep|yup|sure|of course|please|okay|ok|right|alright|all right|fine)\b"
)
_NO = re.compile(r"^(oh |um |uh |well )*(no|nope|nah|not now|rather not|no thanks|no thank you)\b")
_SENTENCE_END = re.compile(r"[.!?]['\"]?\s+")

SHORT = 4  # words: "yes please do that" is an answer, a longer sentence is judged by what else it says


@dataclass(frozen=True, slots=True)
class SkillReply:
    """What the guide says: an introduction, then the body that can be taken up again. thread: what it belongs to."""

    kind: Kind
    lead: str = ""
    body: str = ""
    thread: int = -1

    @property
    def text(self) -> str:
        return self.lead + self.body


@dataclass(frozen=True, slots=True)
class ToldState:
    """A reply of the past. said: all that was heard of it; heard, rest: of its body, what was and was not heard."""

    kind: Kind
    thread: int
    said: str
    heard: str
    rest: str
    cut: bool


def plan(turn: UserSaid | None, told: Sequence[ToldState]) -> SkillReply:
    if turn is None:
        return SkillReply("talk", body=f"I am still here. {_turns(OFFERS, told)}")
    if turn.text is None or not turn.text.strip():
        return _without_words(told)
    return next(reply for reply in _candidates(turn, turn.text, told) if reply)


def _candidates(turn: UserSaid, text: str, told: Sequence[ToldState]) -> Iterator[SkillReply | None]:
    """What the words could ask for, the surest sign first."""
    words = _folded(text)
    short = len(words.split()) <= SHORT
    if _DO_NOT.search(words):
        yield _stopped(told)
    if _CONTINUE.search(words):
        yield _go_on(told) or SkillReply("talk", body=f"There is nothing left of what I said. {_turns(OFFERS, told)}")
    if _WHERE.search(words):
        yield SkillReply("talk", body=_where(told))
    if _REPEAT.search(words):
        yield _repeat(told)
    if _AGAIN.search(words):
        yield _again(told)
    if _COUNT.search(words):
        yield _count(words, told)
    if _STORY.search(words):
        yield _story(told)
    if _EXPLAIN.search(words):
        yield _explain(told)
    if _STOP.search(words):
        yield _stopped(told)
    if short and _YES.search(words):
        yield _yes(turn.over, told)
    if short and _NO.search(words):
        yield _no(turn.over, told)
    for pattern, answers in SMALL_TALK:
        if re.search(pattern, words):
            yield SkillReply("talk", body=_turns(answers, told).format(offer=_turns(OFFERS, told)))
    quoted = f"I understood: '{' '.join(text.split()[:12])}'."
    yield SkillReply("talk", body=f"{quoted} I am only a script, and have no answer to that. {_turns(OFFERS, told)}")


def _without_words(told: Sequence[ToldState]) -> SkillReply:
    """The user spoke, and the words are unknown: answer the interruption, and by turns go on."""
    last = told[-1] if told else None
    if not any(past.kind in PERFORMANCES for past in told):
        stopped = f"{_stopped_after(last)} That is just what I am here for. " if last and last.cut else ""
        missed = "I could not make out your words, so let me explain. "
        return SkillReply("explain", f"{stopped}{missed}", EXPLANATIONS[0], len(told))
    if last and last.cut and last.kind in PERFORMANCES:
        return SkillReply(
            "stopped",
            body=f"{_stopped_after(last)} I heard your voice, but not the words. Say anything again, and I go on.",
        )
    return _go_on(told) or _story(told)


def _stopped_after(past: ToldState) -> str:
    return f"You stopped me after {_quoted(past.said)}." if past.said else "You stopped me at once."


def _stopped(told: Sequence[ToldState]) -> SkillReply:
    return SkillReply("stopped", body=_turns(STOPPED, told))


def _unfinished(told: Sequence[ToldState]) -> ToldState | None:
    """What can be taken up again: the newest performance that was cut and not finished since. Before there was any,
    a greeting that was cut."""
    performed = [past for past in told if past.kind in PERFORMANCES]
    newest = {past.thread: past for past in performed or told if past.kind in (*PERFORMANCES, "other")}
    left = [past for past in newest.values() if past.rest.strip()]
    return max(left, key=told.index) if left else None


def _quoted(text: str) -> str:
    return f"'{last_words(text, QUOTE_WORDS).rstrip(' ,;:.')}'"


def _go_on(told: Sequence[ToldState]) -> SkillReply | None:
    past = _unfinished(told)
    if past is None:
        return None
    begun = past.heard[max((end.end() for end in _SENTENCE_END.finditer(past.heard)), default=0) :]
    again = begun if past.kind != "count" and len(begun.split()) <= REWIND_WORDS else ""
    rest = (again + ("" if not again or past.rest[:1].isspace() else " ") + past.rest).lstrip(" \n,;:.")
    return SkillReply(past.kind, _turns(LEADS["continue"], told), rest[:1].upper() + rest[1:], past.thread)


def _where(told: Sequence[ToldState]) -> str:
    cut = [past for past in told if past.cut and past.said]
    best = next((past for past in reversed(cut) if past.kind != "stopped"), cut[-1] if cut else None)
    if best is None:
        last = f" The last thing I said was {_quoted(told[-1].said)}." if told else ""
        return f"You have not stopped me yet.{last}"
    more = " Tell me to continue, and I pick it up from there." if _unfinished(told) else ""
    return f"I had got as far as {_quoted(best.said)}.{more}"


def _repeat(told: Sequence[ToldState]) -> SkillReply | None:
    said = next((past.said for past in reversed(told) if past.said), None)
    if said is None:
        return None
    return SkillReply("talk", body=f"I said: '{_SENTENCE_END.split(said)[-1]}'")


def _again(told: Sequence[ToldState]) -> SkillReply | None:
    past = next((past for past in reversed(told) if past.kind in PERFORMANCES), None)
    if past is None:
        return None
    first = next(reply for reply in told if reply.thread == past.thread)
    return SkillReply(past.kind, _turns(LEADS["again"], told), first.heard + first.rest, len(told))


def _count(words: str, told: Sequence[ToldState]) -> SkillReply:
    begin, end = count_wanted(words)
    lead = f"I count from {spelled(begin)} to {spelled(end)}. " if HIGHEST in (begin, end) else ""
    return SkillReply("count", lead, counted(begin, end), len(told))


def _story(told: Sequence[ToldState]) -> SkillReply:
    """The story that was not told last."""
    stories = len({past.thread for past in told if past.kind == "story"})
    return SkillReply("story", _turns(LEADS["story"], told), STORIES[stories % len(STORIES)], len(told))


def _explain(told: Sequence[ToldState]) -> SkillReply:
    begun = [past.heard + past.rest for past in told if past.kind == "explain" and past.thread >= 0]
    times = sum(any(text.startswith(body[:40]) for body in EXPLANATIONS) for text in begun)
    lead = LEADS["explain"][min(times, 1)]
    return SkillReply("explain", lead, EXPLANATIONS[times % len(EXPLANATIONS)], len(told))


def _answered(over: SaidOver | None, told: Sequence[ToldState]) -> str:
    """The words of ours that a short answer belongs to: those it was said over, else our last sentence."""
    if over is not None and over.text.strip():
        return over.text.strip()
    return _SENTENCE_END.split(told[-1].said)[-1] if told else ""


def _yes(over: SaidOver | None, told: Sequence[ToldState]) -> SkillReply:
    answered = _answered(over, told)
    if (offered := _offered(answered, told)) is not None:
        return offered
    if not answered:
        return SkillReply("talk", body=f"Yes to what, I wonder. {_turns(OFFERS, told)}")
    more = "Say continue, and I go on." if _unfinished(told) else _turns(OFFERS, told)
    return SkillReply("talk", body=f"I take your yes as an answer to {_quoted(answered)}. {more}")


def _offered(answered: str, told: Sequence[ToldState]) -> SkillReply | None:
    """The last thing offered in the words that a yes was said over: the one that was sounding."""
    words = _folded(answered)
    last = max(
        (match.start() for pattern in (_CONTINUE, _COUNT, _STORY, _EXPLAIN) for match in pattern.finditer(words)),
        default=None,
    )
    if last is None:
        return None
    tail = words[last:]
    if _CONTINUE.match(tail):
        return _go_on(told)
    if _COUNT.match(tail):
        return _count(tail, told)
    return _story(told) if _STORY.match(tail) else _explain(told)


def _no(over: SaidOver | None, told: Sequence[ToldState]) -> SkillReply:
    answered = _answered(over, told)
    to = f" to {_quoted(answered)}" if answered else ""
    return SkillReply("talk", body=f"All right, no{to}. {_turns(OFFERS, told)}")


def _turns(options: Sequence[str], told: Sequence[ToldState]) -> str:
    """One of several ways to say it, by turns, and never the one that the last reply was made with."""
    chosen = options[len(told) % len(options)]
    if len(options) > 1 and told and chosen.strip() and chosen.strip() in told[-1].said:
        chosen = options[(len(told) + 1) % len(options)]
    return chosen


def _folded(text: str) -> str:
    """Lower case, straight apostrophes, a space for every other mark but a sentence's end and a comma."""
    lower = text.lower().replace("\u2019", "'")
    return " ".join(re.sub(r"[^\w',.?!]+", " ", lower).replace("?", "").replace("!", ".").split()).strip(" .,")
