"""Calls that Twilio makes for us: POST /calls with a number. Twilio asks POST /twilio/voice what to do once the callee
answers, and tells POST /twilio/status how the call goes until then."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bargein.errors import BargeinError
from bargein.server.call_commands import command
from bargein.server.hub import Hub
from bargein.server.outbound_numbers import demand_allowed, e164
from bargein.server.refusals import Refusal
from bargein.server.sip.place import CallOrder
from bargein.server.telephone.dialed import WHY, DialedPhone
from bargein.server.telephone.serve import choose_for_order
from bargein.server.telephone.twilio import INSTALL, MEDIA, STATUS, VOICE, Twilio
from bargein.server.telephone.twilio_webhooks import read_webhook
from bargein.server.under_a_path import above_nodes, joined

try:
    from bargein.server.telephone import twilio_sdk as sdk
except ImportError:
    sdk = None  # type: ignore[assignment]

KNOWN = {*WHY, "ringing"}
_KNOWN_ID = re.compile(r"[\w-]{1,60}")
router = APIRouter()
log = logging.getLogger(__name__)


class TwilioLine:
    """An OutboundLine by shape. base: our public address; mounted: the path before every path of ours; node: in whose
    process the call is awaited, where there are several."""

    name = "twilio"

    def __init__(self, vendor: Twilio, base: str, mounted: str, node: str | None) -> None:
        self._vendor = vendor
        self._base = base
        self._above = f"{mounted}/n/{node}" if node else mounted

    async def dial(self, call_id: str, order: CallOrder) -> str:
        asked = {"agent": order.agent, "policy": order.policy, "language": order.language}
        if order.record is not None:
            asked["record"] = str(order.record)
        if order.record is not None:
            asked["record"] = str(order.record)
        told = {"dialed": call_id, **{name: value for name, value in asked.items() if value}}
        return await self._vendor.orders().create(
            to=order.to,
            from_=order.caller or "",
            url=self._address(VOICE, told),
            status_callback=self._address(STATUS, {"dialed": call_id}),
            ring_s=round(order.ring_s),
        )

    async def cancel(self, network_id: str) -> None:
        await self._vendor.orders().cancel(network_id)

    def _address(self, path: str, query: dict[str, str]) -> str:
        return f"{joined(self._base, self._above + path)}?{urlencode(query)}"


async def dial_by_twilio(request: Request, hub: Hub, order: CallOrder) -> str:
    """Begin to call. Returns the call's id once Twilio has taken the order. Raises Refusal, UsageError, VendorRefused,
    VendorLost."""
    vendor: Twilio = request.app.state.phones[MEDIA]
    order = replace(order, to=e164(order.to), caller=order.caller or hub.settings.twilio_number)
    demand_allowed(hub, order.to)
    base = demand_ready(vendor, order)
    agent, policy = choose_for_order(hub, order)
    fleet = hub.fleet
    line = TwilioLine(
        vendor,
        base,
        above_nodes(request.scope.get("root_path", "").rstrip("/")),
        fleet.node if fleet.shared and hub.settings.node_url is None else None,
    )
    call = DialedPhone(hub, line, order, agent, policy)
    await call.begin()
    hub.tasks.create_task(call.run(), name=f"Twilio call {call.id}")
    return call.id


def demand_ready(vendor: Twilio, order: CallOrder) -> str:
    """Our public address. Raises Refusal that says what is missing."""
    if sdk is None:
        raise Refusal(501, "not_installed", "The twilio package is not installed", advice=INSTALL)
    if not vendor.can_dial:
        raise Refusal(
            501,
            "no_twilio_account",
            "Twilio makes calls for an account, and none is set",
            advice="Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN (console.twilio.com shows both)",
        )
    if not order.caller:
        raise Refusal(
            422,
            "no_caller",
            "A call by Twilio comes from a number of yours, and none is set",
            advice="Set TWILIO_PHONE_NUMBER, or give --from +4930...: a number that Twilio has given you or verified",
        )
    if vendor.public is None:
        raise Refusal(
            501,
            "no_public_url",
            "Twilio has to reach this server, and its public address is not set",
            advice="Set BARGEIN_PUBLIC_URL to the https address that leads here (a tunnel does: docs/outbound.md)",
        )
    return vendor.public


@router.post(STATUS)
async def how_it_goes(request: Request) -> Response:
    """Twilio's status callback of a call of ours."""
    asked = await read_webhook(request, STATUS)
    call_id, status = asked.query.get("dialed", ""), asked.form.get("CallStatus", "")
    if _KNOWN_ID.fullmatch(call_id) and status in KNOWN:
        code = asked.form.get("SipResponseCode", "")
        try:
            await command(asked.hub, "told", call_id, status=status, code=code if code.isdecimal() else "")
        except BargeinError as error:
            log.info("Call %s: Twilio says %s, and %s", call_id, status, error.message)  # it was answered long ago
    return Response(status_code=204)
