"""The tool calls of a Gemini Live session: which wait for a result, and which may not be answered any more.

Google closes a connection (1008) on which a cancelled call is answered, or on which audio goes up while a call waits.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bargein.protocols import ToolCall, ToolResult
from bargein.vendors.google.live.contents import Json, result_of

INTERRUPTED = "The caller spoke meanwhile. You are told the result once it is known."
NEVER_BEGAN = "not done: the reply was interrupted before this began"
KEPT = 500  # ids that may not be answered


class LiveToolCalls:
    """send: a toolResponse, before all that waits; told: the model waits for no result any more."""

    def __init__(self, send: Callable[[Json], None]) -> None:
        self._send = send
        self._waiting: dict[str, tuple[str, Json | None]] = {}  # id -> name, response
        self._untold: deque[str] = deque(maxlen=KEPT)  # calls that never began: nothing is ever known of them
        self.broken = False
        """The newest calls were cancelled, answered before their time, or lost with a connection."""

    @property
    def waiting(self) -> bool:
        """The model waits for a result."""
        return bool(self._waiting)

    def called(self, message: Mapping[str, Any]) -> list[ToolCall]:
        """A toolCall of the server's."""
        calls = []
        for call in message.get("functionCalls") or ():
            made = ToolCall(str(call.get("id") or ""), str(call.get("name")), json.dumps(call.get("args") or {}))
            self._waiting[made.id] = (made.tool, None)
            calls.append(made)
        self.broken = False
        return calls

    def result(self, used: ToolResult) -> bool:
        """A result. False: no call waits for the result, so that the model is to be told in words."""
        waits = self._waiting.get(used.id)
        if waits is None or waits[1] is not None:
            return used.id in self._untold or used.result is None
        self._waiting[used.id] = (waits[0], {"error" if used.error else "output": result_of(used)})
        self._answer()
        return True

    def refused(self, call: ToolCall) -> None:
        """A call that is never made."""
        self._untold.append(call.id)
        waits = self._waiting.get(call.id)
        if waits is not None and waits[1] is None:
            self._waiting[call.id] = (waits[0], {"error": NEVER_BEGAN})
            self._answer()

    def cancelled(self, ids: Iterable[str]) -> None:
        """The server wants no result of these."""
        for name in ids:
            if self._waiting.pop(name, None) is not None:
                self.broken = True
        self._answer()

    def interrupted(self) -> None:
        """The user's turn begins: the model waits no longer. Results that come later are told in words."""
        if self._waiting:
            self.broken = True
            for call, (name, response) in self._waiting.items():
                self._waiting[call] = (name, response or {"output": INTERRUPTED})
            self._answer()

    def lost(self) -> None:
        """The connection is gone, and the calls with it."""
        if self._waiting:
            self.broken = True
            self._waiting.clear()

    def _answer(self) -> None:
        """Once all results are there: the model goes on after the first that it gets."""
        if self._waiting and all(response is not None for _, response in self._waiting.values()):
            responses = [
                {"id": call, "name": name, "response": response} for call, (name, response) in self._waiting.items()
            ]
            self._waiting.clear()
            self._send({"toolResponse": {"functionResponses": responses}})
