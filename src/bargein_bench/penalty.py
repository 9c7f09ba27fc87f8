"""One number for the whole: what an agent's mistakes and its slowness cost the caller, in ms for each sound. Pure.

As SID-Bench's average penalty time, it puts false stops and late stops on one scale, that of time. docs/benchmarks.md
has the definition; these numbers are ours, and not comparable with those of SID-Bench.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bargein_bench.results import Event

MISSED_MS = 2_000.0  # of an interruption that was not yielded to, and the most that a late stop costs
FALSE_STOP_MS = 2_000.0  # at least, of a reply that a sound ended: the caller must ask again
MOST_SILENCE_MS = 5_000.0  # at most, of the silence after a false stop, or of a false hold
CUT_IN_MS = 2_000.0  # of a turn into which the agent began to speak
DRAWS = 2_000


def penalty_ms(event: Event) -> float:
    """What the agent's reaction to one sound cost. The sound must have been judged."""
    if event.want == "yield":
        cut_in = CUT_IN_MS if event.cut_ins else 0.0
        late = min(event.stop_ms or 0.0, MISSED_MS) if event.outcome == "stopped" else MISSED_MS
        return max(late, cut_in)
    match event.outcome:
        case "stopped":
            if event.answer_ms is None:
                return MOST_SILENCE_MS
            silence = event.end_ms + event.answer_ms - event.onset_ms - (event.stop_ms or 0.0)
            return min(max(silence, FALSE_STOP_MS), MOST_SILENCE_MS)
        case "held":
            return min(event.gap_ms, MOST_SILENCE_MS)
        case _:
            return 0.0


def average_penalty(events: Sequence[Event], seed: int = 1) -> tuple[float, float, float, int] | None:
    """Mean of the two means, over the sounds to yield to and over those to ignore, so that their numbers do not matter;
    its 95 % interval by bootstrap within each; and the number of sounds. None: one of the two was not played."""
    judged = [event for event in events if event.right is not None]
    parts = [np.array([penalty_ms(e) for e in judged if e.want == want]) for want in ("yield", "ignore")]
    if not all(len(part) for part in parts):
        return None
    rng = np.random.default_rng(seed)
    drawn = sum(rng.choice(part, (DRAWS, len(part))).mean(axis=1) for part in parts) / 2
    low, high = (float(x) for x in np.percentile(drawn, [2.5, 97.5]))
    return float(sum(part.mean() for part in parts) / 2), low, high, len(judged)
