"""The server behind a proxy that answers for one path, and strips that path or passes it on."""

from __future__ import annotations

from xml.etree import ElementTree

import httpx
import pytest
from pydantic import ValidationError
from starlette.types import Scope

from bargein.server.app import VoiceApp
from bargein.server.given_agents import opener
from bargein.server.settings import Settings
from bargein.server.under_a_path import joined, placed, route_path
from tests.server.kit import settings, tone_agent


def scope(path: str, root: str = "", **headers: str) -> Scope:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "path": path, "root_path": root, "headers": named}


@pytest.mark.parametrize(
    ("came", "root", "prefix", "path", "root_path"),
    [
        ("/agents", "", "", "/agents", ""),
        ("/agents", "", "/voice", "/voice/agents", "/voice"),  # stripped by the proxy
        ("/voice/agents", "", "/voice", "/voice/agents", "/voice"),  # passed on by it
        ("/voice", "", "/voice", "/voice", "/voice"),
        ("/voice/", "", "/voice", "/voice/", "/voice"),
        ("/voices", "", "/voice", "/voice/voices", "/voice"),
        ("/a/b/agents", "", "/a/b", "/a/b/agents", "/a/b"),
        ("/voice/agents", "/voice", "", "/voice/agents", "/voice"),  # mounted, or uvicorn --root-path with stripping
        ("/voice/voice/agents", "/voice", "", "/voice/agents", "/voice"),  # uvicorn --root-path without
        ("/in/agents", "/in", "/out", "/out/in/agents", "/out/in"),  # mounted, behind a proxy that strips
        ("/out/in/agents", "/out/in", "/out", "/out/in/agents", "/out/in"),
        ("/n/a-1/agents", "", "", "/n/a-1/agents", "/n/a-1"),
        ("/n/a-1", "", "", "/n/a-1", "/n/a-1"),
        ("/n/a-1/agents", "", "/voice", "/voice/n/a-1/agents", "/voice/n/a-1"),  # the node's path after the proxy's
        ("/voice/n/a-1/agents", "", "/voice", "/voice/n/a-1/agents", "/voice/n/a-1"),
        ("/in/n/a-1/agents", "/in", "", "/in/n/a-1/agents", "/in/n/a-1"),
        ("/out/in/n/a/agents", "/out/in", "/out", "/out/in/n/a/agents", "/out/in/n/a"),
        (f"/n/{'a' * 48}/agents", "", "", f"/n/{'a' * 48}/agents", f"/n/{'a' * 48}"),
    ],
)
def test_a_prefix_that_came_is_taken_off_and_one_that_was_stripped_is_put_back(
    came: str, root: str, prefix: str, path: str, root_path: str
) -> None:
    made = placed(scope(came, root), prefix)
    assert (made["path"], made["root_path"]) == (path, root_path)
    assert route_path(made) == path.removeprefix(root_path)


@pytest.mark.parametrize(
    "path", ["/n/", "/n//agents", "/n/A/agents", "/n/-a/agents", f"/n/{'a' * 49}/agents", "/n/a\n", "/n/a.b/x", "/n"]
)
def test_what_names_no_node_is_a_path_like_any_other(path: str) -> None:
    made = placed(scope(path), "")
    assert (made["path"], made["root_path"]) == (path, "")


def test_only_the_first_node_is_taken_off() -> None:
    assert placed(scope("/n/a/n/b/agents"), "")["root_path"] == "/n/a"


def test_a_proxy_may_name_the_prefix_itself_but_no_other_place() -> None:
    assert placed(scope("/agents", x_forwarded_prefix="/voice/"), "")["root_path"] == "/voice"
    assert placed(scope("/voice/agents", x_forwarded_prefix="/voice"), "")["path"] == "/voice/agents"
    for bad in ("//evil.example", "https://evil.example", "/a b", "/a//b", '/"><script>', "/"):
        assert placed(scope("/agents", x_forwarded_prefix=bad), "") == scope("/agents", x_forwarded_prefix=bad)
    assert placed(scope("/agents", x_forwarded_prefix="/other"), "/voice")["root_path"] == "/voice"


def test_the_setting_is_the_path_of_the_public_address_unless_it_is_given() -> None:
    assert settings().prefix == ""
    assert settings(public_url="https://example.com").prefix == ""
    assert settings(public_url="https://example.com/voice/").prefix == "/voice"
    assert settings(public_url="https://example.com/voice", root_path="/").prefix == ""
    assert [settings(root_path=path).prefix for path in ("/voice", "voice", "/voice/")] == ["/voice"] * 3
    for bad in ("/a b", "https://example.com/voice", "//a"):
        with pytest.raises(ValidationError, match="a path such as"):
            Settings(root_path=bad + "?")


def test_addresses_are_joined_without_naming_a_path_twice() -> None:
    assert joined("https://x.example/voice", "/voice/twilio/media") == "https://x.example/voice/twilio/media"
    assert joined("https://x.example/voice/", "/twilio/media") == "https://x.example/voice/twilio/media"
    assert joined("https://x.example", "/voice/twilio/media") == "https://x.example/voice/twilio/media"
    assert joined("https://x.example/voice", "/voices") == "https://x.example/voice/voices"


@pytest.mark.parametrize("node", ["", "/n/elsewhere-1"])
@pytest.mark.parametrize("strips", [True, False])
async def test_every_route_answers_behind_both_kinds_of_proxy(strips: bool, node: str) -> None:
    app = VoiceApp(settings(root_path="/voice"), agents=opener(tone_agent(), "create_app"))
    before = node if strips else f"/voice{node}"
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http,
    ):
        for path in ("/", "/web/js/app.js", "/web/style.css", "/agents", "/policy", "/healthz"):
            assert (await http.get(before + path)).status_code == 200, path
        form = {"CallSid": "CA1", "From": "+1", "To": "+2"}
        answer = await http.post(f"{before}/twilio/voice", data=form)
        stream = ElementTree.fromstring(answer.text).find("./Connect/Stream")
        assert stream is not None
        assert stream.get("url") == "ws://127.0.0.1/voice/twilio/media"  # a lone server names no node
        if before:
            place = await http.get(f"{before}?dummy=1")
            last = before.rpartition("/")[2]
            assert (place.status_code, place.headers["location"]) == (307, f"{last}/?dummy=1")
        missing = await http.get(f"{before}/nowhere/")
        assert missing.status_code == 404
        assert "--root-path" in missing.json()["error"]["advice"]
