"""REFER (RFC 3515): a transfer that we ask for, and the NOTIFYs that tell how far the far end came with it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from bargein.errors import UsageError
from bargein.sip.addresses import SipUri
from bargein.sip.dialog_requests import DialogRequests
from bargein.sip.errors import SipRefused, SipTimeout
from bargein.sip.messages import SipRequest

_FRAGMENT = re.compile(rb"\s*SIP/2\.0 ([1-6][0-9]{2})[ \t]*([^\r\n]*)", re.IGNORECASE)


class ReferTransfer:
    """At most one at a time. The far end that accepted and then hangs up has taken the call over."""

    def __init__(self, requests: DialogRequests, on_progress: Callable[[int, str], None]) -> None:
        self._requests = requests
        self._on_progress = on_progress
        self._result: asyncio.Future[tuple[int, str]] | None = None
        self._accepted = False

    async def refer(self, uri: SipUri, *, within_s: float) -> None:
        """Returns when the far end reached the target. Raises SipRefused, SipTimeout."""
        if self._result is not None:
            raise UsageError("A transfer of this call is on its way", advice="Await it before the next one")
        self._result = asyncio.get_running_loop().create_future()
        self._accepted = False
        late = self._requests.host.timers.after(within_s * 1000, lambda: self._settle(0, ""))
        try:
            local = self._requests.state.local.uri.bare()
            response = await self._requests.answer(
                "REFER",
                headers=[("refer-to", f"<{uri}>"), ("referred-by", f"<{local}>")],
                within_s=within_s,
            )
            self._accepted = True
            if response.headers.get("refer-sub").strip().lower() == "false":
                return
            status, reason = await self._result
        finally:
            late.cancel()
            self._result = None
        if status == 0:
            raise SipTimeout("The transfer had no end in time", advice="Ask the user, then try again or hang up")
        if status >= 300:
            raise SipRefused(status, reason, advice="The transfer's target did not take the call")

    def notified(self, request: SipRequest) -> bool:
        """A NOTIFY came. False: it belongs to no transfer of ours."""
        if request.headers.get("event").partition(";")[0].strip().lower() != "refer" or self._result is None:
            return False
        found = _FRAGMENT.match(request.body)
        status = int(found[1]) if found else 0
        reason = found[2].decode("utf-8", "replace").strip() if found else ""
        if status:
            self._on_progress(status, reason)
        if status >= 200:
            self._settle(status, reason)
        elif request.headers.get("subscription-state").strip().lower().startswith("terminated"):
            self._settle(0, "")
        return True

    def dialog_over(self, reason: str) -> None:
        if reason == "bye" and self._accepted:
            self._settle(200, "OK")
        else:
            self._settle(0, "")

    def _settle(self, status: int, reason: str) -> None:
        if self._result is not None and not self._result.done():
            self._result.set_result((status, reason))
