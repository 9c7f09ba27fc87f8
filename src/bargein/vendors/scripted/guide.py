"""The guide: a small scripted companion, no language model, so that a call has an agent to interrupt.

It keeps nothing between calls: what it said before, and where it was stopped, is worked out from the prompt. Every
reply is a function of the items before it, so the whole text of an interrupted reply can be made again, and it goes
on at the word where the user stopped listening, however little of the rest had been generated.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence

from bargein.protocols import AgentSaid, ConversationItem, Prompt, TextDelta, UserSaid
from bargein.vendors.scripted.guide_skills import SkillReply, ToldState, plan

WORDS_A_DELTA = 3  # as language models write: a cut may come between any two


class Guide:
    """protocols.LLM by shape. One instance serves every call. Never raises."""

    name = "guide"

    async def reply(self, prompt: Prompt) -> AsyncGenerator[TextDelta, None]:
        """The answer to the prompt's last turn, in pieces of three words; the same prompt gets the same answer."""
        words = re.findall(r"\s*\S+\s*?(?=\s|$)", answer(prompt.items))
        for start in range(0, len(words), WORDS_A_DELTA):
            yield TextDelta("".join(words[start : start + WORDS_A_DELTA]))
            await asyncio.sleep(0)  # room for a cut between two pieces


def answer(items: Sequence[ConversationItem]) -> str:
    """The whole text that the guide says after these items."""
    told, turn = _replay(items)
    return plan(turn, told).text


def _replay(items: Sequence[ConversationItem]) -> tuple[list[ToldState], UserSaid | None]:
    """Every reply so far, with what we would have said in full, and the turn that waits for its answer."""
    told: list[ToldState] = []
    turn: UserSaid | None = None
    for item in items:
        match item:
            case UserSaid():
                turn = item if turn is None else _joined(turn, item)
            case AgentSaid():
                told.append(_remember(item, plan(turn, told) if turn else None, len(told)))
                turn = None
            case _:  # a backchannel answers nothing
                pass
    return told, turn


def _joined(first: UserSaid, second: UserSaid) -> UserSaid:
    texts = [said.text for said in (first, second) if said.text]
    return UserSaid(second.turn, " ".join(texts) or None, second.over or first.over)


def _remember(said: AgentSaid, meant: SkillReply | None, index: int) -> ToldState:
    heard, cut = said.text.strip(), said.ended != "completed"
    end = _end_of(heard, meant.text) if meant else None
    if meant is None or end is None:  # a greeting, a re-prompt, words of an operator
        return ToldState("other", index, heard, heard, said.unheard if cut else "", cut)
    at = max(0, end - len(meant.lead))
    return ToldState(meant.kind, meant.thread, heard, meant.body[:at], meant.body[at:] if cut else "", cut)


def _end_of(heard: str, text: str) -> int | None:
    """Where in the text the heard words end; None when they are not its beginning. Spaces may differ, and the last
    word may be cut short."""
    end, words = 0, heard.split()
    for word, match in zip(words, re.finditer(r"\S+", text), strict=False):
        end = match.start() + len(word)
        if match.group() != word and not (word is words[-1] and match.group().startswith(word)):
            return None
    return end if len(words) <= len(text.split()) else None
