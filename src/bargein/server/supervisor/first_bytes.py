"""Which node a connection asks for, read from the first bytes of a request."""

from __future__ import annotations

import re

NO_NODE = ""
METHOD_BYTES = 20
NODE_BYTES = 48  # of a node's name
_METHOD = re.compile(rb"[A-Za-z]{1,%d}" % METHOD_BYTES)
_NODE = re.compile(rb"[a-z0-9][a-z0-9-]{0,%d}" % (NODE_BYTES - 1))
_END = re.compile(rb"[/? ]")
_PLACE = b"/n/"


def node_of(head: bytes, prefix: str = "") -> str | None:
    """The node that a request names by `/n/{node}/...`, NO_NODE for a request that names none, and for what is no
    request. None: more bytes would tell; there is a bound on how many they are.

    head: of a request, from its first byte. prefix: the path that a proxy may pass on before ours.
    """
    method, space, target = head.partition(b" ")
    if not _METHOD.fullmatch(method):
        return NO_NODE if head else None
    if not space:
        return None
    undecided = False
    for before in {prefix.encode(), b""}:
        place = before + _PLACE
        if not target.startswith(place):
            undecided = undecided or place.startswith(target)
            continue
        rest = target[len(place) :]
        end = _END.search(rest)
        name = rest if end is None else rest[: end.start()]
        if not _NODE.fullmatch(name):
            undecided = undecided or (not name and end is None)
        elif end is not None:
            return name.decode()
        else:
            undecided = True
    return None if undecided else NO_NODE
