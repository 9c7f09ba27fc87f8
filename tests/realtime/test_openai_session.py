"""Which response is whose, whatever crosses whatever on its way: by hand, and by all orders of events there are."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from bargein.contracts import AgentSaid, Spoken, ToolCalls
from bargein.errors import BargeinError, VendorLost, VendorRefused
from bargein.realtime.openai_items import Json
from bargein.realtime.openai_session import TAKE, Session
from bargein.realtime.openai_take import OpenAITake
from bargein.simulators.realtime_events import error_event, server_event

SECOND = base64.b64encode(bytes(48_000)).decode()  # of silence, 24 kHz


@dataclass
class Line:
    """The hands of a take, and the wire."""

    language: str = "en"
    pace: float = 60.0
    sent: list[Json] = field(default_factory=list)
    direct: bool = False
    vendor_turns: bool = False
    home: int = 0
    retold: list[AgentSaid] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = Session(self.put, direct=self.direct, vendor_turns=self.vendor_turns)

    def put(self, event: Json, urgent: bool) -> None:
        self.sent.append(event)

    async def begin(self, take: OpenAITake) -> None:
        self.session.begin(take)

    def stop(self, take: OpenAITake) -> None:
        self.session.stop(take)

    def order(self, event: Json) -> None:
        self.sent.append(event)

    def retell(self, said: AgentSaid) -> None:
        self.retold.append(said)

    def take(self, number: int) -> OpenAITake:
        return OpenAITake(self, number, {}, spoken=False, mulaw=False, direct=self.direct)

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.sent]

    # -- what the server tells
    def created(self, response: str, take: int | None) -> None:
        metadata = {TAKE: str(take)} if take is not None else None
        told = {"id": response, "status": "in_progress", "conversation_id": "conv_1", "metadata": metadata}
        self.session.event(server_event("response.created", response=told))

    def audio(self, response: str, item: str = "item_1", delta: str = SECOND) -> None:
        self.session.event(
            server_event(
                "response.output_audio.delta",
                response_id=response,
                item_id=item,
                output_index=0,
                content_index=0,
                delta=delta,
            )
        )

    def text(self, response: str, text: str, item: str = "item_1") -> None:
        kind = "response.output_audio_transcript.delta"
        self.session.event(
            server_event(kind, response_id=response, item_id=item, output_index=0, content_index=0, delta=text)
        )

    def item_done(self, response: str, item: Json) -> None:
        self.session.event(server_event("response.output_item.done", response_id=response, output_index=0, item=item))

    def done(self, response: str, status: str = "completed", *items: str, error: str | None = None) -> None:
        output = [message(item) for item in items]
        details = {"type": "failed", "error": {"type": "x", "code": error}} if error else None
        told = {
            "id": response,
            "status": status,
            "status_details": details,
            "output": output,
            "conversation_id": "conv_1",
        }
        self.session.event(server_event("response.done", response=told))

    def refuse(self, code: str, event_id: str | None) -> None:
        self.session.event(error_event(code, "no", event_id))


def message(item: str, status: str = "completed") -> Json:
    return {"id": item, "type": "message", "role": "assistant", "status": status, "content": []}


async def heard(take: OpenAITake) -> tuple[str, float]:
    """All that a take says: its text, and how long it sounds."""
    text, ms = "", 0.0
    async with asyncio.timeout(5):
        async for piece in take.sound():
            assert isinstance(piece, Spoken)
            text += piece.text
            ms += piece.pcm.ms
    return text, ms


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_reply_is_asked_for_told_apart_by_its_number_and_heard_whole() -> None:
    line = Line()
    take = line.take(7)
    hearing = asyncio.create_task(heard(take))
    await settle()
    assert line.sent[-1]["response"]["metadata"] == {TAKE: "7"}
    line.created("resp_1", 7)
    assert take.begun
    line.text("resp_1", "Good morning. ")
    line.audio("resp_1")
    await settle()
    line.text("resp_1", "It is nine.")
    line.audio("resp_1")
    line.item_done("resp_1", message("item_1"))
    line.done("resp_1", "completed", "item_1")
    assert await hearing == ("Good morning. It is nine.", 2000.0)
    take.cut()
    assert line.kinds() == ["response.create"], "nothing is cancelled that is over"


async def test_a_cut_cancels_by_id_and_what_still_comes_is_dropped() -> None:
    line = Line()
    take = line.take(1)
    line.session.begin(take)
    line.created("resp_1", 1)
    line.audio("resp_1")
    take.cut()
    take.cut()
    assert line.sent[-1] == {"type": "response.cancel", "response_id": "resp_1"}
    assert line.kinds().count("response.cancel") == 1
    line.audio("resp_1")
    take.heard(400, AgentSaid(1, "Good", "morning", ended="cut"))
    truncate, noted = line.sent[-2:]
    assert truncate == {
        "type": "conversation.item.truncate",
        "item_id": "item_1",
        "content_index": 0,
        "audio_end_ms": 400,
    }
    assert noted["previous_item_id"] == "item_1"
    assert '"Good"' in noted["item"]["content"][0]["text"]
    assert '"morning"' in noted["item"]["content"][0]["text"]


async def test_what_was_heard_is_never_more_than_what_has_come() -> None:
    line = Line()
    take = line.take(1)
    line.session.begin(take)
    line.created("resp_1", 1)
    line.audio("resp_1")
    take.cut()
    line.audio("resp_1")  # late: the server has it, we have not
    take.heard(1_700, None)
    assert line.sent[-1]["audio_end_ms"] == 1000


async def test_an_item_of_which_nothing_was_heard_is_deleted_and_a_whole_one_is_left() -> None:
    line = Line()
    take = line.take(1)
    line.session.begin(take)
    line.created("resp_1", 1)
    line.text("resp_1", "One.", "item_1")
    line.audio("resp_1", "item_1")
    line.item_done("resp_1", message("item_1"))
    line.text("resp_1", "Two.", "item_2")
    line.audio("resp_1", "item_2")
    line.item_done("resp_1", message("item_2"))
    line.done("resp_1", "completed", "item_1", "item_2")
    take.cut()
    line.sent.clear()
    take.heard(1_000, None)
    assert line.sent == [{"type": "conversation.item.delete", "item_id": "item_2"}]
    take.heard(1_000, None)
    assert len(line.sent) == 1, "it is told once"


async def test_a_reply_that_is_cut_before_it_is_born_is_cancelled_at_its_birth_and_its_items_go() -> None:
    line = Line()
    first, second = line.take(1), line.take(2)
    line.session.begin(first)
    first.cut()
    first.heard(0, None)
    assert line.kinds() == ["response.create"], "there is nothing to cancel yet"
    line.session.begin(second)
    line.created("resp_1", 1)
    assert line.sent[-1] == {"type": "response.cancel", "response_id": "resp_1"}
    line.audio("resp_1")
    line.done("resp_1", "cancelled", "item_1")
    assert {"type": "conversation.item.delete", "item_id": "item_1"} in line.sent
    assert line.sent[-1]["response"]["metadata"] == {TAKE: "2"}, "and now the second may be made"


async def test_the_next_reply_waits_for_the_end_of_the_one_that_was_cut() -> None:
    line = Line()
    first, second = line.take(1), line.take(2)
    line.session.begin(first)
    line.created("resp_1", 1)
    first.cut()
    line.session.begin(second)
    assert line.kinds() == ["response.create", "response.cancel"]
    line.done("resp_1", "cancelled")
    assert line.kinds()[-1] == "response.create"


async def test_a_cancel_that_crosses_the_end_is_answered_with_an_error_and_that_is_all() -> None:
    line = Line()
    first, second = line.take(1), line.take(2)
    line.session.begin(first)
    line.created("resp_1", 1)
    first.cut()
    line.done("resp_1")
    line.refuse("response_cancel_not_active", None)
    line.session.begin(second)
    line.created("resp_2", 2)
    line.audio("resp_2", "item_2")
    line.done("resp_2", "completed", "item_2")
    assert second.sounded


async def test_one_that_is_refused_because_another_runs_is_sent_again_when_that_has_ended() -> None:
    line = Line()
    take = line.take(1)
    line.session.begin(take)
    line.refuse("conversation_already_has_active_response", "take_1")
    assert line.kinds() == ["response.create"]
    line.done("resp_of_somebody", "completed")
    assert line.kinds() == ["response.create", "response.create"]
    line.created("resp_1", 1)
    assert take.begun


async def test_a_response_that_nobody_asked_for_is_cancelled_and_its_items_go() -> None:
    line = Line()
    line.created("resp_x", None)
    assert line.sent == [{"type": "response.cancel", "response_id": "resp_x"}]
    line.done("resp_x", "cancelled", "item_x")
    assert line.sent[-1] == {"type": "conversation.item.delete", "item_id": "item_x"}


async def test_where_the_model_answers_by_itself_its_response_becomes_the_reply_whoever_comes_first() -> None:
    for late in (False, True):
        line = Line(vendor_turns=True)
        take = line.take(1)
        if not late:
            line.session.expect(take)
        line.created("resp_1", None)
        line.text("resp_1", "Hello.")
        line.audio("resp_1")
        if late:
            line.session.expect(take)
        line.item_done("resp_1", message("item_1"))
        line.done("resp_1", "completed", "item_1")
        assert take.begun
        assert take.sounded
        assert line.sent == []


@pytest.mark.parametrize("over", [False, True])
async def test_a_response_that_answers_nothing_is_not_the_next_turns(over: bool) -> None:
    line = Line(vendor_turns=True)
    line.created("resp_1", None)
    line.audio("resp_1")
    if over:
        line.done("resp_1", "completed", "item_1")
    line.session.forget_early()
    if not over:
        assert line.sent == [{"type": "response.cancel", "response_id": "resp_1"}]
        assert line.session.owes
        line.done("resp_1", "cancelled", "item_1")
    assert line.sent[-1] == {"type": "conversation.item.delete", "item_id": "item_1"}
    assert not line.session.owes
    take = line.take(1)
    line.session.expect(take)
    assert not take.begun
    line.created("resp_2", None)
    assert take.responses == {"resp_2"}


async def test_of_two_responses_that_come_unasked_the_newer_one_is_the_turns() -> None:
    line = Line(vendor_turns=True)
    line.created("resp_1", None)
    line.done("resp_1", "completed", "item_1")
    line.created("resp_2", None)
    assert line.sent == [{"type": "conversation.item.delete", "item_id": "item_1"}]
    take = line.take(1)
    line.session.expect(take)
    assert take.responses == {"resp_2"}


async def test_it_is_owed_an_answer_from_the_asking_to_the_birth_and_from_a_cancel_to_the_end() -> None:
    line = Line()
    first, second = line.take(1), line.take(2)
    told = [line.session.owes]
    line.session.begin(first)
    told.append(line.session.owes)
    line.created("resp_1", 1)
    told.append(line.session.owes)
    first.cut()
    line.session.begin(second)
    told.append(line.session.owes)
    line.done("resp_1", "cancelled")
    line.refuse("conversation_already_has_active_response", "take_2")
    told.append(line.session.owes)
    line.done("resp_of_somebody")
    line.created("resp_2", 2)
    told.append(line.session.owes)
    assert told == [False, True, False, True, True, False]


async def test_a_reply_that_never_ends_fails_and_is_cancelled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bargein.realtime.openai_take.MOST_MS", 2_500)
    line = Line()
    take = line.take(1)
    hearing = asyncio.create_task(heard(take))
    await settle()
    line.created("resp_1", 1)
    for _ in range(6):
        line.audio("resp_1")
    with pytest.raises(VendorLost, match="spoke for"):
        await hearing
    assert line.kinds() == ["response.create", "response.cancel"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [("rate_limit_exceeded", VendorLost), ("server_error", VendorLost), ("insufficient_quota", VendorRefused)],
)
async def test_a_failure_is_an_error_with_advice(code: str, kind: type[BargeinError]) -> None:
    line = Line()
    take = line.take(1)
    hearing = asyncio.create_task(heard(take))
    await settle()
    line.created("resp_1", 1)
    line.done("resp_1", "failed", error=code)
    with pytest.raises(kind, match=code):
        await hearing


@pytest.mark.parametrize("go_on", [True, False])
async def test_tools_come_after_the_text_and_the_model_goes_on_only_if_it_is_told_to(go_on: bool) -> None:
    line = Line()
    take = line.take(1)
    pieces: list[str] = []

    async def listen() -> None:
        async for piece in take.sound():
            if isinstance(piece, ToolCalls):
                pieces.append(" and ".join(call.tool for call in piece.calls))
                if go_on:
                    take.go_on()
            elif piece.text:
                pieces.append(piece.text)

    hearing = asyncio.create_task(listen())
    await settle()
    call = {"id": "item_2", "type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
    line.created("resp_1", 1)
    line.text("resp_1", "Let me see.")
    line.item_done("resp_1", call | {"status": "completed"})
    line.item_done("resp_1", call | {"status": "incomplete", "name": "broken off"})
    line.done("resp_1", "completed", "item_1")
    await settle()
    assert line.kinds().count("response.create") == 1 + go_on
    if go_on:
        line.created("resp_2", 1)
        line.text("resp_2", "Here it is.", "item_3")
        line.done("resp_2", "completed", "item_3")
    await hearing
    assert pieces == ["Let me see.", "look", " Here it is."][: 2 + go_on]


async def test_a_connection_that_is_lost_fails_what_has_sounded_and_asks_again_for_what_has_not() -> None:
    line = Line()
    sounded, silent = line.take(1), line.take(2)
    first, second = asyncio.create_task(heard(sounded)), asyncio.create_task(heard(silent))
    await settle()
    line.created("resp_1", 1)
    line.audio("resp_1")
    gone, line.session = line.session, Session(line.put)
    gone.lost(VendorLost("gone", advice="Again"))
    with pytest.raises(VendorLost):
        await first
    await settle()
    assert line.sent[-1]["response"]["metadata"] == {TAKE: "2"}
    line.created("resp_2", 2)
    line.text("resp_2", "Hello.")
    line.done("resp_2", "completed", "item_2")
    assert (await second)[0] == "Hello."


async def test_one_whose_text_was_given_already_is_not_asked_for_twice() -> None:
    line = Line()
    take = line.take(1)
    hearing = asyncio.create_task(heard(take))
    await settle()
    line.created("resp_1", 1)
    line.text("resp_1", "Good")
    await settle()
    gone, line.session = line.session, Session(line.put)
    gone.lost(VendorLost("gone", advice="Again"))
    with pytest.raises(VendorLost):
        await hearing
    assert line.kinds() == ["response.create"]


async def test_items_of_a_conversation_that_is_gone_are_not_shortened_their_words_are_told_anew() -> None:
    line = Line()
    take = line.take(1)
    line.session.begin(take)
    line.created("resp_1", 1)
    line.text("resp_1", "Good morning. ")
    line.audio("resp_1")
    line.done("resp_1", "completed", "item_1")
    line.home += 1
    line.sent.clear()
    said = AgentSaid(1, "Good", "morning.", ended="cut")
    take.cut()
    take.heard(400, said)
    assert (line.sent, line.retold) == ([], [said])


async def test_of_a_reply_in_two_conversations_the_first_part_is_told_anew_and_the_second_shortened() -> None:
    line = Line()
    take = line.take(1)
    line.session.begin(take)
    line.created("resp_1", 1)
    line.text("resp_1", "One.", "item_1")
    line.audio("resp_1", "item_1")
    line.done("resp_1", "completed", "item_1")
    line.home += 1
    line.session = Session(line.put)
    line.session.begin(take)
    line.created("resp_2", 1)
    line.text("resp_2", "Two three.", "item_2")
    line.audio("resp_2", "item_2")
    take.cut()
    line.sent.clear()
    take.heard(1_500, AgentSaid(1, "One. Two", "three.", ended="cut"))
    assert [said.text.strip() for said in line.retold] == ["One."]
    truncate, noted = line.sent
    assert (truncate["item_id"], truncate["audio_end_ms"]) == ("item_2", 500)
    assert noted["previous_item_id"] == "item_2"


async def test_over_webrtc_a_cut_clears_what_the_server_still_sends() -> None:
    line = Line(direct=True)
    take = line.take(1)
    line.session.begin(take)
    line.created("resp_1", 1)
    line.session.event(server_event("output_audio_buffer.started", response_id="resp_1"))
    line.text("resp_1", "Good morning to you all.")
    line.done("resp_1", "completed", "item_1")
    take.cut()
    assert line.kinds() == ["response.create", "output_audio_buffer.clear"], "there is nothing to cancel"
    line.session.event(server_event("conversation.item.truncated", item_id="item_1", content_index=0, audio_end_ms=900))
    take.heard(500, AgentSaid(1, "Good", "morning", ended="cut"))
    assert line.sent[-2]["audio_end_ms"] == 500, "the far end was behind, by a hold"


async def test_over_webrtc_what_was_heard_may_be_known_before_the_server_says_what_it_sent() -> None:
    line = Line(direct=True)
    take = line.take(1)
    line.session.begin(take)
    line.created("resp_1", 1)
    line.text("resp_1", "Good morning to you all.")
    take.cut()
    take.heard(500, AgentSaid(1, "Good", "morning", ended="cut"))
    line.sent.clear()
    for ms in (900, 500):
        line.session.event(
            server_event("conversation.item.truncated", item_id="item_1", content_index=0, audio_end_ms=ms)
        )
    assert [event["audio_end_ms"] for event in line.sent] == [500], "once"


async def test_over_webrtc_sound_that_begins_after_the_cut_is_cleared_too() -> None:
    line = Line(direct=True)
    take = line.take(1)
    line.session.begin(take)
    line.created("resp_1", 1)
    take.cut()
    assert line.kinds() == ["response.create", "response.cancel"]
    line.session.event(server_event("output_audio_buffer.started", response_id="resp_1"))
    assert line.kinds()[-1] == "output_audio_buffer.clear"


# ------------------------------------------------------------------------------------------------- all orders


@dataclass
class Server:
    """The least of a server that these rules stand on: one response at a time, and answers in order."""

    active: tuple[str, int | None] | None = None
    born: int = 0
    sounded: bool = False
    out: list[Callable[[Line], None]] = field(default_factory=list)
    told: list[tuple[Any, ...]] = field(default_factory=list)

    def take(self, event: Json) -> None:
        match event["type"]:
            case "response.create" if self.active is not None:
                self.told.append(("busy", event["event_id"]))
            case "response.create":
                self.born += 1
                self.active = (f"resp_{self.born}", int(event["response"]["metadata"][TAKE]))
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
        self.takes: list[OpenAITake] = []
        self.up: list[Json] = []
        self.line.put = self.up_wire  # type: ignore[method-assign]
        self.line.session = Session(self.up_wire)
        self.wrong: list[str] = []
        self.stranger = True

    def up_wire(self, event: Json, urgent: bool) -> None:
        if event["type"] == "response.create" and self.takes[int(event["response"]["metadata"][TAKE]) - 1].dead:
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
                    self.takes.append(self.line.take(len(self.takes) + 1))
                    self.line.session.begin(self.takes[-1])
                else:
                    take = self.takes[-1]
                    take.cut()
                    take.heard(0, None)
                    if take.begun and not take._over and not self.cancels(take):
                        self.wrong.append("one that runs was not cancelled")
            case "up":
                self.server.take(self.up.pop(0))
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
        before = [take.sounded for take in self.takes]
        match kind:
            case "created":
                line.created(facts[0], facts[1])
                if facts[1] and (take := self.takes[facts[1] - 1]).dead and not self.cancels(take):
                    self.wrong.append("one that was cut before its birth was not cancelled")
            case "done":
                line.done(facts[0], facts[1], f"item_{facts[0]}")
            case "audio":
                line.audio(facts[0], f"item_{facts[0]}", base64.b64encode(bytes(960)).decode())
            case "busy":
                line.refuse("conversation_already_has_active_response", facts[0])
            case _:
                line.refuse("response_cancel_not_active", None)
        for take, was in zip(self.takes, before, strict=True):
            if take.dead and take.sounded and not was:
                self.wrong.append("sound of a reply that was cut")

    def cancels(self, take: OpenAITake) -> bool:
        """Whether its cancel is on its way."""
        return any(e["type"] == "response.cancel" and e["response_id"] in take.responses for e in self.up)

    def key(self) -> str:
        session = self.line.session
        takes = [(t.dead, t.sounded, t.begun, t._over) for t in self.takes]
        inner = (
            session._active,
            sorted(session._cancelled),
            getattr(session._asked, "number", None),
            getattr(session._next, "number", None),
            sorted((r, t.number) for r, t in session._takes.items()),
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
        for take in self.takes[:-1]:
            if not take.dead and not take._over:
                found.append(f"take {take.number} was forgotten")
        last = self.takes[-1]
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
