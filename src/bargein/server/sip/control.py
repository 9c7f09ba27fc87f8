"""What a SIP call's far end can be asked for: to call another number in our place, and to hear keys."""

from __future__ import annotations

from bargein.errors import ProtocolError, UsageError, VendorLost, VendorRefused
from bargein.sip.addresses import SipUri
from bargein.sip.dialog import SipDialog
from bargein.sip.errors import SipRefused, SipTimeout
from bargein.transports.rtp.transport import RtpTransport

RING_S = 40.0  # for the number that the far end calls in our place: to ring, and to say whether it answers
MOST_KEYS = 40  # at once


def uri_of(to: str, domain: str) -> SipUri:
    """A sip: address, or a telephone number at this domain. Raises UsageError."""
    if not to.startswith(("sip:", "sips:")):
        return SipUri(to, domain)
    try:
        return SipUri.read(to)
    except ProtocolError:
        raise UsageError(f"{to[:80]!r} is no SIP address", advice="Write it as sip:user@host") from None


class SipControl:
    """A protocols.CallControl by shape, for one call. domain: where telephone numbers are reached."""

    takes_uris = True
    """`transfer` takes sip: addresses, too."""

    def __init__(self, dialog: SipDialog, transport: RtpTransport, domain: str) -> None:
        self._dialog, self._transport, self._domain = dialog, transport, domain
        self._transferring = False
        self._over: str | None = None  # came while a transfer ran

    def far_end_over(self, reason: str) -> None:
        """The dialog is over. A phone that says BYE while it calls the other number has handed the caller on."""
        if self._transferring:
            self._over = reason
        else:
            self._transport.over(reason)

    async def hang_up(self) -> None:
        """The end of the call says BYE."""

    async def transfer(self, to: str) -> None:
        """REFER, until the far end has said how it went. Raises UsageError for an address that is none; VendorRefused,
        VendorLost where the caller is still here."""
        uri = uri_of(to, self._domain)
        self._transferring = True
        try:
            await self._dialog.refer(uri, within_s=RING_S)
        except SipRefused as error:
            self._still_here()
            why = f"The number did not take the call: {error.status} {error.reason}".strip()
            raise VendorRefused(why, advice="Offer the caller something else") from None
        except SipTimeout:
            self._still_here()
            why = "The phone did not say what became of the transfer"
            raise VendorLost(why, advice="Offer the caller something else") from None
        except BaseException:
            self._still_here()
            raise

    def _still_here(self) -> None:
        """The transfer has failed: an end of the call that came meanwhile is the caller's own."""
        self._transferring = False
        if self._over is not None:
            self._transport.over(self._over)

    def send_keys(self, keys: str) -> None:
        """Press these keys at the far end. Raises UsageError for what is no key, or where it takes none."""
        if not 0 < len(keys) <= MOST_KEYS:
            raise UsageError(f"{len(keys)} keys cannot be sent", advice=f"Send 1 to {MOST_KEYS} keys")
        self._transport.send_keys(keys)
