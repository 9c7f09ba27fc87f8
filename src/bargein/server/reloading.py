"""Agents that are loaded again when their files change: `bargein dev`.

New calls get the new agent. Calls that run go on with the one that they began with, whose parts are closed when the
last of these calls is over. A file with a mistake changes nothing: the newest agent that could be loaded answers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import Change, DefaultFilter, awatch, watch

from bargein.errors import BargeinError, UsageError
from bargein.server.agent_file import file_modules, fresh_neighbours
from bargein.server.catalogue import Catalogue, open_agents
from bargein.server.env_file import NAME as ENV_FILE
from bargein.server.env_file import agent_folder, read_env_file
from bargein.server.settings import Settings

if TYPE_CHECKING:
    from bargein.server.calls import Calls

SUFFIXES = (".py", ".toml")
DEBOUNCE_MS = 300  # an editor writes a file in several steps
START_S = 120.0  # for an agent's parts: a model may be loaded
GRACE_S = 10.0  # a connection that was accepted for the former agent may not be a call yet

log = logging.getLogger(__name__)
Changes = Callable[[Path], AsyncIterator[Collection[str]]]
"""Yields the names of files that have changed, whenever some have."""


class AgentFilter(DefaultFilter):
    """watchfiles' filter: what an agent is made of, and no test, cache or environment."""

    def __call__(self, change: Change, path: str) -> bool:
        name = Path(path).name
        if name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py":
            return False
        return (name == ENV_FILE or Path(path).suffix in SUFFIXES) and super().__call__(change, path)


async def changes_in(folder: Path) -> AsyncIterator[Collection[str]]:
    """The files of an agent that have changed."""
    whole = os.path.realpath(folder)  # noqa: ASYNC240  # once, and as quick as any system call
    watched = awatch(
        whole, watch_filter=AgentFilter(), debounce=DEBOUNCE_MS, step=50, ignore_permission_denied=True
    )  # a folder inside may be another user's
    async for found in watched:
        yield sorted({path.removeprefix(whole).lstrip(os.sep) for _, path in found})


def wait_for_change(agent: str) -> bool:
    """Returns when a file of the agent has changed. False: a signal came."""
    for _ in watch(
        agent_folder(agent),
        watch_filter=AgentFilter(),
        debounce=DEBOUNCE_MS,
        raise_interrupt=False,
        ignore_permission_denied=True,
    ):
        return True
    return False


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of a change."""

    files: Collection[str]
    """Those that have changed, in the agent's folder."""
    ms: int
    calls: int
    """Calls that run, and go on with the former agent."""
    error: BargeinError | None = None
    """None: new calls get the new agent."""


class FirstLoadFailed(UsageError):
    """There is no agent to begin with. Another try may succeed once its file has changed."""


class Reloader:
    """Opens the agents that the settings name (OpenAgents), and opens them again when their files change.

    tell: gets what became of each change. changes: None watches the folder of the agent's file.
    """

    def __init__(self, tell: Callable[[Reloaded], None], changes: Changes | None = None) -> None:
        self._tell = tell
        self._changes = changes or changes_in
        self._calls: Calls | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, calls: Calls) -> None:
        """The calls that may run with a former agent."""
        self._calls = calls

    @asynccontextmanager
    async def opened(self, settings: Settings) -> AsyncIterator[Catalogue]:
        """The agents, their parts started. Raises FirstLoadFailed where they cannot be loaded."""
        now = _Generation(settings, again=False)
        try:
            try:
                offered = await self._begun(now)
            except BargeinError as error:
                raise FirstLoadFailed(error.message, advice=error.advice) from error
            self._own(asyncio.create_task(self._watch(settings, offered, now), name="agent's files"))
            yield offered
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begun(self, generation: _Generation) -> Catalogue:
        """Raises BargeinError for agents that cannot be loaded or started."""
        self._own(asyncio.create_task(generation.run(), name="agents"))
        return await asyncio.shield(generation.ready)

    async def _watch(self, settings: Settings, offered: Catalogue, now: _Generation) -> None:
        folder = agent_folder(settings.agent)
        async for files in self._changes(folder):
            began = time.perf_counter()
            running = [] if self._calls is None else self._calls.ids
            newer = _Generation(settings, again=True)
            try:
                if ENV_FILE in files:
                    read_env_file(settings.agent)
                loaded = await self._begun(newer)
            except BargeinError as error:
                offered.mistake = error.message
                self._tell(Reloaded(files, _ms(began), len(running), error))
                continue
            offered.become(loaded)
            self._own(asyncio.create_task(self._retire(now), name="former agents"))
            now = newer
            self._tell(Reloaded(files, _ms(began), len(running)))

    async def _retire(self, former: _Generation) -> None:
        """Close a former agent's parts when no call has it any more."""
        if self._calls is not None:
            await asyncio.sleep(GRACE_S)
            await self._calls.over(self._calls.ids)
        former.end.set()


class _Generation:
    """The agents of one state of the files. One task opens and closes them."""

    def __init__(self, settings: Settings, *, again: bool) -> None:
        self._settings, self._again = settings, again
        self.ready: asyncio.Future[Catalogue] = asyncio.get_running_loop().create_future()
        self.end = asyncio.Event()

    async def run(self) -> None:
        modules: set[str] = set()
        try:
            async with AsyncExitStack() as stack:
                before = file_modules()
                async with asyncio.timeout(START_S):
                    catalogue = await self._open(stack)
                modules = file_modules() - before
                self.ready.set_result(catalogue)
                await self.end.wait()
        except asyncio.CancelledError:
            self.ready.cancel()
            raise
        except TimeoutError as error:
            if self.ready.done():
                log.warning("The former agent did not close", exc_info=error)
                return
            what = f"{self._settings.agent} did not start within {START_S:g} s"
            self.ready.set_exception(UsageError(what, advice="Look at what its parts wait for"))
        except Exception as error:
            if self.ready.done():
                log.warning("The former agent did not close", exc_info=error)
            elif isinstance(error, BargeinError):
                self.ready.set_exception(error)
            else:
                log.exception("The agent could not be started", exc_info=error)
                what = f"{self._settings.agent} could not be started: {type(error).__name__}"
                self.ready.set_exception(UsageError(what, advice="Look at the log's traceback"))
        finally:
            for name in modules:  # no call has them any more: what they hold is free
                sys.modules.pop(name, None)

    async def _open(self, stack: AsyncExitStack) -> Catalogue:
        agents = open_agents(self._settings)
        if not self._again:
            return await stack.enter_async_context(agents)
        with fresh_neighbours(agent_folder(self._settings.agent).resolve()):
            return await stack.enter_async_context(agents)


def _ms(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
