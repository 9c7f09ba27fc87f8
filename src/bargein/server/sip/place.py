"""Where the rest of the server finds the SIP door, if it has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A call that is to be made."""

    to: str
    """sip:user@host, or a telephone number, which the trunk reaches."""
    agent: str | None = None
    policy: str | None = None
    language: str | None = None
    caller: str | None = None
    """Who calls, as the callee sees it: a number, a user, or sip:user@host. None: the trunk's account."""
    ring_s: float = 60.0
    record: bool | None = None
    """The callee has agreed to a recording of the call's audio, or has refused it. None: nothing is known."""


class OpenDoor(Protocol):
    """The door, as far as the rest of the server is concerned."""

    def lines(self) -> list[tuple[str, str]]:
        """What a start says of it: names and texts."""
        ...

    def state(self) -> Mapping[str, object]:
        """Addresses and registrations, for GET /readyz."""
        ...

    def cancel(self, call_id: str) -> bool:
        """Ring no more. False: the call does not ring."""
        ...

    async def dial(self, order: CallOrder) -> str:
        """Begin to call. Returns the call's id. Raises Refusal, UsageError."""
        ...


class RingingCall(Protocol):
    """A call of ours that is not answered yet."""

    def told(self, status: str, code: str) -> None:
        """The network says how it goes."""
        ...

    def cancel(self, why: str) -> bool:
        """Ring no more. False: the call is answered, or over."""
        ...


@dataclass(slots=True)
class SipPlace:
    """door: None while the server has none."""

    door: OpenDoor | None = None
