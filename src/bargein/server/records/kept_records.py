"""The list of all calls whose records are kept on this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bargein.recorder.story.summary import CallSummary, Summaries

PAGE = 50  # calls
AT_ONCE = 20  # summaries that are made between two looks
READERS = 2  # records that are read at a time; others wait

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which calls are shown. None, or "": any."""

    search: str = ""
    """Words that are all in the call's id, agent, numbers, or in what was said."""
    agent: str = ""
    door: str = ""
    day: str = ""
    """YYYY-MM-DD, in the server's time."""
    ended: str = ""
    """A part of why the call ended."""
    cuts: bool = False
    """Only calls in which the agent was cut."""
    faults: bool = False
    """Only calls in which something failed, or whose record is not whole."""

    def fits(self, call: CallSummary) -> bool:
        """The call is shown."""
        if (self.agent and call.agent != self.agent) or (self.door and call.door != self.door):
            return False
        if (self.cuts and not call.cuts) or (self.faults and not call.faults and call.whole):
            return False
        if self.day and time.strftime("%Y-%m-%d", time.localtime(call.started_s)) != self.day:
            return False
        if self.ended and self.ended.casefold() not in (call.ended_why or "").casefold():
            return False
        words = self.search.casefold().split()
        where = f"{call.call} {call.agent} {call.caller} {call.text}".casefold() if words else ""
        return all(word in where for word in words)


@dataclass(frozen=True, slots=True)
class RecordList:
    """One page of the list."""

    calls: Sequence[CallSummary]
    found: int
    """How many calls fit, on all pages."""
    unread: int
    """Records that were not read yet."""
    agents: Sequence[str]
    doors: Sequence[str]


class KeptRecords:
    """The summaries of one server. Its files are read in a thread, one look at a time."""

    def __init__(self, summaries: Summaries) -> None:
        self._summaries = summaries
        self._one = asyncio.Lock()
        self._readers = asyncio.Semaphore(READERS)

    async def read(self, job: Callable[[], T]) -> T:
        """Have a record read, in a thread. Raises what the job raises."""
        async with self._readers:
            return await asyncio.to_thread(job)

    async def page(self, wanted: RecordFilter, number: int) -> RecordList:
        """number: of the page, from 0 on."""
        async with self._one:
            return await asyncio.to_thread(self._page, wanted, number)

    async def read_all(self) -> None:
        """Make the summaries that are missing. Other looks come between."""
        tried: set[str] = set()
        while True:
            async with self._one:
                more = await asyncio.to_thread(self._make_some, tried)
            if not more:
                return

    def _page(self, wanted: RecordFilter, number: int) -> RecordList:
        known, missing = self._summaries.found()
        fitting = [call for call in known if wanted.fits(call)]
        return RecordList(
            calls=fitting[number * PAGE : (number + 1) * PAGE],
            found=len(fitting),
            unread=len(missing),
            agents=sorted({call.agent for call in known}),
            doors=sorted({call.door for call in known}),
        )

    def _make_some(self, tried: set[str]) -> bool:
        """False: there are no more."""
        _, missing = self._summaries.found()
        left = [name for name in missing if name not in tried]
        for name in left[:AT_ONCE]:
            tried.add(name)
            self._summaries.make(name)
        return len(left) > AT_ONCE
