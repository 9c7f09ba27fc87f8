"""WS /calls/browser: from an open socket to a call. Plain ASGI, because frames come fifty times a second each way."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from bargein.agent import Agent
from bargein.errors import BargeinError, Unavailable, UsageError
from bargein.floor import Policy
from bargein.notices import Problem
from bargein.server.auth import deny
from bargein.server.builder import AgentBuilder, build
from bargein.server.hub import Hub
from bargein.server.kept_calls import BROWSER, KeptCall
from bargein.server.refusals import Refusal
from bargein.server.start_call import language_for, policy_for, start_call
from bargein.server.toml_config import BrowserChoice, PartChoice, shaped
from bargein.server.webrtc_calls import WebRTCCalls
from bargein.transports.browser.transport import BrowserTransport
from bargein.transports.browser.wire import PROTOCOL, AgentParts, Hello, Welcome
from bargein.vendors.common.vendor import Kind

log = logging.getLogger(__name__)

HELLOS = 5  # a hello that was refused may be followed by a better one, so many times in all
TRY_AGAIN_LATER = 1013
CALL_GONE = Problem(
    "call_gone",
    "That call is over, or another connection has taken it up",
    "Send a hello without resume: it begins a new call",
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
        socket = AsgiSocket(receive, send)
        async with BrowserTransport(socket, hub.host.clock, hub.limits, close_code=socket.close_code) as browser:
            try:
                if not hub.calls.ids:
                    hub.calls.demand_place()  # else the page may come back to a call, which has its place already
                await self._greet(hub, browser, socket, _address(scope), owned=owned)
            except Refusal as refusal:
                browser.refuse(Problem(refusal.code, refusal.message, refusal.advice, fatal=True), TRY_AGAIN_LATER)
            except Exception:
                log.exception("A call failed")
                advice = "Call again, and send the server's log to its owner"
                browser.refuse(Problem("internal", "The call failed", advice, fatal=True))

    async def _greet(
        self, hub: Hub, browser: BrowserTransport, socket: AsgiSocket, address: str, *, owned: bool
    ) -> None:
        """From hello to the end of the call. A hello that asked for what is not there may be followed by another."""
        for _ in range(HELLOS):
            with hub.page_strangers.one_more(address, browser.drop):
                hello = await browser.handshake()
            if hello is None:
                return
            if hello.resume is not None:
                kept = hub.kept.claim(hello.resume.call_id, hello.resume.secret)
                if kept is None:
                    browser.refuse(CALL_GONE)
                    continue
                # The call has its place, and is found also where no other is free.
                browser.welcome(_welcome(hub, browser, kept, resumed=True), kept.transport.newest_reply)
                await kept.carry_on(browser)  # the first connection's task runs the call
                return
            with hub.calls.place():
                async with AsyncExitStack() as parts:  # of an agent that was made for this call
                    visitor = _Visitor(hello, socket.newest_text, owned)
                    if (chosen := await _choose(hub, self._direct(), browser, visitor, parts)) is not None:
                        await self._talk(hub, browser, *chosen)
                        return

    async def _talk(self, hub: Hub, browser: BrowserTransport, agent: Agent, policy: Policy) -> None:
        async with start_call(hub, agent, policy, browser, network=BROWSER) as kept:
            browser.welcome(_welcome(hub, browser, kept, resumed=False))
            await kept.call.run()


def _welcome(hub: Hub, browser: BrowserTransport, kept: KeptCall, *, resumed: bool) -> Welcome:
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
    return dataclasses.replace(agent, language=language), policy


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
