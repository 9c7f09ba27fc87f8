"""A telephone's webhook and socket under the path of a node: signed, taken, and by the fast way."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from bargein.server.telephone import picows_server
from bargein.server.telephone.serve import SocketRequest
from tests.server.telephone.test_twilio import FORM, PUBLIC, guarded, parameters, signature, stream

NODE = "/n/another-node-1"


@pytest.mark.parametrize("prefix", ["", "/voice"])
@pytest.mark.parametrize("passed_on", [True, False])
async def test_a_call_under_the_path_of_a_node_is_taken_by_the_node_that_it_reaches(
    prefix: str, passed_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast: list[str] = []

    class Noted(picows_server.PhoneListener):
        def __init__(self, hub: object, vendor: object, caller: SocketRequest) -> None:
            super().__init__(hub, vendor, caller)  # type: ignore[arg-type]
            fast.append(caller.path)

    monkeypatch.setattr(picows_server, "PhoneListener", Noted)
    before = prefix if passed_on else ""  # what the proxy leaves of the path
    public = f"{PUBLIC}{prefix}"
    async with guarded(public_url=public) as here:
        url = f"{public}{NODE}/twilio/voice"
        answer = await here.http.post(f"{before}{NODE}/twilio/voice", data=FORM, headers=signature(url, FORM))
        told = parameters(answer)
        socket = told["url"]
        assert socket.startswith(public.replace("http", "ws"))
        assert socket.endswith("/twilio/media")
        path = f"{before}{NODE}/twilio/media"
        signed = signature(f"{public}{NODE}/twilio/media".replace("http", "ws"))
        async with stream(here, path, additional_headers=signed) as phone:
            await phone.start(parameters={"token": told["token"]})
            await phone.until("media")
        assert fast == [path]


async def test_a_signature_for_one_node_is_none_for_another() -> None:
    async with guarded() as here:
        wrong = signature(f"{PUBLIC}/n/b/twilio/voice", FORM)
        assert (await here.http.post("/n/a/twilio/voice", data=FORM, headers=wrong)).status_code == 403
        with pytest.raises(InvalidStatus) as refused:
            async with stream(here, "/n/a/twilio/media", additional_headers=signature("wss://phone.example/n/b/x")):
                pass
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize("path", ["/n/A/twilio/media", "/n//twilio/media", "/n/a/n/b/twilio/media", "/n/a/other"])
async def test_a_path_that_names_no_telephone_is_refused(path: str) -> None:
    async with guarded() as here:
        with pytest.raises(InvalidStatus) as refused:
            async with stream(here, path):
                pass
        assert refused.value.response.status_code in (403, 404)
