"""Who may call, and from where."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import Message
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from bargein import create_app
from bargein.clock import ManualClock
from bargein.errors import UsageError
from bargein.server.auth import Audience, Gate
from bargein.server.refusals import Refusal
from bargein.server.settings import Settings, is_loopback
from tests.server.kit import TOKEN, Client, World, settings, tone_agent, world

OWNER = {"Authorization": f"Bearer {TOKEN}"}


def gate() -> Gate:
    return Gate(settings(token=SecretStr(TOKEN)))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_an_address_that_others_reach_is_not_opened_without_a_token(host: str) -> None:
    with pytest.raises(UsageError, match="no token is set"):
        Gate(settings(host=host))
    assert not Gate(settings(host=host, token=SecretStr(TOKEN))).open


def test_a_short_token_is_none() -> None:
    with pytest.raises(UsageError, match="16 characters"):
        Gate(settings(token=SecretStr("secret")))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "a.localhost", "[::1]", "LOCALHOST."])
def test_loopback_by_any_name_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "127.0.0.1.evil.example", "localhost.evil.example", "1.2.3.4", "0.0.0.0"])
def test_other_names_are_not(host: str) -> None:
    assert not is_loopback(host)


def test_a_page_token_opens_calls_for_its_time_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    made = gate()
    token = made.page_token()
    made.demand_caller(Headers({}), ["bargein.v1", f"token.{token}"], "")
    with pytest.raises(Refusal):
        made.demand_owner(Headers({"authorization": f"Bearer {token}"}), "")
    for bad in (token[:-1], f"{token}x", "", "a.b.c", gate().page_token()[::-1]):
        with pytest.raises(Refusal):
            made.demand_caller(Headers({}), [f"token.{bad}"], "")
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: 4e9)
    with pytest.raises(Refusal):
        made.demand_caller(Headers({}), [f"token.{token}"], "")


def test_a_page_token_of_another_server_is_worth_nothing() -> None:
    other = Gate(settings(token=SecretStr(TOKEN + "!")))
    with pytest.raises(Refusal):
        gate().demand_caller(Headers({}), [f"token.{other.page_token()}"], "")


def test_settings_never_show_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARGEIN_TOKEN", TOKEN)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("BARGEIN_ORIGINS", "https://A.example/, https://b.example")
    monkeypatch.setenv("BARGEIN_RECORD", "")
    made = Settings()
    assert TOKEN not in repr(made)
    assert "very-secret" not in repr(made)
    assert made.origins == ("https://a.example", "https://b.example")
    assert made.record is None


async def refused(here: World, url: str | None = None, **options: object) -> int:
    """Try to open a call; the status it was refused with (101: it was not)."""
    try:
        async with connect(url or here.socket_url, **options) as socket:  # type: ignore[arg-type]
            client = Client(socket)
            await client.send({"type": "hello", "protocol": "bargein.v1"})
            await client.until("welcome")
            return 101
    except InvalidStatus as error:
        body = json.loads(error.response.body or b"{}")
        return error.response.status_code if set(body) == {"error"} else 0


async def test_a_page_of_another_site_cannot_open_a_call() -> None:
    async with world(settings(origins="https://friend.example")) as here:
        assert await refused(here, origin=Origin("https://evil.example")) == 403
        assert await refused(here, origin=Origin("null")) == 403
        assert await refused(here, origin=Origin(here.url)) == 101
        assert await refused(here, origin=Origin("https://friend.example")) == 101
        assert await refused(here) == 101  # no browser
        post = await here.http.post("/calls/x/hangup", headers={"Origin": "https://evil.example"})
        assert (post.status_code, post.json()["error"]["code"]) == (403, "foreign_origin")


async def test_a_name_that_was_pointed_at_us_is_not_ours() -> None:
    async with world() as here:
        for path in ("/", "/calls", "/metrics", "/healthz"):
            answer = await here.http.get(path, headers={"Host": "evil.example"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (421, "foreign_host")
        evil = here.socket_url.replace("127.0.0.1", "evil.example")
        port = int(here.url.rpartition(":")[2])
        assert await refused(here, evil, host="127.0.0.1", port=port) == 421
        assert (await here.http.get("/healthz", headers={"Host": "localhost:1"})).status_code == 200


async def test_with_a_token_every_route_but_the_page_and_health_demands_it() -> None:
    async with world(settings(token=SecretStr(TOKEN))) as here:
        for path in ("/calls", "/calls/x", "/metrics", "/agents"):
            answer = await here.http.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "no_token")
            assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/token", "/calls/x/interrupt", "/calls/x/hangup"):
            assert (await here.http.post(path)).status_code == 401
            assert (await here.http.post(path, headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await here.http.get("/healthz")).status_code == 200
        assert (await here.http.get("/metrics", headers=OWNER)).status_code == 200
        assert await refused(here) == 401
        assert await refused(here, subprotocols=[Subprotocol("bargein.v1"), Subprotocol("token.wrong")]) == 401
        told = (await here.http.post("/token", headers=OWNER)).json()
        assert told["expires_in"] == 300
        page = [Subprotocol("bargein.v1"), Subprotocol(f"token.{told['token']}")]
        assert await refused(here, subprotocols=page) == 101
        assert await refused(here, additional_headers=OWNER) == 101
        bearer = {"Authorization": f"Bearer {told['token']}"}
        assert (await here.http.get("/agents", headers=bearer)).status_code == 200
        assert (await here.http.get("/calls", headers=bearer)).status_code == 401


async def test_a_body_has_a_length_and_a_bound() -> None:
    async with world() as here:
        assert (await here.http.post("/calls/x/say", content=b"x" * 70_000)).status_code == 413

        async def pieces() -> AsyncIterator[bytes]:
            yield b"{}"

        assert (await here.http.post("/calls/x/say", content=pieces())).status_code == 411


@pytest.mark.parametrize("length", [b"00000000000000000000900000", None], ids=["zeros before it", "none, as in HTTP/2"])
async def test_a_body_whose_length_is_not_told_is_not_read_on(length: bytes | None) -> None:
    pieces = 0

    async def receive() -> Message:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": bytes(65_536), "more_body": pieces < 100}

    answers: list[Message] = []

    async def send(message: Message) -> None:
        answers.append(message)

    headers = [(b"host", b"127.0.0.1")] + ([] if length is None else [(b"content-length", length)])
    app = create_app(tone_agent())
    async with app.lifespan():
        scope = {"type": "http", "method": "POST", "path": "/calls/browser", "query_string": b"", "headers": headers}
        await app(scope, receive, send)
    assert answers[0]["status"] == 413
    assert pieces <= 2


# ------------------------------------------------------------------------------- malformed, guessed, for another end

MALFORMED = [
    "http://[",
    "http://]",
    "[",
    "//",
    "http://[::1",
    "http://\xff",
    "\x01",
    "null",
    "http://a:b:c",
    "x" * 9000,
]


@pytest.mark.parametrize("name", ["Origin", "Host", "Authorization", "Sec-WebSocket-Protocol", "X-Twilio-Signature"])
@pytest.mark.parametrize("locked", [False, True])
async def test_a_malformed_header_is_refused_and_nothing_fails(
    name: str, locked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(token=SecretStr(TOKEN), twilio_auth_token=SecretStr("t")) if locked else settings()
    async with world(chosen) as here:
        host, port = here.url.removeprefix("http://").split(":")
        for value in MALFORMED:
            for target in ("POST /calls/x/hangup", "POST /twilio/voice", "GET /calls", *SOCKETS):
                reader, writer = await asyncio.open_connection(host, int(port))
                headers = UPGRADE | {"Host": f"{host}:{port}"} if target in SOCKETS else {"Host": f"{host}:{port}"}
                headers |= {name: value}
                if target == "POST /twilio/voice":
                    headers |= {"Content-Length": "0"}
                lines = [f"{target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
                writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
                async with asyncio.timeout(5):
                    status = (await reader.readline()).split()[1:2]
                assert status == [] or int(status[0]) < 500, (target, value, status)
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()
    assert not [record for record in caplog.records if record.levelname == "ERROR"], caplog.text


SOCKETS = ("GET /calls/browser", "GET /calls/x/events", "GET /twilio/media", "GET /telnyx/media", "GET /vonage/media")
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


async def test_a_malformed_origin_is_a_foreign_one() -> None:
    async with world() as here:
        answer = await here.http.post("/calls/x/hangup", headers={"Origin": "http://["})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")
        assert await refused(here, origin=Origin("http://[")) == 403


def test_a_token_is_for_its_end_and_no_other() -> None:
    made = gate()
    page, phone = made.page_token(), made.page_token("phone")
    made.demand_caller(Headers({}), [f"token.{page}"], "a")
    made.demand_phone(Headers({}), [phone], "a")
    with pytest.raises(Refusal):
        made.demand_caller(Headers({}), [f"token.{phone}"], "b")
    with pytest.raises(Refusal):
        made.demand_phone(Headers({"authorization": f"Bearer {page}"}), [page], "b")
    with pytest.raises(Refusal):
        made.demand_owner(Headers({"authorization": f"Bearer {phone}"}), "b")


@pytest.mark.parametrize("name", ["twilio", "telnyx", "vonage", "plivo"])
async def test_no_page_opens_a_telephones_socket(name: str) -> None:
    for chosen in (settings(), settings(token=SecretStr(TOKEN))):
        async with world(chosen) as here:
            url = here.url.replace("http", "ws") + f"/{name}/media?token={TOKEN}"
            for origin in (here.url, "http://localhost:3000", "null"):
                assert await refused(here, url, origin=Origin(origin)) == 403


async def test_a_telephones_token_is_given_to_the_owner() -> None:
    async with world(settings(token=SecretStr(TOKEN))) as here:
        assert (await here.http.post("/token?audience=phone")).status_code == 401
        told = (await here.http.post("/token?audience=phone", headers=OWNER)).json()
        page = (await here.http.post("/token", headers=OWNER)).json()
        url = here.url.replace("http", "ws") + "/plivo/media?token="
        async with connect(url + told["token"]):
            pass
        with pytest.raises(InvalidStatus, match="401"):
            await connect(url + page["token"])
        assert (await here.http.post("/token?audience=owner", headers=OWNER)).status_code == 422


def wrong(made: Gate, address: str, token: str = "a wrong token, long enough") -> int:
    with pytest.raises(Refusal) as refusal:
        made.demand_owner(Headers({"authorization": f"Bearer {token}"}), address)
    return refusal.value.status


def right(made: Gate, address: str) -> None:
    made.demand_owner(Headers(OWNER), address)


def test_one_address_has_few_guesses_and_then_one_now_and_then() -> None:
    clock = ManualClock()
    made = Gate(settings(token=SecretStr(TOKEN)), clock)
    assert [wrong(made, "a") for _ in range(32)] == [401] * 30 + [429] * 2
    assert wrong(made, "a", TOKEN) == 429, "also the right one waits"
    assert wrong(made, "b") == 401
    clock.advance(5_000)
    assert [wrong(made, "a"), wrong(made, "a")] == [401, 429]
    clock.advance(60_000)
    right(made, "a")


def test_many_addresses_have_few_guesses_together_and_lock_no_owner_out() -> None:
    made = Gate(settings(token=SecretStr(TOKEN)), ManualClock())
    right(made, "the owner's")
    told = [wrong(made, f"{n}") for n in range(300)]
    assert told == [401] * 200 + [429] * 100
    right(made, "the owner's")


def test_a_signed_token_does_not_wait_for_what_others_guess() -> None:
    made = Gate(settings(token=SecretStr(TOKEN)), ManualClock())
    token = made.page_token()
    for _ in range(32):
        wrong(made, "a")
    made.demand_caller(Headers({}), [f"token.{token}"], "a")


DOORS: dict[str, Callable[[Gate, str], object]] = {
    "page": lambda made, token: made.demand_caller(Headers({}), [f"token.{token}"], "a proxy's"),
    "phone": lambda made, token: made.demand_phone(Headers({}), [token], "a proxy's"),
    "owner": lambda made, token: made.demand_owner(Headers({"authorization": f"Bearer {token}"}), "a proxy's"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("audience", ["page", "phone"])
@pytest.mark.parametrize("expired", [False, True])
def test_a_token_that_the_server_signed_is_no_guess(
    door: str, audience: Audience, expired: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Gate(settings(token=SecretStr(TOKEN)), ManualClock())
    token = made.page_token(audience)
    if expired:
        monkeypatch.setattr("itsdangerous.timed.time.time", lambda: 4e9)
    for _ in range(40):
        if door == audience and not expired:
            DOORS[door](made, token)
        else:
            with pytest.raises(Refusal) as refusal:
                DOORS[door](made, token)
            assert refusal.value.status == 401
    right(made, "a proxy's")
    made.demand_caller(Headers(OWNER), [f"token.{token}"], "a proxy's")  # the owner, from a page that is out of date


def test_a_token_that_looks_signed_is_a_guess() -> None:
    made = gate()
    other = Gate(settings(token=SecretStr(TOKEN + "!")))
    assert [wrong(made, "a", other.page_token()) for _ in range(31)] == [401] * 30 + [429]


def test_many_tokens_in_one_request_are_no_more_guesses() -> None:
    made = Gate(settings(token=SecretStr(TOKEN)), ManualClock())
    with pytest.raises(Refusal):
        made.demand_caller(Headers({}), [f"token.guess{n}" for n in range(1000)] + [f"token.{TOKEN}"], "a")


async def test_a_request_without_a_token_is_no_guess() -> None:
    async with world(settings(token=SecretStr(TOKEN))) as here:
        assert {(await here.http.get("/calls")).status_code for _ in range(20)} == {401}
        assert (await here.http.get("/calls", headers=OWNER)).status_code == 200
        bad = {"Authorization": "Bearer wrong"}
        statuses = [(await here.http.get("/calls", headers=bad)).status_code for _ in range(34)]
        assert statuses[:30] == [401] * 30
        assert statuses[-1] == 429
        answer = await here.http.get("/calls", headers=bad)
        assert answer.headers["retry-after"]
