"""From an open telephone socket to a call: what all vendors, and both kinds of socket, have in common."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from bargein.agent import Agent
from bargein.call.memory.restored import RestoredCall
from bargein.clock import Clock, MonotonicClock
from bargein.errors import FleetAway, UsageError
from bargein.fleet.fleet import Fleet
from bargein.floor import Policy
from bargein.protocols import MOVED, CallControl
from bargein.server.calls import Watchers
from bargein.server.hub import Hub
from bargein.server.records.recording import said, with_wish
from bargein.server.refusals import Refusal
from bargein.server.restoring import Home, agent_of, give_up, returning
from bargein.server.settings import is_loopback
from bargein.server.sip.place import CallOrder
from bargein.server.start_call import language_for, policy_for, start_call
from bargein.server.telephone.dialed import DialedPhone
from bargein.server.telephone.recent_calls import TAKEN_OVER, CallState
from bargein.server.telephone.whereabouts import hand_over
from bargein.server.trace_headers import carry_trace
from bargein.transports.kept import Connection
from bargein.transports.rate_limit import RateLimit
from bargein.transports.telephone.dialect import Started, TelephoneDialect

log = logging.getLogger(__name__)

# A telephone into which no word is spoken is a voicemail, or lies on the sofa: ask twice, then hang up.
SILENCE_MS = 12_000
SAME_TURNS = 5  # an announcement on hold comes again and again; a caller chooses other words before long
LONGEST_MS = 4 * 3_600_000  # then it is a line that was forgotten
MOST_HOPS = 2  # that a vendor is sent to another node; then the call comes here, or the caller is greeted anew
NO_PLACE = 503  # status of the refusals of a server that is full, or that drains
ELSEWHERE = "the call is on another server"
FACTS = ("from", "to")  # of the parameters, those that belong into the record


@dataclass(frozen=True, slots=True)
class SocketRequest:
    """Who opens a socket. host: of the peer; headers: names in small letters; path: with its query."""

    host: str
    headers: Mapping[str, str]
    path: str


MEDIA_PROTOCOL = "media"  # a WebSocket's subprotocol that Asterisk offers


def subprotocol(caller: SocketRequest) -> str | None:
    """The subprotocol to accept. None: the caller offers none that means something here."""
    offered = (each.strip() for each in caller.headers.get("sec-websocket-protocol", "").split(","))
    return MEDIA_PROTOCOL if MEDIA_PROTOCOL in offered else None


FROM_BROWSERS = ("origin", "sec-fetch-site", "sec-fetch-mode")
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def is_this_machine(caller: SocketRequest) -> bool:
    """Whether it calls from here. A proxy on this machine has our address, too, but it says for whom it comes, or calls
    us by another name."""
    try:
        name = urlsplit(f"//{caller.headers.get('host', '')}").hostname or ""
    except ValueError:  # half an address
        return False
    direct = not any(header in caller.headers for header in FORWARDED)
    return is_loopback(caller.host) and is_loopback(name) and direct


def demand_no_page(caller: SocketRequest) -> None:
    """Raises Refusal for a browser, whose every socket has an Origin: no page has business with a telephone's."""
    if any(name in caller.headers for name in FROM_BROWSERS):
        raise Refusal(403, "foreign_origin", "Pages may not open a telephone's socket", advice="Open /calls/browser")


class Telephone(Connection, Protocol):
    """The transport of one telephone call, before and in the call."""

    @property
    def name(self) -> str:
        """Of the network."""
        ...

    async def handshake(self) -> Started | None:
        """Wait for the stream's start. None: it never began."""
        ...

    def refuse(self, reason: str) -> None:
        """The server accepts no call from it."""
        ...


class CallVendor(Protocol):
    """One telephone vendor, as far as a call of it is concerned."""

    async def verify(self, caller: SocketRequest, started: Started, fleet: Fleet) -> None:
        """Once the stream has said what it is. Raises Refusal."""
        ...

    def hops(self, started: Started) -> int | None:
        """How often the vendor was sent to another node for this call. None: the vendor does not ask what follows when
        we close a stream."""
        ...

    def exchange(self, started: Started) -> CallControl | None:
        """What else can be done with the call."""
        ...


