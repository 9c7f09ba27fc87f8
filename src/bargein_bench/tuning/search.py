"""Tries candidates on every episode, and chooses the quickest one within the limits of false stops and misses.

A third of the calls, by a hash of their id, is kept back from the choice. It shows how the choice does on other calls.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from bargein.floor import Policy
from bargein_bench.tuning.episodes import CallEpisodes, Episode
from bargein_bench.tuning.play import play
from bargein_bench.tuning.score import ScoreLimits, Tally, percentile
from bargein_bench.tuning.space import Candidate, Changes, Space, policy_of, references

KEPT_BACK = 3  # every third call
FEWEST_CALLS = 6  # with fewer, none is kept back
ROUNDS = 5  # of steps beside the best, at most: a round that finds nothing better is the last
BEST = 3  # candidates of each round whose neighbours are tried
GRAIN_MS = 10.0  # latencies that differ by less are the same: a window is 32 ms long
AT_ONCE = 4  # candidates handed to a process together

Cases = tuple[tuple[Policy, tuple[Episode, ...], bool], ...]  # recorded policy, its episodes, whether kept back


@dataclass(frozen=True)
class TriedPolicy:
    """A candidate and its tallies."""

    candidate: Candidate
    chosen_by: Tally
    """On the calls that it may be chosen by."""
    kept_back: Tally
    """On the other calls."""

    @property
    def everywhere(self) -> Tally:
        return self.chosen_by + self.kept_back


@dataclass(frozen=True)
class Found:
    """The result of a search."""

    base: Policy
    """The policy that most episodes were recorded under."""
    references: list[TriedPolicy]
    """The recorded policy and the presets."""
    tried: list[TriedPolicy]
    """All candidates."""
    proposal: TriedPolicy
    within: bool
    """Whether the proposal keeps the limits on the calls it was chosen by."""
    kept_back: int
    """Number of calls that were kept back."""


def is_kept_back(call: str) -> bool:
    return hashlib.sha256(call.encode()).digest()[0] % KEPT_BACK == 0


def search(
    calls: Sequence[CallEpisodes],
    limits: ScoreLimits,
    *,
    tries: int,
    fixed: Changes,
    seed: int,
    jobs: int = 1,
    on_tried: Callable[[int], None] = lambda _: None,
) -> Found:
    """Search the space.

    calls: with scored episodes among them. on_tried: called with the number of candidates so far.
    """
    many = _enough(calls)
    cases = _cases(calls, many=many)
    base = Counter(e.floor.policy for call in calls for e in call.episodes).most_common(1)[0][0]
    space = Space(base, fixed, seed)
    pool: Executor | None = ProcessPoolExecutor(jobs, initializer=_init_worker, initargs=(cases,)) if jobs > 1 else None
    try:
        trial = _Trial(cases, pool, on_tried)
        references_tried = trial.of(references())
        tried = {t.candidate.key: t for t in trial.of(_new(space.starts(), ()))}
        tried |= {t.candidate.key: t for t in trial.of(_new(space.draw(tries), tried))}
        for _ in range(ROUNDS):
            best = sorted(tried.values(), key=lambda t: _rank(t, limits))[:BEST]
            beside = [c for t in best for c in space.beside(t.candidate)]
            tried |= {t.candidate.key: t for t in trial.of(_new(beside, tried))}
            if min(_rank(t, limits) for t in tried.values()) == _rank(best[0], limits):
                break
        proposal = min(tried.values(), key=lambda t: _rank(t, limits))
        while plainer := [t for t in _plainer(trial, space, proposal, tried) if _no_worse(t, proposal, limits)]:
            proposal = min(plainer, key=lambda t: _rank(t, limits))
    finally:
        if pool is not None:
            pool.shutdown()
    within = limits.excess(proposal.chosen_by) == 0
    kept_back = sum(is_kept_back(call.call) for call in calls) if many else 0
    return Found(base, references_tried, list(tried.values()), proposal, within, kept_back)


def frontier(tried: Iterable[TriedPolicy], limits: ScoreLimits) -> list[TriedPolicy]:
    """Candidates within the limit of misses that no other beats in both false stops and latency.

    Quickest first, over all calls.
    """
    by_latency = sorted(
        (t for t in tried if (t.everywhere.misses.value or 0.0) <= limits.missed),
        key=lambda t: (_grain(limits.latency(t.everywhere)), t.everywhere.false_stops.value or 0.0, _order(t)),
    )
    line: list[TriedPolicy] = []
    for t in by_latency:
        if not line or (t.everywhere.false_stops.value or 0.0) < (line[-1].everywhere.false_stops.value or 0.0):
            line.append(t)
    return line


def _enough(calls: Sequence[CallEpisodes]) -> bool:
    """Whether the calls that may choose hold every kind of episode when some are kept back."""
    kinds = {(is_kept_back(e.call), e.want) for call in calls for e in call.episodes if e.want is not None}
    return len(calls) >= FEWEST_CALLS and {want for _, want in kinds} == {want for kept, want in kinds if not kept}


def _cases(calls: Sequence[CallEpisodes], *, many: bool) -> Cases:
    """The scored episodes, by recorded policy and by part."""
    scored = [(many and is_kept_back(e.call), e) for call in calls for e in call.episodes if e.want is not None]
    scored.sort(key=lambda pair: (repr(pair[1].floor.policy), pair[0]))
    groups = groupby(scored, key=lambda pair: (pair[1].floor.policy, pair[0]))
    return tuple((policy, tuple(e for _, e in group), kept) for (policy, kept), group in groups)


def _score(cases: Cases, candidate: Candidate) -> TriedPolicy:
    tallies = (Tally(), Tally())
    for base, episodes, kept in cases:
        policy = policy_of(base, candidate.changes)
        for episode in episodes:
            tallies[kept].add(episode, play(episode, policy))
    return TriedPolicy(candidate, *tallies)


_mine: Cases = ()  # of a worker process, sent once


def _init_worker(cases: Cases) -> None:
    global _mine  # noqa: PLW0603
    _mine = cases


def _score_mine(candidate: Candidate) -> TriedPolicy:
    return _score(_mine, candidate)


class _Trial:
    """Tries candidates here, or in the pool's processes; results are in order either way."""

    def __init__(self, cases: Cases, pool: Executor | None, on_tried: Callable[[int], None]) -> None:
        self._cases = cases
        self._pool = pool
        self._on_tried = on_tried
        self._tried = 0

    def of(self, candidates: Sequence[Candidate]) -> list[TriedPolicy]:
        found: list[TriedPolicy] = []
        here = (_score(self._cases, c) for c in candidates)
        for tried in self._pool.map(_score_mine, candidates, chunksize=AT_ONCE) if self._pool else here:
            found.append(tried)
            self._tried += 1
            self._on_tried(self._tried)
        return found


