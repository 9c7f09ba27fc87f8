"""A client whose frames the server refuses is not waited for: its call ends, and the place is free."""

from __future__ import annotations

from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from bargein.server import serve
from bargein.transports.websocket import MESSAGE_BYTES
from tests.attack.raw_socket import END, PING, TEXT, frame
from tests.server.kit import World, settings, tone_agent, world
from tests.server.telephone.test_twilio import stream
from tests.transports.telephone.test_vonage import Vonage

BAD = {
    "of no kind that there is": frame(END | 3, b"x"),
    "a ping in two parts": frame(PING, b"x"),
    "too long": frame(END | TEXT, b"x" * (MESSAGE_BYTES + 1)),
    "too long, in parts": frame(TEXT, b"x" * MESSAGE_BYTES) + frame(END, b"x"),
}


@pytest.fixture(params=["picows", "asgi"], autouse=True)
def either_socket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "FAST", request.param == "picows")


async def sends_to(here: World, path: str, data: bytes) -> None:
    """A call, and in its middle these bytes; read on to the end."""
    if path == "/calls/browser":
        async with here.client() as client:
            client.socket.transport.write(data)
            await client.closed()
        return
    async with stream(here, path) as phone:
        if path == "/twilio/media":
            await phone.start()
        else:
            await phone.socket.send(Vonage().start()[0])
        await phone.socket.recv()  # the agent's audio
        phone.socket.transport.write(data)
        with suppress(ConnectionClosed):
            while True:
                await phone.socket.recv()


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("path", ["/calls/browser", "/twilio/media", "/vonage/media"])
async def test_a_client_whose_frames_are_refused_is_not_waited_for(path: str, bad: str) -> None:
    async with world(settings(keep_s=60), tone_agent(greeting="one two three " * 30)) as here:
        await sends_to(here, path, BAD[bad])
        assert await here.nobody_left()
        assert here.hub.calls.taken == 0
