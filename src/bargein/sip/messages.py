"""SIP messages (RFC 3261, 7) as data: strangers' bytes in, bytes out.

The room's own reader, and not aiosipua's (0.7.1): that one takes a negative Content-Length, a body that is shorter than
its Content-Length, a message without a CSeq and one with two that contradict each other. Each of them is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bargein.sip.addresses import place_of, read_parameters
from bargein.sip.errors import malformed

MOST_HEADERS = 200
MOST_HEAD = 16_384  # bytes of all headers: a stranger chooses how long each is looked at
MOST_LINE = 8192  # characters of one header, folded lines joined
COMPACT = {
    "i": "call-id",
    "m": "contact",
    "e": "content-encoding",
    "l": "content-length",
    "c": "content-type",
    "f": "from",
    "s": "subject",
    "k": "supported",
    "t": "to",
    "v": "via",
    "o": "event",
    "u": "allow-events",
    "r": "refer-to",
    "b": "referred-by",
    "x": "session-expires",
}
SPELLED = {
    "call-id": "Call-ID",
    "cseq": "CSeq",
    "www-authenticate": "WWW-Authenticate",
    "min-se": "Min-SE",
    "rseq": "RSeq",
}
SINGLE = ("from", "to", "call-id", "cseq", "content-length", "max-forwards", "content-type")
"""Headers that may stand once. Two equal lines pass as one."""
NEEDED = ("via", "from", "to", "call-id", "cseq")

_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")
_REQUEST = re.compile(r"([A-Za-z0-9.!%*_+`'~-]{1,32}) (\S{1,2000}) SIP/2\.0", re.IGNORECASE)
_RESPONSE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE)
_CSEQ = re.compile(r"([0-9]{1,10})\s+([A-Za-z0-9.!%*_+`'~-]{1,32})")
_VIA = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9]{1,10})\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})\s*(?::\s*([0-9]{1,5}))?\s*((?:;.*)?)",
    re.IGNORECASE | re.DOTALL,
)


class Headers:
    """Header fields in order. Names are compared in small letters, compact forms are written out."""

    __slots__ = ("_lines", "_lists")

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines = [(_name(name), value) for name, value in lines]
        self._lists: dict[str, list[str]] = {}
        """What `all` found already."""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, name: str) -> str:
        """The first value of a header. "": the message has none."""
        return next((value for each, value in self._lines if each == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a header that is a list, in order."""
        if (found := self._lists.get(name)) is None:
            found = [part for each, value in self._lines if each == name for part in split_list(value)]
            self._lists[name] = found
        return list(found)

    def raw(self, name: str) -> list[str]:
        """Every line of a header, lists not split: for headers whose commas mean something else (digests)."""
        return [value for each, value in self._lines if each == name]

    def tokens(self, name: str) -> set[str]:
        """Values of a list of tokens in small letters, such as Supported."""
        return {value.partition(";")[0].strip().lower() for value in self.all(name)} - {""}

    def add(self, name: str, value: str) -> None:
        name = _name(name)
        self._lines.append((name, value))
        self._lists.pop(name, None)

    def set(self, name: str, value: str) -> None:
        """Put one line in the place of all lines of this name."""
        name = _name(name)
        at = next((index for index, (each, _) in enumerate(self._lines) if each == name), len(self._lines))
        self._lines = [line for line in self._lines if line[0] != name]
        self._lines.insert(at, (name, value))
        self._lists.pop(name, None)

    def set_all(self, name: str, values: Iterable[str]) -> None:
        """Put these lines before all others, in the place of the lines of this name."""
        name = _name(name)
        self._lines = [*((name, value) for value in values), *(line for line in self._lines if line[0] != name)]
        self._lists.pop(name, None)

    def first_of_each(self) -> dict[str, str]:
        return dict(reversed(self._lines))


@dataclass(slots=True)
class SipRequest:
    method: str
    uri: str
    headers: Headers
    body: bytes = b""

    def render(self) -> bytes:
        return _render(f"{self.method} {self.uri} SIP/2.0", self.headers, self.body)


@dataclass(slots=True)
class SipResponse:
    status: int
    reason: str
    headers: Headers
    body: bytes = b""

    def render(self) -> bytes:
        return _render(f"SIP/2.0 {self.status} {self.reason}", self.headers, self.body)


SipMessage = SipRequest | SipResponse


@dataclass(frozen=True, slots=True)
class Via:
    """One hop: `SIP/2.0/UDP host:port;branch=...`."""

    transport: str
    host: str
    port: int | None
    parameters: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def read(cls, text: str) -> Via:
        found = _VIA.fullmatch(text.strip())
        if not found or (found[3] and int(found[3]) > 65_535):
            raise malformed(f"Via {text[:80]!r}")
        port = int(found[3]) if found[3] else None
        return cls(found[1].upper(), found[2].strip("[]").lower(), port, read_parameters(found[4].split(";")[1:]))

    def parameter(self, name: str) -> str | None:
        return next((value for each, value in self.parameters if each == name), None)

    @property
    def branch(self) -> str:
        return self.parameter("branch") or ""

    def __str__(self) -> str:
        parameters = "".join(f";{key}={value}" if value else f";{key}" for key, value in self.parameters)
        return f"SIP/2.0/{self.transport} {place_of(self.host, self.port)}{parameters}"


