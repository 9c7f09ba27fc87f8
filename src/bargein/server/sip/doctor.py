"""What `bargein doctor` says of the SIP door: its settings, its ports, its trunk, and what SRTP and G.722 need."""

from __future__ import annotations

import asyncio
import socket
from importlib.util import find_spec

from bargein.clock import MonotonicClock
from bargein.errors import BargeinError, Unavailable
from bargein.server.doctor_findings import Finding
from bargein.server.settings import Settings
from bargein.server.sip.configuration import SipConfiguration, sip_configuration
from bargein.sip.addresses import SipAddress
from bargein.sip.incoming_call import IncomingCall
from bargein.sip.settings import SipAdmission, SipTrunk
from bargein.sip.user_agent import SipUserAgent
from bargein.transports.rtp.ports import RtpPorts

TRUNK_S = 8.0  # for the provider's answer
INSTALL = "Install it with pip install 'bargein[sip]'"
PACKAGES = {"pylibsrtp": "SRTP", "G722": "G.722"}


class _TakesNoCalls:
    """A SipHandler by shape."""

    def incoming(self, call: IncomingCall) -> None:
        call.reject(480)


async def sip_findings(settings: Settings) -> list[Finding]:
    """Raises nothing."""
    if not settings.sip:
        return [Finding("SIP", "off", "not set: no phone calls by SIP", "Set BARGEIN_SIP, such as 0.0.0.0:5060")]
    try:
        found = sip_configuration(settings)
    except BargeinError as error:
        return [Finding("SIP", "fails", error.message, error.advice)]
    findings = [_listens(each, found) for each in found.listen]
    findings += [_audio_ports(found), *_packages()]
    if found.trunk is not None:
        findings.append(await _trunk(found.trunk))
    return findings


def _listens(address: SipAddress, found: SipConfiguration) -> Finding:
    kind = socket.SOCK_DGRAM if address.transport == "udp" else socket.SOCK_STREAM
    what = f"SIP at {address}"
    try:
        family, _, _, _, place = socket.getaddrinfo(address.host, address.port, type=kind)[0]
        with socket.socket(family, kind) as one:
            if kind == socket.SOCK_STREAM:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(place)
    except OSError as error:
        return Finding(
            what, "look", f"cannot be had: {error.strerror}", "Stop what listens there, or take another port"
        )
    return Finding(what, "works", f"free to listen on; calls of {found.who}")


def _audio_ports(found: SipConfiguration) -> Finding:
    first, last = found.rtp_ports or (None, None)
    try:
        port = RtpPorts("0.0.0.0", first, last).take()  # noqa: S104  # as calls do
    except Unavailable as error:
        return Finding("audio of SIP calls", "fails", error.message, error.advice)
    port.close()
    if first is None or last is None:
        return Finding("audio of SIP calls", "works", "any free UDP port", "Behind a firewall, set BARGEIN_RTP_PORTS")
    return Finding("audio of SIP calls", "works", f"UDP {first}-{last}: {(last - first + 1) // 2} calls at a time")


def _packages() -> list[Finding]:
    return [
        Finding(what, "works", "installed") if find_spec(name) else Finding(what, "off", f"no package {name}", INSTALL)
        for name, what in PACKAGES.items()
    ]


async def _trunk(trunk: SipTrunk) -> Finding:
    """Registers for a moment, at a port of its own."""
    what = f"SIP trunk {trunk.uri.host}"
    if not trunk.register:
        return Finding(what, "look", "not tried: it needs no registration", "Make a call to see whether it works")
    if trunk.credentials is None:
        return Finding(what, "look", "no password", "Set BARGEIN_SIP_TRUNK_PASSWORD")
    transport = (trunk.proxy or trunk.uri).address.transport
    listen = SipAddress("0.0.0.0", 0, "udp" if transport == "udp" else "tcp")  # noqa: S104  # whatever way leads there
    admission = SipAdmission(admits=lambda _: False)
    agent = SipUserAgent((listen,), _TakesNoCalls(), MonotonicClock(), admission=admission, trunks=(trunk,))
    state = "registering"
    try:
        async with agent, asyncio.timeout(TRUNK_S):
            # The user agent shows its state, and has no event for a change.
            while (state := next(iter(agent.registrations().values()), "")) == "registering":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    except (OSError, BargeinError) as error:  # TimeoutError is an OSError
        if state == "registering":
            return Finding(what, "fails", str(error) or "no answer", "Look at the address and the network")
    if state == "registered":
        return Finding(what, "works", "registered")
    return Finding(what, "fails", state, "Look at BARGEIN_SIP_TRUNK, its user and its password")
