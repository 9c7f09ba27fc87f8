"""The headers that go with every answer, so that the page runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

PAGE = Path(__file__).parent / "web" / "index.html"


def _own_scripts(page: str) -> str:
    """The page's inline scripts, by their hashes: no other inline script runs."""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return " ".join(f"'sha256-{digest}'" for digest in hashes)


_CSP = (
    f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {_own_scripts(PAGE.read_text('utf-8'))}; "
    "worker-src 'self' blob:; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"microphone=(self), autoplay=(self)"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),
]
