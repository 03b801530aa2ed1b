"""What a decision of AGNetPruner costs: ``python -m benchmarks.decisions`` writes benchmarks/results/decisions.md.

A study in memory of artificial trainings of DARTS cells, 100 steps each: a quarter of them whole, the others stopped at
a rung. More of them come, report each step, and ask each time whether to stop.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState, create_trial

from benchmarks import records
from benchmarks.markdown import markdown
from optuna_agnet import AGNetPruner, spaces

SPACE = spaces.darts()
DISTRIBUTIONS: dict[str, BaseDistribution] = dict(SPACE.distributions())
STEPS, RUNGS = 100, (1, 3, 7, 15, 31, 63)
SIZES = (50, 100, 200, 400, 800)
WATCHED = 12


class Costs(NamedTuple):
    """Processor seconds of `should_prune`, and the most memory that one took."""

    fits: Sequence[float]  # the first decision after another trial has ended
    rungs: Sequence[float]
    between: Sequence[float]
    peak: int  # bytes that numpy asked for


def curve(rng: np.random.Generator, until: int) -> Mapping[int, float]:
    """A noisy rise to a random end."""
    steps = np.arange(1, until + 1)
    values = rng.normal() * (1 - 0.9**steps) + 0.1 * rng.normal(size=until)
    return dict(zip(steps.tolist(), values.tolist(), strict=True))


def study_of(trials: int, rng: np.random.Generator) -> optuna.Study:
    """With as many finished trials."""
    study = optuna.create_study(direction="maximize", pruner=AGNetPruner(SPACE))
    for k, row in enumerate(SPACE.sample(trials, rng)):
        whole = k % 4 == 0
        reported = curve(rng, STEPS if whole else int(rng.choice(RUNGS)))
        study.add_trial(
            create_trial(
                params=SPACE.row_to_params(row),
                distributions=DISTRIBUTIONS,
                state=TrialState.COMPLETE if whole else TrialState.PRUNED,
                value=reported[STEPS] if whole else None,
                intermediate_values=dict(reported),
            )
        )
    return study


def costs(trials: int, watched: int = WATCHED) -> Costs:
    """Of decisions on the next trainings of a study; one more has its memory counted, which costs time."""
    rng = np.random.default_rng(0)
    study = study_of(trials, rng)
    found: dict[str, list[float]] = {"fits": [], "rungs": [], "between": []}
    for row in SPACE.sample(watched, rng):
        study.enqueue_trial(SPACE.row_to_params(row))
        trial = study.ask(DISTRIBUTIONS)
        for step, value in curve(rng, STEPS).items():
            trial.report(value, step)
            begun = time.process_time()
            trial.should_prune()
            kind = "fits" if step == 1 else "rungs" if step in RUNGS else "between"
            found[kind].append(time.process_time() - begun)
        study.tell(trial, state=TrialState.PRUNED)
    trial = study.ask(DISTRIBUTIONS)
    trial.report(0.0, 1)
    tracemalloc.start()
    trial.should_prune()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Costs(found["fits"], found["rungs"], found["between"], peak)


def report(found: Mapping[int, Costs]) -> str:
    """A line a number of trials."""
    lines = []
    for trials, of in found.items():
        times = [f"{1000 * np.median(each):.1f}" for each in of[:3]]
        lines.append([f"{trials:,}", *times, f"{of.peak / 2**20:.1f}"])
    head = ["trials", "first decision after another trial has ended, ms", "at a rung, ms"]
    return "\n".join(
        [
            "# What a decision of AGNetPruner costs",
            "",
            f"Made by `python -m benchmarks.decisions`: DARTS cells that report each of {STEPS} steps, a quarter of the"
            f" trials whole, the others stopped at a rung; medians over {WATCHED} trainings, processor time, one"
            " thread. The model is fitted once when a trial has ended. At most 150 whole and 150 stopped trials are"
            " learned from.",
            "",
            *markdown([*head, "between rungs, ms", "memory of a fit, MB"], lines),
        ]
    )


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    text = report({trials: costs(trials) for trials in SIZES})
    (records.RESULTS / "decisions.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
