"""Which response is whose, whatever crosses whatever on its way: all orders of events there are."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from bargein.vendors.common.openai_realtime.items import Json
from bargein.vendors.common.openai_realtime.protocol import REPLY, RealtimeProtocol
from bargein.vendors.common.openai_realtime.response import OpenAIResponse
from tests.vendors.common.openai_realtime.wire import Line


@dataclass
class Server:
    """The least of a server that these rules stand on: one response at a time, and answers in order."""

    active: tuple[str, int | None] | None = None
    born: int = 0
    sounded: bool = False
    out: list[Callable[[Line], None]] = field(default_factory=list)
    told: list[tuple[Any, ...]] = field(default_factory=list)

    def reply(self, event: Json) -> None:
        match event["type"]:
            case "response.create" if self.active is not None:
                self.told.append(("busy", event["event_id"]))
            case "response.create":
                self.born += 1
                self.active = (f"resp_{self.born}", int(event["response"]["metadata"][REPLY]))
                self.sounded = False
                self.told.append(("created", *self.active))
            case "response.cancel":
                if self.active is not None and self.active[0] == event["response_id"]:
                    self.told.append(("done", self.active[0], "cancelled"))
                    self.active = None
                else:
                    self.told.append(("not_active",))
            case _:
                pass


class World:
    """A session and a server with a wire each way, and what the call still wants: begin and cut, in turns. Once,
    somebody else begins a response, too."""

    def __init__(self, wants: tuple[str, ...]) -> None:
        self.line = Line()
        self.server = Server()
        self.wants = wants
        self.replies: list[OpenAIResponse] = []
        self.up: list[Json] = []
        self.line.put = self.up_wire  # type: ignore[method-assign]
        self.line.session = RealtimeProtocol(self.up_wire)
        self.wrong: list[str] = []
        self.stranger = True

    def up_wire(self, event: Json, urgent: bool) -> None:
        if event["type"] == "response.create" and self.replies[int(event["response"]["metadata"][REPLY]) - 1].dead:
            self.wrong.append("a reply was asked for that was cut")
        self.up.append(event)

    def moves(self) -> list[str]:
        possible = []
        if self.wants:
            possible.append("want")
        if self.up:
            possible.append("up")
        if self.server.told:
            possible.append("down")
        if self.server.active is not None:
            possible.append("finish")
            if not self.server.sounded:
                possible.append("sound")
        elif self.stranger:
            possible.append("stranger")
        return possible

    def move(self, which: str) -> None:
        match which:
            case "want":
                want, *rest = self.wants
                self.wants = tuple(rest)
                if want == "begin":
                    self.replies.append(self.line.reply(len(self.replies) + 1))
                    self.line.session.begin(self.replies[-1])
                else:
                    reply = self.replies[-1]
                    reply.cancel()
                    reply.truncate(0, None)
                    if reply.started and not reply._over and not self.cancels(reply):
                        self.wrong.append("one that runs was not cancelled")
            case "up":
                self.server.reply(self.up.pop(0))
            case "stranger":
                self.stranger = False
                self.server.active = ("resp_x", None)
                self.server.told.append(("created", "resp_x", None))
            case "sound":
                assert self.server.active is not None
                self.server.sounded = True
                self.server.told.append(("audio", self.server.active[0]))
            case "finish":
                assert self.server.active is not None
                self.server.told.append(("done", self.server.active[0], "completed"))
                self.server.active = None
            case "down":
                self.down(*self.server.told.pop(0))
            case _:
                raise AssertionError(which)

    def down(self, kind: str, *facts: Any) -> None:
        line = self.line
        before = [reply.sounded for reply in self.replies]
        match kind:
            case "created":
                line.created(facts[0], facts[1])
                if facts[1] and (reply := self.replies[facts[1] - 1]).dead and not self.cancels(reply):
                    self.wrong.append("one that was cut before its birth was not cancelled")
            case "done":
                line.done(facts[0], facts[1], f"item_{facts[0]}")
            case "audio":
                line.audio(facts[0], f"item_{facts[0]}", base64.b64encode(bytes(960)).decode())
            case "busy":
                line.refuse("conversation_already_has_active_response", facts[0])
            case _:
                line.refuse("response_cancel_not_active", None)
        for reply, was in zip(self.replies, before, strict=True):
            if reply.dead and reply.sounded and not was:
                self.wrong.append("sound of a reply that was cut")

    def cancels(self, reply: OpenAIResponse) -> bool:
        """Whether its cancel is on its way."""
        return any(e["type"] == "response.cancel" and e["response_id"] in reply.responses for e in self.up)

    def key(self) -> str:
        session = self.line.session
        takes = [(t.dead, t.sounded, t.started, t._over) for t in self.replies]
        inner = (
            session._active,
            sorted(session._cancelled),
            getattr(session._asked, "number", None),
            getattr(session._next, "number", None),
            sorted((r, t.number) for r, t in session._replies.items()),
        )
        return repr(
            (
                takes,
                inner,
                self.stranger,
                self.up,
                self.server.active,
                self.server.sounded,
                self.server.told,
                self.wants,
            )
        )

    def at_rest(self) -> list[str]:
        """What must hold when nothing is on its way any more."""
        found = list(self.wrong)
        for reply in self.replies[:-1]:
            if not reply.dead and not reply._over:
                found.append(f"reply {reply.number} was forgotten")
        last = self.replies[-1]
        if not last.dead and not last._over:
            found.append("the last reply never came")
        if self.server.active is not None:
            found.append("something still runs")
        if self.line.session.owes:
            found.append("something is still owed")
        return found


@pytest.mark.parametrize(
    "wants",
    [
        ("begin", "cut"),
        ("begin", "cut", "begin"),
        ("begin", "cut", "begin", "cut", "begin"),
    ],
)
def test_in_every_order_of_events_the_last_reply_is_made_and_no_cut_one_is_heard(wants: tuple[str, ...]) -> None:
    seen: set[str] = set()
    line = [World(wants)]
    ends = 0
    while line:
        world = line.pop()
        key = world.key()
        if key in seen:
            continue
        seen.add(key)
        moves = world.moves()
        if not moves or moves == ["stranger"]:
            assert world.at_rest() == []
            ends += 1
        for move in moves:
            other = copy.deepcopy(world)
            other.move(move)
            assert other.wrong == []
            line.append(other)
    assert ends >= 1
    assert len(seen) > 10 * len(wants)
