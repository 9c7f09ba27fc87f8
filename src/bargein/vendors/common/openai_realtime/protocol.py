"""One session with the model, from connection to connection: which response is whose, and what may be sent when.

Sans-IO: events come in by `event`, and go out by `send`. The rules, all from what the server really does:

- Only one response at a time writes to the conversation. A second `response.create` is refused, so it waits here for
  `response.done`; where the server was quicker than we knew, the refused one is sent again after the next done.
- A response that was asked for and is not born cannot be cancelled: it is, by its id, as soon as it is born.
- `response.cancel` crosses `response.done` on its way; the error that then comes is a note, and so is every other that
  speaks of something that is over.
- Events of a response that was cut are dropped by its id, and its items that the user cannot have heard are deleted.
- Our number of a reply rides in the metadata of its response, so that each is known by what it is, not by when it came.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from bargein.errors import VendorLost, VendorRefused
from bargein.protocols import ToolCall
from bargein.vendors.common.openai_realtime.dialect import BUSY, NOTES, OPENAI, RealtimeDialect
from bargein.vendors.common.openai_realtime.items import Json
from bargein.vendors.common.openai_realtime.response import OpenAIResponse

log = logging.getLogger(__name__)

REPLY = "bargein_reply"
KEPT_ITEMS = 32  # that we deleted, or that belong to a response that is over


class RealtimeProtocol:
    """send: puts an event into the send queue, urgent ones in front. webrtc: the audio goes to the far end without us.
    vendor_turns: the model's side makes responses itself when the user's turn is over."""

    def __init__(
        self,
        send: Callable[[Json, bool], None],
        *,
        webrtc: bool = False,
        vendor_turns: bool = False,
        dialect: RealtimeDialect = OPENAI,
    ) -> None:
        self._send = send
        self._dialect = dialect
        self._webrtc = webrtc
        self._vendor_turns = vendor_turns
        self._replies: dict[str, OpenAIResponse] = {}  # response -> whose it is, while it runs
        self._active: str | None = None  # the response that writes to the conversation
        self._asked: OpenAIResponse | None = None  # asked for, not born
        self._next: OpenAIResponse | None = None  # waits for the active one to end
        self._expected: OpenAIResponse | None = None  # the model's side will make it, unasked
        self._early: tuple[str, list[Json]] | None = None  # a response that came unasked, and what has come of it
        self._cancelled: set[str] = set()  # responses that run, and should not
        self._unheard: set[str] = set()  # responses of which nothing will be heard: their items are deleted
        self._deleted: deque[str] = deque(maxlen=KEPT_ITEMS)
        self.playing: str | None = None  # over WebRTC: the response whose sound the server sends to the far end

    @property
    def owes(self) -> bool:
        """Whether the server must answer soon: with a response that it was asked for, or with the end of one that was
        cancelled, or that it refused another for. Until then nothing else can be made."""
        unseen = self._next is not None and self._active is None
        return self._asked is not None or self._active in self._cancelled or unseen

    # ---------------------------------------------------------------------------------------------------- orders

    def begin(self, reply: OpenAIResponse) -> None:
        """Have a reply made, as soon as that is allowed."""
        if reply.dead:
            return
        if self._active is not None or self._asked is not None:
            self._next = reply
        else:
            self._create(reply)

    def expect(self, reply: OpenAIResponse) -> None:
        """The next response that comes unasked is this reply's; or the last that did."""
        self._expected = reply
        if self._early is not None:
            (response, events), self._early = self._early, None
            self._adopt(response)
            for event in events:
                self.event(event)

    def forget_early(self) -> None:
        """The response that came unasked answers nothing."""
        if self._early is None:
            return
        (response, events), self._early = self._early, None
        if self._active == response:
            self._unheard.add(response)
            self._cancel(response)
        for event in events:
            if event["type"] == "response.done":
                self._delete(item["id"] for item in event["response"].get("output") or ())

    def stop(self, reply: OpenAIResponse) -> None:
        """A reply is not wanted any more."""
        if self._next is reply:
            self._next = None
        if self._expected is reply:
            self._expected = None
        if self._active is not None and self._replies.get(self._active) is reply:
            self._cancel(self._active)
        if self._webrtc and self.playing in reply.responses:
            self._send({"type": "output_audio_buffer.clear"}, True)

    def lost(self, error: VendorLost) -> None:
        """The connection is gone, and with it all that ran here."""
        under_way = dict.fromkeys(
            reply for reply in (*self._replies.values(), self._asked, self._next, self._expected) if reply is not None
        )
        for reply in under_way:
            reply.lost(error)

    def _create(self, reply: OpenAIResponse) -> None:
        self._asked = reply
        params = {**reply.params, "metadata": {REPLY: str(reply.number)}}
        self._send({"type": "response.create", "event_id": _event_id(reply), "response": params}, False)

    def _cancel(self, response: str) -> None:
        if response not in self._cancelled:
            self._cancelled.add(response)
            which = {"response_id": response} if self._dialect.cancels_by_id else {}
            self._send({"type": "response.cancel", **which}, True)

    def _delete(self, items: Iterable[str]) -> None:
        for item in items:
            if item not in self._deleted:
                self._deleted.append(item)
                self._send({"type": "conversation.item.delete", "item_id": item}, False)

    # ---------------------------------------------------------------------------------------------------- events

    def event(self, event: Json) -> None:
        """Take one of the server's events. What is not about responses, or not known, changes nothing."""
        kind = event["type"]
        if kind == "response.created":
            self._created(event["response"])
        elif kind == "response.done":
            self._done(event["response"])
        elif kind == "error":
            self._error(event["error"])
        elif kind.startswith("response."):
            self._of_response(kind, event)
        elif kind == "output_audio_buffer.started":
            self.playing = event["response_id"]
            if (reply := self._replies.get(event["response_id"])) is not None and reply.dead:
                self._send({"type": "output_audio_buffer.clear"}, True)  # it came after the cut
        elif kind in ("output_audio_buffer.stopped", "output_audio_buffer.cleared"):
            self.playing = None
        elif kind == "conversation.item.truncated":
            for reply in self._replies.values():
                reply.truncated(event["item_id"], event["audio_end_ms"])

    def _of_response(self, kind: str, event: Json) -> None:
        response: str = event["response_id"]
        if self._early is not None and self._early[0] == response:
            if len(self._early[1]) < 2_000:
                self._early[1].append(event)
            return
        reply = self._replies.get(response)
        if reply is None:
            return
        if kind == "response.output_item.done":
            _call(reply, event["item"])  # also of a reply that was cut: every call is answered
        if reply.dead:
            return
        match kind:
            case "response.output_audio.delta":
                reply.delta(event["item_id"], event["content_index"], event["delta"])
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                reply.said(event["item_id"], event["delta"])
            case "response.output_item.done":
                if event["item"]["type"] == "message":
                    reply.whole(event["item"]["id"])
            case _:
                pass

    def _created(self, response: Json) -> None:
        number = (response.get("metadata") or {}).get(REPLY)
        told = self._dialect.echoes_metadata
        if told and response.get("conversation_id") is None and number is None and not self._vendor_turns:
            return  # out of band: another client's
        if self._asked is not None and (number == str(self._asked.number) or not told):
            reply, self._asked = self._asked, None
            self._own(response["id"], reply)
        elif self._expected is not None:
            self._adopt(response["id"])
        else:
            self.forget_early()
            self._active = response["id"]
            if self._vendor_turns:
                self._early = (response["id"], [])  # the turn's end is on its way to the floor
            else:
                log.info("The model began a response without a request; the response is cancelled")
                self._unheard.add(response["id"])
                self._cancel(response["id"])

    def _adopt(self, response: str) -> None:
        reply, self._expected = self._expected, None
        if reply is not None:
            self._own(response, reply)

    def _own(self, response: str, reply: OpenAIResponse) -> None:
        self._active = response
        self._replies[response] = reply
        reply.born(response)
        if reply.dead:
            self._cancel(response)

    def _done(self, response: Json) -> None:
        early = self._early is not None and self._early[0] == response["id"]
        if early and self._early is not None:
            self._early[1].append({"type": "response.done", "response": response})
        reply = self._replies.get(response["id"])
        if not self._webrtc:  # there the sound may go on for long after this
            self._replies.pop(response["id"], None)
        elif len(self._replies) > KEPT_ITEMS:
            self._replies.pop(next(iter(self._replies)))
        if self._active == response["id"]:
            self._active = None
        if reply is not None and not reply.dead:
            self._ended(reply, response)
        unheard = response["id"] in self._unheard
        output = response.get("output") or ()
        if reply is not None and reply.dead:
            for item in output:
                _call(reply, item)
        # A call of a tool stays, with its answer.
        items = [item["id"] for item in output if unheard or item.get("type") != "function_call"]
        self._delete(item for item in items if (reply.unsaid(item) if reply is not None and reply.dead else unheard))
        self._unheard.discard(response["id"])
        self._cancelled.discard(response["id"])
        self._go_on()

    def _ended(self, reply: OpenAIResponse, response: Json) -> None:
        details = response.get("status_details") or {}
        if response.get("status") != "failed":
            if response.get("status") == "incomplete":
                reason = _safe(details.get("reason"))
                log.info("The model broke off: %s", reason)
                if reply.empty and not any(map(_has_content, response.get("output") or ())):
                    what = f"{self._dialect.server} broke off before any word ({reason})"
                    reply.fail(VendorLost(what, advice="Try again"))
                    return
            for item in response.get("output") or ():
                reply.whole(item["id"])
            reply.done()
            return
        code = (details.get("error") or {}).get("code") or (details.get("error") or {}).get("type") or "unknown"
        if code in ("insufficient_quota", "invalid_api_key"):
            what = f"{self._dialect.server} refused to answer ({_safe(code)})"
            reply.fail(VendorRefused(what, advice="Check the account's billing"))
        else:
            what = f"{self._dialect.server} could not answer ({_safe(code)})"
            reply.fail(VendorLost(what, advice="Try again, or wait a little"))

    def _go_on(self) -> None:
        """Nothing writes to the conversation any more: who waits for that?"""
        if self._next is not None and self._active is None and self._asked is None:
            reply, self._next = self._next, None
            self._create(reply)

    def _error(self, error: Json) -> None:
        """Nearly all leave the session as it was."""
        code, event_id = self._dialect.code(error), error.get("event_id")
        asked = self._asked
        # A server with errors of its own may leave out the event that an error answers.
        unnamed = event_id is None and code == BUSY and not self._dialect.echoes_metadata
        if asked is None or not (unnamed or event_id == _event_id(asked)):
            level = logging.DEBUG if code in NOTES else logging.WARNING
            log.log(level, "%s: %s", self._dialect.server, _safe(code or "an error"))
            return
        self._asked = None
        if code == BUSY:
            if self._next is None and not asked.dead:
                self._next = asked  # the other's done is on its way, and will send it again
        else:
            what = f"{self._dialect.server} did not take the request ({_safe(code or 'error')})"
            asked.fail(VendorLost(what, advice="Try again"))
            self._go_on()


def _call(reply: OpenAIResponse, item: Json) -> None:
    """Hand a call of a tool to its reply. An item of another kind is none."""
    if item.get("type") == "function_call":
        whole = item.get("status") != "incomplete"
        call = ToolCall(item["call_id"], item.get("name") or "", item.get("arguments") or "{}")
        reply.calls(call, whole=whole)


def _has_content(item: Json) -> bool:
    return item.get("type") == "function_call" or bool(item.get("content"))


def _event_id(reply: OpenAIResponse) -> str:
    return f"reply_{reply.number}"


def _safe(code: Any) -> str:
    """A code as it may be shown: short, and without signs that a code does not have."""
    return "".join(char for char in str(code)[:60] if char.isalnum() or char in "_-. ")
