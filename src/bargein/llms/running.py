"""One run of a framework for one reply: a task of its own, which a cut ends and awaits.

The task has a context of its own. A framework may set context variables and open cancel scopes while it runs; the
reply's iterator is read, and closed, by tasks that must not see them.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field

from bargein.errors import BargeinError, UsageError, VendorLost, VendorRefused
from bargein.protocols import EndRequest, HangUp, TextDelta
from bargein.vendors.common.context_sizes import is_too_long, prompt_too_long

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Reply:
    """What the tools of one run have asked for."""

    ends: list[EndRequest] = field(default_factory=list)


_running: ContextVar[_Reply] = ContextVar("reply of a framework")


def end_call(request: EndRequest | None = None) -> None:
    """Have the call end once the present reply was heard: for a tool or a node of a framework.

    request: HangUp(), which is the default, or Transfer(number). A cut of the reply cancels the request. Raises
    UsageError outside of a reply.
    """
    reply = _running.get(None)
    if reply is None:
        raise UsageError(
            "end_call() was called outside of a reply", advice="Call it in a tool or a node that a reply's run calls"
        )
    reply.ends.append(request or HangUp())


@dataclass(frozen=True, slots=True)
class RunText:
    """A part of the text that a run writes."""

    text: str
    message: str
    """Which of the run's messages the text belongs to: a model writes one before its tools and one after them."""


async def reply_of_run(
    name: str, texts: Callable[[], AsyncGenerator[RunText, None]]
) -> AsyncIterator[TextDelta | EndRequest]:
    """What a run writes, and then the end of the call where one of its tools asked for it.

    name: of the LLM, for errors. texts: starts the run. Closing this iterator, or cancelling its task, closes the run's
    generator and awaits its end. Raises BargeinError as `LLM.reply` does.
    """
    reply = _Reply()
    # One text waits at most: a run does not write ahead of what is read.
    queue: asyncio.Queue[RunText | None] = asyncio.Queue(maxsize=1)

    async def run() -> None:
        _running.set(reply)
        try:
            async with aclosing(texts()) as running:
                async for part in running:
                    await queue.put(part)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise VendorLost(f"The LLM {name} cancelled its own run", advice="Look at what cancels it") from None
        finally:
            if not _is_cancelled():
                await queue.put(None)

    task = asyncio.create_task(run(), name=f"reply of {name}", context=contextvars.copy_context())
    before, ends_in_space = "", True
    try:
        while (part := await queue.get()) is not None:
            if part.message != before and before and not ends_in_space:
                yield TextDelta(" ")
            before, ends_in_space = part.message, part.text[-1:].isspace()
            yield TextDelta(part.text)
        await task
    except BargeinError:
        raise
    except Exception as error:
        raise _told(name, error) from None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if reply.ends:
        yield reply.ends[-1]


def _is_cancelled() -> bool:
    """Whether the present task is being cancelled: then the reader is gone, and the queue may stay full."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _told(name: str, error: Exception) -> BargeinError:
    """A framework's error, as the call needs it. The vendor's own words are never shown: real servers say the key."""
    status, code, body = _status(error)
    if status is None:
        if isinstance(error, TimeoutError | ConnectionError):
            return VendorLost(f"The LLM {name} did not answer", advice="Try again, or look at its model's server")
        log.error("The LLM %s failed", name, exc_info=error)  # a mistake in the user's own code needs its traceback
        return VendorLost(f"The LLM {name} failed with {type(error).__name__}", advice="Look at the log's traceback")
    if is_too_long(status, code, body):
        return prompt_too_long(name, status)
    if status >= 500 or status in (408, 409) or (status == 429 and code != "insufficient_quota"):
        return VendorLost(f"The model of the LLM {name} answered {status}", advice="Try again, or look at the vendor")
    return VendorRefused(
        f"The model of the LLM {name} was refused with {status}", advice="Check its key, its name and its settings"
    )


def _status(error: BaseException) -> tuple[int | None, object, object]:
    """The HTTP status behind an error, its code and its body: frameworks wrap the errors of the vendors' SDKs."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        status = getattr(at, "status_code", None)
        if isinstance(status, int):
            return status, getattr(at, "code", None), (str(at), getattr(at, "body", None))
        at = at.__cause__ or at.__context__
    return None, None, None
