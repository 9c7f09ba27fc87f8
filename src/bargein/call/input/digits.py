"""The keys of a telephone as one input: when more of them may follow, and when they are whole.

Keys are input by themselves, ended by "#" or by a pause (`key_gap_ms`). A tool may expect digits: so many of them, or
up to another key, with a pause of its own.
"""

from __future__ import annotations

from bargein.protocols import DigitRequest

END_KEY = "#"
AFTER_END_MS = 2_500.0  # in which a key that ends digits still belongs to digits that are whole: many callers add it


class DigitEntry:
    """One call's key input."""

    def __init__(self) -> None:
        self._request: DigitRequest | None = None
        self._pressed = False  # a key has come since the request
        self._over: tuple[str, float] | None = None  # the key that would have ended the newest digits; when they ended

    @property
    def expected(self) -> bool:
        """The model has asked for digits, and the caller has not answered."""
        return self._request is not None and not self._pressed

    @property
    def count(self) -> int:
        """How many digits the model has asked for. 0: any number."""
        return (self._request.count or 0) if self._request is not None else 0

    def expect(self, request: DigitRequest) -> str:
        """The model asks for digits. Returns what the model is told."""
        self._request, self._pressed = request, False
        count = f"{request.count} digits" if request.count else "digits"
        return f"The caller may key in {count} now. The keys come as the caller's next words."

    def forget(self) -> None:
        """The caller has answered in words: no digits are expected any more."""
        self._request = self._over = None

    def judge(self, keys: str, now_ms: float) -> tuple[bool, float | None]:
        """keys: of one input, so far. Whether the input is whole, and how long the next key may take, in ms (None: as
        the policy says)."""
        self._pressed = True
        request = self._request
        end_key = END_KEY if request is None else request.end_key
        ends, gap_ms = keys.endswith(end_key), None
        if request is not None:
            gap_ms = None if request.timeout_s is None else request.timeout_s * 1000
            ends = ends or bool(request.count and len(keys) >= request.count)
        if ends:
            self._request = None
            self._over = None if keys == end_key else (end_key, now_ms)
        return ends, gap_ms

    def ends_again(self, key: str, now_ms: float) -> bool:
        """Whether the key only ends digits that are whole already."""
        return self._over is not None and key == self._over[0] and now_ms - self._over[1] <= AFTER_END_MS
