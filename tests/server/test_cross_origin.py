"""Pages of other sites: which of them may import the client, ask, and read the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.server.kit import TOKEN, World, settings, tone_agent, world

SHOP, STRANGER, DEVELOPER = "https://shop.example", "https://evil.example", "http://localhost:5173"
ALLOW, VARY = "access-control-allow-origin", "vary"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
CLIENT = ("/client.js", "/client/element.js", "/client/react.js", "/web/client/index.js", "/agents", "/policy")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here() -> AsyncIterator[World]:
    async with world(settings(origins=(SHOP,)), tone_agent()) as made:
        yield made


async def test_a_page_of_an_allowed_site_may_import_the_client_and_read_what_it_asks_for(here: World) -> None:
    for path in CLIENT:
        answer = await here.http.get(path, headers={"Origin": SHOP})
        assert (answer.status_code, answer.headers[ALLOW]) == (200, SHOP), path
        assert "Origin" in answer.headers[VARY]
        for other in ({}, {"Origin": STRANGER}, {"Origin": "null"}):
            unread = await here.http.get(path, headers=other)
            assert ALLOW not in unread.headers, (path, other)
            assert "Origin" in unread.headers[VARY], "a cache keeps the answers of two origins apart"


async def test_modules_that_a_page_imports_are_scripts_of_the_same_sources(here: World) -> None:
    for path, source in (("/client.js", "./web/client/index.js"), ("/client/element.js", "../web/client/element.js")):
        answer = await here.http.get(path)
        assert answer.headers["content-type"].startswith("text/javascript")
        assert f'"{source}"' in answer.text
        assert (await here.http.get(f"{path.rpartition('/')[0]}/{source}")).status_code == 200


async def test_a_browser_that_asks_beforehand_is_answered_for_allowed_sites_alone(here: World) -> None:
    for path in ("/calls/browser", "/webrtc/offer", "/webrtc/a-connection", "/openai/calls", "/agents"):
        answer = await here.http.options(path, headers={"Origin": SHOP} | PREFLIGHT)
        assert (answer.status_code, answer.headers[ALLOW]) == (204, SHOP), path
        assert "authorization" in answer.headers["access-control-allow-headers"]
        assert "DELETE" in answer.headers["access-control-allow-methods"]
        assert "access-control-allow-credentials" not in answer.headers
        refused = await here.http.options(path, headers={"Origin": STRANGER} | PREFLIGHT)
        assert (refused.status_code, ALLOW in refused.headers) == (403, False), path


async def test_what_is_the_owners_is_no_other_sites_to_read(here: World) -> None:
    for path in ("/", "/calls", "/metrics", "/nodes", "/token", "/web/js/app.js", "/web/caller/story.wav"):
        answer = await here.http.get(path, headers={"Origin": SHOP})
        assert ALLOW not in answer.headers, path
        asked = await here.http.options(path, headers={"Origin": SHOP} | PREFLIGHT)
        assert (asked.status_code, ALLOW in asked.headers) == (405, False), path


async def test_a_developers_page_on_this_machine_can_read_why_it_may_not_call(here: World) -> None:
    told = await here.http.post("/calls/browser", headers={"Origin": DEVELOPER})
    assert (told.status_code, told.headers[ALLOW]) == (403, DEVELOPER)
    assert "--origin" in told.json()["error"]["advice"]
    # A stranger's page is not to learn that a server runs on its visitor's machine.
    for origin in (STRANGER, "null", "http://localhost.evil.example"):
        hidden = await here.http.post("/calls/browser", headers={"Origin": origin})
        assert (hidden.status_code, ALLOW in hidden.headers) == (403, False), origin


async def test_a_server_for_all_tells_each_site_why_it_may_not_call_and_an_allowed_one_its_refusals() -> None:
    async with world(settings(token=SecretStr(TOKEN), origins=(SHOP,)), tone_agent()) as here:
        told = await here.http.post("/calls/browser", headers={"Origin": STRANGER})
        assert (told.status_code, told.headers[ALLOW]) == (403, STRANGER)
        lacking = await here.http.post("/calls/browser", headers={"Origin": SHOP})
        assert (lacking.status_code, lacking.headers[ALLOW]) == (401, SHOP)
        assert "www-authenticate" in lacking.headers["access-control-expose-headers"]
        assert ALLOW not in (await here.http.post("/token", headers={"Origin": STRANGER})).headers
