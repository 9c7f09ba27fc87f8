"""POST /calls: a call that this server makes, by SIP or by Twilio."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from bargein.errors import VendorLost, VendorRefused
from bargein.server.access import of_owner
from bargein.server.hub import Hub
from bargein.server.refusals import Refusal
from bargein.server.sip.place import CallOrder
from bargein.server.telephone.twilio_outbound import dial_by_twilio


class CallThis(BaseModel):
    """The body of POST /calls."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    to: str = Field(min_length=1, max_length=300)
    """sip:user@host, or a telephone number, which the SIP trunk or Twilio reaches."""
    via: Literal["sip", "twilio"] | None = None
    """By which network a number is called. None: by the SIP trunk, where there is one; else by Twilio."""
    agent: str | None = Field(default=None, max_length=200)
    policy: str | None = Field(default=None, max_length=40)
    language: str | None = Field(default=None, max_length=35)
    caller: str | None = Field(default=None, max_length=300, alias="from")
    """As whom the callee sees us."""
    ring_s: float = Field(default=60, ge=1, le=180)
    record: bool | None = None
    """The callee has agreed to a recording, or has refused it."""


router = APIRouter()


@router.post("/calls", status_code=202)
async def call_out(request: Request, this: CallThis, hub: Hub = of_owner) -> dict[str, str]:
    """Call a phone. The answer has the call's id at once; GET /calls/{id} and its events tell how it goes on."""
    order = CallOrder(this.to, this.agent, this.policy, this.language, this.caller, this.ring_s, this.record)
    address = this.to.strip().startswith(("sip:", "sips:"))
    by_trunk = hub.sip.door is not None and (hub.settings.sip_trunk is not None or not hub.settings.twilio_account_sid)
    if not address and (this.via == "twilio" or (this.via is None and not by_trunk)):
        try:
            return {"id": await dial_by_twilio(request, hub, order)}
        except VendorRefused as error:
            raise Refusal(502, "vendor_refused", error.message, advice=error.advice) from None
        except VendorLost as error:
            raise Refusal(503, "vendor_lost", error.message, advice=error.advice) from None
    if hub.sip.door is None:
        raise Refusal(501, "no_sip", "This server has no SIP door", advice="Start it with --sip 0.0.0.0:5060")
    return {"id": await hub.sip.door.dial(order)}
