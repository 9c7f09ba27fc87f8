"""WS /calls/browser: from an open socket to a call. Plain ASGI, because frames come fifty times a second each way."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Protocol

import msgspec
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from bargein.agent import Agent
from bargein.call.memory.restored import RestoredCall
from bargein.errors import BargeinError, Unavailable, UsageError
from bargein.floor import Policy
from bargein.notices import Problem
from bargein.server.auth import deny
from bargein.server.builder import AgentBuilder, build
from bargein.server.hub import Hub
from bargein.server.kept_calls import BROWSER, KeptCall
from bargein.server.placement import address_of, better_node, has_room, next_home
from bargein.server.records.recording import with_wish
from bargein.server.refusals import Refusal
from bargein.server.restoring import Home, agent_of, give_up, policy_of, resuming
from bargein.server.start_call import language_for, policy_for, start_call
from bargein.server.toml_config import BrowserChoice, PartChoice, shaped
from bargein.server.webrtc_calls import WebRTCCalls
from bargein.transports.browser.socket import Socket
from bargein.transports.browser.transport import BrowserTransport
from bargein.transports.browser.wire import PROTOCOL, AgentParts, Hello, ResumeCall, Welcome
from bargein.vendors.common.vendor import Kind

log = logging.getLogger(__name__)

HELLOS = 5  # a hello that was refused may be followed by a better one, so many times in all
TRY_AGAIN_LATER = 1013
CALL_GONE = Problem(
    "call_gone",
    "That call is over, or another connection has taken it up",
    "Send a hello without resume: it begins a new call",
)
RETRY_MS = 3_000.0  # until a place may be free: a page waits so long, and longer each time
NOT_KNOWN = Problem(
    "fleet_away",
    "Whether another server has that call cannot be known now",
    "Say the same hello again a little later",
    fatal=True,
    retry_ms=1_000.0,
)
BUILD_S = 15  # for the parts of an agent that is made for one call: SDKs are imported then, and models looked up


class AsgiSocket:
    """An accepted ASGI WebSocket, as the transport takes it (transports.browser.Socket)."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._over = False
        self.newest_text = ""
        self._close_code: int | None = None

    async def receive(self) -> str | bytes | None:
        if self._over:
            return None
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self._over = True
            self._close_code = message.get("code")
            return None
        text: str | None = message.get("text")
        self.newest_text = text or ""
        data: bytes = message.get("bytes") or b""
        return data if text is None else text

    def close_code(self) -> int | None:
        """With which the client closed the connection. None: it is open, or lost."""
        return self._close_code

    async def send_text(self, text: str) -> None:
        await self._out({"type": "websocket.send", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        await self._out({"type": "websocket.send", "bytes": data})

    async def close(self, code: int, reason: str) -> None:
        if not self._over:
            self._over = True
            await self._out({"type": "websocket.close", "code": code, "reason": reason})

    async def _out(self, message: Message) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:  # the server's words for a socket that is closed already
            raise ConnectionError(str(error)) from error


class PageSocket(Socket, Protocol):
    """A connection of a page, as the server makes it."""

    newest_text: str
    """The newest message of text that came."""

    def close_code(self) -> int | None:
        """With which the client closed the connection. None: it is open, or lost."""
        ...


class BrowserCalls:
    """The ASGI endpoint. hub, direct: functions, because both are made later than the routes."""

    def __init__(self, hub: Callable[[], Hub], direct: Callable[[], WebRTCCalls]) -> None:
        self._hub = hub
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub = self._hub()
        try:
            owned = hub.gate.demand_caller(Headers(scope=scope), scope["subprotocols"], _address(scope))
        except Refusal as refusal:
            await deny(scope, receive, send, refusal)
            return
        await receive()  # websocket.connect
        protocol = PROTOCOL if PROTOCOL in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": protocol, "headers": []})
        await self.serve(hub, AsgiSocket(receive, send), _address(scope), owned=owned)

    async def serve(self, hub: Hub, socket: PageSocket, address: str, *, owned: bool, repair_ms: float = 0.0) -> None:
        """The whole life of a page's connection, of whatever kind. Raises nothing: what fails here concerns no other
        call."""
        made = BrowserTransport(socket, hub.host.clock, hub.limits, close_code=socket.close_code, repair_ms=repair_ms)
        async with made as browser:
            try:
                if not hub.calls.ids and not hub.fleet.shared:
                    hub.calls.demand_place()  # else the page may come back to a call, or another node has a place
                await self._greet(hub, browser, socket, address, owned=owned)
            except Refusal as refusal:
                again_ms = RETRY_MS if refusal.code == "busy" or hub.fleet.shared else msgspec.UNSET
                told = Problem(refusal.code, refusal.message, refusal.advice, fatal=True, retry_ms=again_ms)
                browser.refuse(told, TRY_AGAIN_LATER)
            except Exception:
                log.exception("A call failed")
                advice = "Call again, and send the server's log to its owner"
                browser.refuse(Problem("internal", "The call failed", advice, fatal=True))

    async def _greet(
        self, hub: Hub, browser: BrowserTransport, socket: PageSocket, address: str, *, owned: bool
    ) -> None:
        """From hello to the end of the call. A hello that asked for what is not there may be followed by another."""
        for _ in range(HELLOS):
            with hub.page_strangers.one_more(address, browser.drop):
                hello = await browser.handshake()
            if hello is None:
                return
            visitor = _Visitor(hello, socket.newest_text, owned)
            if hello.resume is not None:
                if await self._resume(hub, browser, visitor, hello.resume):
                    return
                continue
            if (better := await better_node(hub, hello)) is not None:
                browser.send_elsewhere(*better)
                return
            with hub.calls.place():
                async with AsyncExitStack() as parts:  # of an agent that was made for this call
                    if (chosen := await _choose(hub, self._direct(), browser, visitor, parts)) is not None:
                        await self._talk(hub, browser, *chosen)
                        return

    async def _talk(self, hub: Hub, browser: BrowserTransport, agent: Agent, policy: Policy) -> None:
        async with start_call(hub, agent, policy, browser, network=BROWSER) as kept:
            browser.moves_to = partial(next_home, hub)
            browser.welcome(_welcome(hub, browser, kept, resumed=False))
            await kept.call.run()

    # --------------------------------------------------------------------------------------------- coming back

    async def _resume(self, hub: Hub, browser: BrowserTransport, visitor: _Visitor, wish: ResumeCall) -> bool:
        """A call that the client had goes on here, or the client is sent to where it is. False: the hello was refused,
        and another may follow."""
        kept = hub.kept.claim(wish.call_id, wish.secret)
        if kept is not None:
            # The call has its place, and is found also where no other is free.
            browser.moves_to = partial(next_home, hub)
            browser.welcome(_welcome(hub, browser, kept, resumed=True), kept.transport.newest_reply)
            await kept.carry_on(browser)  # the first connection's task runs the call
            return True
        if not hub.fleet.shared:
            browser.refuse(CALL_GONE)
            return False
        if not has_room(hub):
            if visitor.hello.follows and (other := await next_home(hub)) is not None:
                browser.send_elsewhere(other, "this server takes no more calls")
                return True
            hub.calls.demand_place()
        with hub.calls.place(instead=True):  # a node that only runs late takes a call that was lost
            found = await resuming(hub, wish.call_id, wish.secret)
            if isinstance(found, RestoredCall):
                return await self._restore(hub, browser, visitor, found, wish.secret)
        if isinstance(found, Home) and found.node != hub.fleet.node:
            at = address_of(found.node, found.url)
            if visitor.hello.follows:
                browser.send_elsewhere(at, "the call is there")
            else:
                browser.refuse(Problem("elsewhere", "Another server has that call", f"Say the same hello at {at}"))
            return visitor.hello.follows
        if hub.fleet.away is not None:
            browser.refuse(NOT_KNOWN, TRY_AGAIN_LATER)
            return True
        browser.refuse(CALL_GONE)
        return False

    async def _restore(
        self, hub: Hub, browser: BrowserTransport, visitor: _Visitor, restored: RestoredCall, secret: str
    ) -> bool:
        """A call that another server had goes on here. False: this server cannot have it."""
        async with AsyncExitStack() as parts:
            try:
                agent, policy = await _agent_again(hub, visitor, restored, parts)
            except (_BadChoice, UsageError) as error:
                log.warning("Call %s cannot go on here: %s", restored.call_id, error)
                await give_up(hub, restored)
                browser.refuse(CALL_GONE)
                return False
            async with start_call(hub, agent, policy, browser, network=BROWSER, restored=restored) as kept:
                kept.claim(secret)  # so the page gets another
                kept.transport.newest_reply = restored.newest_reply  # the page may speak of it, over any connection
                browser.moves_to = partial(next_home, hub)
                browser.welcome(_welcome(hub, browser, kept, resumed=True, restored=True), kept.transport.newest_reply)
                await kept.call.run()
                return True


def _welcome(hub: Hub, browser: BrowserTransport, kept: KeptCall, *, resumed: bool, restored: bool = False) -> Welcome:
    call, agent = kept.call, kept.call.agent
    simulated = hub.catalogue.simulator_url is not None
    can_return = browser.capabilities.carries_audio and hub.settings.keep_s > 0
    return Welcome(
        call_id=call.id,
        conversation_id=call.id,
        rate_in=browser.rate_in,
        rate_out=browser.rate_out,
        lead_ms=hub.host.lead_ms,
        agent=AgentParts(agent.name, agent.stt_name, agent.llm_name, agent.tts_name, agent.scripted, simulated),
        policy=call.floor.policy.numbers() | {"language": agent.language},
        limits=browser.limits.as_sent(),
        resume=kept.secret if can_return else None,
        keep_ms=hub.settings.keep_s * 1000 if can_return else 0.0,
        resumed=resumed,
        restored=restored,
        at=address_of(hub.fleet.node, hub.settings.node_url) if hub.fleet.shared else None,
        restores_ms=hub.settings.restore_s * 1000 if can_return and hub.fleet.shared else 0.0,
        loudspeaker=True,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Visitor:
    """A client and its newest hello."""

    hello: Hello
    text: str
    """The whole hello: its choice of parts is not the transport's to read."""
    owned: bool
    """The server's owner asks."""


async def _choose(
    hub: Hub, direct: WebRTCCalls, browser: BrowserTransport, visitor: _Visitor, parts: AsyncExitStack
) -> tuple[Agent, Policy] | None:
    """What the hello asks for. None: it was refused. parts: of an agent that is made for it."""
    hello = visitor.hello
    code = "unknown_agent"
    try:
        made: tuple[Agent, str | None] | None
        if hello.direct is not None:
            made = direct.waits(hello.direct), None
        else:
            made = await _made(hub, visitor, parts)
        agent, preset = made or (hub.catalogue.get(hello.agent), None)
        code = "bad_settings"
        policy = policy_for(hub, agent, preset=hello.policy or preset, numbers=hello.settings)
        language = language_for(agent, hello.language)
        if hello.direct is not None:  # last: a hello that is refused may be said better, and claim it then
            agent = await parts.enter_async_context(direct.claimed(hello.direct))
            browser.direct()
    except _BadChoice as error:
        browser.refuse(Problem(error.code, error.message, error.advice))
        return None
    except UsageError as error:
        browser.refuse(Problem(code, error.message, error.advice))
        return None
    return dataclasses.replace(agent, language=language, record_audio=with_wish(hub, agent, hello.record)), policy


async def _agent_again(
    hub: Hub, visitor: _Visitor, restored: RestoredCall, parts: AsyncExitStack
) -> tuple[Agent, Policy]:
    """The agent and the policy that a call had on another server. A client that made its agent by a choice sends the
    choice again. Raises _BadChoice, UsageError."""
    made = await _made(hub, visitor, parts)
    if made is None:
        return agent_of(hub, restored)
    agent = dataclasses.replace(made[0], language=restored.about.language)
    return agent, policy_of(restored.about.policy, restored.state.lasted_ms)


class _BadChoice(BargeinError):
    """What was chosen in a hello cannot be had."""

    def __init__(self, code: str, message: str, advice: str) -> None:
        super().__init__(message, advice=advice)
        self.code = code


class _Choosing(msgspec.Struct):
    """What of a hello only the server reads: the transport knows nothing of parts."""

    choice: Any = None


async def _made(hub: Hub, visitor: _Visitor, parts: AsyncExitStack) -> tuple[Agent, str | None] | None:
    """The agent that a hello composes, made for this call, and its preset; None: it composes none."""
    builder = hub.catalogue.builder
    try:
        wish = _choosing.decode(visitor.text).choice
        if wish is None:
            return None
        if builder is None:
            raise UsageError("Nothing can be chosen here", advice="Leave out the choice")
        choice = shaped(BrowserChoice, wish, "The choice")
        if not visitor.owned:
            _demand_visitors(choice, builder)
        async with asyncio.timeout(BUILD_S):
            return await parts.enter_async_context(build(choice, builder, companion=True)), choice.preset
    except (msgspec.DecodeError, RecursionError):
        raise _BadChoice("bad_choice", "The choice cannot be read", "Send it as docs/protocol.md says") from None
    except TimeoutError:
        advice = "Try its parts one by one"
        raise _BadChoice("part_lost", f"The agent was not ready within {BUILD_S} s", advice) from None
    except BargeinError as error:
        code = {UsageError: "bad_choice", Unavailable: "part_missing"}.get(type(error), "part_lost")
        hide = str if builder is None else builder.hide
        raise _BadChoice(code, hide(error.message), hide(error.advice)) from None


def _demand_visitors(choice: BrowserChoice, builder: AgentBuilder) -> None:
    """Raises UsageError for an option that only the server's owner may set."""
    wishes: dict[Kind, PartChoice | None]
    wishes = {"stt": choice.stt, "llm": choice.llm, "tts": choice.tts, "realtime": choice.realtime}
    for kind, wish in wishes.items():
        if wish is not None:
            builder.registry.find(kind, wish.name).part.demand_visitors(wish.options)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


_choosing = msgspec.json.Decoder(_Choosing)
