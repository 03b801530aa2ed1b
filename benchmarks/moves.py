"""How often one proposal goes from one file of the package to another: what a reader follows to understand it.

A move is a call from a function in one file to one in another file of the package. Counted for one ask of a sampler
whose model is trained and warm, the next result known: ``python -m benchmarks.moves`` lists them.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import optuna

import optuna_agnet
from optuna_agnet import AGNetSampler, spaces

ROOT = str(Path(optuna_agnet.__file__).parent)


def moves() -> Counter[tuple[str, str]]:
    """Calls between two files of the package, by their names, in one proposal."""
    space = spaces.nas_bench_201()
    study = optuna.create_study(direction="maximize", sampler=AGNetSampler(space, seed=0))
    study.optimize(lambda trial: str(space.suggest(trial)).count("conv"), n_trials=21)
    found: Counter[tuple[str, str]] = Counter()

    def watch(frame: FrameType, event: str, _: Any) -> None:
        caller = frame.f_back
        if event != "call" or caller is None:
            return
        files = caller.f_code.co_filename, frame.f_code.co_filename
        if files[0] != files[1] and all(file.startswith(ROOT) for file in files):
            found[(files[0][len(ROOT) + 1 :], files[1][len(ROOT) + 1 :])] += 1

    trial = study.ask()
    sys.setprofile(watch)
    try:
        trial.relative_params  # noqa: B018 - the proposal happens here
    finally:
        sys.setprofile(None)
    return found


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    counted = moves()
    for (source, target), times in counted.most_common():
        print(f"{times:4d}  {source} -> {target}")
    print(f"{counted.total()} moves between {len({f for pair in counted for f in pair})} files")
