"""What both ends have agreed on for the audio of a call, free of how they did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bargein.transports.rtp.srtp import SrtpKeys


@dataclass(frozen=True, slots=True)
class AgreedAudio:
    """One audio stream, both ways."""

    host: str
    """Where the far end wants our packets, unless its own come from elsewhere."""
    port: int
    codec: str
    """PCMU, PCMA or G722."""
    payload: int
    """Payload type of the codec, both ways."""
    key_payload: int | None = None
    """Payload type of telephone keys (RFC 4733). None: the far end takes none."""
    noise_payload: int | None = 13
    """Payload type of comfort noise. None: none comes."""
    direction: Literal["sendrecv", "sendonly", "recvonly", "inactive"] = "sendrecv"
    """From our side: sendonly, recvonly and inactive say that one end holds the call."""
    rtcp_port: int | None = None
    """None: the port after `port`."""
    rtcp_mux: bool = False
    """RTCP comes and goes at the port of RTP."""
    srtp: SrtpKeys | None = None

    @property
    def sends(self) -> bool:
        """The far end wants to hear us."""
        return self.direction in ("sendrecv", "sendonly")
