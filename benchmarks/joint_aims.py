"""What joint searches were meant to reach, beside what they reach: ``python -m benchmarks.tables joint-aims``.

The aims were set before the search was written. Everything is counted on the seeds that all compared methods have.
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

    def at(self, problem: str, methods: Sequence[str], queries: int) -> dict[str, FloatArray]:
        """The best scores (S,) of each method after so many queries, on the S seeds that all have; {} where S is 0."""
        runs = {m: self._best.get((problem, m), {}) for m in methods}
        known = [
            {s for s, best in found.items() if len(best) >= queries} for found in runs.values()
        ]
        seeds = sorted(set.intersection(*known))
        if not seeds:
            return {}
        return {m: np.array([found[s][queries - 1] for s in seeds]) for m, found in runs.items()}

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
    ours = {p: found.at(p, ("agnet",), 64)["agnet"] for p in _names("fcnet")}
    medians = {p: float(np.median(ranks)) for p, ranks in ours.items()}
    yield (
        f"FCNet: median rank at most {MOST_RANK} of 62,208 at 64, all four tables",
        _seeds(ours.values()),
        ", ".join(f"{_short(p)} {m:g}" for p, m in medians.items()),
        max(medians.values()) <= MOST_RANK,
    )


def _never_behind(found: Searches) -> Iterator[Line]:
    behind, seeds = [], []
    for problem, queries in product(_names("fcnet"), (32, 48, 64, 96)):
        scores = found.at(problem, ("agnet", *RIVALS), queries)
        if not scores:
            continue
        ours, *theirs = (float(np.median(s)) for s in scores.values())
        seeds.append(scores["agnet"])
        if ours > min(theirs):
            rival = RIVALS[int(np.argmin(theirs))]
            behind.append(f"{_short(problem)} @{queries} ({ours:g}, {rival} {min(theirs):g})")
    measured = f"{len(seeds) - len(behind)} of {len(seeds)}"
    yield (
        "FCNet: not behind TPE or GPSampler at 32, 48, 64, 96",
        _seeds(seeds),
        "; behind: ".join(filter(None, (measured, ", ".join(behind)))),
        not behind,
    )


def _ahead_on_mlp(found: Searches) -> Iterator[Line]:
    kinds = {"agnet": "depth and width as a space", "alone": "hyperparameters alone"}
    for method, kind in kinds.items():
        for queries in (32, 64):
            ahead, seeds = [], []
            for problem in _names("mlp"):
                scores = found.at(problem, (method, *RIVALS), queries)
                ours, *theirs = (float(np.median(s)) for s in scores.values())
                seeds.append(scores[method])
                ahead += [_short(problem)] * (ours < min(theirs))
            yield (
                f"HPOBench-MLP, {kind}: ahead of both on {ENOUGH} of 8 at {queries}",
                _seeds(seeds),
                f"{len(ahead)}: {', '.join(ahead)}",
                len(ahead) >= ENOUGH,
            )


def _half(found: Searches) -> Iterator[Line]:
    for problem in _names("nb201"):
        for queries in (48, 96):
            scores = found.at(problem, ("agnet", *ALL_RIVALS), queries)
            if not scores:
                continue
            ours, *theirs = (float(s.mean()) for s in scores.values())
            share = ours / min(theirs)
            yield (
                f"NAS-Bench-201, {_short(problem)}: half of what the best rival misses at {queries}",
                _seeds([scores["agnet"]]),
                f"{ours:.1f} of {min(theirs):.1f} ({ALL_RIVALS[int(np.argmin(theirs))]}), {share:.2f}",
                share <= SHARE,
            )


def _digits(found: Searches) -> Iterator[Line]:
    for queries in (24, 40):
        scores = found.at("joint-digits", ("agnet", *RIVALS), queries)
        means = {method: float(s.mean()) for method, s in scores.items()}
        yield (
            f"digits: error below TPE's and GPSampler's at {queries}",
            _seeds([scores["agnet"]]),
            ", ".join(f"{method} {mean:.1f}" for method, mean in means.items()),
            all(means["agnet"] < means[rival] for rival in RIVALS),
        )


def _asks(found: Searches) -> Iterator[Line]:
    late = found.late_asks()
    yield (
        f"median ask at 200 trials under {MOST_MS} ms",
        "1",
        ", ".join(f"{name.removeprefix('joint-')} {ms:.0f}" for name, ms in late.items()),
        max(late.values()) < MOST_MS,
    )


def _seeds(scores: Any) -> str:
    return "/".join(map(str, sorted({len(s) for s in scores})))


PARTS: tuple[Callable[[Searches], Iterator[Line]], ...] = (
    _ranks,
    _never_behind,
    _ahead_on_mlp,
    _half,
    _digits,
    _asks,
)
