"""From an open telephone socket to a call: what all vendors, and both kinds of socket, have in common."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from bargein.agent import Agent
from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.protocols import CallControl
from bargein.server.hub import Hub
from bargein.server.refusals import Refusal
from bargein.server.settings import is_loopback
from bargein.server.start_call import policy_for, start_call
from bargein.transports.telephone.transport import Started, TelephoneDialect, TelephoneTransport

log = logging.getLogger(__name__)

# A telephone into which no word is spoken is a voicemail, or lies on the sofa: ask twice, then hang up.
SILENCE_MS = 12_000
SAME_TURNS = 5  # an announcement on hold comes again and again; a caller chooses other words before long
LONGEST_MS = 4 * 3_600_000  # then it is a line that was forgotten
FACTS = ("from", "to")  # of the parameters, those that belong into the record


@dataclass(frozen=True, slots=True)
class SocketRequest:
    """Who opens a socket. host: of the peer; headers: names in small letters; path: with its query."""

    host: str
    headers: Mapping[str, str]
    path: str


FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def is_this_machine(caller: SocketRequest) -> bool:
    """Whether it calls from here. A proxy on this machine has our address, too, but it says for whom it comes, or calls
    us by another name; and a page of some other site names itself."""
    host = caller.headers.get("host", "")
    name = host.rsplit("]", 1)[0] if host.startswith("[") else host.rsplit(":", 1)[0]
    try:
        origin = urlsplit(caller.headers.get("origin", "http://localhost")).hostname or ""
    except ValueError:
        origin = ""
    direct = not any(header in caller.headers for header in FORWARDED)
    return is_loopback(caller.host) and is_loopback(name) and is_loopback(origin) and direct


class TelephoneVendor(Protocol):
    """One telephone vendor, as far as the server is concerned."""

    def dialect(self) -> TelephoneDialect:
        """For a new stream."""
        ...

    def admit(self, caller: SocketRequest) -> None:
        """Before the socket is accepted. Raises Refusal."""
        ...

    def verify(self, caller: SocketRequest, started: Started) -> None:
        """Once the stream has said what it is. Raises Refusal."""
        ...

    def exchange(self, started: Started) -> CallControl | None:
        """What else can be done with the call."""
        ...


async def serve_phone(hub: Hub, vendor: TelephoneVendor, caller: SocketRequest, telephone: TelephoneTransport) -> None:
    """The whole life of one stream. Raises nothing: what fails here concerns no other call."""
    reason = "ended"
    try:
        if not hub.kept.away:
            hub.calls.demand_place()  # a call that waits for its caller has a place already
        started = await telephone.handshake()
        if started is not None:
            vendor.verify(caller, started)
            if (kept := hub.kept.find(_network(telephone, started), started.call)) is None:
                with hub.calls.place():
                    await _talk(hub, vendor, telephone, started)
            elif kept.transport.fits(telephone):
                log.info("Call %s: %s stream %s", kept.call.id, telephone.name, started.stream)
                await kept.carry_on(telephone)  # the first stream's task runs the call
            else:
                kept.call.hang_up("a stream of another form took its place")
                with hub.calls.place():
                    await _talk(hub, vendor, telephone, started)
    except Refusal as refusal:
        log.warning("A telephone stream was refused: %s", refusal)
        reason = refusal.code
        telephone.refuse(reason)
    except Exception:
        log.exception("A telephone call failed")
        reason = "an error of ours"
    finally:
        await telephone.close(reason)


async def _talk(hub: Hub, vendor: TelephoneVendor, telephone: TelephoneTransport, started: Started) -> None:
    agent, policy = _choose(hub, started.parameters)
    facts = {"transport": telephone.name, "stream": started.stream, "phone_call": started.call, **started.extra}
    facts |= {name: started.parameters[name][:40] for name in FACTS if name in started.parameters}
    ids = {"network": _network(telephone, started), "network_id": started.call}
    with start_call(hub, agent, policy, telephone, **ids, control=vendor.exchange(started), facts=facts) as kept:
        call = kept.call
        log.info("Call %s: %s stream %s", call.id, telephone.name, started.stream)
        await call.run()
    log.info("Call %s: over (%s)", call.id, call.over)


def _network(telephone: TelephoneTransport, started: Started) -> str:
    """Where the call's id means this call: the vendor's account."""
    return f"{telephone.name} {started.account}"


def _choose(hub: Hub, parameters: Mapping[str, str]) -> tuple[Agent, Policy]:
    """The agent and policy that the parameters ask for. A caller who is on the line already is better served by the
    default than by a refusal, so an agent or policy that is not there is only logged."""
    try:
        agent = hub.catalogue.get(parameters.get("agent"))
    except UsageError as error:
        log.warning("%s; taking the default", error)
        agent = hub.catalogue.default
    try:
        policy = policy_for(hub, agent, preset=parameters.get("policy"))
    except UsageError as error:
        log.warning("%s; taking the agent's own", error)
        policy = agent.policy
    if policy.idle.user_silence_ms is None:
        policy = policy.with_({"user_silence_ms": SILENCE_MS, "hang_up_on_silence": True})
    if policy.idle.same_turns is None:
        policy = policy.with_({"same_turns": SAME_TURNS})
    if policy.idle.max_call_ms is None:
        policy = policy.with_({"max_call_ms": LONGEST_MS})
    return dataclasses.replace(agent, language=parameters.get("language") or agent.language), policy
