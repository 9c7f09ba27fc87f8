"""One call's connection to Gemini Live: the user's turns go up, the model's speech comes back.

A connection that ends is followed by another, with the session's handle; where Google refuses the handle, with the
conversation as the caller heard it. A turn that the model has not answered goes up once more, from its first sample.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from weakref import proxy

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from bargein.audio.alignment import PACE
from bargein.audio.pcm import Samples
from bargein.errors import VendorLost, VendorRefused
from bargein.protocols import (
    AgentSaid,
    ConversationItem,
    SessionConfig,
    STTEvent,
    ToolCall,
    ToolResult,
    TurnUpdate,
    UserBackchannel,
)
from bargein.vendors.common.openai_realtime.prompts import wording
from bargein.vendors.common.openai_realtime.receive_timeout import ReceiveTimeout
from bargein.vendors.common.reconnect import Backoff, Reconnect
from bargein.vendors.common.weak import weakly
from bargein.vendors.google.live import contents as told
from bargein.vendors.google.live.generations import Generations
from bargein.vendors.google.live.notes import LiveNotes
from bargein.vendors.google.live.outbound import LiveOutbound, encode
from bargein.vendors.google.live.renewal import LiveRenewal, Renewal
from bargein.vendors.google.live.response import RATE, GeminiResponse, LiveRequest
from bargein.vendors.google.live.settings import LiveSettings
from bargein.vendors.google.live.socket import LOST, REFUSALS, as_vendor_error, code_of, receive, setup_error
from bargein.vendors.google.live.tool_calls import LiveToolCalls
from bargein.vendors.google.live.transcripts import LiveTranscripts

CONNECT_S = 10.0
BACKOFF = Backoff(first_s=0.25, most_s=4.0)
PATIENCE_S = 6.0  # for the model's next message: some sessions hang after a short interruption
NOT_A_MESSAGE = (KeyError, TypeError, AttributeError, ValueError)


class GeminiLiveConnection:
    """protocols.RealtimeConnection by shape. open_socket: makes the WebSocket."""

    rate = RATE

    def __init__(
        self,
        settings: LiveSettings,
        open_socket: Callable[[], AbstractAsyncContextManager[ClientConnection]],
        brief: SessionConfig,
        items: Callable[[], Sequence[ConversationItem]],
    ) -> None:
        self._settings, self._open_socket, self._brief, self._items = settings, open_socket, brief, items
        self.connected = True
        self.pace = PACE
        self._live = False
        self._ready = asyncio.Event()
        self._refused: VendorRefused | None = None
        self._out = LiveOutbound(brief.rate)
        self._notes = LiveNotes()
        self._transcripts = LiveTranscripts(brief.rate)
        self._tools = LiveToolCalls(weakly(self._send_tool_response))
        self._generations = self._new_generations()
        me = proxy(self)
        self._renewal = LiveRenewal(lambda: bool(me.quiet), weakly(self._leave))
        self._receiving = ReceiveTimeout()
        self._settling: asyncio.TimerHandle | None = None
        self._turn: LiveRequest | None = None  # the user's, while it is open
        self._started: LiveRequest | None = None  # the newest whose beginning this connection has
        self._handle: str | None = None
        self._known = 0  # items of the conversation when the handle came
        self._newer = False  # the model has answered since

    # --------------------------------------------------------------------------------------------- what comes in

    def push_audio(self, samples: Samples) -> None:
        """protocols.STTConnection.push_audio."""
        self._out.push_audio(samples, self._unanswered)

    @property
    def _unanswered(self) -> int | None:
        """The position from which a new session needs the user's audio."""
        reply = self._generations.reply
        if reply is not None and reply.request.spoken and not (reply.started or reply.dead or reply.over):
            return reply.request.begin
        return None if self._turn is None else self._turn.begin

    def turn_started(self, ago_ms: float) -> None:
        """protocols.RealtimeConnection.turn_started: this is sent after the verdict, and interrupts the model."""
        if self._turn is None:
            self._turn = LiveRequest(spoken=True, begin=self._out.ago(ago_ms))
            if self._live:
                self._start(self._turn)

    def _start(self, turn: LiveRequest) -> None:
        self._started = turn
        self._tools.interrupted()
        self._generations.interrupts()
        self._out.start(turn.begin)
        self._transcripts.started(turn.begin)
        self._send_notes()

    def _send_notes(self) -> None:
        for note in self._notes.take():
            self._out.put({"realtimeInput": {"text": note}})

    def _tell(self, note: str) -> None:
        """Tell the model of something: now, in the turn that is open, or with the next one."""
        self._notes.add(note)
        if self._live and self._turn is not None and self._started is self._turn:
            self._send_notes()

    def dismiss(self, from_ago_ms: float, until_ago_ms: float, backchannel: UserBackchannel | None) -> None:
        """protocols.RealtimeConnection.dismiss: nothing of the audio was sent."""
        if backchannel is not None:
            self._tell(told.backchannel(backchannel, self._brief.language))

    # ---------------------------------------------------------------------------------------------- what is asked

    def answer(self, typed: Sequence[str], *, spoken: bool) -> GeminiResponse:
        """protocols.RealtimeConnection.answer."""
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.end = self._out.end
            turn.texts = tuple(typed)
            self._transcripts.ended(turn.begin, turn.end)
            return self._response(turn)
        return self._response(LiveRequest(tuple(typed) or (told.note(told.GO_ON),)))

    def say(self, text: str) -> GeminiResponse:
        """protocols.RealtimeConnection.say: the model is asked to, and may not keep to every word."""
        return self._response(LiveRequest((wording(self._brief.language).exactly.format(text=text),)))

    def say_tool_results(self) -> GeminiResponse:
        """protocols.RealtimeConnection.say_tool_results."""
        return self._response(LiveRequest((told.note(wording(self._brief.language).tell),)))

    def _response(self, request: LiveRequest) -> GeminiResponse:
        return GeminiResponse(proxy(self), request)  # a reply is held here, and must not hold this

    def push_tool_result(self, result: ToolResult) -> None:
        """protocols.RealtimeConnection.push_tool_result."""
        if not self._tools.result(result):
            self._tell(told.late(result, self._brief.language))
        self._changed()

    # -------------------------------------------------------------------------------------------------- LiveHooks

    async def begin(self, reply: GeminiResponse) -> None:
        """LiveHooks.begin."""
        while not self._live:
            if self._refused is not None:
                raise self._refused
            await self._ready.wait()
        request = reply.request
        reply.tries += 1
        if request.spoken and request.end is not None:
            if self._started is not request:
                self._start(request)
            for text in request.texts:
                self._out.put({"realtimeInput": {"text": text}})
            self._out.finish(request.end)
        else:
            turn = told.content("user", *self._notes.take(), *request.texts)
            self._out.put(told.client_content([turn], complete=True))
        self._generations.asked(reply)
        self._changed()

    def stop(self, reply: GeminiResponse) -> None:
        """LiveHooks.stop: the model is interrupted by the next turn; until then its output is dropped."""
        self._changed()

    def never_began(self, call: ToolCall) -> None:
        """LiveHooks.never_began."""
        self._tools.refused(call)

    def resume(self, reply: GeminiResponse) -> None:
        """LiveHooks.resume: the model goes on by itself, but for calls that it does not wait for any more."""
        if self._tools.broken:
            reply.tools_wait = False
            reply.ask_again(LiveRequest((told.note(told.GO_ON),)))
        self._changed()

    def heard(self, said: AgentSaid, *, by_fallback: bool) -> None:
        """LiveHooks.heard."""
        self._tell(told.heard(said, self._brief.language, by_fallback=by_fallback))

    # --------------------------------------------------------------------------------------------- the connection

    def events(self) -> AsyncGenerator[STTEvent, None]:
        """protocols.STTConnection.events."""
        return Reconnect(
            self._connection, vendor="Gemini Live", advice=LOST, backoff=BACKOFF, on_break=self._broke
        ).events()

    def _broke(self) -> None:
        self.connected = False

    async def _connection(self) -> AsyncGenerator[STTEvent | None, None]:
        """One connection, until it breaks (VendorLost), or is to be replaced at once (no error)."""
        planned = False
        try:
            async with (
                asyncio.timeout(CONNECT_S) as connecting,
                self._open_socket() as socket,
                contextlib.aclosing(self._talk(socket, connecting)) as events,
            ):
                async for event in events:
                    yield event
        except Renewal:
            planned = True
        except (OSError, WebSocketException, VendorRefused) as error:  # TimeoutError is an OSError
            if isinstance(error, ConnectionClosed) and code_of(error) in REFUSALS:
                self._handle = None  # the session itself may be what Google refuses
            raise self._refuse(as_vendor_error(error)) from None
        finally:
            self._down(planned=planned)

    def _refuse(self, error: VendorRefused | VendorLost) -> VendorRefused | VendorLost:
        """End all waiting for a connection, where another try is useless."""
        if isinstance(error, VendorRefused):
            self._refused, self.connected = error, False
            self._ready.set()
        return error

    async def _talk(
        self, socket: ClientConnection, connecting: asyncio.Timeout
    ) -> AsyncGenerator[STTEvent | None, None]:
        history = (
            []
            if self._handle
            else told.history(self._items(), self._brief.language, again=self._unanswered is not None)
        )
        if history:
            self._notes.clear()
        setup = self._settings.setup(self._brief, self._handle, history=bool(history))
        try:
            await socket.send(encode(setup), text=True)
            while "setupComplete" not in await receive(socket):
                pass
        except ConnectionClosed as error:
            if self._handle is None:
                raise setup_error(error) from None
            self._handle = None
            return  # the next connection has the conversation in place of the handle
        connecting.reschedule(None)
        self._begin(history)
        yield None
        sending = asyncio.create_task(self._send(socket), name="gemini live: send")
        sending.add_done_callback(self._sent)
        try:
            while True:
                message = await self._receiving.wait(lambda: receive(socket))  # type: ignore[arg-type, return-value]
                for update in self._message(message):  # type: ignore[arg-type]
                    yield update
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _begin(self, history: list[told.Json]) -> None:
        self._out.opens()
        self._receiving = ReceiveTimeout()
        self._renewal.began()
        if history:
            self._out.put(told.client_content(history, complete=True))
        elif self._newer:
            self._notes.add(told.recap(self._items()[self._known :], self._brief.language))
        self._newer = False
        self._started = None
        self._live = self.connected = True
        if self._turn is not None:
            self._start(self._turn)
        self._ready.set()

    def _down(self, *, planned: bool) -> None:
        self._live = False
        self._ready.clear() if self._refused is None else None
        self._renewal.ended()
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        self._notes.lost()
        waited, reply = self._tools.waiting, self._generations.reply
        self._tools.lost()
        running, self._generations = self._generations.running, self._new_generations()
        if reply is None or not running or waited:
            return  # a reply that waits for a tool asks again by itself
        reply.broken_off(planned=planned)

    def _new_generations(self) -> Generations:
        return Generations(lambda: asyncio.get_running_loop().time())

    @property
    def quiet(self) -> bool:
        """Nothing is under way that another connection would have to repeat."""
        return (
            self._turn is None
            and not self._generations.running
            and not self._tools.waiting
            and not self._transcripts.awaited
        )

    def _leave(self) -> None:
        self._receiving.over(Renewal())

    # ------------------------------------------------------------------------------------------------- sending

    async def _send(self, socket: ClientConnection) -> None:
        """The one writer."""
        while True:
            due = self._out.due()
            if due is None:
                await self._out.news()
                continue
            await socket.send(due)

    def _sent(self, sending: asyncio.Task[None]) -> None:
        if not sending.cancelled() and (error := sending.exception()) is not None:
            self._receiving.over(error)

    def _send_tool_response(self, message: told.Json) -> None:
        self._out.urgent([message])
        self._generations.waits_for_tools(waits=False)
        if (reply := self._generations.reply) is not None:
            reply.tools_wait = False

    # ----------------------------------------------------------------------------------------------- receiving

    def _message(self, message: dict[str, Any]) -> list[TurnUpdate]:
        """One message, which may have several fields."""
        try:
            updates = self._fields(message)
        except NOT_A_MESSAGE as error:
            raise VendorLost(f"sent what is no message ({type(error).__name__})", advice="Try again") from error
        self._changed()
        return updates

    def _fields(self, message: dict[str, Any]) -> list[TurnUpdate]:
        updates: list[TurnUpdate] = []
        if (content := message.get("serverContent")) is not None:
            updates = self._transcripts.take(content, self._out.sent)
            self._content(content)
        if (called := message.get("toolCall")) is not None:
            calls, reply = self._tools.called(called), self._generations.reply
            self._generations.waits_for_tools(waits=True)
            if reply is None:
                for call in calls:
                    self.never_began(call)
            else:
                reply.calls(calls)
        if (cancelled := message.get("toolCallCancellation")) is not None:
            self._tools.cancelled(cancelled.get("ids") or ())
        if (update := message.get("sessionResumptionUpdate")) is not None and update.get("resumable"):
            self._handle = update.get("newHandle") or self._handle
            self._known, self._newer = len(self._items()), False
        if (going := message.get("goAway")) is not None:
            self._renewal.go_away(going.get("timeLeft"))
        return updates

    def _content(self, content: dict[str, Any]) -> None:
        reply = self._generations.reply
        before = reply is not None and reply.started
        what = self._generations.take(content)
        if reply is None:
            return
        if reply.started and not before:
            self._notes.answered()
            self._newer = True
        if what == "phantom":
            reply.interrupted_without_cause()

    def _changed(self) -> None:
        """Something has happened: how long the model may be silent, and whether the connection can be replaced."""
        self._out.held = self._tools.waiting
        self._out.wake()
        reply = self._generations.reply
        self._receiving.within(PATIENCE_S if reply is not None and reply.waits else None)
        if self._out.full:
            self._receiving.over(VendorLost("does not read", advice="Try again"))
        if self._settling is None and (seconds := self._generations.settles_in_s) is not None:
            self._settling = asyncio.get_running_loop().call_later(seconds, self._settle)
        self._renewal.look()

    def _settle(self) -> None:
        self._settling = None
        if self._generations.settles_in_s is not None:
            self._generations.settle()
            self._changed()
