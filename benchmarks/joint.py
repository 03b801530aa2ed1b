"""Architectures and hyperparameters in one study: ``python -m benchmarks.joint --problem 'joint-*' --seeds 0:10``.

One JSON line a run in benchmarks/results/joint.jsonl, a table in joint.md. A finished run is not run again, and a
longer one takes the place of a shorter one. Runs of 200 trials (``--budget 200``) show what an ask costs late and
nothing else, so they stand beside the others and may have seeds of their own.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from benchmarks import records
from benchmarks.problems.joint import DRAWN, NAMES, JointProblem, load
from benchmarks.run import seeds
from optuna_agnet import AGNetConfig, AGNetSampler

RESULTS = records.RESULTS / "joint.jsonl"
TABLE = records.RESULTS / "joint.md"
QUERIES = (24, 32, 40, 48, 64, 96)
LONG = 200  # trials


class Split(AGNetSampler):
    """What version 0.1 did: hyperparameters are left to TPE, and no architecture comes twice."""

    def _joint_parameters(self, study: optuna.Study) -> Mapping[str, BaseDistribution]:
        return {}

    def _starts(self, study: optuna.Study) -> bool:
        return False


METHODS: dict[str, Callable[[JointProblem, int], BaseSampler]] = {
    "alone": lambda p, seed: AGNetSampler(
        seed=seed
    ),  # all of it as hyperparameters, ordered ones as integers
    "agnet": lambda p, seed: AGNetSampler(p.space, seed=seed, config=AGNetConfig(dedup="encoding")),
    "agnet-mutants": lambda p, seed: AGNetSampler(
        p.space, seed=seed, config=AGNetConfig(dedup="encoding", candidate_sources=("mutants",))
    ),
    "split": lambda p, seed: Split(
        p.space, seed=seed, config=AGNetConfig(dedup="encoding", n_startup=16)
    ),
    "tpe": lambda p, seed: TPESampler(multivariate=True, group=p.is_conditional, seed=seed),
    "gp": lambda p, seed: GPSampler(seed=seed),
    "random": lambda p, seed: RandomSampler(seed=seed),
}


def run(name: str, method: str, seed: int, budget: int) -> dict[str, Any]:
    """One search: the best score so far after each query, and the milliseconds of CPU that a proposal took."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    problem, rng = load(name, seed), np.random.default_rng([seed, 1])
    own = method in ("agnet", "agnet-mutants", "split")
    study = optuna.create_study(direction=problem.direction, sampler=METHODS[method](problem, seed))
    scores, asked = [], []
    for _ in range(budget):
        start = time.process_time()
        trial = study.ask()
        row = problem.suggest(trial, as_integers=not own)
        value, score = problem.evaluate(row, trial, rng)
        asked.append(time.process_time() - start)
        study.tell(trial, value)
        scores.append(score)
    best = np.minimum.accumulate(scores)
    return {
        "problem": name,
        "method": method,
        "seed": seed,
        "budget": budget,
        "best": [round(float(b), 3) for b in best],
        "ms": round(1000 * float(np.median(asked[-32:])), 2),
    }


def finish(name: str, method: str, seed: int, budget: int) -> None:
    """The run in the file, in the place of a shorter one, unless one as long is there."""

    def same(row: Mapping[str, Any]) -> bool:
        late = (row["budget"] >= LONG) == (budget >= LONG)
        return late and (row["problem"], row["method"], row["seed"]) == (name, method, seed)

    if not any(same(row) and row["budget"] >= budget for row in records.rows(RESULTS)):
        found = run(name, method, seed, budget)
        records.rows(RESULTS, again=same)
        records.append_row(RESULTS, found)


def table(rows: list[dict[str, Any]]) -> str:
    """Ranks as medians, shares that are missing and errors as means ± deviations; smaller is better."""
    groups: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["problem"], row["method"]].append(row)
    head = ["problem", "method", "seeds", *(f"@{q}" for q in QUERIES), "ms an ask", "at 200 trials"]
    lines = [" | ".join(head), "--- | " * (len(head) - 1) + "---"]
    for problem in NAMES:
        for method in METHODS:
            runs = [r for r in groups[problem, method] if r["budget"] < LONG]
            late = [r for r in groups[problem, method] if r["budget"] >= LONG]
            if runs:
                cells = [_cell(problem, runs, q) for q in QUERIES]
                lines.append(
                    " | ".join(
                        [problem, method, str(len(runs)), *cells, _speed(runs), _speed(late)]
                    )
                )
    return "".join(f"| {line} |\n" for line in lines)


def drawn() -> Iterator[str]:
    """What is missing on drawn functions, for the README."""
    found = [r for r in records.rows(records.RESULTS / RESULTS.name) if r["problem"] in DRAWN]
    if found:
        yield "#### Networks and hyperparameters on functions drawn for each seed: percent missing"
        yield from ("", *table(found).splitlines(), "")


def _speed(runs: list[dict[str, Any]]) -> str:
    return f"{np.median([r['ms'] for r in runs]):.0f}" if runs else ""


def _cell(problem: str, runs: list[dict[str, Any]], queries: int) -> str:
    found = [r["best"][queries - 1] for r in runs if r["budget"] >= queries]
    if not found:
        return ""
    fewer = f" ({len(found)})" if len(found) < len(runs) else ""  # seeds, where not all went so far
    if any(kind in problem for kind in ("nb201", "digits", "drawn")):
        return f"{np.mean(found):.1f} ± {np.std(found):.1f}{fewer}"
    return f"{np.median(found):.0f}{fewer}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", default="joint-*", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--method", default=",".join(METHODS))
    parser.add_argument("--seeds", type=seeds, default="0:10")
    parser.add_argument("--budget", type=int, default=96)
    arguments = parser.parse_args()
    chosen = [n for part in arguments.problem.split(",") for n in fnmatch.filter(NAMES, part)]
    for seed in arguments.seeds:
        for name in chosen:
            for method in arguments.method.split(","):
                finish(name, method, seed, arguments.budget)
    TABLE.write_text(table(records.rows(RESULTS)))


if __name__ == "__main__":
    main()
