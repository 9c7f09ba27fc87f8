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
from bargein.server.builder import build
from bargein.server.hub import Hub
from bargein.server.kept_calls import BROWSER, KeptCall
from bargein.server.refusals import Refusal
from bargein.server.start_call import policy_for, start_call
from bargein.server.toml_config import BrowserChoice, shaped
from bargein.server.webrtc_calls import WebRTCCalls
from bargein.transports.browser.transport import BrowserTransport
from bargein.transports.browser.wire import PROTOCOL, AgentParts, Welcome

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
            hub.gate.demand_caller(Headers(scope=scope), scope["subprotocols"])
        except Refusal as refusal:
            await deny(scope, receive, send, refusal)
            return
        await receive()  # websocket.connect
        protocol = PROTOCOL if PROTOCOL in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": protocol, "headers": []})
        socket = AsgiSocket(receive, send)
        async with BrowserTransport(socket, hub.host.clock, hub.limits, close_code=socket.close_code) as browser:
            try:
                async with AsyncExitStack() as parts:  # its place, and an agent that was made for this call
                    await self._talk(hub, browser, socket, parts)
            except Refusal as refusal:
                browser.refuse(Problem(refusal.code, refusal.message, refusal.advice, fatal=True), TRY_AGAIN_LATER)
            except Exception:
                log.exception("A call failed")
                advice = "Call again, and send the server's log to its owner"
                browser.refuse(Problem("internal", "The call failed", advice, fatal=True))

    async def _talk(self, hub: Hub, browser: BrowserTransport, socket: AsgiSocket, parts: AsyncExitStack) -> None:
        chosen = await _choose(hub, self._direct(), browser, socket, parts)
        if chosen is None:
            return
        if isinstance(chosen, KeptCall):
            browser.welcome(_welcome(hub, browser, chosen, resumed=True), chosen.transport.newest_reply)
            await chosen.carry_on(browser)  # the first connection's task runs the call
            return
        agent, policy = chosen
        with start_call(hub, agent, policy, browser, network=BROWSER) as kept:
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
    )


async def _choose(
    hub: Hub, direct: WebRTCCalls, browser: BrowserTransport, socket: AsgiSocket, parts: AsyncExitStack
) -> tuple[Agent, Policy] | KeptCall | None:
    """What the client's hello asks for; None: it never asked well. parts: the place, and an agent that is made for it.

    A call that is taken up again has its place, so it is found also where no other is free.
    """
    if not hub.kept.away:
        hub.calls.demand_place()
    placed = False
    for _ in range(HELLOS):
        hello = await browser.handshake()
        if hello is None:
            return None
        if hello.resume is not None:
            kept = hub.kept.claim(hello.resume.call_id, hello.resume.secret)
            if kept is not None:
                return kept
            browser.refuse(CALL_GONE)
            continue
        if not placed:
            parts.enter_context(hub.calls.place())
            placed = True
        code = "unknown_agent"
        try:
            made: tuple[Agent, str | None] | None
            if hello.direct is not None:
                made = direct.waits(hello.direct), None
            else:
                made = await _made(hub, socket.newest_text, parts)
            agent, preset = made or (hub.catalogue.get(hello.agent), None)
            code = "bad_settings"
            policy = policy_for(hub, agent, preset=hello.policy or preset, numbers=hello.settings)
            if hello.direct is not None:  # last: a hello that is refused may be said better, and claim it then
                agent = await parts.enter_async_context(direct.claimed(hello.direct))
                browser.direct()
        except _BadChoice as error:
            browser.refuse(Problem(error.code, error.message, error.advice))
            continue
        except UsageError as error:
            browser.refuse(Problem(code, error.message, error.advice))
            continue
        return dataclasses.replace(agent, language=hello.language or agent.language), policy
    return None


class _BadChoice(BargeinError):
    """What was chosen in a hello cannot be had."""

    def __init__(self, code: str, message: str, advice: str) -> None:
        super().__init__(message, advice=advice)
        self.code = code


class _Choosing(msgspec.Struct):
    """What of a hello only the server reads: the transport knows nothing of parts."""

    choice: Any = None


async def _made(hub: Hub, hello: str, parts: AsyncExitStack) -> tuple[Agent, str | None] | None:
    """The agent that a hello composes, made for this call, and its preset; None: it composes none."""
    builder = hub.catalogue.builder
    try:
        wish = _choosing.decode(hello).choice
        if wish is None:
            return None
        if builder is None:
            raise UsageError("Nothing can be chosen here", advice="Leave out the choice")
        choice = shaped(BrowserChoice, wish, "The choice")
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


_choosing = msgspec.json.Decoder(_Choosing)
