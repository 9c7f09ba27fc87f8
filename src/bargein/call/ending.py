"""How a call ends: the client hangs up, the agent hangs up, or the caller is handed on to another number."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bargein.call.context import CallContext
from bargein.call.output.reply import Reply
from bargein.call.responders.tool_runner import ToolRunner
from bargein.call.transfer import CallTransfer
from bargein.errors import BargeinError, UsageError
from bargein.notices import Problem
from bargein.protocols import CallControl, EndRequest, HangUp, SendsKeys, ToolCall, Transfer

log = logging.getLogger(__name__)


class CallEnding:
    """control: the telephone network's; None: only the connection can be closed. not_transferred: called when a
    transfer has failed and the caller stays. on_failure: what `give_up` does; None: it hangs up."""

    def __init__(
        self,
        context: CallContext,
        control: CallControl | None,
        tool_runner: ToolRunner,
        not_transferred: Callable[[], None],
        on_failure: EndRequest | None = None,
        transport: object = None,
    ) -> None:
        self._context = context
        self._control = control
        self._tool_runner = tool_runner
        self._transfer = CallTransfer(context, control, tool_runner, transport)
        self._not_transferred = not_transferred
        self._on_failure: EndRequest = on_failure or HangUp()
        self._hung_up = asyncio.Event()
        self.reason: str | None = None
        """Why the call is over. None: it goes on."""
        self.lost: str | None = None
        """How the connection was lost. None: the client is there."""

    def hang_up(self, reason: str) -> None:
        """End the call. The first reason counts."""
        if self.reason is None:
            self.reason = reason
            self._hung_up.set()

    def leave(self, why: str, *, gone: bool = False) -> None:
        """The floor ends the call. gone: the client was waited for in vain."""
        if gone and self._transfer.to is not None:
            self.transferred()
        self.hang_up(f"{self.lost}, and the client did not come back" if gone and self.lost else why)

    async def wait(self) -> None:
        """Until the call is to end."""
        await self._hung_up.wait()

    def reply_completed(self, reply: Reply) -> None:
        """All of the reply was heard: end the call, if the reply wants that."""
        if reply.end_request is not None or reply.terminal:
            self._context.spawn(self._finish(reply), "end of the call")

    def give_up(self, why: str) -> None:
        """The agent cannot go on, and has said so: hand the caller on, if the agent wants that, or hang up."""
        self._context.spawn(self._give_up(f"the agent gave up: {why}"), "giving up")

    def reply_stalled(self, reply: Reply) -> None:
        """The client stopped playing the reply. A goodbye waits for its ear no longer; a transfer and every other
        terminal tool do not happen, because the words before them were not heard."""
        hang_up = self._tool_runner.hang_up_of(reply)
        if hang_up is not None:
            self._context.spawn(
                self._end_at_network(f"{hang_up.reason} (the goodbye was not played)"), "end of the call"
            )

    async def transfer(self, to: str, asked_by: ToolCall | None = None) -> None:
        """Hand the caller on to another number. Our part of the call ends, or waits until the number has answered.

        Raises UsageError for a wrong number or a call that cannot be transferred, VendorRefused or VendorLost.
        """
        if not await self._transfer.begin(to, asked_by):
            self.hang_up(f"transferred to {to}")

    def send_keys(self, keys: str) -> None:
        """Press telephone keys at the far end. Raises UsageError where that cannot be done."""
        control: object = self._control
        if not isinstance(control, SendsKeys):
            raise UsageError("No keys can be sent in this call", advice="Send them in a call by SIP")
        control.send_keys(keys)

    def transferred(self) -> None:
        """The number that rang has answered."""
        if (to := self._transfer.to) is not None:
            self.hang_up(f"transferred to {to}")

    def not_transferred(self, why: str) -> None:
        """The number that rang has not answered: the caller comes back."""
        self._transfer.failed(why)

    async def _finish(self, reply: Reply) -> None:
        request = await self._tool_runner.finish(reply)
        if isinstance(request, HangUp):
            await self._end_at_network(request.reason)
        elif request is not None:
            await self._hand_on(request, reply.end_call)

    async def _give_up(self, reason: str) -> None:
        wanted, self._on_failure = self._on_failure, HangUp()  # a caller who comes back is not handed on again
        if isinstance(wanted, Transfer):
            try:
                await self.transfer(wanted.to)
            except BargeinError as error:
                log.warning("Call %s: not transferred: %s", self._context.call_id, error)
                self._context.notify(Problem("not_transferred", error.message, error.advice))
            else:
                return
        await self._end_at_network(reason)

    async def _hand_on(self, request: Transfer, asked_by: ToolCall | None) -> None:
        try:
            await self.transfer(request.to, asked_by)
        except BargeinError as error:
            log.warning("Call %s: not transferred: %s", self._context.call_id, error)
            self._context.notify(Problem("not_transferred", error.message, error.advice))
            if not self._transfer.tell(asked_by, f"not transferred: {error.message}"):
                self._not_transferred()

    async def _end_at_network(self, reason: str) -> None:
        if self._control is not None:
            try:
                await self._control.hang_up()
            except BargeinError as error:
                log.warning(
                    "Call %s: the vendor could not end the call; only the stream is closed: %s",
                    self._context.call_id,
                    error,
                )
        self.hang_up(reason)