class TelephoneVendor(CallVendor, Protocol):
    """One telephone vendor whose streams are WebSockets."""

    def dialect(self, caller: SocketRequest) -> TelephoneDialect:
        """For a new stream of this caller."""
        ...

    def admit(self, caller: SocketRequest) -> None:
        """Before the socket is accepted. Raises Refusal."""
        ...


class RefusalLog:
    """Tells what is refused, within a rate: strangers can be refused as often as they like."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._limit = RateLimit(clock or MonotonicClock(), 0.5, 20)
        self._untold = 0

    def warn(self, what: str, refusal: Refusal) -> None:
        if not self._limit.take():
            self._untold += 1
            return
        log.warning("%s: %s%s", what, refusal, f" ({self._untold} more before)" if self._untold else "")
        self._untold = 0


refusals = RefusalLog()


async def serve_phone(hub: Hub, vendor: CallVendor, caller: SocketRequest, telephone: Telephone) -> None:
    """The whole life of one stream. Raises nothing: what fails here concerns no other call."""
    reason = "ended"
    try:
        with hub.phone_strangers.one_more(caller.host, lambda: telephone.refuse("too many strangers")):
            started = await telephone.handshake()
        if started is not None:
            await vendor.verify(caller, started, hub.fleet)
            carry_trace(hub, started.parameters, caller.headers)
            reason = await _carry(hub, vendor, telephone, started)
    except Refusal as refusal:
        refusals.warn("A telephone stream was refused", refusal)
        reason = refusal.code
        telephone.refuse(reason)
    except Exception:
        log.exception("A telephone call failed")
        reason = "an error of ours"
    finally:
        await telephone.close(reason)


async def _carry(hub: Hub, vendor: CallVendor, telephone: Telephone, started: Started) -> str:
    """Find the stream's call, on whatever node it is, or begin one; to the end of the stream. Returns the reason to
    close the stream with."""
    network = _network(telephone, started)
    kept = hub.kept.find(network, started.call)
    if kept is not None and kept.transport.fits(telephone):
        log.info("Call %s: %s stream %s", kept.call.id, telephone.name, started.stream)
        await kept.carry_on(telephone)  # the first stream's task runs the call
        return "ended"
    found = None
    if kept is None and started.call and not hub.calls.closing:
        found = await _from_elsewhere(hub, vendor, network, started)
    if isinstance(found, Home):
        log.info("A %s stream of a call on node %s: the network is sent there", telephone.name, found.node)
        return ELSEWHERE
    ringing = hub.ringing.get(started.parameters.get("dialed", ""))
    dialed = ringing if isinstance(ringing, DialedPhone) else None
    try:
        # A call of ours has its place since it was ordered.
        with hub.calls.place(instead=kept is not None or found is not None or dialed is not None):
            if kept is not None:
                kept.call.hang_up("a stream of another form took its place")
            await _talk(hub, vendor, telephone, started, found, None if dialed is None else dialed.answered())
    except Refusal as refusal:
        if found is not None:
            await _give_back(hub, found)
        if dialed is not None:
            dialed.not_answered(refusal.message)
        if refusal.status != NO_PLACE:
            raise
        refusals.warn("A caller found no place", refusal)
        await _turn_away(hub, vendor, telephone, started)
        telephone.refuse(refusal.code)
    except Exception:
        if found is not None:
            await give_up(hub, found)
        raise
    return "ended"


async def _from_elsewhere(hub: Hub, vendor: CallVendor, network: str, started: Started) -> Home | RestoredCall | None:
    """The call of a stream that this node does not know. Home: the vendor is to be sent to the call's node."""
    found = await returning(hub, network=network, network_id=started.call)
    if not isinstance(found, Home):
        return found
    if found.node == hub.fleet.node:
        return None  # a call of ours that is not here has failed to begin
    hops = vendor.hops(started)
    if hops is not None and hops < MOST_HOPS:
        return found
    # The vendor cannot be sent there, or was sent here in vain: the call comes to its caller.
    if await hand_over(hub, found.node, network, started.call):
        found = await returning(hub, network=network, network_id=started.call)
    return None if isinstance(found, Home) else found


