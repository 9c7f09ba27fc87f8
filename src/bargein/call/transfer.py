"""A caller is handed on to another number, and comes back when that number does not answer."""

from __future__ import annotations

import logging
import re

from bargein.call.context import CallContext
from bargein.call.responders.tool_runner import ToolRunner
from bargein.errors import BargeinError, UsageError
from bargein.protocols import CallControl, MayReturn, ToolCall

log = logging.getLogger(__name__)

NUMBER = re.compile(r"\+[1-9]\d{6,14}")  # E.164


class CallTransfer:
    """control: the telephone network's; None: there is none. transport: one that `MayReturn` brings the caller back."""

    def __init__(
        self, context: CallContext, control: CallControl | None, tool_runner: ToolRunner, transport: object
    ) -> None:
        self._context = context
        self._control = control
        self._tool_runner = tool_runner
        self._transport = transport if isinstance(transport, MayReturn) else None
        self._asked_by: ToolCall | None = None
        self.to: str | None = None
        """The number that rings now. None: none does."""

    async def begin(self, to: str, asked_by: ToolCall | None) -> bool:
        """Hand the caller on. True: the network will say whether the number answers; False: the call is over.

        Raises UsageError for a wrong number or a call that cannot be transferred, VendorRefused or VendorLost.
        """
        uri = getattr(self._control, "takes_uris", False) and to.startswith(("sip:", "sips:"))
        if not uri and not NUMBER.fullmatch(to):
            raise UsageError(
                f"{to[:40]!r} is no telephone number", advice="Write it as +, country and number: +4930123456"
            )
        if self._control is None:
            raise UsageError(
                "This call cannot be transferred",
                advice="Set the telephone vendor's credentials; docs/telephone.md says which, and which networks can",
            )
        return_ms: float = getattr(self._control, "return_ms", 0.0)
        waits = self._transport if return_ms > 0 else None
        if waits is not None:
            self.to, self._asked_by = to, asked_by
            waits.expect_return(return_ms)  # first: the network may be quicker than its own answer
        self._context.journal.note(self._context.now_ms(), "transfer", to=to)
        try:
            await self._control.transfer(to)
        except BargeinError as error:
            self._context.journal.note(self._context.now_ms(), "not_transferred", to=to, why=error.message)
            self.to = None
            if waits is not None:
                waits.expect_return(None)
            raise
        return waits is not None

    def failed(self, why: str) -> None:
        """The number did not answer: the caller comes back, and the model learns why."""
        if self.to is None or self._transport is None:
            return
        log.info("Call %s: not transferred to %s: %s", self._context.call_id, self.to, why)
        self._context.journal.note(self._context.now_ms(), "not_transferred", to=self.to, why=why)
        self._transport.returns_because("not_transferred")
        self.to = None
        self.tell(self._asked_by, f"not transferred: {why}; the caller is back")

    def tell(self, asked_by: ToolCall | None, why: str) -> bool:
        """The tool that asked for the transfer has failed after all. False: no tool has asked."""
        if asked_by is not None:
            self._tool_runner.fail_late(asked_by, why)
        return asked_by is not None
