"""What the model is to be told with the next turn: what was heard, backchannels, late results of tools.

A note goes up as text inside of the activity of the user's turn, or as the first part of typed words. There it is part
of a turn that the model answers anyway. The other forms are worse: `clientContent` without `turnComplete` has the
server wait for more, with `turnComplete` it asks for an answer, text outside of an activity may be answered, and a
changed system instruction costs the vendor's cache.
"""

from __future__ import annotations

from collections import deque

MOST = 40  # notes: older ones are about turns long gone


class LiveNotes:
    """Notes are kept until the model has answered the turn that they came with: a connection that breaks before may
    have lost them."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque(maxlen=MOST)
        self._sent: deque[str] = deque(maxlen=MOST)

    def add(self, note: str) -> None:
        """One more. An empty note is none."""
        if note:
            self._waiting.append(note)

    def take(self) -> list[str]:
        """Those that are to be sent now."""
        notes = list(self._waiting)
        self._sent.extend(notes)
        self._waiting.clear()
        return notes

    def answered(self) -> None:
        """The model has begun its answer: it knows what was sent."""
        self._sent.clear()

    def lost(self) -> None:
        """The connection is gone: what was not answered is to be sent once more."""
        self._waiting = deque([*self._sent, *self._waiting], maxlen=MOST)
        self._sent.clear()

    def clear(self) -> None:
        """The model knows it all by other means."""
        self._waiting.clear()
        self._sent.clear()
