"""A call's page as one file that needs no server: looks, script and story are in it, and perhaps the sound."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import msgspec

from bargein.recorder.audio_file import PEAK_MS
from bargein.recorder.audio_reading import peaks
from bargein.recorder.story.call_story import CallStory
from bargein.recorder.story.replayed import StoryReplay
from bargein.server.records.pages import WEB

MODULES = ("text", "bytes", "player", "lanes", "transcript", "decisions", "measures", "page", "shown")
"""In the order in which each needs those before it."""
PER_S = 1000 / PEAK_MS
LOOKS = ("style.css", "call.css")
_IMPORT = re.compile(r"^import .*? from \"\./[\w]+\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=const |class |function |async )", re.MULTILINE)
_LINKS = re.compile(r"  <link .*?>\n|  <script .*?</script>\n")


class PageSound(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the page finds the sound."""

    flac: bytes | None = None
    """The sound itself."""
    path: str | None = None
    """Of the file, from the page on."""


class PagePeaks(msgspec.Struct, frozen=True):
    """How loud each lane is, for the waveform."""

    per_s: float
    lanes: tuple[bytes, bytes]
    """The caller's and the agent's: a byte for each peak."""


def peaks_of(folder: Path) -> PagePeaks | None:
    """Of a call's sound. None: there is none that can be read."""
    fine = peaks(folder, PER_S)
    if not len(fine):
        return None
    return PagePeaks(PER_S, (fine[:, 0].tobytes(), fine[:, 1].tobytes()))


def one_file(
    story: CallStory,
    *,
    waves: PagePeaks | None = None,
    sound: PageSound | None = None,
    replay: StoryReplay | None = None,
) -> str:
    """The page, as HTML. Whatever was said in the call, it is text there."""
    looks = "\n".join((WEB / name).read_text("utf-8") for name in LOOKS)
    script = bundle()
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(looks)}; img-src data:; "
        "media-src 'self' blob: data: file:; base-uri 'none'; form-action 'none'"
    )
    data = {"story": story, "peaks": waves, "sound": sound, "replay": replay}
    head = [
        f'  <meta http-equiv="Content-Security-Policy" content="{policy}">\n',
        f"  <style>{looks}</style>\n",
        *(_data(name, value) for name, value in data.items() if value is not None),
        f'  <script type="module">{script}</script>\n',
    ]
    page = _LINKS.sub("", (WEB / "call.html").read_text("utf-8"))
    # The list of all calls is on a server; this file has none.
    page = page.replace(' href="../calls" aria-label="Bargein: all calls"', "")
    before, end, after = page.partition("</head>")
    return "".join((before, *head, end, after))


def bundle() -> str:
    """The page's modules as one."""
    folder: Path = WEB / "js" / "call"
    parts = [(folder / f"{name}.js").read_text("utf-8") for name in MODULES]
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", part)) for part in parts)


def _data(name: str, value: object) -> str:
    """JSON in which no "<" can end the element."""
    text = msgspec.json.encode(value).decode().replace("<", "\\u003c")
    return f'  <script type="application/json" id="{name}">{text}</script>\n'


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
