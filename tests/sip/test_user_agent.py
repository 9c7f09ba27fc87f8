"""Two user agents over real sockets on this machine: UDP, TCP and TLS; what their sockets bear; what a close leaves."""

from __future__ import annotations

import asyncio
import gc
import shlex
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bargein.clock import MonotonicClock
from bargein.errors import UsageError
from bargein.sip.addresses import SipAddress, SipUri
from bargein.sip.dialog import SipDialog
from bargein.sip.errors import SipRefused, SipTimeout
from bargein.sip.incoming_call import IncomingCall
from bargein.sip.session_description import write_answer
from bargein.sip.settings import SipAdmission, SipCredentials, SipLimits, SipTrunk
from bargein.sip.user_agent import SipUserAgent
from tests.sip.kit import described, offer

LOCAL = SipAdmission(lambda host: host == "127.0.0.1")
OPTIONS = (
    "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{0}\r\nFrom: <sip:a@b>;tag=1\r\n"
    "To: <sip:x@127.0.0.1>\r\nCall-ID: {0}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Answering:
    """Takes each call at once, unless `rings` is set."""

    def __init__(self) -> None:
        self.calls: list[IncomingCall] = []
        self.dialogs: list[SipDialog] = []
        self.overs: asyncio.Queue[str] = asyncio.Queue()
        self.rings = False

    def incoming(self, call: IncomingCall) -> None:
        self.calls.append(call)
        call.on_cancel = self.overs.put_nowait
        if self.rings:
            call.ring()
            return
        dialog = call.answer(write_answer(call.sdp, described(call.local_host, 4000), session=1, version=1))
        dialog.on_over = self.overs.put_nowait
        self.dialogs.append(dialog)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        shlex.split(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem "
            "-out cert.pem -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
        ),
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@asynccontextmanager
async def agents(
    transport: str = "udp", folder: Path | None = None, admission: SipAdmission = LOCAL, limits: SipLimits | None = None
) -> AsyncIterator[tuple[SipUserAgent, SipUserAgent, Answering, SipUri]]:
    """(callee, caller, handler of the callee, URI of the callee)."""
    server_tls = client_tls = None
    if folder is not None:
        server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        client_tls = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    handler, clock = Answering(), MonotonicClock()
    listen = [SipAddress.read(f"127.0.0.1:0;transport={transport}")]
    async with (
        SipUserAgent(listen, handler, clock, limits, admission=admission, server_tls=server_tls) as callee,
        SipUserAgent(
            [SipAddress("127.0.0.1", 0)], Answering(), clock, admission=LOCAL, client_tls=client_tls
        ) as caller,
    ):
        port = callee.addresses[0].port
        yield callee, caller, handler, SipUri.read(f"sip:bot@127.0.0.1:{port};transport={transport}")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_call(transport: str, certificate: Path) -> None:
    before = asyncio.all_tasks()
    async with agents(transport, certificate if transport == "tls" else None) as (callee, caller, handler, uri):
        dialog = await caller.invite(uri, offer(await caller.local_host(uri)))
        assert dialog.offer == described("127.0.0.1", 4000)
        assert dialog.peer.transport == transport
        await dialog.send_key("5")
        await dialog.bye("done")
        assert await handler.overs.get() == "bye"
        assert handler.dialogs[0].headers["user-agent"] == "bargein"
        port = callee.addresses[0].port  # ours to be reached at, whichever port the connection has
        parameter = "" if transport == "udp" else f";transport={transport}"
        assert dialog.headers["contact"] == f"<sip:bargein@127.0.0.1:{port}{parameter}>"
        second = await caller.invite(uri, offer())
        await handler.dialogs[1].bye()  # the callee's way back, over a connection that the caller made
        assert second.over == "bye"
        assert (callee.dialogs, caller.dialogs) == (0, 0)
    assert asyncio.all_tasks() == before
    gc.collect()  # a socket that is left open would warn


async def test_a_caller_by_tcp_is_reached_at_its_listener() -> None:
    listen = [SipAddress("127.0.0.1", 0, "udp"), SipAddress("0.0.0.0", 0, "tcp")]
    async with (
        agents("tcp") as (_, _, handler, uri),
        SipUserAgent(listen, Answering(), MonotonicClock(), admission=LOCAL) as caller,
    ):
        dialog = await caller.invite(uri, offer(await caller.local_host(uri)))
        port = caller.addresses[1].port
        assert handler.calls[0].headers["contact"] == f"<sip:bargein@127.0.0.1:{port};transport=tcp>"
        await dialog.bye()


async def test_a_wildcard_listener_names_the_address_on_the_way() -> None:
    handler = Answering()
    async with (
        SipUserAgent(
            [SipAddress("0.0.0.0", 0)], handler, MonotonicClock(), admission=LOCAL, public="192.0.2.7"
        ) as agent,
        agents() as (_, caller, _, _),
    ):
        dialog = await caller.invite(SipUri("bot", "127.0.0.1", agent.addresses[0].port), offer())
        # A peer on this machine reaches the local address; all others get the public one.
        assert dialog.headers["contact"] == f"<sip:bargein@127.0.0.1:{agent.addresses[0].port}>"
        assert handler.calls[0].local_host == "127.0.0.1"
        assert await agent.local_host(SipUri.read("sip:x@198.51.100.1")) == "192.0.2.7"
        await dialog.bye()


async def test_a_password_over_udp_and_a_call_without_one() -> None:
    strict = SipAdmission(lambda host: False, {"bob": "secret"})
    async with agents(admission=strict) as (callee, caller, handler, uri):
        with pytest.raises(SipRefused):
            await caller.invite(uri, offer())
        dialog = await caller.invite(uri, offer(), credentials=SipCredentials("bob", "secret"))
        assert handler.calls[0].user == "bob"
        await dialog.bye()
        assert callee.counts["calls"] == 1


async def test_a_cancelled_invite_sends_a_cancel() -> None:
    async with agents() as (_, caller, handler, uri):
        handler.rings = True
        rung = asyncio.Event()
        task = asyncio.ensure_future(caller.invite(uri, offer(), on_progress=lambda status, early: rung.set()))
        await rung.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await handler.overs.get() == "cancelled"


async def test_a_call_that_takes_too_long() -> None:
    async with agents() as (_, caller, handler, uri):
        handler.rings = True
        with pytest.raises(SipTimeout):
            await caller.invite(uri, offer(), within_s=0.05)
        assert await handler.overs.get() == "cancelled"


@pytest.mark.parametrize("uri", ["sip:x@127.0.0.1:1;transport=tcp", "sip:x@no-such-host.invalid", "sip:x@[::1]:5"])
async def test_a_peer_that_cannot_be_reached(uri: str) -> None:
    async with agents() as (_, caller, _, _):
        with pytest.raises(SipTimeout):
            await caller.invite(SipUri.read(uri), offer(), within_s=3)


async def test_a_close_hangs_up_and_a_call_after_it_is_refused() -> None:
    async with agents() as (callee, caller, handler, uri):
        dialog = await caller.invite(uri, offer())
        handler.rings = True
        rung = asyncio.Event()
        ringing = asyncio.ensure_future(caller.invite(uri, offer(), on_progress=lambda status, early: rung.set()))
        await rung.wait()
        await callee.__aexit__(None, None, None)
        assert dialog.over == "bye"
        assert [handler.overs.get_nowait() for _ in range(2)] == ["closed", "closed"]
        with pytest.raises(SipRefused):
            await ringing
        with pytest.raises(SipTimeout):
            await callee.invite(uri, offer())


async def test_a_close_waits_for_a_silent_peer_no_longer_than_it_says() -> None:
    silent = await _silent()
    handler = Answering()
    limits = SipLimits(close_s=0.05)
    trunk = SipTrunk(SipUri.read(f"sip:a@127.0.0.1:{silent.get_extra_info('sockname')[1]}"))
    async with SipUserAgent(
        [SipAddress("127.0.0.1", 0)], handler, MonotonicClock(), limits, admission=LOCAL, trunks=[trunk]
    ) as agent:
        assert list(agent.registrations().values()) == ["registering"]
    silent.close()


async def _silent() -> asyncio.DatagramTransport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    return transport


async def test_addresses_that_cannot_be_listened_at() -> None:
    async with agents("tcp") as (callee, _, handler, _):
        taken = [SipAddress("127.0.0.1", 0), callee.addresses[0]]
        with pytest.raises(OSError, match="address"):
            await SipUserAgent(taken, handler, MonotonicClock(), admission=LOCAL).__aenter__()
        with pytest.raises(UsageError):
            await SipUserAgent(
                [SipAddress("127.0.0.1", 0, "tls")], handler, MonotonicClock(), admission=LOCAL
            ).__aenter__()


async def _ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(10) == b""
    except ConnectionError:
        return True


async def test_connections_of_strangers_are_bounded() -> None:
    limits = SipLimits(connections_of_address=3, partial_s=0.05, message_bytes=2000)
    async with agents("tcp", limits=limits) as (callee, caller, _, uri):
        place = ("127.0.0.1", callee.addresses[0].port)
        first = [await asyncio.open_connection(*place) for _ in range(3)]
        reader, writer = await asyncio.open_connection(*place)
        assert await _ended(reader)  # one too many
        writer.close()
        for (_, writer), data in zip(first, (b"INVITE half", b"x" * 3000, b"OPTIONS x\r\n\r\n"), strict=True):
            writer.write(data)
        for reader, writer in first:  # a message that does not come to its end, no message, one without a length
            assert await _ended(reader)
            writer.close()
        reader, writer = await asyncio.open_connection(*place)
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        text = OPTIONS.format("a") + OPTIONS.format("b")
        for piece in (text[:100], text[100:700], text[700:]):
            writer.write(piece.encode())
            await asyncio.sleep(0)
        answers = b""
        while answers.count(b"SIP/2.0 200 OK") < 2:
            answers += await reader.read(4000)
        writer.close()
        await (await caller.invite(uri, offer())).bye()


async def test_tls_handshakes_of_strangers_are_bounded(certificate: Path) -> None:
    before = asyncio.all_tasks()
    async with agents("tls", certificate, limits=SipLimits(connections_of_address=3)) as (callee, caller, _, uri):
        place = ("127.0.0.1", callee.addresses[0].port)
        silent = [await asyncio.open_connection(*place) for _ in range(2)]
        reader, writer = await asyncio.open_connection(*place)
        writer.write(b"no handshake at all\r\n\r\n")
        while await reader.read(100):
            pass
        writer.close()
        dialog = await caller.invite(uri, offer())  # the third place is free again
        reader, writer = await asyncio.open_connection(*place)
        assert await _ended(reader)
        writer.close()
        await dialog.bye()
    for reader, writer in silent:
        assert await _ended(reader)
        writer.close()
    assert asyncio.all_tasks() == before


async def test_an_idle_connection_is_closed_and_one_with_a_call_is_not() -> None:
    async with agents("tcp", limits=SipLimits(idle_s=0.1)) as (callee, caller, handler, uri):
        dialog = await caller.invite(uri, offer())
        reader, writer = await asyncio.open_connection("127.0.0.1", callee.addresses[0].port)
        assert await _ended(reader)
        writer.close()
        assert not handler.dialogs[0].state.flow.closed
        await dialog.bye()


async def test_a_call_over_a_connection_that_broke_goes_on_over_a_new_one() -> None:
    async with agents("tcp") as (callee, caller, handler, uri):
        dialog = await caller.invite(uri, offer())
        handler.dialogs[0].state.flow.abort()  # type: ignore[attr-defined]
        for _ in range(1000):  # until the loop has read the end of the connection
            await asyncio.sleep(0)
        assert dialog.state.flow.closed
        await dialog.send_key("5")
        await dialog.bye()
        assert await handler.overs.get() == "bye"
        assert callee.dialogs == 0


async def test_garbage_by_udp_leaves_the_agent_alive() -> None:
    async with agents() as (callee, caller, _, uri):
        transport = await _silent()
        for data in (b"\x00" * 60_000, b"\r\n\r\n", b"", b"INVITE", bytes(range(256))):
            transport.sendto(data, ("127.0.0.1", callee.addresses[0].port))
        await (await caller.invite(uri, offer())).bye()
        assert callee.counts["malformed"] == 2
        transport.close()
