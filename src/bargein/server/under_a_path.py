"""The path before ours: where the app is mounted, or what a proxy puts in front of every path.

A proxy that answers for `/voice/` either strips that prefix or passes it on. With `root_path` (or the path of
`public_url`, or the proxy's own X-Forwarded-Prefix) both work: a prefix that came is taken off, a prefix that was
stripped is put back, and routes see `root_path` as ASGI has it. Nothing is needed for the page behind a proxy that
strips: every address in the page is relative.

Where there are several nodes, `/n/{node}` may stand before every path of ours, after that prefix: a balancer routes by
it. The app takes it off, whichever node it names: a request for a node that is gone is sent to another one.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from bargein.server.settings import PREFIX

# A node's name has at most 40 characters, and that of a worker ends in its number.
NODE_PATH = re.compile(r"/n/(?P<node>[a-z0-9][a-z0-9-]{0,47})(?=/|\Z)")


def route_path(scope: Scope) -> str:
    """The request's path below the place where the app is mounted."""
    path: str = scope["path"]
    root = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if path == root or path.startswith(f"{root}/") else path


def placed(scope: Scope, prefix: str) -> Scope:
    """The scope of a request, its prefix told from the path below it.

    prefix: of the settings, "" for none. The proxy's X-Forwarded-Prefix stands in for a setting that is not there.
    """
    outer = prefix or _forwarded(scope)
    root: str = scope.get("root_path", "").rstrip("/")
    inner = route_path(scope)
    for known in sorted({outer, root} - {""}, key=len, reverse=True):
        if inner == known or inner.startswith(f"{known}/"):
            inner = inner[len(known) :]
            break
    if outer and not root.startswith(outer):
        root = outer + root
    if (named := NODE_PATH.match(inner)) is not None:
        root += named[0]
        inner = inner[named.end() :]
    path = root + inner
    if path == scope["path"] and root == scope.get("root_path", ""):
        return scope
    return {**scope, "path": path, "root_path": root}


def without_node(path: str) -> str:
    """A path below the place where the app is mounted, without the node that it names."""
    named = NODE_PATH.match(path)
    return path if named is None else path[named.end() :]


def above_nodes(root: str) -> str:
    """A request's root path without the node that the request named."""
    above, slash, node = root.rpartition("/n/")
    return above if slash and NODE_PATH.fullmatch(f"/n/{node}") else root


def joined(base: str, path: str) -> str:
    """An absolute address of a path that may begin with the base's own path already."""
    own = urlsplit(base).path.rstrip("/")
    return base.rstrip("/") + (path.removeprefix(own) if path.startswith(f"{own}/") else path)


def _forwarded(scope: Scope) -> str:
    told = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
    return told if PREFIX.fullmatch(told) else ""
