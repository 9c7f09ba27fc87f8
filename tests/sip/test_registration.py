"""REGISTER at a trunk whose registrar the test plays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bargein.sip.addresses import SipAddress, SipUri
from bargein.sip.dialog_state import OnFlow
from bargein.sip.digest_server import DigestServer
from bargein.sip.messages import SipRequest, SipResponse, read_message
from bargein.sip.registration import KEEPALIVE_S, Registration
from bargein.sip.settings import SipAdmission, SipCredentials, SipTrunk
from bargein.sip.transactions import answer_to
from tests.sip.kit import Phone, Raw, SimFlow, SimNetwork, offer, status

TRUNK = SipTrunk(SipUri.read("sip:alice@10.0.0.9"), SipCredentials("alice", "secret"), expires_s=300)
Answer = Callable[[SipRequest], SipResponse]


class Registrar(Raw):
    """Answers each REGISTER by `answer`, which a test may change."""

    def __init__(self, network: SimNetwork, phone: Phone) -> None:
        super().__init__(network)
        self.phone = phone
        self.digest = DigestServer(network.clock, "trunk", {"alice": "secret"})
        self.answer: Answer | None = self.usual
        self.granted: list[int] = []
        self.core.receive = self.receive  # type: ignore[method-assign]

    def receive(self, data: bytes, flow: SimFlow) -> None:
        if not data.strip():
            return
        message = read_message(data)
        self.got.append(message)
        if isinstance(message, SipRequest) and message.method == "REGISTER" and self.answer is not None:
            flow.send(self.answer(message).render())

    def usual(self, request: SipRequest) -> SipResponse:
        verdict, _ = self.digest.verify(request.headers.raw("authorization"), "REGISTER", "10.0.0.2")
        if verdict.value != "right":
            response = answer_to(request, 401, "Unauthorized")
            for challenge in self.digest.challenges("10.0.0.2"):
                response.headers.add("www-authenticate", challenge)
            return response
        response = answer_to(request, 200, "OK")
        self.granted.append(int(request.headers.get("expires")))
        response.headers.add("contact", request.headers.get("contact"))
        return response

    @property
    def registers(self) -> list[SipRequest]:
        return [each for each in self.got if isinstance(each, SipRequest) and each.method == "REGISTER"]


class World:
    def __init__(self, trunk: SipTrunk = TRUNK) -> None:
        self.net = SimNetwork()
        self.phone = Phone(self.net, "10.0.0.2", SipAdmission(lambda host: False))
        self.registrar = Registrar(self.net, self.phone)
        self.reachable = True
        self.registration = Registration(self.phone.core, trunk, self.open)
        self.phone.core.registrations = [self.registration]

    def open(self, reached: OnFlow) -> None:
        flow = SimFlow(self.net, self.phone.address, SipAddress("10.0.0.9", 5060))
        reached(flow if self.reachable else None)


@pytest.fixture
async def world() -> World:
    return World()


async def test_registered_after_the_challenge_and_kept_so(world: World) -> None:
    world.registration.start()
    world.net.run(100)
    assert world.registration.state == "registered"
    assert len(world.registrar.registers) == 2
    world.net.run(900_000)
    assert world.registration.state == "registered"
    assert 3 <= len(world.registrar.granted) <= 5  # before each end of 300 s
    call_ids = {each.headers.get("call-id") for each in world.registrar.registers}
    assert len(call_ids) == 1
    numbers = [int(each.headers.get("cseq").split()[0]) for each in world.registrar.registers]
    assert numbers == sorted(set(numbers))


async def test_the_way_through_a_nat_is_kept_open(world: World) -> None:
    sent: list[bytes] = []

    def fate(data: bytes) -> tuple[float]:
        sent.append(data)
        return (10.0,)

    world.net.fate = fate
    world.registration.start()
    world.net.run(10 * KEEPALIVE_S * 1000)
    assert 8 <= sent.count(b"\r\n\r\n") <= 11


async def test_taken_back_at_the_end(world: World) -> None:
    world.registration.start()
    world.net.run(100)
    done: list[bool] = []
    world.registration.end(lambda: done.append(True))
    world.net.run(100)
    assert done == [True]
    assert world.registrar.granted[-1] == 0
    assert world.registrar.registers[-1].headers.get("contact").endswith("expires=0")
    world.net.run(60_000)
    assert len(world.phone.core.timers) == 0


async def test_a_longer_time_is_asked_for_when_the_registrar_wants_it(world: World) -> None:
    def brief(request: SipRequest) -> SipResponse:
        if int(request.headers.get("expires")) >= 3600:
            return world.registrar.usual(request)
        response = answer_to(request, 423, "Interval Too Brief")
        response.headers.add("min-expires", "3600")
        return response

    world.registrar.answer = brief
    world.registration.start()
    world.net.run(200)
    assert world.registration.state == "registered"
    assert world.registrar.granted == [3600]


@pytest.mark.parametrize("why", ["unreachable", "silent", "refused"])
async def test_another_try_follows_later_and_later(world: World, why: str) -> None:
    if why == "unreachable":
        world.reachable = False
    world.registrar.answer = None if why == "silent" else lambda request: answer_to(request, 403, "Forbidden")
    world.registration.start()
    world.net.run(60_000)
    assert world.registration.state.startswith("refused: 403" if why == "refused" else "waiting:")
    few = len(world.registrar.registers)
    world.net.run(3_600_000)
    assert len({each.headers.get("cseq") for each in world.registrar.registers[few:]}) <= 30  # an hour, 5 minutes apart
    world.reachable, world.registrar.answer = True, world.registrar.usual
    world.net.run(400_000)
    assert world.registration.state == "registered"


async def test_a_wrong_password_is_said_and_not_tried_on_and_on() -> None:
    world = World(SipTrunk(TRUNK.uri, SipCredentials("alice", "guess")))
    world.registration.start()
    world.net.run(500)
    assert world.registration.state == "refused: 401 Unauthorized"
    assert len(world.registrar.registers) == 2


async def test_a_registrar_that_grants_nothing_useful_is_not_flooded(world: World) -> None:
    def stingy(request: SipRequest) -> SipResponse:
        response = answer_to(request, 200, "OK")
        response.headers.add("expires", "1")
        return response

    world.registrar.answer = stingy
    world.registration.start()
    world.net.run(600_000)
    assert len(world.registrar.registers) <= 41


async def test_the_trunk_calls_without_a_password(world: World) -> None:
    assert status(world.registrar.request(world.phone, "INVITE", body=offer(), call_id="before")) == [403]
    world.registration.start()
    world.net.run(100)
    world.registrar.request(world.phone, "INVITE", body=offer(), call_id="after", branch="z9hG4bKtrunk")
    assert len(world.phone.calls) == 1


async def test_a_lost_connection_is_a_reason_to_register_again(world: World) -> None:
    world.registration.start()
    world.net.run(100)
    before = len(world.registrar.registers)
    assert world.registration.flow is not None
    world.registration.flow_lost(world.registration.flow)
    assert world.registration.state.startswith("waiting")
    world.net.run(5000)
    assert world.registration.state == "registered"
    assert len(world.registrar.registers) > before
