"""DARTS cells searched without training: both TE-NAS scores are the objectives of a study, kept in SQLite.

python examples/training_free.py --queries 20                  # scikit-learn's digits, half a minute
python examples/training_free.py --queries 208 --images DIR    # DIR/CLASS/NAME.jpg; as many as in the paper
python examples/training_free.py --queries 208 --turns         # one cell after the other, as in the paper's section C.5
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any

import optuna
import torch
from image_folder import Folder, digits
from optuna.samplers import PartialFixedSampler

from optuna_agnet import AGNetSampler, Architecture, spaces
from optuna_agnet.training_free import rank_sum, training_free_scores

SPACE = spaces.darts()
OTHERS = 3  # normal cells that a reduction cell is tried with
State = optuna.trial.TrialState


def study_of(root: Path | None, folder: Path, queries: int, turns: bool = False) -> optuna.Study:
    """The study in ``folder`` with ``queries`` trials in all, on 16 images from ROOT or digits.

    In turns, half of them search the reduction cell, by its mean scores beside three random normal cells, and the other
    half the normal cell beside the best reduction cell.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = Folder(root, side=32) if root else digits()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:16]
    images = torch.stack([data[i][0] for i in chosen.tolist()])
    study = optuna.create_study(
        directions=["minimize", "maximize"],
        storage=f"sqlite:///{folder}/training_free.db",
        study_name=f"{root or 'digits'}{', in turns' if turns else ''}",
        load_if_exists=True,
        sampler=AGNetSampler(SPACE, seed=0),
    )
    everything = study.sampler

    def scored(trial: optuna.Trial, archs: list[Architecture]) -> tuple[float, float]:
        scores = [training_free_scores(SPACE, arch, images) for arch in archs]
        trial.set_user_attr("seconds", sum(s.seconds for s in scores) / len(scores))
        return mean(s.ntk_condition_number for s in scores), mean(s.linear_regions for s in scores)

    def one(trial: optuna.Trial) -> tuple[float, float]:
        return scored(trial, [SPACE.suggest(trial)])

    normal_cells = [cell_of(SPACE.random_architecture(seed), "normal") for seed in range(OTHERS)]

    def beside_three(trial: optuna.Trial) -> tuple[float, float]:
        params = SPACE.to_params(SPACE.suggest(trial))
        return scored(trial, [SPACE.from_params({**params, **cell}) for cell in normal_cells])

    def search(objective: Callable[..., tuple[float, float]], until: int) -> None:
        study.optimize(objective, max(0, until - len(study.trials)), show_progress_bar=True)

    if turns:
        study.sampler = PartialFixedSampler(normal_cells[0], everything)
        search(beside_three, queries // 2)
        reduction = SPACE.from_params(best_trial(study, range(queries // 2)).params)
        study.sampler = PartialFixedSampler(cell_of(reduction, "reduce"), everything)
    search(one, queries)
    return study


def cell_of(arch: Architecture, name: str) -> dict[str, Any]:
    """The parameters of one of the two cells."""
    return {key: value for key, value in SPACE.to_params(arch).items() if key.startswith(name)}


def best_trial(study: optuna.Study, of: range | None = None) -> optuna.trial.FrozenTrial:
    """The one, of some or all, whose ranks by both scores have the lowest sum (section C.5)."""
    trials = study.get_trials(states=[State.COMPLETE])
    trials = [t for t in trials if of is None or t.number in of]
    sums = rank_sum([t.values[0] for t in trials], [t.values[1] for t in trials])
    return trials[int(sums.argmin())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=20, help="trials in all")
    parser.add_argument("--images", type=Path, help="folder of images, instead of the digits")
    parser.add_argument("--turns", action="store_true", help="one cell after the other (C.5)")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="for the study")
    args = parser.parse_args()
    study = study_of(args.images, args.folder, args.queries, args.turns)
    last = range(args.queries // 2, len(study.trials)) if args.turns else None
    best, seconds = best_trial(study, last), [t.user_attrs["seconds"] for t in study.trials]
    condition, regions = best.values
    print(f"{len(study.trials)} trials, {median(seconds):.2f} s a score (median)")
    print(f"best: trial {best.number}, condition number {condition:.1f}, {regions:.0f} regions")
    print(SPACE.from_params(best.params))


if __name__ == "__main__":
    main()
