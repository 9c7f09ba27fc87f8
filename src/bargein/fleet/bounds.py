"""How much may be remembered of one call.

A field whose name ends in a number (`turn.12`) is an item of a list. Where a memory is too large, the oldest items go
first, in the order in which they were written; other fields go after all items.
"""

from __future__ import annotations

FIELD_BYTES = 16_384
MEMORY_BYTES = 65_536


def within_bounds(fields: dict[str, bytes]) -> list[str]:
    """Remove what is too much; the names of what went. fields: oldest first."""
    gone = [name for name, value in fields.items() if len(value) > FIELD_BYTES]
    for name in gone:
        del fields[name]
    total = sum(len(name) + len(value) for name, value in fields.items())
    if total <= MEMORY_BYTES:
        return gone
    for name in sorted(fields, key=lambda name: not name[-1:].isdigit()):  # a stable order: oldest items first
        total -= len(name) + len(fields.pop(name))
        gone.append(name)
        if total <= MEMORY_BYTES:
            break
    return gone
