"""One call's line to OpenAI Realtime: the connection, the user's sound on its way up, and what comes back.

A connection that breaks is made anew, with the conversation as it was heard, and with the sound of the user's that
nobody has the words of yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from base64 import b64encode
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import openai
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.exceptions import InvalidStatus, WebSocketException

from bargein.audio.alignment import PACE
from bargein.audio.backlog import Backlog
from bargein.audio.mulaw import RATE as MULAW_RATE
from bargein.audio.mulaw import to_mulaw
from bargein.audio.pcm import Samples
from bargein.audio.resample import HotResampler
from bargein.contracts import Brief, EarsBack, EarsLost, Heard, Item, ToolUsed, TurnHeard, UserBackchannel
from bargein.errors import VendorLost, VendorRefused
from bargein.prompting import backchannel_note, instructions, wording
from bargein.realtime.openai_items import Json, as_items, late, note, output, typed
from bargein.realtime.openai_session import Session
from bargein.realtime.openai_take import PCM_RATE, OpenAITake
from bargein.realtime.openai_user import UserSide, Wish

if TYPE_CHECKING:
    from bargein.realtime.openai import OpenAIRealtime, TurnDetection

log = logging.getLogger(__name__)

SEND_MS = {"ours": 100, "server_vad": 100, "semantic_vad": 60, "vendor": 60}  # of sound in one message
KEEP_MS = 60_000  # of sound that nobody has answered for
IDLE_MS = 3_000  # of sound that is kept while no turn is open: covers any pre-roll
COMMIT_S = 0.4  # the server's own end of the turn may be on its way; past this we say so ourselves
CONNECT_S = 10.0
AGAIN_S, AGAIN_MOST_S = 0.25, 4.0
WAITING = 2_000  # events that may wait to be sent: a line so far behind is lost

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(dict).decode


class OpenAILine:
    """contracts.SpeechLine by shape."""

    def __init__(
        self, model: OpenAIRealtime, brief: Brief, items: Callable[[], Sequence[Item]], call_id: str | None
    ) -> None:
        self._model = model
        self._brief = brief
        self._items = items
        self._call_id = call_id  # of a call over WebRTC, that this joins
        self._direct = call_id is not None
        self._mulaw = brief.mulaw
        self.language = brief.language
        self.pace = PACE
        self.rate = MULAW_RATE if brief.mulaw else PCM_RATE
        self.up = True
        self._live = False
        self._numbers = itertools.count(1)
        self._backlog = Backlog(brief.rate, KEEP_MS)
        self._resampler = self._new_resampler()
        self._detection: TurnDetection = "ours" if self._direct else model.turn_detection
        vendor = self._detection == "vendor"
        self._piece = brief.rate * SEND_MS[self._detection] // 1000
        wish = Wish(vendor, vendor or self._detection == "semantic_vad", model.reads, model.prefix_padding_ms)
        self._user = UserSide(brief.rate, wish)
        self._session = self._new_session()
        self._urgent: deque[str] = deque()
        self._orders: deque[tuple[int, str]] = deque()  # each after the sound up to a position
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()  # up
        self._refused: VendorRefused | None = None
        self._turn_from: int | None = None  # position at which the open turn begins
        self._answered: set[str] = set()  # tools' calls that have an output

    # --------------------------------------------------------------------------------------------- what comes in

    def feed(self, samples: Samples) -> None:
        """contracts.Transcription.feed."""
        backlog = self._backlog
        backlog.feed(samples)
        idle = backlog.end - IDLE_MS * self._brief.rate // 1000
        if self._direct:
            backlog.skip(backlog.end)  # it has gone there without us
        elif not self._hears_all and self._turn_from is None and not self._orders:
            backlog.skip(idle)
        elif backlog.waiting >= self._piece:
            self._wake.set()
        unread = (self._user.unread, self._turn_from)
        backlog.acknowledge(min([idle, *(position for position in unread if position is not None)]))

    @property
    def _hears_all(self) -> bool:
        """Whether the sound goes up whoever speaks: then the server finds the turns in it."""
        return self._detection != "ours"

    def turn(self, ago_ms: float) -> None:
        """contracts.SpeechLine.turn."""
        begin = max(0, self._backlog.end - int(ago_ms * self._brief.rate / 1000))
        if self._turn_from is None:
            self._turn_from = begin
            if not self._hears_all and not self._direct:
                self._backlog.skip(begin)
        self._user.turn(self._turn_from)
        self._wake.set()

    def settle(self, from_ago_ms: float, until_ago_ms: float, backchannel: UserBackchannel | None) -> None:
        """contracts.SpeechLine.settle."""
        rate, end = self._brief.rate, self._backlog.end
        if self._hears_all:
            spoken = (end - int(from_ago_ms * rate / 1000), end - int(until_ago_ms * rate / 1000))
            for item in self._user.reject(*spoken):
                self.order({"type": "conversation.item.delete", "item_id": item})
        elif self._direct and self._turn_from is None:
            self.order({"type": "input_audio_buffer.clear"})
        if backchannel is not None:
            self.order(_created(note(backchannel_note(backchannel.text, self.language))))

    # ---------------------------------------------------------------------------------------------- what is asked

    def answer(self, typed_words: Sequence[str], *, spoken: bool) -> OpenAITake:
        """contracts.SpeechLine.answer."""
        for text in typed_words:
            self.order(_created(typed(text)))
        return self._take({}, spoken=spoken)

    def say(self, text: str) -> OpenAITake:
        """contracts.SpeechLine.say."""
        return self._take({"instructions": wording(self.language).exactly.format(text=text), "tool_choice": "none"})

    def tell(self) -> OpenAITake:
        """contracts.SpeechLine.tell."""
        told = f"{self.instructions}\n\n{wording(self.language).tell}"
        return self._take({"instructions": told})

    def used(self, used: ToolUsed) -> None:
        """contracts.SpeechLine.used."""
        if used.id not in self._answered:
            self._answered.add(used.id)
            self.order(_created(output(used)))
        elif used.result is not None:
            self.order(_created(late(used, self.language)))

    @property
    def instructions(self) -> str:
        """What the model is told: the agent's own, and how to behave when interrupted."""
        return instructions(self._brief.instructions, self.language)

    def _take(self, params: Json, *, spoken: bool = False) -> OpenAITake:
        return OpenAITake(self, next(self._numbers), params, spoken=spoken, mulaw=self._mulaw, direct=self._direct)

    # -------------------------------------------------------------------------------------- openai_take.Hands

    async def begin(self, take: OpenAITake) -> None:
        """Have it made: waits for a connection, and for the user's sound to be there. Raises VendorRefused."""
        await self._connected()
        if take.spoken:
            turn_from, self._turn_from = self._turn_from, None
            if self._detection == "vendor":
                self._session.expect(take)
                return
            if not self._hears_all or not await self._user.committed(turn_from or 0, COMMIT_S):
                self._commit()
        self._session.begin(take)

    async def _connected(self) -> None:
        while not self._live:
            if self._refused is not None:
                raise self._refused
            await self._ready.wait()

    def _commit(self) -> None:
        self._user.commits(self._backlog.end)
        self.order({"type": "input_audio_buffer.commit"}, after=self._backlog.end)

    def stop(self, take: OpenAITake) -> None:
        """It is not wanted any more: the cancel goes in front of all that waits."""
        self._session.stop(take)

    def order(self, event: Json, *, after: int = 0) -> None:
        """Send an event, after those before it, and after the sound up to a position."""
        if self._live:
            self._orders.append((after, encode(event).decode()))
            self._wake.set()

    def _put(self, event: Json, urgent: bool) -> None:
        if urgent and self._live:
            self._urgent.append(encode(event).decode())
            self._wake.set()
        else:
            self.order(event)

    # --------------------------------------------------------------------------------------------- the connection

    async def listen(self) -> AsyncGenerator[Heard, None]:
        """contracts.Transcription.listen: connects, and tells what is heard, for as long as the call lasts."""
        again_s, lost = AGAIN_S, False
        while True:
            try:
                async with (
                    asyncio.timeout(CONNECT_S) as connecting,
                    self._model.connect(self._call_id) as connection,
                    contextlib.aclosing(self._talk(connection, connecting)) as heard,
                ):
                    async for item in heard:
                        if lost:
                            lost, again_s, self.up = False, AGAIN_S, True
                            yield EarsBack()
                        if item is not None:
                            yield item
                why = "ended the session"
            except InvalidStatus as error:
                why = self._status(error.response.status_code)
            except TimeoutError:
                why = "did not answer in time"
            except VendorRefused as error:
                self._refuse(error)
                raise
            except VendorLost as error:
                why = error.message
            except (OSError, WebSocketException, openai.OpenAIError) as error:
                why = f"broke off ({type(error).__name__})"
            except (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
                why = f"sent what is no event ({type(error).__name__})"
            finally:
                self._down()
            if not lost:
                lost, self.up = True, False
                yield EarsLost(f"OpenAI Realtime {why}", "Look at OpenAI's status, and at this machine's network")
            log.info("OpenAI Realtime %s; calling again in %.2f s", why, again_s)
            await asyncio.sleep(again_s)
            again_s = min(2 * again_s, AGAIN_MOST_S)

    async def _talk(
        self, connection: AsyncRealtimeConnection, connecting: asyncio.Timeout
    ) -> AsyncGenerator[Heard | None, None]:
        """One connection, until it ends. None: it is up. A cut stands between no socket and its task here."""
        if not self._direct:
            await self._open(connection)
        connecting.reschedule(None)
        self._begin()
        yield None
        sending = asyncio.create_task(self._send(connection), name="openai realtime: send")
        try:
            while True:
                for heard in self._event(decode(await connection.recv_bytes())):
                    yield heard
                if sending.done():
                    sending.result()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)  # its error taken: what ended us is known already

    async def _open(self, connection: AsyncRealtimeConnection) -> None:
        """The session as we want it. Raises VendorRefused when it is not to be had."""
        await self._await(connection, "session.created")
        update = {"type": "session.update", "event_id": "open", "session": self._model.session(self._brief)}
        await connection.send_raw(encode(update).decode())
        await self._await(connection, "session.updated")

    async def _await(self, connection: AsyncRealtimeConnection, kind: str) -> None:
        while (event := decode(await connection.recv_bytes()))["type"] != kind:
            if event["type"] == "error":
                error = event["error"]
                if error.get("type") == "invalid_request_error":
                    what = f"OpenAI Realtime refused the session ({error.get('code')}, {error.get('param')})"
                    raise VendorRefused(what, advice="Check the model's and the voice's name")
                raise VendorLost(f"answered with an error ({error.get('code')})", advice="Try again")

    def _begin(self) -> None:
        """A connection is up: what nobody has the words of goes up once more."""
        backlog = self._backlog
        if not self._direct:
            wanted = [p for p in (self._user.unread, self._turn_from) if p is not None]
            backlog.rewind()
            backlog.skip(min(wanted, default=backlog.end))
        self._user.begin(backlog.sent)
        self._resampler = self._new_resampler()
        self._live = True
        if not self._direct:
            # Read in the very moment from which on orders are taken: nothing falls between the two.
            for item in as_items(self._items(), self.language):
                self.order(_created(item))
        self._ready.set()
        self._wake.set()

    def _down(self) -> None:
        """The connection is over. Orders that were not sent are in the conversation that the next one begins with."""
        self._live = False
        self._ready.clear()
        self._urgent.clear()
        self._orders.clear()
        self._answered.clear()
        self._user.lost()
        self._session.lost(VendorLost("OpenAI Realtime broke off in the middle of a reply", advice="Ask again"))
        self._session = self._new_session()

    def _new_session(self) -> Session:
        return Session(self._put, direct=self._direct, vendor_turns=self._detection == "vendor")

    def _status(self, status: int) -> str:
        if status in (400, 401, 402, 403, 404):
            advice = {
                401: "Check OPENAI_API_KEY",
                403: "Check what the API key may do",
                404: "Check the model's name, or whether the call still lasts",
            }.get(status, "Check the model's name and the account")
            error = VendorRefused(f"OpenAI Realtime refused with {status}", advice=advice)
            self._refuse(error)
            raise error from None
        return f"answered {status}"

    def _refuse(self, error: VendorRefused) -> None:
        """Nobody need wait for a connection any more."""
        self._refused, self.up = error, False
        self._ready.set()

    # ------------------------------------------------------------------------------------------------- sending

    async def _send(self, connection: AsyncRealtimeConnection) -> None:
        """The one writer: what is urgent, then orders and sound in their order."""
        while True:
            text = self._due()
            if text is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            if len(self._orders) > WAITING:
                raise VendorLost("does not read", advice="Try again")
            await connection.send_raw(text)

    def _due(self) -> str | None:
        if self._urgent:
            return self._urgent.popleft()
        backlog = self._backlog
        if self._orders and (self._direct or backlog.sent >= self._orders[0][0]):
            return self._orders.popleft()[1]
        if self._direct or not (self._hears_all or self._turn_from is not None or self._orders):
            return None
        size = min(self._piece, self._orders[0][0] - backlog.sent) if self._orders else self._piece
        samples = backlog.take(size)
        return None if samples is None else self._append(samples)

    def _append(self, samples: Samples) -> str:
        if self._resampler is not None:
            data = self._resampler.feed(samples).astype("<i2", copy=False).tobytes()
        else:
            data = to_mulaw(samples)
        # Base64 needs no escapes, so that the rest need not be built anew for each.
        return f'{{"type":"input_audio_buffer.append","audio":"{b64encode(data).decode()}"}}'

    def _new_resampler(self) -> HotResampler | None:
        """8 kHz goes up as mu-law, which is what a telephone's sound was anyway."""
        return None if self._brief.rate == MULAW_RATE else HotResampler(self._brief.rate, PCM_RATE)

    # ------------------------------------------------------------------------------------------------ receiving

    def _event(self, event: Json) -> list[TurnHeard]:
        kind = event["type"]
        if kind.startswith(("input_audio_buffer.", "conversation.item.input_audio_transcription.")):
            heard = self._user.event(event)
            for item in self._user.rejected():
                self.order({"type": "conversation.item.delete", "item_id": item})
            return heard
        if kind == "error" and event["error"].get("code") == "session_expired":
            raise VendorLost("ended a session of 60 minutes", advice="It is made anew")
        self._session.event(event)
        return []


def _created(item: Json) -> Json:
    return {"type": "conversation.item.create", "item": item}
