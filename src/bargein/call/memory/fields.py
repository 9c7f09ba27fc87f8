"""The memory of a call: a few small fields, each written when it has changed (msgpack).

`about` is what never changes, `state` is where the call is, `reply` is the reply that was asked for last, and `i00000`,
`i00001`, ... are the items of the conversation. Fields of other names belong to the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import msgspec

from bargein.errors import UsageError
from bargein.protocols import (
    AgentSaid,
    ConversationItem,
    EndRequest,
    HangUp,
    ToolCall,
    ToolResult,
    Transfer,
    UserBackchannel,
    UserSaid,
)

VERSION = 1
ABOUT, STATE, REPLY, ITEM = "about", "state", "reply", "i"
RESULT_CHARS = 4_000  # of one tool's arguments or result, in the memory

T = TypeVar("T")


class About(msgspec.Struct, frozen=True):
    """What never changes in a call."""

    version: int
    """Of this format."""
    agent: str
    language: str
    policy: dict[str, object]
    """Every number that the call began with, by name."""
    started_s: float
    """Seconds since the epoch."""
    facts: dict[str, str]


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A text that waits to be said."""

    kind: str
    text: str
    protected: int | None


class StateNow(msgspec.Struct, frozen=True, array_like=True):
    """Where the call is."""

    reply: int
    """The newest reply."""
    turn: int
    """The newest turn of the user."""
    floor: str
    """The floor's state."""
    answering: bool
    """The user's newest words are in the conversation, and no answer to them has sounded."""
    lasted_ms: float
    items: int
    """How many items the conversation has."""
    waiting: list[Waiting]
    recording: bool = False
    """The call's audio is being recorded."""


class RememberedReply(msgspec.Struct, frozen=True, array_like=True):
    """The reply that was asked for last, as far as another server needs it to go on."""

    id: int
    kind: str
    text: str
    """All that the model has written so far."""
    sounded: bool
    rate: int
    """Hz of the positions."""
    made: int
    """Samples that the TTS has given."""
    heard: int
    """Samples that the client had played when this was written."""
    over: bool
    """The connection was lost in it, and the client told no more: `heard` grows no more."""
    complete: bool
    """The TTS has given all of it."""
    exact: bool
    """The words' times are the TTS's own."""
    words: list[tuple[int, int, int, int]]
    """Each word's start and end (ms), and its place in the text."""
    preface: int
    protected: int | None
    terminal: list[tuple[str, str, str]]
    """Terminal tools that run once all of it was heard: id, tool, arguments."""
    end: tuple[str, str] | None
    """How the call is to end then: hang_up and the reason, or transfer and the number."""


class MemoryUnreadable(UsageError):
    """What was remembered of a call cannot be used. The caller is greeted anew."""


class MemorySink(Protocol):
    """Where the memory of one call goes."""

    def remember(self, fields: Mapping[str, bytes | None]) -> None:
        """Keep these fields. None: remove a field. Never waits."""
        ...

    async def remembered(self) -> bool:
        """Waits, within a bound, until all that was given is kept. False: it is not."""
        ...

    async def release(self) -> bool:
        """Let another server take the call up. False: that cannot be done now."""
        ...


_encode = msgspec.msgpack.Encoder().encode
_KINDS: dict[str, type[ConversationItem]] = {"u": UserSaid, "b": UserBackchannel, "a": AgentSaid, "t": ToolResult}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode(value: About | StateNow | RememberedReply) -> bytes:
    return _encode(value)


def encode_item(item: ConversationItem) -> bytes:
    """One item of the conversation. A long result of a tool is clipped."""
    if isinstance(item, ToolResult):
        result = None if item.result is None else item.result[:RESULT_CHARS]
        item = ToolResult(item.id, item.tool, item.arguments[:RESULT_CHARS], result, item.error)
    return _encode((_NAMES[type(item)], item))


def item_field(index: int) -> str:
    """The name of the field of the conversation's item."""
    return f"{ITEM}{index:05d}"


def decode(data: bytes | None, kind: type[T], what: str) -> T:
    """A field. Raises MemoryUnreadable for one that is not there, or of another form."""
    if data is None:
        raise _unreadable(f"{what} is missing")
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unreadable(f"{what}: {error}") from None


def decode_about(data: bytes | None) -> About:
    """Raises MemoryUnreadable, also for a memory of another version of this format."""
    version = decode(data, _Versioned, ABOUT).version
    if version != VERSION:
        raise _unreadable(f"it is of version {version}, and this server reads version {VERSION}")
    return decode(data, About, ABOUT)


def decode_items(fields: Mapping[str, bytes]) -> list[ConversationItem]:
    """The conversation, in order. Raises MemoryUnreadable."""
    items: list[ConversationItem] = []
    for name in sorted(name for name in fields if name.startswith(ITEM) and name[1:].isdigit()):
        kind, raw = decode(fields[name], tuple[str, msgspec.Raw], name)
        if kind not in _KINDS:
            raise _unreadable(f"{name} is of an unknown kind")
        items.append(decode(bytes(raw), _KINDS[kind], name))
    return items


def ending(request: EndRequest | None) -> tuple[str, str] | None:
    """How a call is to end, in the memory."""
    if request is None:
        return None
    return ("hang_up", request.reason) if isinstance(request, HangUp) else ("transfer", request.to)


def as_request(end: tuple[str, str] | None) -> EndRequest | None:
    """How a call is to end."""
    if end is None:
        return None
    return HangUp(end[1]) if end[0] == "hang_up" else Transfer(end[1])


def calls_of(terminal: list[tuple[str, str, str]]) -> list[ToolCall]:
    """The calls of terminal tools."""
    return [ToolCall(*each) for each in terminal]


class _Versioned(msgspec.Struct):
    version: int


def _unreadable(why: str) -> MemoryUnreadable:
    return MemoryUnreadable(
        f"What was remembered of the call cannot be read: {why}",
        advice="Run one version of Bargein on all nodes, or drain the old ones before they stop",
    )
