"""Messages of each wire as they should be, and what chance makes of them."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

from tests.attack.foreign_fields import HOSTILE, OTHERS, STARTS
from tests.attack.raw_socket import BINARY, CLOSE, CONTINUED, END, PING, PONG, TEXT, frame
from tests.server.kit import HEADER

HELLO = {"type": "hello", "protocol": "bargein.v1", "language": "en", "settings": {"confirm_ms": 400}}
PAGE: list[dict[str, Any]] = [
    {"type": "ping", "n": 1},
    {"type": "say", "text": "hello there"},
    {"type": "interrupt"},
    {"type": "settings", "policy": "patient", "settings": {"confirm_ms": 500}},
    {"type": "played", "reply_id": 1, "played": 2400, "playing": True},
    {"type": "finished", "reply_id": 1, "played": 2400},
    {"type": "held", "reply_id": 1, "played": 2400},
    {"type": "flushed", "reply_id": 1, "played": 2400},
    {"type": "local_hold", "reply_id": 1, "played": 100, "level_db": -20, "age_ms": 5},
    {"type": "audio_chunk", "audio_data": "AAAA", "chunk_id": 1, "timestamp": 1.5},
    {"type": "hello", "protocol": "bargein.v1", "choice": {"voice": {"name": "espeak"}}},
]
WIRES = {"/calls/browser": (HELLO, PAGE)} | {f"/{name}/media": (STARTS[name], OTHERS[name]) for name in STARTS}
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**32, 2**63, -(2**70), 1e308, -0.5, "", "0", "\x00", "\ud800", "../../etc/passwd"),
    *([], {}, [[[[]]]], {"a": {"b": []}}, "inf", "١٢", "a\nb", "%s%n", "<script>", *HOSTILE.values()),
)


class Chance:
    """All chance of one run comes from its seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def opening(self, wire: str) -> bytes:
        """The first message: mostly as it should be, since what comes after it is of interest."""
        first = WIRES[wire][0]
        return self.frames(first) if self.random.random() < 0.3 else frame(END | TEXT, json.dumps(first).encode())

    def frames(self, message: dict[str, Any]) -> bytes:
        """A message, spoiled or not, in frames, spoiled or not."""
        how: Callable[[dict[str, Any]], bytes] = self.random.choice(
            (
                self._plain,
                self._changed,
                self._changed,
                self._cut,
                self._noise,
                self._in_parts,
                self._binary,
                self._wild,
            )
        )
        return how(message)

    def next(self, wire: str) -> bytes:
        return self.frames(self.random.choice(WIRES[wire][1]))

    def spoiled(self, message: dict[str, Any]) -> dict[str, Any]:
        """The message with one to three fields changed, taken away or added."""
        changed = copy.deepcopy(message)
        for _ in range(self.random.randint(1, 3)):
            at: Any = changed
            while isinstance(at, dict) and at:
                name = self.random.choice(list(at))
                if isinstance(at[name], dict) and at[name] and self.random.random() < 0.7:
                    at = at[name]
                    continue
                match self.random.randrange(4):
                    case 0:
                        del at[name]
                    case 1:
                        at[self.random.choice(("x", "event", "type", "stream", "\n"))] = at[name]
                    case _:
                        at[name] = self.random.choice(VALUES)
                break
        return changed

    def _plain(self, message: dict[str, Any]) -> bytes:
        return frame(END | TEXT, json.dumps(message).encode())

    def _changed(self, message: dict[str, Any]) -> bytes:
        return frame(END | TEXT, json.dumps(self.spoiled(message)).encode()[:60_000])

    def _cut(self, message: dict[str, Any]) -> bytes:
        text = json.dumps(message).encode()
        return frame(END | TEXT, text[: self.random.randrange(len(text))])

    def _noise(self, message: dict[str, Any]) -> bytes:
        text = bytearray(json.dumps(message).encode())
        for _ in range(self.random.randint(1, 5)):
            text[self.random.randrange(len(text))] = self.random.randrange(128)
        return frame(END | TEXT, bytes(text))

    def _in_parts(self, message: dict[str, Any]) -> bytes:
        text = json.dumps(message).encode()
        at = self.random.randrange(len(text))
        middle = frame(CONTINUED) * self.random.choice((0, 1, 50, 500))
        return frame(TEXT, text[:at]) + middle + frame(END | CONTINUED, text[at:])

    def _binary(self, _: dict[str, Any]) -> bytes:
        size = self.random.choice((0, 1, 15, 16, 18, 640, 1296, 40_000))
        head = HEADER.pack(*(self.random.choice((0, 1, 2, 255)) for _ in range(4)), self.random.choice((0, 7)), 0)
        return frame(END | BINARY, (head + self.random.randbytes(size))[: size or 1])

    def _wild(self, _: dict[str, Any]) -> bytes:
        """What the protocol of WebSockets itself forbids, or allows and no client does."""
        return self.random.choice(
            (
                frame(END | PING) * 300,
                frame(END | PONG, b"x" * 125) * 300,
                frame(END | TEXT) * 500,
                frame(END | PING, b"x" * 126),
                frame(PING),
                frame(0x70 | END | TEXT, b"{}"),
                frame(END | 0x05, b"{}"),
                frame(END | CONTINUED, b"{}"),
                frame(TEXT) + frame(TEXT),
                frame(END | TEXT, b"\xff\xfe"),
                frame(END | CLOSE, b"\x03"),
                frame(END | CLOSE, b"\x00\x01bad"),
                b"\x81\x02{}",
                b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",
                self.random.randbytes(200),
            )
        )

    def request(self, host: str) -> bytes:
        """An HTTP request, more or less."""
        path = self.random.choice(
            (
                *("/", "/healthz", "/calls", "/calls/x", "/calls/x/say", "/parts", "/parts/try", "/twilio/voice"),
                *("/token", "/openai/calls", "/simulate/faults", "/web/../../etc/passwd", "/%00", "/%ff%fe"),
                "/calls/" + "x" * 5000,
            )
        )
        method = self.random.choice(("GET", "POST", "POST", "HEAD", "OPTIONS", "BREW"))
        body = self.random.choice(
            (b"", b"{}", b"[]", b'{"kind":"tts","name":"espeak"}', b"From=%2B1&CallSid=x", b"\xff")
        )
        body = self.random.choice((body, body, json.dumps(self.spoiled({"kind": "tts", "name": "x"})).encode()))
        names = (
            "Origin",
            "Host",
            "Authorization",
            "Content-Type",
            "Content-Length",
            "X-Twilio-Signature",
            "Cookie",
            "x",
        )
        headers = {"Host": host, "Content-Length": str(len(body)), "Content-Type": "application/json"}
        if self.random.random() < 0.5:
            value = self.random.choice(
                ("", "http://[", "x" * 3000, "\xff\xfe", "-1", "1e9", "null", "Bearer x", "a\tb")
            )
            headers[self.random.choice(names)] = value
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        whole = "\r\n".join(lines).encode("latin-1") + body
        if self.random.random() < 0.2:
            whole = whole[: self.random.randrange(1, len(whole))]
        return whole
