"""Where the record of a call lies on this machine."""

from __future__ import annotations

import re
from pathlib import Path

from bargein.server.hub import Hub
from bargein.server.refusals import Refusal

NAME = re.compile(r"[\w-]{1,100}")


def folder_of(hub: Hub, call_id: str) -> Path:
    """The folder of a call's record. Raises Refusal where there is none here."""
    root = hub.settings.record
    if root is None:
        advice = "Start the server with --record, and the calls after that have one"
        raise Refusal(404, "no_record", "This server keeps no records", advice=advice)
    if NAME.fullmatch(call_id) and (root / call_id).is_dir():
        return root / call_id
    advice = "Look at /calls for the calls whose records are kept on this machine"
    raise Refusal(404, "no_record", "There is no record of that call here", advice=advice)
