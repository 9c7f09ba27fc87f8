"""Sends what lies in the spool. An attempt that fails is made again, later and later, for three days; no call and no
end of the server waits for one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx

from bargein.errors import BargeinError
from bargein.foreign import printable
from bargein.server.webhook.signing import signed
from bargein.server.webhook.spool import MOST_AGE_S, SpooledWebhook, WebhookSpool, is_of

log = logging.getLogger(__name__)

DELAYS_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0)
"""Before the second attempt, the third, ...; the last one before all that follow."""
JITTER = 0.2  # share of a delay that chance may take away
ATTEMPT_S = 10.0
AT_ONCE = 4  # attempts
LOOK_S = 60.0  # between two looks into the spool: another process may have died
TAKEN_S = 5.0  # between two looks while another process sends what is due
NEW = 1000  # calls that are over and wait to be told
CLOSE_S = 1.5  # to write what is new, when the server ends
GONE = 410  # the receiver wants no more of it

Wait = Callable[[asyncio.Event, float], Awaitable[None]]


async def set_or_time(event: asyncio.Event, most_s: float) -> None:
    """Wait until the event is set, or the time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            await event.wait()


class CallWebhook:
    """One process's. body_of: makes the body for a record, and may wait for the disk; it raises BargeinError or OSError
    where there is nothing to tell. on_end: told how each attempt ended: sent, failed, given_up. now_s, wait, chance,
    transport: for tests."""

    def __init__(
        self,
        url: str,
        keys: Sequence[bytes],
        spool: WebhookSpool,
        body_of: Callable[[str], Awaitable[bytes]],
        on_end: Callable[[str], None] = lambda _: None,
        *,
        now_s: Callable[[], float] = time.time,
        wait: Wait = set_or_time,
        chance: Callable[[], float] = random.random,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url, self._keys, self._spool, self._body_of, self._on_end = url, keys, spool, body_of, on_end
        self._now_s, self._wait, self._chance, self._transport = now_s, wait, chance, transport
        self._host = printable(urlsplit(url).hostname or "")
        self._new: deque[str] = deque(maxlen=NEW)
        self._wake = asyncio.Event()
        self._failing = False
        self.count = 0
        """How many wait, as far as is known."""

    def call_over(self, record: str) -> None:
        """A call is over, and its record is written. Never waits."""
        self._new.append(record)
        self._wake.set()

    async def forget(self, call_id: str) -> None:
        """Nothing of the call is sent any more, unless it is on its way."""
        kept = [record for record in self._new if not is_of(record, call_id)]
        self._new.clear()
        self._new.extend(kept)
        await asyncio.to_thread(self._spool.forget_call, call_id)

    async def run(self) -> None:
        """Until it is cancelled. What was not sent by then is sent by the next server on these records."""
        # An answer in the 300s is no success: a redirect could lead the words of a call to an address of its choice.
        async with httpx.AsyncClient(transport=self._transport, timeout=ATTEMPT_S, follow_redirects=False) as client:
            while True:
                self._wake.clear()
                await self._keep_new()
                waiting = await asyncio.to_thread(self._spool.waiting)
                self.count = len(waiting)
                due = [each for each in waiting if each.due_s <= self._now_s()][:AT_ONCE]
                if due and any(await asyncio.gather(*(self._attempt(client, each) for each in due))):
                    continue
                wait_s = TAKEN_S if due else LOOK_S
                if waiting and not due:
                    wait_s = min(max(waiting[0].due_s - self._now_s(), 0.05), LOOK_S)
                await self._wait(self._wake, wait_s)

    async def aclose(self) -> None:
        """Keep what is new for the next server, within a bound."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._keep_new()
        except TimeoutError:
            log.warning("The webhooks of %d calls are lost: the disk did not take them in time", len(self._new))

    async def _keep_new(self) -> None:
        while self._new:
            record = self._new[0]
            try:
                body = await self._body_of(record)
            except (BargeinError, OSError) as error:
                log.warning("Call %s: no webhook: %s", record, error)
                self._on_end("given_up")
            except Exception:
                log.exception("Call %s: no webhook", record)
                self._on_end("given_up")
            else:
                if not await asyncio.to_thread(self._spool.put, record, body, self._now_s()):
                    log.error("Too many webhooks wait for %s: the oldest one is given up", self._host)
                    self._on_end("given_up")
            if self._new and self._new[0] == record:
                self._new.popleft()

    async def _attempt(self, client: httpx.AsyncClient, waiting: SpooledWebhook) -> bool:
        """False: another process makes it."""
        with ExitStack() as held:
            body = await asyncio.to_thread(lambda: held.enter_context(self._spool.taken(waiting)))
            if body is None:
                return False
            why, gone, after_s = await self._post(client, waiting, body)
            if why is None:
                await asyncio.to_thread(self._spool.remove, waiting)
                self._ended("sent")
                return True
            due_s = self._now_s() + max(self._delay_s(waiting.attempts), after_s)
            if gone or due_s - waiting.made_s > MOST_AGE_S:
                log.error("Call %s: its webhook is given up: %s %s", waiting.record, self._host, why)
                await asyncio.to_thread(self._spool.remove, waiting)
                self._ended("given_up", why)
                return True
            await asyncio.to_thread(self._spool.later, waiting, due_s)
            self._ended("failed", why)
            return True

    async def _post(
        self, client: httpx.AsyncClient, waiting: SpooledWebhook, body: bytes
    ) -> tuple[str | None, bool, float]:
        """Why it failed (None: it did not), whether the receiver wants no more, and how long it asks to wait."""
        headers = {"content-type": "application/json", "user-agent": "bargein"}
        headers |= signed(self._keys, waiting.webhook_id, int(self._now_s()), body)
        try:
            async with (
                asyncio.timeout(ATTEMPT_S),
                client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                status, after = answer.status_code, answer.headers.get("retry-after", "")
        except TimeoutError:
            return "did not answer in time", False, 0.0
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return f"cannot be reached ({type(error).__name__})", False, 0.0
        if 200 <= status < 300:
            return None, False, 0.0
        after_s = min(float(after), DELAYS_S[-1]) if after.isascii() and after.isdigit() else 0.0
        return f"answered {status}", status == GONE, after_s

    def _delay_s(self, attempts: int) -> float:
        return DELAYS_S[min(attempts, len(DELAYS_S) - 1)] * (1 - JITTER * self._chance())

    def _ended(self, how: str, why: str = "") -> None:
        """The log has a line when the receiver begins to fail, and one when it works again."""
        if how == "failed" and not self._failing:
            self._failing = True
            log.warning("The webhook's receiver %s %s; it is tried again, for three days", self._host, why)
        elif how == "sent" and self._failing:
            self._failing = False
            log.warning("The webhook's receiver %s takes calls again", self._host)
        self._on_end(how)
