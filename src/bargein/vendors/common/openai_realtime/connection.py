"""One call's connection to a Realtime server: the user's audio goes up, the model's events come back.

A connection that breaks is made anew, with the conversation as the user heard it, and with the user's audio that no
session has transcribed yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from weakref import proxy

import openai
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.exceptions import InvalidStatus, WebSocketException

from bargein.audio.alignment import PACE
from bargein.audio.pcm import Samples
from bargein.errors import VendorLost, VendorRefused
from bargein.protocols import (
    ConversationItem,
    SessionConfig,
    STTEvent,
    ToolResult,
    TurnUpdate,
    UserBackchannel,
)
from bargein.vendors.common.openai_realtime.audio_formats import NegotiatedFormats
from bargein.vendors.common.openai_realtime.audio_upload import IDLE_MS, SEND_MS, AudioUpload
from bargein.vendors.common.openai_realtime.dialect import EXPIRED, RealtimeDialect
from bargein.vendors.common.openai_realtime.handshake import LOST, Connect, handshake_error, open_session, read
from bargein.vendors.common.openai_realtime.history import History
from bargein.vendors.common.openai_realtime.input_items import InputItems, InputRequest
from bargein.vendors.common.openai_realtime.items import Json, created, note, typed
from bargein.vendors.common.openai_realtime.prompts import backchannel_note, instructions, wording
from bargein.vendors.common.openai_realtime.protocol import RealtimeProtocol
from bargein.vendors.common.openai_realtime.receive_timeout import ReceiveTimeout
from bargein.vendors.common.openai_realtime.response import OpenAIResponse
from bargein.vendors.common.openai_realtime.send_queue import ASKING, CLEAR, COMMIT, OutboundEvent, RealtimeSendQueue
from bargein.vendors.common.openai_realtime.settings import RealtimeSettings, TurnDetection
from bargein.vendors.common.reconnect import Backoff, Reconnect
from bargein.vendors.common.weak import weakly

COMMIT_S = 0.4  # the server's own end of the turn may be on its way; past this we say so ourselves
CONNECT_S = 10.0
BACKOFF = Backoff(first_s=0.25, most_s=4.0)
PATIENCE_S = 5.0  # for a response's beginning, or its end after a cancel: both come in a fraction of a second


class OpenAIRealtimeConnection:
    """protocols.RealtimeConnection by shape."""

    def __init__(
        self,
        settings: RealtimeSettings,
        dialect: RealtimeDialect,
        connect: Connect,
        brief: SessionConfig,
        items: Callable[[], Sequence[ConversationItem]],
        call_id: str | None,
    ) -> None:
        self._settings, self._dialect = settings, dialect
        self._connect = connect
        self._brief = brief
        self._call_id = call_id  # of a call over WebRTC, that this joins
        self._webrtc = call_id is not None
        self._mulaw = brief.mulaw
        self.language = brief.language
        self.pace = PACE
        self.formats = NegotiatedFormats(brief.rate, mulaw=brief.mulaw)
        self.rate = self.formats.asked.output.rate
        self.connected = True
        self._live = False
        self._numbers = itertools.count(1)
        self._detection: TurnDetection = "ours" if self._webrtc else settings.turn_detection
        self._upload = AudioUpload(brief.rate, SEND_MS[self._detection])
        self._user = InputItems(brief.rate, InputRequest.of(settings, self._detection, times=dialect.vad_times))
        self._session = self._new_session()
        self._receive_timeout = ReceiveTimeout()
        self._send_queue = RealtimeSendQueue(lasting=self._webrtc, full=weakly(self._not_read))
        self._history = History(items, brief.language, weakly(self.order), dialect.assistant_text)
        self.tell, self.retell = self._history.tell, self._history.retell  # what another voice, or session, said
        self.never_began = self._history.never_began
        self._ready = asyncio.Event()  # up
        self._refused: VendorRefused | None = None
        self._turn_from: int | None = None  # position at which the open turn begins
        self._answering: OpenAIResponse | None = None  # the newest that answers sound, until it sounds itself
        self.epoch = 0

    # --------------------------------------------------------------------------------------------- what comes in

    def push_audio(self, samples: Samples) -> None:
        """protocols.STTConnection.push_audio."""
        upload = self._upload
        upload.push_audio(samples)
        if self._webrtc:
            upload.skip(upload.end)  # it has gone there without us
        elif not self._hears_all and self._turn_from is None and self._send_queue.after is None:
            upload.skip(upload.ago(IDLE_MS))
        elif upload.ready:
            self._send_queue.wake()
        upload.keep((self._user.unread, self._turn_from))

    @property
    def _hears_all(self) -> bool:
        """Whether all audio goes up, so that the server finds the turns in it."""
        return self._detection != "ours"

    def turn_started(self, ago_ms: float) -> None:
        """protocols.RealtimeConnection.turn."""
        begin = self._upload.ago(ago_ms)
        if self._turn_from is None:
            self._turn_from = begin
            if self._webrtc:
                self._send_queue.forget(CLEAR)  # kept back by a break, it would take this turn's sound
            elif not self._hears_all:
                self._upload.skip(begin)
        self._user.turn(self._turn_from)
        self._history.catch_up()
        self._send_queue.wake()

    def dismiss(self, from_ago_ms: float, until_ago_ms: float, backchannel: UserBackchannel | None) -> None:
        """protocols.RealtimeConnection.dismiss."""
        if self._hears_all:
            for item in self._user.reject(self._upload.ago(from_ago_ms), self._upload.ago(until_ago_ms)):
                self.order({"type": "conversation.item.delete", "item_id": item})
            self._session.forget_early()
        elif self._webrtc and self._turn_from is None:
            self.order({"type": CLEAR})
        if backchannel is not None:
            self.order(created(note(backchannel_note(backchannel.text, self.language))))

    # ---------------------------------------------------------------------------------------------- what is asked

    def answer(self, typed_words: Sequence[str], *, spoken: bool) -> OpenAIResponse:
        """protocols.RealtimeConnection.answer."""
        for text in typed_words:
            self.order(created(typed(text)))
        if not spoken:
            self._turn_from = None
            self._user.closed()
        return self._reply({}, spoken=spoken)

    def say(self, text: str) -> OpenAIResponse:
        """protocols.RealtimeConnection.say."""
        return self._reply({"instructions": wording(self.language).exactly.format(text=text), "tool_choice": "none"})

    def say_tool_results(self) -> OpenAIResponse:
        """protocols.RealtimeConnection.say_tool_results."""
        told = f"{self.instructions}\n\n{wording(self.language).tell}"
        return self._reply({"instructions": told})

    def push_tool_result(self, used: ToolResult) -> None:
        """protocols.RealtimeConnection.push_tool_result."""
        self._history.push_tool_result(used)

    @property
    def instructions(self) -> str:
        """What the model is told: the agent's own, and how to behave when interrupted."""
        return instructions(self._brief.instructions, self.language)

    def _reply(self, params: Json, *, spoken: bool = False) -> OpenAIResponse:
        hooks = proxy(self)  # a reply is held here, and must not hold this
        return OpenAIResponse(hooks, next(self._numbers), params, spoken=spoken, mulaw=self._mulaw, webrtc=self._webrtc)

    # -------------------------------------------------------------------------------------- ResponseHooks

    async def begin(self, reply: OpenAIResponse) -> None:
        """Have it made: waits for a connection, and for the user's sound to be there. Raises VendorRefused."""
        while True:
            await self._connected()
            session = self._session
            asked = not reply.spoken or await self._spoken(reply, session)
            if session is self._session:
                break  # else the connection broke meanwhile, and what was ordered there is gone
        self._history.begins(reply)
        if asked:
            session.begin(reply)
        else:
            session.expect(reply)

    async def _spoken(self, reply: OpenAIResponse, session: RealtimeProtocol) -> bool:
        """See to it that what the reply answers is there. False: the model's side answers it by itself."""
        if reply.turn_from is None:
            reply.turn_from, self._turn_from = self._turn_from or 0, None
        self._answering = reply
        asked = self._detection != "vendor" or self._user.known(reply.turn_from)
        if not self._hears_all:
            if self._user.open:
                self._commit()
        elif asked and not await self._committed(reply.turn_from, session) and session is self._session:
            self._commit()
        if asked and session is self._session:
            self._user.closed()
        return asked

    async def _committed(self, begin: int, session: RealtimeProtocol) -> bool:
        """Whether the server has made an item of what was said since then; its time begins when it has the sound."""
        end = self._upload.end
        while session is self._session and not self._upload.gone(end):
            await self._upload.moves()
        return await self._user.committed(begin, COMMIT_S)

    async def _connected(self) -> None:
        while not self._live:
            if self._refused is not None:
                raise self._refused
            await self._ready.wait()

    def _commit(self) -> None:
        self._user.commits(self._upload.end)
        self.order({"type": COMMIT}, after=self._upload.end)

    def stop(self, reply: OpenAIResponse) -> None:
        """It is not wanted any more: the cancel goes in front of all that waits."""
        self._session.stop(reply)

    def order(self, event: Json, *, after: int = 0) -> None:
        """Send an event, after those before it, and after the sound up to a position."""
        if event["type"] not in self._dialect.lacks:
            self._send_queue.put(event, after=0 if self._webrtc else after)

    def _put(self, event: Json, urgent: bool) -> None:
        if event["type"] not in self._dialect.lacks:
            self._send_queue.put(event, urgent=urgent)

    # --------------------------------------------------------------------------------------------- the connection

    def events(self) -> AsyncGenerator[STTEvent, None]:
        """protocols.STTConnection.events: connects, and tells the user's words, for as long as the call lasts."""
        return Reconnect(
            self._connection,
            vendor=f"{self._dialect.server} Realtime",
            advice=LOST,
            backoff=BACKOFF,
            on_break=self._broke,
        ).events()

    def _broke(self) -> None:
        self.connected = False

    async def _connection(self) -> AsyncGenerator[STTEvent | None, None]:
        """One connection. Raises VendorRefused or VendorLost."""
        try:
            async with (
                asyncio.timeout(CONNECT_S) as connecting,
                self._connect(self._call_id) as connection,
                contextlib.aclosing(self._talk(connection, connecting)) as events,
            ):
                async for event in events:
                    yield event
        except InvalidStatus as error:
            raised = handshake_error(error.response.status_code, bytes(error.response.body), self._dialect)
            if isinstance(raised, VendorRefused):
                self._refuse(raised)
            raise raised from None
        except TimeoutError:
            raise VendorLost("did not answer in time", advice=LOST) from None
        except VendorRefused as error:
            self._refuse(error)
            raise
        except VendorLost:
            raise
        except (OSError, WebSocketException, openai.OpenAIError) as error:
            raise VendorLost(f"broke off ({type(error).__name__})", advice=LOST) from None
        except Exception as error:
            advice = "Look into the server's log: this is a fault of ours"
            what = f"The connection to {self._dialect.server} failed ({type(error).__name__})"
            self._refuse(VendorRefused(what, advice=advice))
            raise
        finally:
            self._down()
        raise VendorLost("ended the session", advice=LOST)

    async def _talk(
        self, connection: AsyncRealtimeConnection, connecting: asyncio.Timeout
    ) -> AsyncGenerator[STTEvent | None, None]:
        """One connection, until it ends. None: it is up. A cut stands between no socket and its task here."""
        if not self._webrtc:
            session = self._dialect.session(self._settings, self._brief)
            self.formats.grant(await open_session(connection, session, self._dialect))
            self._upload.format = self.formats.granted.input
        connecting.reschedule(None)
        self._begin()
        self.connected = True
        yield None
        sending = asyncio.create_task(self._send(connection), name="openai realtime: send")
        sending.add_done_callback(self._sent)
        try:
            while True:
                data = await self._receive_timeout.wait(connection.recv_bytes)
                for heard in read(data, self._event):
                    yield heard
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)  # its error taken: what ended us is known already

    def _sent(self, sending: asyncio.Task[None]) -> None:
        """Nothing goes up any more: that is noticed now, and not when something comes."""
        if not sending.cancelled() and (error := sending.exception()) is not None:
            self._receive_timeout.over(error)

    def _not_read(self) -> None:
        self._receive_timeout.over(VendorLost("does not read", advice="Try again"))

    def _begin(self) -> None:
        """A connection is up: audio that no session has transcribed goes up once more."""
        wanted = () if self._webrtc else (self._user.unread, self._turn_from)
        self._user.begin(self._upload.again(wanted))
        self._receive_timeout = ReceiveTimeout()
        self._live = True
        self._send_queue.opens()
        if not self._webrtc:
            # Read in the very moment from which on orders are taken: nothing falls between the two.
            self._history.anew()
            if not self._hears_all:  # the server finds no ends
                for end in self._user.commits_again():
                    self.order({"type": COMMIT}, after=end)
        self._ready.set()

    def _down(self) -> None:
        """The connection is over. Orders that were not sent are in the conversation that the next one begins with."""
        self._live = False
        self._ready.clear()
        self._send_queue.breaks()
        if self._webrtc:
            self._user.parted(self._send_queue.waiting(COMMIT))  # the session goes on without us
        else:
            self._user.lost()
            self.epoch += 1
        what = f"{self._dialect.server} Realtime broke off in the middle of a reply"
        self._session.lost(VendorLost(what, advice="Ask again"))
        self._session = self._new_session()
        self._upload.stops()

    def _new_session(self) -> RealtimeProtocol:
        vendor = self._detection == "vendor"
        return RealtimeProtocol(weakly(self._put), webrtc=self._webrtc, vendor_turns=vendor, dialect=self._dialect)

    def _refuse(self, error: VendorRefused) -> None:
        """End all waiting for a connection."""
        self._refused, self.connected = error, False
        self._ready.set()

    # ------------------------------------------------------------------------------------------------- sending

    async def _send(self, connection: AsyncRealtimeConnection) -> None:
        """The one writer: what is urgent, then orders and sound in their order."""
        while True:
            due = self._due()
            if due is None:
                await self._send_queue.news()
                continue
            await connection.send_raw(due.text)
            if due.kind in ASKING and self._session.owes:
                self._receive_timeout.within(PATIENCE_S)

    def _due(self) -> OutboundEvent | None:
        if (order := self._send_queue.due(self._upload.sent)) is not None:
            return order
        until = self._send_queue.after
        if self._webrtc or not (self._hears_all or self._turn_from is not None or until is not None):
            return None
        return self._upload.take(until)

    # ------------------------------------------------------------------------------------------------ receiving

    def _event(self, event: Json) -> list[TurnUpdate]:
        kind = event["type"]
        if (general := self._dialect.event_names.get(kind)) is not None:
            event["type"] = kind = general
        if kind.startswith(("input_audio_buffer.", "conversation.item.input_audio_transcription.")):
            heard = self._user.event(event, self._upload.sent)
            for item in self._user.rejected():
                self.order({"type": "conversation.item.delete", "item_id": item})
            return heard
        if kind == "error":
            code = self._dialect.code(event["error"])
            if code == EXPIRED:
                raise VendorLost("ended a session at its longest time", advice="It is made anew")
            if code == "input_audio_buffer_commit_empty":
                self._user.empty()
        elif kind == "response.output_item.done" and event["item"]["type"] == "function_call":
            self._history.calls(event["item"]["call_id"])
        self._session.event(event)
        if self._answering is not None and self._answering.sounded:
            self._answering = None
            self._user.answered()
            if self._turn_from is None:
                self._user.closed()
        if not self._session.owes:
            self._receive_timeout.within(None)
        elif kind in ("response.created", "response.done"):
            self._receive_timeout.within(PATIENCE_S)
        return []