async def _turn_away(hub: Hub, vendor: CallVendor, telephone: Telephone, started: Started) -> None:
    """A caller for whom there is no place. The vendor that asks what follows is told there; any other caller hears a
    sentence."""
    if vendor.hops(started) is not None:
        hub.recent_calls.note(_network(telephone, started), started.call, CallState.TURNED_AWAY)
    else:
        await hub.busy_line.play(telephone)


async def _talk(
    hub: Hub,
    vendor: CallVendor,
    telephone: Telephone,
    started: Started,
    restored: RestoredCall | None = None,
    dialed: tuple[str, Watchers, dict[str, str]] | None = None,
) -> None:
    agent, policy = (
        choose_for_phone(hub, started.parameters) if restored is None else _chosen_before(hub, started, restored)
    )
    facts = {"transport": telephone.name, "stream": started.stream, "phone_call": started.call, **started.extra}
    facts |= {name: started.parameters[name][:40] for name in FACTS if name in started.parameters}
    facts |= {} if dialed is None else dialed[2]
    network, id_ = _network(telephone, started), started.call
    control = vendor.exchange(started)
    async with start_call(
        hub,
        agent,
        policy,
        telephone,
        network=network,
        network_id=id_,
        control=control,
        facts=facts,
        restored=restored,
        dialed=None if dialed is None else dialed[:2],
    ) as kept:
        call = kept.call
        hub.recent_calls.forget(network, id_)
        log.info("Call %s: %s stream %s", call.id, telephone.name, started.stream)
        await call.run()
        if call.over not in (MOVED, TAKEN_OVER):
            hub.recent_calls.note(network, id_, CallState.OVER)
    log.info("Call %s: over (%s)", call.id, call.over)


def _network(telephone: Telephone, started: Started) -> str:
    """Where the call's id means this call: the vendor's account."""
    return f"{telephone.name} {started.account}"


async def _give_back(hub: Hub, restored: RestoredCall) -> None:
    """A call that was claimed cannot begin here: another node may claim it."""
    try:
        await hub.fleet.release(restored.call_id)
    except FleetAway as error:
        log.warning("Call %s: no other server can take it up: %s", restored.call_id, error)


def _chosen_before(hub: Hub, started: Started, restored: RestoredCall) -> tuple[Agent, Policy]:
    """The agent and policy that the call began with. Where this server has no such agent, what the stream asks for."""
    try:
        return agent_of(hub, restored)
    except UsageError as error:
        log.warning("%s; the call goes on with another agent", error)
        return choose_for_phone(hub, started.parameters)


def choose_for_order(hub: Hub, order: CallOrder) -> tuple[Agent, Policy]:
    """Who answers a phone is served by the default; who orders a call learns what is wrong. Raises UsageError."""
    hub.catalogue.get(order.agent)
    if order.policy is not None:
        Policy.named(order.policy)
    asked = {"agent": order.agent, "policy": order.policy, "language": order.language}
    if order.record is not None:
        asked["record"] = str(order.record)
    return choose_for_phone(hub, {name: value for name, value in asked.items() if value is not None})


def choose_for_phone(hub: Hub, parameters: Mapping[str, str]) -> tuple[Agent, Policy]:
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
        policy = policy_for(hub, agent)
    try:
        language = language_for(agent, parameters.get("language"))
    except UsageError as error:
        log.warning("%s; taking the agent's own", error)
        language = agent.language
    if policy.idle.user_silence_ms is None:
        policy = policy.with_({"user_silence_ms": SILENCE_MS, "hang_up_on_silence": True})
    if policy.idle.same_turns is None:
        policy = policy.with_({"same_turns": SAME_TURNS})
    if policy.idle.max_call_ms is None:
        policy = policy.with_({"max_call_ms": LONGEST_MS})
    record = with_wish(hub, agent, said(parameters.get("record")))
    return dataclasses.replace(agent, language=language, record_audio=record), policy
