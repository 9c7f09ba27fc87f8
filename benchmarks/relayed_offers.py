"""A page's offers of WebRTC reach its server without their addresses: each call runs through a lossy relay."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from benchmarks.lossy_relay import LossyRelay, without_candidates

if TYPE_CHECKING:
    from playwright.async_api import Page, Route


@dataclass
class RelayedOffers:
    """loss, jitter_ms: of the relays that are made next. dead: they pass nothing."""

    loss: float = 0.0
    jitter_ms: float = 0.0
    dead: bool = False
    relays: list[LossyRelay] = field(default_factory=list)

    async def answer(self, route: Route) -> None:
        relay = LossyRelay(loss=self.loss, jitter_ms=self.jitter_ms, seed=len(self.relays))
        relay.dead = self.dead
        self.relays.append(relay)
        offer = json.loads(route.request.post_data or "{}")
        offer["sdp"] = without_candidates(offer["sdp"])
        response = await route.fetch(post_data=json.dumps(offer))
        answer = await response.json()
        if response.ok:
            answer["sdp"] = self.edited(await relay.through(answer["sdp"]))
        await route.fulfill(response=response, json=answer)

    def edited(self, sdp: str) -> str:
        """The answer that the page gets."""
        return sdp


Offers = TypeVar("Offers", bound=RelayedOffers)


@asynccontextmanager
async def relayed(shown: Page, offers: Offers) -> AsyncIterator[Offers]:
    """The page's calls by WebRTC run through relays until the block ends."""
    await shown.route("**/webrtc/offer", offers.answer)
    try:
        yield offers
    finally:
        for relay in offers.relays:
            relay.close()
