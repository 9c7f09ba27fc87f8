"""Why a call ended: one reason in the last decision, in the goodbye, in the close frame and in the status."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.server.kit import Client, World, world


async def server_closes(here: World, _: Client) -> None:
    await here.hub.calls.hang_up_all("the server closes")


async def operator(here: World, client: Client) -> None:
    assert (await here.http.post(f"/calls/{client.messages[0]['call_id']}/hangup")).status_code == 200


async def client_hangs_up(_: World, client: Client) -> None:
    await client.send({"type": "hangup"})


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (server_closes, "the server closes"),
        (operator, "the operator hung up"),
        (client_hangs_up, "the client hung up"),
    ],
)
async def test_whoever_ended_the_call_is_named(end: Callable[..., object], reason: str) -> None:
    async with world() as here, here.client() as client:
        await client.speaking()
        await end(here, client)  # type: ignore[misc]  # each is a coroutine function
        assert await client.closed() == 1000
        said = {str(m["type"]): m for m in client.messages}
        assert said["barge_in"]["why"] == reason, "the far end is not blamed for what it did not do"
        assert said["bye"]["reason"] == reason
        assert client.socket.close_reason == reason
        assert await here.over(client) == reason