def read_message(data: bytes) -> SipMessage:
    """One whole message, as UDP brings it. ProtocolError (code "sip_message") if it is none.

    Only the form is checked: `check` says whether its headers make sense."""
    head, body = _split(data)
    lines = _unfold(head)
    headers = Headers(_header(line) for line in lines[1:])
    if found := _RESPONSE.fullmatch(lines[0]):
        message: SipMessage = SipResponse(int(found[1]), found[2] or "", headers, body)
    elif found := _REQUEST.fullmatch(lines[0]):
        message = SipRequest(found[1], found[2], headers, body)
    else:
        raise malformed(f"first line {lines[0][:80]!r}")
    if missing := [name for name in NEEDED if not headers.get(name)]:
        raise malformed(f"no {missing[0]}")
    return message


def check(message: SipMessage) -> None:
    """ProtocolError: the message has the form, and its headers contradict each other or the body."""
    headers = message.headers
    for name in SINGLE:
        if len({value.strip() for value in headers.raw(name)}) > 1:
            raise malformed(f"two values of {name}")
    number, method = read_cseq(headers.get("cseq"))
    if number >= 1 << 31:
        raise malformed("CSeq is too large")
    if isinstance(message, SipRequest) and method != message.method:
        raise malformed(f"CSeq of {method} in a {message.method}")
    if len(headers.get("call-id")) > 512 or re.search(r"\s", headers.get("call-id").strip()):
        raise malformed("Call-ID")
    if (length := headers.get("content-length")) != "":
        wanted = content_length(length)
        if wanted > len(message.body):
            raise malformed(f"Content-Length {wanted}, and {len(message.body)} bytes came")
        message.body = message.body[:wanted]
    Via.read(headers.all("via")[0])


def content_length(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise malformed(f"Content-Length {text[:20]!r}")
    return int(text)


def read_cseq(text: str) -> tuple[int, str]:
    found = _CSEQ.fullmatch(text.strip())
    if not found:
        raise malformed(f"CSeq {text[:40]!r}")
    return int(found[1]), found[2]


def sdp_of(message: SipMessage) -> bytes:
    """The session description in a body, which may have several parts. b"": there is none."""
    if not message.body.strip():
        return b""
    kind = message.headers.get("content-type")
    name = kind.partition(";")[0].strip().lower()
    if name == "application/sdp" or not name:
        return message.body
    if not name.startswith("multipart/"):
        return b""
    boundary = dict(read_parameters(kind.split(";")[1:])).get("boundary", "").strip('"')
    if not boundary or len(boundary) > 70:
        return b""
    for part in message.body.split(b"--" + boundary.encode("utf-8", "replace"))[1:20]:
        head, _, body = part.lstrip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")
        if b"application/sdp" in head.lower():
            return body.rstrip(b"\n") + b"\n"
    return b""


def split_list(value: str) -> list[str]:
    """Parts between commas, outside of quotes and of angle brackets."""
    if "," not in value:
        return [value.strip()] if value.strip() else []
    parts, start, quoted, angle, escaped = [], 0, False, False, False
    for index, each in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = each == "\\", each != '"'
        elif each == '"':
            quoted = True
        elif each in "<>":
            angle = each == "<"
        elif each == "," and not angle:
            parts.append(value[start:index])
            start = index + 1
    parts.append(value[start:])
    return [part.strip() for part in parts if part.strip()]


def _name(name: str) -> str:
    name = name.strip().lower()
    return COMPACT.get(name, name)


def _split(data: bytes) -> tuple[str, bytes]:
    data = data.lstrip(b"\r\n")
    ends = [(at, len(mark)) for mark in (b"\r\n\r\n", b"\n\n") if (at := data.find(mark)) >= 0]
    if not ends:
        raise malformed("no end of the headers")
    at, length = min(ends)
    if at > MOST_HEAD:
        raise malformed(f"{at} bytes of headers")
    return data[:at].decode("utf-8", "replace"), data[at + length :]


def _unfold(head: str) -> list[str]:
    lines: list[str] = []
    for line in head.replace("\r\n", "\n").split("\n"):
        if line[:1] in (" ", "\t") and lines:
            lines[-1] = f"{lines[-1]} {line.strip()}"
        else:
            lines.append(line)
        if len(lines) > MOST_HEADERS or len(lines[-1]) > MOST_LINE:
            raise malformed("too many or too long headers")
    return lines


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name.strip()):
        raise malformed(f"header {line[:80]!r}")
    return name, value.strip()


def _render(first: str, headers: Headers, body: bytes) -> bytes:
    lines = [_one_line(first)]
    for name, value in headers:
        if name != "content-length":
            spelled = SPELLED.get(name) or "-".join(part.capitalize() for part in name.split("-"))
            lines.append(f"{spelled}: {_one_line(value)}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + body


def _one_line(text: str) -> str:
    """A text from outside (a name, a reason) writes no header of its own."""
    return re.sub(r"[\r\n\x00]+", " ", text)
