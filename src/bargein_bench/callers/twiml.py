"""TwiML, read as Twilio reads it: an XML document of verbs. Pure.

A document that is no XML is Twilio's error 12100; a verb, noun or attribute that the simulator does not know is 12200,
so that a spelling mistake is found by a test and not on the line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

BAD_XML, BAD_SCHEMA, TOO_LARGE = 12100, 12200, 11750  # Twilio's numbers
MOST_BYTES = 64 * 1024
MOST_PARAMETER = 500  # characters of a <Parameter>'s name and value together
PAUSE_S, RING_S = 1.0, 30.0  # Twilio's defaults
METHODS = ("GET", "POST")


class TwimlRefused(Exception):
    """The document is not followed. code: Twilio's number of the error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class SayText:
    text: str
    language: str | None = None
    loop: int = 1


@dataclass(frozen=True, slots=True)
class Play:
    url: str
    loop: int = 1


@dataclass(frozen=True, slots=True)
class Pause:
    length_s: float = PAUSE_S


@dataclass(frozen=True, slots=True)
class Redirect:
    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Reject:
    reason: str = "rejected"


@dataclass(frozen=True, slots=True)
class Hangup:
    """The call ends."""


@dataclass(frozen=True, slots=True)
class ConnectStream:
    """`<Connect><Stream>`: the call is a bidirectional stream until the server closes it."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    action: str | None = None
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Dial:
    number: str
    action: str | None = None
    method: str = "POST"
    timeout_s: float = RING_S


Verb = SayText | Play | Pause | Redirect | Reject | Hangup | ConnectStream | Dial


def read_twiml(document: bytes | str) -> list[Verb]:
    """The verbs of a document, in order. Raises TwimlRefused."""
    data = document.encode() if isinstance(document, str) else document
    if len(data) > MOST_BYTES:
        raise TwimlRefused(TOO_LARGE, f"The document has {len(data)} bytes")
    parser = XMLParser(target=_NoDoctype())  # noqa: S314  # without a doctype there are no entities
    try:
        parser.feed(data)
        root = parser.close()
    except (ParseError, ValueError) as error:
        raise TwimlRefused(BAD_XML, f"The document is no XML: {error}") from None
    if root.tag != "Response":
        raise TwimlRefused(BAD_XML, f"The document begins with <{root.tag}>")
    if (root.text or "").strip():
        raise TwimlRefused(BAD_SCHEMA, "Text stands outside of a verb")
    return [_verb(element) for element in root]


class _NoDoctype(TreeBuilder):
    def doctype(self, *_: object) -> None:
        raise TwimlRefused(BAD_XML, "The document declares a type")


def _verb(element: Element) -> Verb:
    read = _VERBS.get(element.tag)
    if read is None:
        raise TwimlRefused(BAD_SCHEMA, f"<{element.tag}> is unknown")
    return read(_Attributes(element))


class _Attributes:
    """Of one element: those that nothing has taken are unknown."""

    def __init__(self, element: Element) -> None:
        self.element = element
        self.left = dict(element.attrib)

    @property
    def text(self) -> str:
        return (self.element.text or "").strip()

    def take(self, name: str) -> str | None:
        return self.left.pop(name, None)

    def number(self, name: str, default: float) -> float:
        given = self.take(name)
        try:
            value = default if given is None else float(given)
        except ValueError:
            value = -1.0
        if value < 0:
            raise TwimlRefused(BAD_SCHEMA, f'{name}="{given}" of <{self.element.tag}> is no number')
        return value

    def method(self) -> str:
        given = (self.take("method") or "POST").upper()
        if given not in METHODS:
            raise TwimlRefused(BAD_SCHEMA, f'method="{given}" of <{self.element.tag}> is unknown')
        return given

    def done(self, *children: str) -> None:
        """Raises TwimlRefused for an attribute or a child that is unknown."""
        tag = self.element.tag
        if self.left:
            raise TwimlRefused(BAD_SCHEMA, f"<{tag}> has an unknown attribute {next(iter(self.left))!r}")
        for child in self.element:
            if child.tag not in children:
                raise TwimlRefused(BAD_SCHEMA, f"<{child.tag}> in <{tag}> is unknown")


def _say(given: _Attributes) -> SayText:
    given.take("voice")
    verb = SayText(given.text, given.take("language"), int(given.number("loop", 1)))
    given.done()
    return verb


def _play(given: _Attributes) -> Play:
    verb = Play(given.text, int(given.number("loop", 1)))
    given.done()
    return verb


def _pause(given: _Attributes) -> Pause:
    verb = Pause(given.number("length", PAUSE_S))
    given.done()
    return verb


def _redirect(given: _Attributes) -> Redirect:
    verb = Redirect(given.text, given.method())
    given.done()
    return verb


def _reject(given: _Attributes) -> Reject:
    reason = given.take("reason") or "rejected"
    given.done()
    if reason not in ("rejected", "busy"):
        raise TwimlRefused(BAD_SCHEMA, f'reason="{reason}" of <Reject> is unknown')
    return Reject(reason)


def _hang_up(given: _Attributes) -> Hangup:
    given.done()
    return Hangup()


def _connect(given: _Attributes) -> ConnectStream:
    action, method = given.take("action"), given.method()
    given.done("Stream")
    if len(given.element) != 1:
        raise TwimlRefused(BAD_SCHEMA, f"<Connect> has {len(given.element)} nouns")
    noun = _Attributes(given.element[0])
    url = noun.take("url") or ""
    for name in ("name", "track", "statusCallback", "statusCallbackMethod"):
        noun.take(name)
    noun.done("Parameter")
    parameters: dict[str, str] = {}
    for child in noun.element:
        told = _Attributes(child)
        name, value = told.take("name") or "", told.take("value") or ""
        told.done()
        if len(name) + len(value) > MOST_PARAMETER:
            raise TwimlRefused(BAD_SCHEMA, f"The parameter {name[:40]!r} has {len(value)} characters")
        parameters[name] = value
    return ConnectStream(url, parameters, action, method)


def _dial(given: _Attributes) -> Dial:
    numbers = [child for child in given.element if child.tag == "Number"]
    number = (numbers[0].text or "").strip() if numbers else given.text
    for name in ("callerId", "answerOnBridge", "hangupOnStar", "timeLimit"):
        given.take(name)
    verb = Dial(number, given.take("action"), given.method(), given.number("timeout", RING_S))
    given.done("Number")
    return verb


_VERBS: Mapping[str, Callable[[_Attributes], Verb]] = {
    "Say": _say,
    "Play": _play,
    "Pause": _pause,
    "Redirect": _redirect,
    "Reject": _reject,
    "Hangup": _hang_up,
    "Connect": _connect,
    "Dial": _dial,
}
