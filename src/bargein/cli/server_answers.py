"""Questions to a running server, for the commands that an operator types."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect

from bargein.errors import CommandRefused, Unavailable
from bargein.foreign import printable

ANSWER_S = 10.0
ANSWER_BYTES = 64 << 20  # of 100,000 calls
UNAUTHORIZED, CONFLICT = 401, 409


class RunningServer:
    """At an address, with the token of BARGEIN_TOKEN."""

    def __init__(self, url: str | None) -> None:
        """url: None: on this machine, at BARGEIN_PORT. Raises Unavailable for what is no address."""
        self.url = (url or f"http://127.0.0.1:{os.environ.get('BARGEIN_PORT') or 8080}").rstrip("/")
        self._token = os.environ.get("BARGEIN_TOKEN", "").strip()
        try:
            place = urlsplit(self.url)
            good = place.scheme in ("http", "https") and bool(place.hostname) and (place.port is None or place.port > 0)
        except ValueError:
            good = False
        if not good:
            raise Unavailable(f"{printable(self.url, 200)!r} is no address", advice="Write http://HOST:PORT")

    def get(self, path: str) -> dict[str, Any]:
        """As `ask`, for what only asks."""
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Raises Unavailable where no server of ours answers, CommandRefused for a refusal."""
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        try:
            asked = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310  # http or https
            with urllib.request.urlopen(asked, timeout=ANSWER_S) as answer:  # noqa: S310
                return self._read(answer.status, answer.read(ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                return self._read(error.code, error.read(ANSWER_BYTES))
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: of addresses that are none
            why = getattr(error, "reason", None) or error
            raise self._unreachable(str(why) or type(error).__name__) from None

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """What a WebSocket of the server tells, as long as it is open. Raises Unavailable where there is none."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            with connect(
                "ws" + self.url.removeprefix("http") + path, additional_headers=headers, open_timeout=ANSWER_S
            ) as socket:
                for text in socket:
                    told = json.loads(text)
                    if isinstance(told, dict):
                        yield told
        except InvalidStatus as error:
            if error.response.status_code != CONFLICT:  # 409: the call is over already
                raise self._unreachable(f"it refuses {path} with {error.response.status_code}") from None
        except ConnectionClosed:
            return
        except (OSError, WebSocketException, ValueError) as error:
            raise self._unreachable(str(error) or type(error).__name__) from None

    def _unreachable(self, why: str) -> Unavailable:
        return Unavailable(
            f"No server answers at {printable(self.url, 200)}: {printable(why, 200)}",
            advice="Start it, or name its address: http://HOST:PORT",
        )

    def _read(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            told = json.loads(body)
            if status < 300:
                return dict(told)
            error = told["error"]
            code, message, advice = str(error["code"]), str(error["message"]), str(error["advice"])
        except (ValueError, KeyError, TypeError):
            raise Unavailable(
                f"What answers at {printable(self.url, 200)} is no server of Bargein ({status})",
                advice="Name the address of one, with the path under which it is",
            ) from None
        if status == UNAUTHORIZED:
            advice = "Set BARGEIN_TOKEN to the server's token"
        raise CommandRefused(status, code, message, advice=advice)
