"""The headers that go with every answer, so that the page runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

PAGE = Path(__file__).parent / "web" / "index.html"


def _own_scripts(page: str) -> str:
    """The page's inline scripts, by their hashes: no other inline script runs."""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return " ".join(f"'sha256-{digest}'" for digest in hashes)


_SCRIPTS = _own_scripts(PAGE.read_text("utf-8"))


def headers_for(node_url: str | None) -> list[tuple[bytes, bytes]]:
    """node_url: this node's own address, if it has one: the page may go on with its call at a node beside it."""
    sockets = f" {beside}" if (beside := _nodes_beside(node_url)) else ""
    policy = (
        f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {_SCRIPTS}; "
        f"worker-src 'self' blob:; connect-src 'self'{sockets}; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"permissions-policy", b"microphone=(self), autoplay=(self)"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cache-control", b"no-cache"),
    ]


def _nodes_beside(url: str | None) -> str:
    """WebSockets of the nodes, as a source of a policy: of names that differ in the first part
    (`wss://a.voice.example.com`), or of one name or address on any port."""
    place = urlsplit(url or "")
    if not place.hostname:
        return ""
    scheme = "wss" if place.scheme == "https" else "ws"
    host = f"[{place.hostname}]" if ":" in place.hostname else place.hostname
    labels = host.split(".")
    if len(labels) > 2 and not labels[-1].isdigit():
        port = f":{place.port}" if place.port else ""
        return f"{scheme}://*.{'.'.join(labels[1:])}{port}"
    return f"{scheme}://{host}:*"
