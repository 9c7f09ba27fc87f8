"""The audio of one SIP call: its UDP ports, our session descriptions, and what both ends have agreed on."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec

from bargein.clock import Clock
from bargein.errors import ProtocolError, Unavailable, UsageError
from bargein.sip.errors import SipRefusal
from bargein.sip.session_description import (
    ANSWERED,
    AudioDescription,
    AudioFormat,
    Direction,
    SrtpKey,
    agree,
    write_answer,
    write_offer,
)
from bargein.transports.rtp.agreed import AgreedAudio
from bargein.transports.rtp.ports import RtpPort
from bargein.transports.rtp.srtp import SrtpKeys
from bargein.transports.rtp.transport import Rounds, RtpTransport

NOT_ACCEPTABLE = 488
SERVER_ERROR = 500
SUITE = "AES_CM_128_HMAC_SHA1_80"
KEY_BYTES = 30
PCMU, PCMA = AudioFormat("PCMU", 8000, 0), AudioFormat("PCMA", 8000, 8)
G722 = AudioFormat("G722", 8000, 9)
KEYS = AudioFormat("telephone-event", 8000, 101, parameters="0-16")
HAS_G722 = find_spec("G722") is not None
HAS_SRTP = find_spec("pylibsrtp") is not None
RATES = {"PCMU": 8000, "PCMA": 8000, "G722": 16_000}
"""Hz of the audio that a codec carries."""


def our_formats() -> tuple[AudioFormat, ...]:
    """What we speak, best first. G.722 needs its package."""
    return (G722, PCMU, PCMA, KEYS) if HAS_G722 else (PCMU, PCMA, KEYS)


class SipMedia:
    """Owns the ports until `close`, or until the transport closes them."""

    def __init__(
        self, port: RtpPort, host: str, clock: Clock, rounds: Rounds, far_buffer_ms: float, *, sealed: bool = False
    ) -> None:
        """host: our address for the far end. sealed: an offer of ours asks for SRTP. Raises Unavailable for SRTP
        without its package."""
        if sealed and not HAS_SRTP:
            raise Unavailable("SRTP needs the package pylibsrtp", advice="Install it with pip install 'bargein[sip]'")
        self._port, self._host, self._clock, self._rounds = port, host, clock, rounds
        self._far_buffer_ms = far_buffer_ms
        self._session, self._version = secrets.randbits(31), 0
        self._sealed = sealed
        self._key = secrets.token_bytes(KEY_BYTES)  # of what we send, for the whole call
        self._agreed: AgreedAudio | None = None
        self.transport: RtpTransport | None = None
        """None: the far end has not said yet where it listens."""

    @property
    def agreed(self) -> AgreedAudio | None:
        return self._agreed

    # ----------------------------------------------------------------------------------------------- descriptions

    def offer(self) -> bytes:
        """Ours. Of a running call: the codecs whose audio has the rate that the call keeps."""
        key = SrtpKey(1, SUITE, self._key) if self._sealed else None
        formats = [each for each in our_formats() if self._fits(each)]
        return write_offer(self._described(formats, srtp=key), session=self._session, version=self._next_version())

    def answer(self, offered: AudioDescription, sdp: bytes) -> bytes:
        """To an offer of the far end, the first or a later one; the call's audio goes by it from now on. Raises
        SipRefusal."""
        agreed, formats = self._agree(offered)
        key = None
        if offered.srtp is not None:
            key = SrtpKey(offered.srtp.tag, offered.srtp.suite, self._key)
        described = self._described(formats, direction=ANSWERED[offered.direction], srtp=key, rtcp_mux=offered.rtcp_mux)
        try:
            text = write_answer(sdp, described, session=self._session, version=self._next_version())
        except ProtocolError:
            raise SipRefusal(NOT_ACCEPTABLE, "Not Acceptable Here") from None
        self._use(agreed)
        return text

    def take_answer(self, described: AudioDescription | None) -> None:
        """The far end's answer to our offer. Raises SipRefusal, for None as well: it has none."""
        if described is None:
            raise SipRefusal(NOT_ACCEPTABLE, "Not Acceptable Here")
        agreed, _ = self._agree(described)
        self._use(agreed)

    def _described(
        self,
        formats: Sequence[AudioFormat],
        *,
        direction: Direction = "sendrecv",
        srtp: SrtpKey | None = None,
        rtcp_mux: bool = False,
    ) -> AudioDescription:
        made = AudioDescription(self._host, self._port.port, tuple(formats), rtcp_mux=rtcp_mux, srtp=srtp)
        return replace(made, direction=direction)

    def _next_version(self) -> int:
        self._version += 1
        return self._version

    def _agree(self, theirs: AudioDescription) -> tuple[AgreedAudio, list[AudioFormat]]:
        """What both ends speak, in the order of the far end; of a running call, its codec first."""
        order = {each.name: place for place, each in reversed(list(enumerate(theirs.formats)))}
        wanted = sorted((each for each in our_formats() if self._fits(each)), key=lambda f: order.get(f.name, 999))
        if self._agreed is not None:
            wanted.sort(key=lambda each: each.name != self._codec)
        common = agree(theirs, wanted)
        sound = [each for each in common if each.name in RATES]
        if not sound:
            raise SipRefusal(NOT_ACCEPTABLE, "Not Acceptable Here")
        keys = [each for each in common if each.name == KEYS.name][:1]
        noise = next((each.payload for each in theirs.formats if each.name == "CN"), 13)
        agreed = AgreedAudio(
            theirs.host,
            theirs.port,
            sound[0].name,
            sound[0].payload,
            key_payload=keys[0].payload if keys else None,
            noise_payload=noise,
            direction=ANSWERED[theirs.direction],
            rtcp_port=theirs.rtcp_port,
            rtcp_mux=theirs.rtcp_mux,
            srtp=self._srtp_keys(theirs),
        )
        return agreed, [sound[0], *keys]

    def _srtp_keys(self, theirs: AudioDescription) -> SrtpKeys | None:
        if theirs.srtp is None:
            if self._sealed or (self._agreed is not None and self._agreed.srtp is not None):
                raise SipRefusal(NOT_ACCEPTABLE, "Not Acceptable Here")  # a sealed call is never opened
            return None
        if not HAS_SRTP:
            raise SipRefusal(NOT_ACCEPTABLE, "Not Acceptable Here")
        return SrtpKeys(theirs.srtp.suite, self._key, theirs.srtp.key)

    @property
    def _codec(self) -> str | None:
        return None if self._agreed is None else self._agreed.codec

    def _fits(self, each: AudioFormat) -> bool:
        """A call keeps the rate of its audio."""
        if self._codec is None or each.name not in RATES:
            return True
        return RATES[each.name] == RATES[self._codec]

    # ----------------------------------------------------------------------------------------------------- audio

    def _use(self, agreed: AgreedAudio) -> None:
        try:
            if self.transport is None:
                self.transport = RtpTransport(
                    self._port, agreed, self._clock, self._rounds, far_buffer_ms=self._far_buffer_ms
                )
            else:
                self.transport.apply(agreed)
        except (UsageError, Unavailable):
            raise SipRefusal(NOT_ACCEPTABLE, "Not Acceptable Here") from None
        self._agreed = agreed

    async def close(self, reason: str) -> None:
        """The ports are given back. A second close does nothing."""
        if self.transport is not None:
            await self.transport.close(reason)
        self._port.close()
