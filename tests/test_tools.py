"""Tools made of plain functions: what the model is told of them, and what may come back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from bargein.errors import UsageError, VendorLost
from bargein.protocols import HangUp, Transfer
from bargein.tools import BadArguments, ToolFailed, hang_up, tool, transfer_to


class Guest(BaseModel):
    name: str
    nights: int = 1


@tool("read")
async def rooms(day: Annotated[str, "a day, as YYYY-MM-DD"], kind: Literal["single", "double"] = "single") -> list[str]:
    """Which rooms are free on a day."""
    return [f"{kind} on {day}"]


@tool("commit")
def book(guest: Guest) -> str:
    """Book a room."""
    return f"booked for {guest.name}, {guest.nights}"


def test_the_model_is_told_names_types_descriptions_and_defaults() -> None:
    assert (rooms.spec.name, rooms.spec.description, rooms.effect) == (
        "rooms",
        "Which rooms are free on a day.",
        "read",
    )
    properties: Any = rooms.spec.parameters["properties"]
    assert properties["day"]["description"] == "a day, as YYYY-MM-DD"
    assert properties["kind"]["enum"] == ["single", "double"]
    assert rooms.spec.parameters["required"] == ["day"]


async def test_arguments_come_typed_and_results_go_as_text() -> None:
    assert await rooms.run('{"day": "2026-11-21"}') == '["single on 2026-11-21"]'
    assert await book.run('{"guest": {"name": "Ada"}}') == "booked for Ada, 1"


def test_it_is_still_the_function() -> None:
    assert book(Guest(name="Ada", nights=2)) == "booked for Ada, 2"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{", "Invalid JSON"),
        ("{}", "day: Field required"),
        ('{"day": 5}', "day: Input should be a valid string"),
        ('{"day": "today", "kind": "suite"}', "kind: Input should be 'single' or 'double'"),
        ('{"day": "today", "floor": 3}', "floor: Extra inputs are not permitted"),
    ],
)
async def test_wrong_arguments_tell_the_model_what_to_mend(arguments: str, told: str) -> None:
    with pytest.raises(BadArguments) as bad:
        await rooms.run(arguments)
    assert told in str(bad.value)


async def test_an_error_in_the_function_is_the_owners_and_not_the_models(caplog: pytest.LogCaptureFixture) -> None:
    @tool("read")
    def broken() -> str:
        """Fails."""
        raise RuntimeError("the key is 1234")

    with caplog.at_level(logging.ERROR), pytest.raises(ToolFailed) as failed:
        await broken.run("{}")
    assert "1234" not in str(failed.value)
    assert "1234" in caplog.text


async def test_an_error_that_is_meant_to_be_read_is() -> None:
    @tool("read")
    def closed() -> str:
        """Fails on purpose."""
        raise UsageError("We are closed on Sundays", advice="Offer Monday")

    with pytest.raises(UsageError, match="Offer Monday"):
        await closed.run("{}")


async def test_a_tool_that_takes_too_long_is_given_up() -> None:
    @tool("read", timeout_s=0.01)
    async def slow() -> str:
        """Never comes."""
        await asyncio.Event().wait()
        return ""

    with pytest.raises(VendorLost, match=r"longer than 0\.01 s"):
        await slow.run("{}")


async def test_a_timeout_of_its_own_is_a_failure_like_others() -> None:
    @tool("read")
    async def late() -> str:
        """Its own server is late."""
        raise TimeoutError

    with pytest.raises(ToolFailed):
        await late.run("{}")


async def test_cancelling_it_cancels_the_function() -> None:
    cancelled = asyncio.Event()
    begun = asyncio.Event()

    @tool("read")
    async def waits() -> str:
        """Waits."""
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return ""

    task = asyncio.create_task(waits.run("{}"))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert cancelled.is_set()


async def test_hanging_up_and_handing_on() -> None:
    assert await hang_up.run("") == HangUp("the conversation is over")
    transfer = transfer_to({"sales": "+4930123456", "support": "+4930654321"})
    properties: Any = transfer.spec.parameters["properties"]
    assert properties["to"]["enum"] == ["sales", "support"]
    assert transfer.effect == "terminal"
    assert await transfer.run('{"to": "support"}') == Transfer("+4930654321")
    with pytest.raises(BadArguments):
        await transfer.run('{"to": "the moon"}')
    with pytest.raises(UsageError):
        transfer_to({})


async def test_a_terminal_that_says_nothing_hangs_up() -> None:
    @tool("terminal")
    def leave() -> None:
        """Leave."""

    assert await leave.run("{}") == HangUp()


async def test_a_result_that_is_no_json_is_a_failure() -> None:
    @tool("read")
    def odd() -> object:
        """Gives what nobody can write down."""
        return object()

    with pytest.raises(ToolFailed):
        await odd.run("{}")


def untyped(day):  # type: ignore[no-untyped-def]
    """A day."""


def starred(*days: str) -> str:
    """Days."""
    return ""


def undocumented(day: str) -> str:
    return day


def callback(then: asyncio.Event) -> str:
    """Takes what no model can write."""
    return ""


@pytest.mark.parametrize(
    ("function", "told"),
    [(untyped, "no type hint"), (starred, "takes"), (undocumented, "docstring"), (callback, "no model can write")],
)
def test_what_cannot_be_a_tool_is_refused_where_it_is_declared(function: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        tool("read")(function)


def plain() -> str:
    """Says nothing."""
    return ""


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tool("write"), "A tool's effect cannot be 'write'. Write @tool"),  # type: ignore[arg-type]
        (lambda: tool(""), "A tool's effect cannot be ''. Write @tool"),  # type: ignore[arg-type]
        (lambda: tool(plain), r"@tool is not told the tool's effect. Write @tool\(\"read\"\)"),  # type: ignore[arg-type]
        (lambda: tool()(plain), "@tool is not told the tool's effect"),
        (lambda: tool("read")("plain"), "'plain' cannot be a tool. Make a tool of a function"),  # type: ignore[arg-type]
        (lambda: tool("read")(Room), "cannot be a tool. Make a tool of a function"),
        (lambda: tool("read", name="no spaces here")(plain), "cannot be called 'no spaces here'"),
        (lambda: tool("read", timeout_s=0), "timeout cannot be 0 s"),
        (lambda: tool("read")(lambda: 1), "cannot be called '<lambda>'"),
    ],
)
def test_what_is_no_tool_is_refused_where_it_is_written(make: Callable[[], object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()


class Room:
    """Not a function."""
