"""SRTP by keys that the session description gave (RFC 3711, 4568), on libsrtp."""

from __future__ import annotations

from dataclasses import dataclass

from bargein.errors import Unavailable, UsageError

try:
    import pylibsrtp
except ImportError:
    pylibsrtp = None  # type: ignore[assignment]

REPLAYS = 128  # packets: an older or a repeated one is refused
PROFILES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Suite and keys, each key with its salt, 30 bytes."""

    suite: str
    ours: bytes
    """Of what we send."""
    theirs: bytes
    """Of what we get."""


class Srtp:
    """Both directions of one stream. Raises Unavailable without the package, UsageError for an unknown suite."""

    def __init__(self, keys: SrtpKeys) -> None:
        if pylibsrtp is None:
            raise Unavailable("SRTP needs the package pylibsrtp", advice="Install it with pip install 'bargein[sip]'")
        if keys.suite not in PROFILES:
            raise UsageError(f"There is no SRTP suite {keys.suite[:40]!r}", advice=f"Take {PROFILES[0]}")
        profile = getattr(pylibsrtp.Policy, f"SRTP_PROFILE_{keys.suite.replace('AES_CM_128_HMAC', 'AES128_CM')}")
        policy = pylibsrtp.Policy
        out = policy(key=keys.ours, ssrc_type=policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
        into = policy(key=keys.theirs, ssrc_type=policy.SSRC_ANY_INBOUND, srtp_profile=profile)
        into.window_size = REPLAYS
        self._out, self._in = pylibsrtp.Session(out), pylibsrtp.Session(into)

    def protect(self, packet: bytes) -> bytes:
        sealed: bytes = self._out.protect(packet)
        return sealed

    def protect_rtcp(self, packet: bytes) -> bytes:
        sealed: bytes = self._out.protect_rtcp(packet)
        return sealed

    def unprotect(self, packet: bytes) -> bytes | None:
        """None: it was not sealed with this key, or comes again."""
        try:
            opened: bytes = self._in.unprotect(packet)
        except pylibsrtp.Error:
            return None
        return opened

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """None: as for `unprotect`."""
        try:
            opened: bytes = self._in.unprotect_rtcp(packet)
        except pylibsrtp.Error:
            return None
        return opened
