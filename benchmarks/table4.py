"""Table 4's search on DARTS cells to its end, on small images: ``python -m benchmarks.table4``.

The paper scores 208 pairs of cells without training (the condition number of the tangent kernel and the number of
linear regions, both as objectives) and trains the pair whose ranks have the lowest sum on ImageNet. Here the images are
scikit-learn's digits, the searches those of examples/training_free.py, both cells at once, and
examples/training_free_turns.py, one after the other as in appendix C.5, and the training is that of
examples/darts_to_training.py. Random pairs are trained alike. It says that the way can be gone to its end, and nothing
about ImageNet: on digits every network does well.

Studies are kept in a folder; an interrupted command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import optuna
import torch

from benchmarks.markdown import markdown
from benchmarks.records import experiment
from optuna_agnet import Architecture, build_model

EXAMPLES = Path(__file__).parents[1] / "examples"
QUERIES = 208
EPOCHS = 8
SEARCHES = {"both cells at once": "training_free", "one after the other": "training_free_turns"}
RANDOM = "random"


class Job(NamedTuple):
    search: str
    seed: int  # of the training, and of a random pair of cells


def example(name: str) -> Any:
    """An example as a module; they import one another as scripts do."""
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    return importlib.import_module(name)


def found(job: Job, folder: Path) -> tuple[Architecture, dict[str, Any]]:
    """A pair of cells, and what the search says of it; a study that is not at its end goes on."""
    space = example("training_free").SPACE
    if job.search == RANDOM:
        return space.random_architecture(job.seed), {}
    study = example(SEARCHES[job.search]).study_of(None, folder, QUERIES)
    first = QUERIES // 2 if job.search == "one after the other" else 0
    best = example("training_free").best_trial(study, first)
    scored = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    said = {"queries": len(scored), "trial": best.number, "scores": best.values}
    return space.from_params(best.params), said


def accuracy(architecture: Architecture, seed: int) -> float:
    """Of the digits that it was not trained on, in percent."""
    recipe = example("darts_to_training")
    args = Namespace(**{**recipe.SMALL, "epochs": EPOCHS})
    torch.manual_seed(seed)
    size = {"channels": args.channels, "cells_per_stage": args.cells, "stem": args.stem}
    heads = {"num_classes": 10, "in_channels": 1, "auxiliary": True}
    model = build_model(example("training_free").SPACE, architecture, **size, **heads)
    train, valid = example("image_folder").load(None, args.side, args.batch)
    with TemporaryDirectory() as folder:
        recipe.train(model, train, valid, args, Path(folder) / "checkpoint.pt")
    with torch.no_grad():
        hits = torch.cat([model.eval()(x).argmax(1) == y for x, y in valid])
    return round(100 * float(hits.double().mean()), 2)


def run(job: Job, folder: Path) -> dict[str, Any]:
    architecture, said = found(job, folder)
    trained = accuracy(architecture, job.seed)
    return {**job._asdict(), **said, "architecture": str(architecture), "accuracy": trained}


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a search, a seed of training after the other."""
    lines = []
    for search in (*SEARCHES, RANDOM):
        own = sorted((r for r in rows if r["search"] == search), key=lambda row: row["seed"])
        if own:
            condition, regions = own[0].get("scores", ("", ""))
            scores = [f"{condition:.1f}", f"{regions:.0f}"] if condition else ["", ""]
            trained = [f"{row['accuracy']:.2f}" for row in own]
            average = f"{mean(row['accuracy'] for row in own):.2f}"
            lines.append(
                [search, str(own[0].get("queries", "")), *scores, ", ".join(trained), average]
            )
    head = ["search", "scored", "condition number", "regions", "accuracy after training, %", "mean"]
    title = f"# Table 4's search on scikit-learn's digits\n\nMade by `python -m benchmarks.table4`; {EPOCHS} epochs."
    return "\n".join([title, "", *markdown(head, lines)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="of the studies")
    known = (*SEARCHES, RANDOM)
    parser.add_argument("--search", nargs="+", choices=known, default=known, help="default: all")
    parser.add_argument("--seeds", type=int, default=3, help="trainings (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="also train what is there already")
    arguments = parser.parse_args()
    jobs = [Job(search, seed) for search in arguments.search for seed in range(arguments.seeds)]
    experiment("table4", jobs, partial(run, folder=arguments.folder), report, again=arguments.again)


if __name__ == "__main__":
    main()
