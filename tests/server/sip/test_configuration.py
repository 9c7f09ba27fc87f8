"""The settings of the SIP door."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from bargein.errors import UsageError
from bargein.server.app import VoiceApp
from bargein.server.catalogue import Catalogue
from bargein.server.settings import Settings
from bargein.server.sip.configuration import SipConfiguration, sip_configuration
from bargein.sip.addresses import SipAddress
from tests.server.kit import settings, tone_agent


def made(**given: object) -> SipConfiguration:
    return sip_configuration(settings(None, **given))


def test_several_addresses_and_transports() -> None:
    found = made(sip="127.0.0.1:5060, [::1]:5070;transport=tcp")
    assert found.listen == (SipAddress("127.0.0.1", 5060), SipAddress("::1", 5070, "tcp"))


def test_without_users_and_networks_only_this_machine_may_call() -> None:
    found = made(sip="0.0.0.0:5060")
    assert [found.admits(host) for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.7", "nonsense")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_networks_take_the_place_of_this_machine() -> None:
    found = made(sip="0.0.0.0:5060", sip_allow="10.0.0.0/8, 203.0.113.5")
    hosts = ("10.9.9.9", "::ffff:10.1.1.1", "203.0.113.5", "203.0.113.6", "127.0.0.1")
    assert [found.admits(host) for host in hosts] == [True, True, True, False, False]


def test_with_users_each_address_needs_a_password() -> None:
    found = made(sip="0.0.0.0:5060", sip_users="anna:long-enough, bob:also:long")
    assert dict(found.users) == {"anna": "long-enough", "bob": "also:long"}
    assert not found.admits("127.0.0.1")


def test_no_password_is_shown() -> None:
    found = made(sip_users="anna:long-enough", sip_trunk="sip:me@provider.example", sip_trunk_password="secret-thing")
    assert "long-enough" not in repr(found)
    assert "secret-thing" not in repr(found)


@pytest.mark.parametrize(
    "given",
    [
        {"sip": "nowhere:port"},
        {"sip": "127.0.0.1:5060;transport=sctp"},
        {"sip": "127.0.0.1:5061;transport=tls"},
        {"sip": "127.0.0.1:5061;transport=tls", "sip_cert": "/no/such/file.pem"},
        {"sip_users": "anna"},
        {"sip_users": "anna:short"},
        {"sip_allow": "everybody"},
        {"sip_allow": "0.0.0.0/0"},
        {"sip_trunk": "provider.example"},
        {"sip_trunk": "sip:provider.example"},
        {"sip_trunk": "sip:me@provider.example", "sip_trunk_proxy": "tel:123"},
        {"sip_public": "our.example"},
        {"rtp_ports": "10000"},
        {"rtp_ports": "20000-10000"},
        {"rtp_ports": "80-90"},
        {"rtp_ports": "10000-10000"},
    ],
)
def test_a_wrong_setting_is_an_error_with_advice(given: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        made(**given)
    assert caught.value.advice
    assert "short" not in str(caught.value).replace("shorter", "")


async def test_a_server_that_cannot_have_the_address_ends_with_one_error_in_words() -> None:
    @asynccontextmanager
    async def agents(_: Settings) -> AsyncIterator[Catalogue]:
        yield Catalogue({"tone": tone_agent()})

    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", 0))
        app = VoiceApp(settings(None, sip=f"127.0.0.1:{other.getsockname()[1]}"), agents=agents)
        with pytest.raises(UsageError, match="Cannot listen"):
            async with app.lifespan():
                pass
