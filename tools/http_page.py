"""Makes docs/reference/http.md of the server's routes: `python tools/http_page.py`. A test keeps the page true."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from fastapi.routing import iter_route_contexts

from bargein import Agent, create_app
from bargein.server.access import caller, is_owner, listener, owner
from bargein.testing import ScriptedLLM, ScriptedSTT, ToneTTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "http.md"
HEAD = """\
<!-- Made by tools/http_page.py from the routes in src/bargein/server/. Change those, and run the script. -->

# HTTP and WebSockets

Every route of the server. A mounted app has them below its path. The owner sends `Authorization: Bearer` with
`BARGEIN_TOKEN`; a page sends a token of its own, or comes from an allowed origin ([security.md](../security.md)). A
refusal is JSON, `{"error": {"code", "message", "advice"}}`; [protocol.md](../protocol.md#error-codes) lists the codes.

"""
WHO: dict[Callable[..., Any], str] = {
    owner: "the owner",
    listener: "the owner, a call's page",
    caller: "a page, the owner",
    is_owner: "a page, the owner",
}
SOCKETS = {
    "/calls/browser": "A call by a page: `bargein.v1` ([protocol.md](../protocol.md)).",
    "/twilio/media": "Twilio's media stream ([telephone.md](../telephone.md)).",
    "/telnyx/media": "Telnyx' media stream ([telephone.md](../telephone.md#telnyx-vonage-plivo)).",
    "/vonage/media": "Vonage's media stream ([telephone.md](../telephone.md#telnyx-vonage-plivo)).",
    "/plivo/media": "Plivo's media stream ([telephone.md](../telephone.md#telnyx-vonage-plivo)).",
    "/asterisk/media": "Asterisk's WebSocket channel ([asterisk.md](../asterisk.md)).",
}
METHODS = ("get", "post", "put", "patch", "delete")


def page() -> str:
    """The page, whole."""
    app = create_app(Agent(stt=ScriptedSTT(), llm=ScriptedLLM(), tts=ToneTTS()), record=None)
    return HEAD + "".join((*_routes(app), *_sockets(app), *_bodies(app)))


def _routes(app: Any) -> Iterator[str]:
    rows = []
    shown = app.openapi()["paths"]
    contexts: list[Any] = list(iter_route_contexts(app.routes))
    known = {
        (method.lower(), context.path_format): context
        for context in contexts
        if getattr(context, "dependant", None) is not None and getattr(context, "methods", None)
        for method in context.methods
    }
    for path in sorted(shown):
        for method in METHODS:
            if (route := shown[path].get(method)) is None:
                continue
            who = _who(path, known[method, path].dependant)
            rows.append([f"`{method.upper()} {path}`", who, _asks(route), _text(route.get("description", ""))])
    yield "## Routes\n\n" + _table(["route", "who", "query; body", ""], rows)


def _who(path: str, dependant: Any) -> str:
    if path.startswith("/twilio/"):
        return "the network, by its signature"
    for needs in dependant.dependencies:
        if needs.call in WHO:
            return WHO[needs.call]
    return "anybody"


def _asks(route: dict[str, Any]) -> str:
    query = [f"`{given['name']}`" for given in route.get("parameters", []) if given["in"] == "query"]
    bodies = [
        content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        for content in route.get("requestBody", {}).get("content", {}).values()
    ]
    return "; ".join(filter(None, [", ".join(query), ", ".join(f"[`{body}`](#{body.lower()})" for body in bodies)]))


def _sockets(app: Any) -> Iterator[str]:
    rows = []
    contexts: list[Any] = list(iter_route_contexts(app.routes))
    for context in contexts:
        route = getattr(context, "starlette_route", None) or getattr(context, "route", context)
        if "WebSocket" in type(route).__name__ or "WebSocket" in type(context).__name__:
            rows.append([f"`{context.path}`", SOCKETS.get(context.path) or _text(inspect.getdoc(route.endpoint) or "")])
    yield "\n## WebSockets\n\n" + _table(["socket", ""], sorted(rows))


def _bodies(app: Any) -> Iterator[str]:
    yield "\n## Bodies\n\nJSON. A field that is not listed is refused.\n"
    wanted = {
        content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        for path in app.openapi()["paths"].values()
        for route in path.values()
        for content in route.get("requestBody", {}).get("content", {}).values()
    }
    for name in sorted(wanted - {""}):
        schema = app.openapi()["components"]["schemas"][name]
        rows = [
            [f"`{field}`", _kind(told), "yes" if field in schema.get("required", ()) else "", _limits(told)]
            for field, told in schema.get("properties", {}).items()
        ]
        yield f"\n### {name}\n\n{_text(schema.get('description', ''))}\n\n"
        yield _table(["field", "type", "required", "limits"], rows)


def _kind(told: dict[str, Any]) -> str:
    if "anyOf" in told:
        return " or ".join(dict.fromkeys(_kind(one) for one in told["anyOf"]))
    if "$ref" in told:
        return str(told["$ref"]).rpartition("/")[2]
    if "const" in told or "enum" in told:
        return ", ".join(f"`{value}`" for value in told.get("enum", [told.get("const")]))
    return str(told.get("type", "any"))


def _limits(told: dict[str, Any]) -> str:
    limits = {**told, **next((one for one in told.get("anyOf", ()) if one.get("type") != "null"), {})}
    names = {"minLength": "at least {} characters", "maxLength": "at most {} characters", "minimum": "at least {}"}
    names |= {"maximum": "at most {}", "exclusiveMinimum": "over {}", "pattern": "`{}`", "maxProperties": "at most {}"}
    said = [text.format(limits[name]) for name, text in names.items() if name in limits]
    return ", ".join(said).replace("|", "\\|")


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