def _new(candidates: Iterable[Candidate], known: Iterable[object]) -> list[Candidate]:
    """Each once, and none that is known."""
    seen = set(known)
    return [c for c in candidates if c.key not in seen and not seen.add(c.key)]  # type: ignore[func-returns-value]


def _grain(latency_ms: float) -> float:
    return latency_ms // GRAIN_MS


def _rank(t: TriedPolicy, limits: ScoreLimits) -> tuple[object, ...]:
    """Smaller is better.

    Limits come first, then latency, then false stops; between equals the fewest changes win.
    """
    tally = t.chosen_by
    return (
        limits.excess(tally),
        _grain(limits.latency(tally)),
        _grain(percentile(tally.cut_ms, 95) or 0.0),
        tally.false_stops.value or 0.0,
        _grain(percentile(tally.silent_ms, 50) or 0.0),
        tally.false_holds.value or 0.0,
        *_order(t),
    )


def _order(t: TriedPolicy) -> tuple[object, ...]:
    return len(t.candidate.changes), repr(t.candidate.key)


def _plainer(
    trial: _Trial, space: Space, proposal: TriedPolicy, tried: dict[tuple[tuple[str, object], ...], TriedPolicy]
) -> list[TriedPolicy]:
    candidates = list(space.plainer(proposal.candidate))
    tried |= {t.candidate.key: t for t in trial.of(_new(candidates, tried))}
    return [tried[c.key] for c in candidates]


def _no_worse(t: TriedPolicy, than: TriedPolicy, limits: ScoreLimits) -> bool:
    return _rank(t, limits)[:-2] <= _rank(than, limits)[:-2]
