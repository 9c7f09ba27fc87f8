"""A SIP call that is over leaves no object behind, without the help of Python's collector of circles."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

from bargein_bench.callers.sip_call import SipCaller
from tests.server.sip.kit import SipWorld, offer, phone, sip_world

ROOMS = ("bargein.call.", "bargein.transports.rtp", "bargein.server.sip")  # signalling outlives its call by 32 s
OF_THE_SERVER = {"Ticker", "Runtime", "RtpPorts", "RtpLimits", "SipDoor", "SipPlace", "SipConfiguration"}


def of_calls() -> Counter[str]:
    """How many objects of calls live now, by class."""
    kinds = (type(each) for each in gc.get_objects())
    return Counter(
        kind.__name__ for kind in kinds if str(kind.__module__).startswith(ROOMS) and kind.__name__ not in OF_THE_SERVER
    )


async def one_call(here: SipWorld) -> None:
    await SipCaller(here.uri, [], 300).run()
    await here.gone()


async def test_calls_leave_nothing_behind() -> None:
    async with sip_world() as here, phone() as caller:
        await one_call(here)  # what is made once is there then
        dialog = await caller.agent.invite(here.uri, offer())
        await dialog.bye()
        await here.gone()
        gc.collect()
        before = of_calls()
        gc.disable()
        try:
            for _ in range(2):
                await one_call(here)
            async with asyncio.timeout(5):
                while of_calls() - before:  # noqa: ASYNC110  # the last task of a call ends a moment later
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"left behind: {of_calls() - before}") from None
        finally:
            gc.enable()
