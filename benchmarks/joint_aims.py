"""What joint searches were meant to reach, beside what they reach: ``python -m benchmarks.tables joint-aims``.

The aims were set before the search was written. Each rival is compared on the seeds that both have, where these are at
least three; seeds are the fewest and the most of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from benchmarks import joint, records
from benchmarks.markdown import markdown
from benchmarks.problems.joint import NAMES
from optuna_agnet.core.arrays import FloatArray

RIVALS = ("tpe", "gp")
ALL_RIVALS = (*RIVALS, "split", "random")
MOST_RANK = 3
ENOUGH = 6  # data sets of HPOBench-MLP
ENOUGH_SEEDS = 3
SHARE = 0.5  # of what the best rival misses
MOST_MS = 40
CELLS = ("aim", "seeds", "measured", "reached")


class Searches:
    """All committed runs.

    Args:
        rows: Lines of joint.jsonl.
    """

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = rows

    @cached_property
    def _best(self) -> dict[tuple[str, str], dict[int, list[float]]]:
        found: dict[tuple[str, str], dict[int, list[float]]] = {}
        for row in self._rows:
            if row["budget"] < joint.LONG:
                found.setdefault((row["problem"], row["method"]), {})[row["seed"]] = row["best"]
        return found

    def of(self, problem: str, method: str, queries: int) -> FloatArray:
        """The best scores (S,) after so many queries, on all seeds that go so far."""
        runs = self._best.get((problem, method), {}).values()
        return np.array([best[queries - 1] for best in runs if len(best) >= queries])

    def pair(self, problem: str, method: str, rival: str, queries: int) -> FloatArray:
        """The best scores (2, S) of both after so many queries, on the S seeds that both have."""
        runs = [self._best.get((problem, name), {}) for name in (method, rival)]
        far = [{s for s, best in found.items() if len(best) >= queries} for found in runs]
        seeds = sorted(far[0] & far[1])
        return np.array([[found[s][queries - 1] for s in seeds] for found in runs])

    def beside(
        self, problem: str, method: str, rivals: Sequence[str], queries: int
    ) -> Iterator[tuple[str, FloatArray]]:
        """Each rival that has enough seeds in common with the method, and the scores (2, S) of both."""
        for rival in rivals:
            scores = self.pair(problem, method, rival, queries)
            if scores.shape[1] >= ENOUGH_SEEDS:
                yield rival, scores

    def late_asks(self) -> dict[str, float]:
        """Median milliseconds of the default's last asks of 200, by problem."""
        late = [r for r in self._rows if r["budget"] >= joint.LONG and r["method"] == "agnet"]
        return {
            name: float(np.median([r["ms"] for r in late if r["problem"] == name]))
            for name in NAMES
            if any(r["problem"] == name for r in late)
        }


def aims() -> Iterator[str]:
    """What was aimed at, what is reached, and what is missed."""
    rows = records.rows(records.RESULTS / joint.RESULTS.name)
    if not rows:
        return
    found = Searches(rows)
    yield "#### Architectures and hyperparameters: what was aimed at"
    yield ""
    lines = [line for part in PARTS for line in part(found)]
    yield from markdown(CELLS, [[*cells, "yes" if ok else "**no**"] for *cells, ok in lines])


Line = tuple[str, str, str, bool]
"""Aim, seeds, what was measured, and whether that is enough."""


def _names(kind: str) -> list[str]:
    return [name for name in NAMES if name.startswith(f"joint-{kind}-")]


def _short(problem: str) -> str:
    return problem.split("-", 2)[-1]


def _ranks(found: Searches) -> Iterator[Line]:
    ranks = {p: found.of(p, "agnet", 64) for p in _names("fcnet")}
    medians = {p: float(np.median(r)) for p, r in ranks.items()}
    yield (
        f"FCNet: median rank at most {MOST_RANK} of 62,208 at 64, all four tables",
        _span([len(r) for r in ranks.values()]),
        ", ".join(f"{_short(p)} {m:g}" for p, m in medians.items()),
        max(medians.values()) <= MOST_RANK,
    )


def _never_behind(found: Searches) -> Iterator[Line]:
    behind, seeds = [], []
    for problem, queries in product(_names("fcnet"), (32, 48, 64, 96)):
        for rival, scores in found.beside(problem, "agnet", RIVALS, queries):
            ours, theirs = np.median(scores, axis=1)
            seeds.append(scores.shape[1])
            if ours > theirs:
                behind.append(f"{_short(problem)} @{queries} ({ours:g}, {rival} {theirs:g})")
    measured = f"{len(seeds) - len(behind)} of {len(seeds)} comparisons"
    yield (
        "FCNet: not behind TPE or GPSampler at 32, 48, 64, 96",
        _span(seeds),
        "; behind: ".join(filter(None, (measured, ", ".join(behind)))),
        not behind,
    )


def _ahead_on_mlp(found: Searches) -> Iterator[Line]:
    kinds = {"agnet": "depth and width as a space", "alone": "hyperparameters alone"}
    for (method, kind), queries in product(kinds.items(), (32, 64)):
        ahead, seeds = [], []
        for problem in _names("mlp"):
            pairs = [scores for _, scores in found.beside(problem, method, RIVALS, queries)]
            medians = [np.median(scores, axis=1) for scores in pairs]
            seeds += [scores.shape[1] for scores in pairs]
            if all(ours < theirs for ours, theirs in medians):
                ahead.append(_short(problem))
        yield (
            f"HPOBench-MLP, {kind}: ahead of both on {ENOUGH} of 8 at {queries}",
            _span(seeds),
            f"{len(ahead)}: {', '.join(ahead)}",
            len(ahead) >= ENOUGH,
        )


def _half(found: Searches) -> Iterator[Line]:
    for problem, queries in product(_names("nb201"), (48, 96)):
        shares = []
        for rival, scores in found.beside(problem, "agnet", ALL_RIVALS, queries):
            ours, theirs = scores.mean(1)
            text = f"{ours:.1f} of {theirs:.1f} ({rival}), {ours / theirs:.2f}"
            shares.append((float(ours / theirs), scores.shape[1], text))
        worst, seeds, text = max(shares)
        yield (
            f"NAS-Bench-201, {_short(problem)}: half of what the best rival misses at {queries}",
            str(seeds),
            text,
            worst <= SHARE,
        )


def _digits(found: Searches) -> Iterator[Line]:
    for queries in (24, 40):
        pairs = dict(found.beside("joint-digits", "agnet", RIVALS, queries))
        means = {rival: scores.mean(1) for rival, scores in pairs.items()}
        yield (
            f"digits: error below TPE's and GPSampler's at {queries}",
            _span([scores.shape[1] for scores in pairs.values()]),
            ", ".join(
                f"{ours:.1f} ({rival} {theirs:.1f})" for rival, (ours, theirs) in means.items()
            ),
            all(ours < theirs for ours, theirs in means.values()),
        )


def _asks(found: Searches) -> Iterator[Line]:
    late = found.late_asks()
    yield (
        f"median ask at 200 trials under {MOST_MS} ms",
        "1",
        ", ".join(f"{name.removeprefix('joint-')} {ms:.0f}" for name, ms in late.items()),
        max(late.values()) < MOST_MS,
    )


def _span(seeds: Sequence[int]) -> str:
    """The fewest and the most."""
    return str(min(seeds)) if min(seeds) == max(seeds) else f"{min(seeds)} to {max(seeds)}"


PARTS: tuple[Callable[[Searches], Iterator[Line]], ...] = (
    _ranks,
    _never_behind,
    _ahead_on_mlp,
    _half,
    _digits,
    _asks,
)
