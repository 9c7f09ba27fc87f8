"""Telephone keys as RTP events (RFC 4733), in and out."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from bargein.errors import UsageError

KEYS = "0123456789*#ABCD"  # by their event numbers
EVENT = struct.Struct("!BBH")
TONE_PACKETS, END_PACKETS, GAP_PACKETS = 5, 3, 5  # of 20 ms: a tone of 100 ms, its end three times, a pause
VOLUME = 10  # dBm0 below zero
END = 0x80
MOST_KEYS = 64  # that wait to be sent


class KeyReader:
    """The keys of the far end: a key is new when its timestamp is, so that lost packets lose no key."""

    def __init__(self) -> None:
        self._newest: tuple[int, int] | None = None  # timestamp and event
        self._told: deque[int] = deque(maxlen=8)  # timestamps

    def take(self, stamp: int, payload: bytes) -> str | None:
        """The key that a packet tells first. None: it was told before, or is no key."""
        if len(payload) < EVENT.size or payload[0] >= len(KEYS) or stamp in self._told:
            return None
        self._told.append(stamp)
        return KEYS[payload[0]]


@dataclass(frozen=True, slots=True)
class KeyPacket:
    """One packet of a key. stamp_back: how far the key's beginning lies before this packet, in units of the clock."""

    payload: bytes
    stamp_back: int
    marker: bool


class KeySender:
    """Gives, 20 ms by 20 ms, what is to be sent of the keys."""

    def __init__(self, units: int) -> None:
        """units: of the clock, in 20 ms."""
        self._units = units
        self._keys: deque[str] = deque()
        self._at = 0  # packets since the present key began

    def push(self, keys: str) -> None:
        """Send these after all before. Raises UsageError for what is no key, and for too many."""
        wrong = [key for key in keys if key.upper() not in KEYS]
        if wrong:
            raise UsageError(f"{wrong[0][:8]!r} is no telephone key", advice=f"Send keys of {KEYS}")
        if len(self._keys) + len(keys) > MOST_KEYS:
            raise UsageError(f"More than {MOST_KEYS} keys wait to be sent", advice="Send fewer at a time")
        self._keys.extend(keys.upper())

    @property
    def busy(self) -> bool:
        """A key is being sent, or the pause after it."""
        return bool(self._keys)

    def next(self) -> KeyPacket | None:
        """The packet that takes the place of the audio now. None: silence, between two keys."""
        at, self._at = self._at, self._at + 1
        if at >= TONE_PACKETS + END_PACKETS:
            if at >= TONE_PACKETS + END_PACKETS + GAP_PACKETS - 1:
                self._keys.popleft()
                self._at = 0
            return None
        ending = at >= TONE_PACKETS
        lasted = min(at + 1, TONE_PACKETS) * self._units
        flags = VOLUME | (END if ending else 0)
        payload = EVENT.pack(KEYS.index(self._keys[0]), flags, lasted)
        return KeyPacket(payload, at * self._units, marker=at == 0)
