"""A server's memory of one call, and what a caller heard of it over two servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bargein import protocols as c
from bargein.call.memory.restored import RestoredCall, read_memory
from tests.call.phone_kit import RATE, WORD_MS, PhoneScene

RESTORED = "Sorry, I lost you for a moment."
RESUMED = "As I was saying,"


@dataclass
class Kept:
    """A MemorySink by shape. lost: nothing can be kept."""

    fields: dict[str, bytes] = field(default_factory=dict)
    writes: int = 0
    size: int = 0
    asked: int = 0
    lost: bool = False
    stays: bool = False
    released: int = 0
    position: tuple[int, int] | None = None

    def remember(self, fields: Mapping[str, bytes | None]) -> None:
        self.writes += 1
        for name, data in fields.items():
            self.size += len(data or b"")
            if data is None:
                self.fields.pop(name, None)
            else:
                self.fields[name] = data

    async def remembered(self) -> bool:
        self.asked += 1
        return not self.lost

    async def release(self) -> bool:
        self.released += 1
        return not self.stays

    def restored(self, *, moved: bool = False) -> RestoredCall:
        """What another server makes of it."""
        return read_memory("c1", 2, dict(self.fields), self.position, moved=moved)


async def pass_pulses(scene: PhoneScene, kept: Kept, ms: float, speech: float = 0.0) -> None:
    """Time passes, and each 40 ms the server tells what the caller has heard."""
    for step in range(int(ms // 20)):
        await scene.pass_ms(20, speech)
        if step % 2 == 0:
            kept.position = scene.call.heard or kept.position


def heard_words(scene: PhoneScene, reply: int, *, share: float = 0.95) -> list[int]:
    """The words of a voice's reply (counted from 0) of which at least this share sounded."""
    size = WORD_MS * RATE // 1000
    sounded = [0] * 200
    for first, count in scene.phone.sounded(reply):
        for word in range(first // size, (first + count - 1) // size + 1):
            sounded[word] += min(first + count, (word + 1) * size) - max(first, word * size)
    return [word for word, samples in enumerate(sounded) if samples >= share * size]


def said(items: list[c.ConversationItem]) -> list[tuple[str, str]]:
    """Every reply of the agent: what was heard of it, and how it ended."""
    return [(item.text, item.ended) for item in items if isinstance(item, c.AgentSaid)]
