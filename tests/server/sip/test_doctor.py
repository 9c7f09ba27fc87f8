"""What the doctor says of the SIP door."""

from __future__ import annotations

import socket

from bargein.server.sip.doctor import sip_findings
from benchmarks.baresip import free_udp_port
from tests.server.kit import settings
from tests.server.sip.kit import phone


async def states(**given: object) -> dict[str, str]:
    return {each.what: each.state for each in await sip_findings(settings(None, **given))}


async def test_without_sip_it_is_off() -> None:
    assert await states() == {"SIP": "off"}


async def test_a_wrong_setting_fails() -> None:
    assert await states(sip="127.0.0.1:5061;transport=tls") == {"SIP": "fails"}


async def test_a_port_that_is_taken_is_told() -> None:
    port = free_udp_port()
    name = f"SIP at 127.0.0.1:{port};transport=udp"
    assert (await states(sip=f"127.0.0.1:{port}"))[name] == "works"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        assert (await states(sip=f"127.0.0.1:{port}"))[name] == "look"


async def test_a_trunk_that_refuses_is_told() -> None:
    """A phone takes no registrations."""
    async with phone() as provider:
        trunk = f"sip:me@127.0.0.1:{provider.uri.port}"
        found = await states(sip="127.0.0.1:0", sip_trunk=trunk, sip_trunk_password="a-password")
        assert found["SIP trunk 127.0.0.1"] == "fails"
        assert (await states(sip="127.0.0.1:0", sip_trunk=trunk))["SIP trunk 127.0.0.1"] == "look"
