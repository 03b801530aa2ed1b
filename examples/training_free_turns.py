"""As training_free.py, one DARTS cell after the other, as in section C.5 of the paper.

Half of the trials search the reduction cell, by its mean scores beside three random normal cells; the other half search
the normal cell, beside the best reduction cell.

python examples/training_free_turns.py --queries 8       # scikit-learn's digits, half a minute
python examples/training_free_turns.py --queries 208     # as many as in the paper
"""

import argparse
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
from optuna.samplers import PartialFixedSampler
from training_free import SPACE, best_trial, images_of, open_study

from optuna_agnet import Architecture
from optuna_agnet.training_free import training_free_scores


def cell_of(arch: Architecture, name: str) -> dict[str, Any]:
    """The parameters of one of the two cells."""
    return {key: value for key, value in SPACE.to_params(arch).items() if key.startswith(name)}


NORMAL_CELLS = [cell_of(SPACE.random_architecture(seed), "normal") for seed in range(3)]


def study_of(root: Path | None, folder: Path, queries: int) -> optuna.Study:
    """The study in ``folder`` with ``queries`` trials in all."""
    study, images = open_study(f"{root or 'digits'}, in turns", folder), images_of(root)
    sampler, half = study.sampler, queries // 2

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        params = SPACE.to_params(SPACE.suggest(trial))
        beside = NORMAL_CELLS if trial.number < half else [{}]
        archs = [SPACE.from_params({**params, **cell}) for cell in beside]
        scores = [training_free_scores(SPACE, arch, images) for arch in archs]
        return mean(s.ntk_condition_number for s in scores), mean(s.linear_regions for s in scores)

    def search(fixed: dict[str, Any], until: int) -> None:
        study.sampler = PartialFixedSampler(fixed, sampler)
        study.optimize(objective, max(0, until - len(study.trials)), show_progress_bar=True)

    search(NORMAL_CELLS[0], half)
    found = best_trial(study) if len(study.trials) <= half else study.trials[half]
    search(cell_of(SPACE.from_params(found.params), "reduce"), queries)
    return study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=8, help="trials in all; the same to resume")
    parser.add_argument("--images", type=Path, help="folder of images, instead of the digits")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="for the study")
    args = parser.parse_args()
    if args.queries < 2:
        parser.error(f"--queries {args.queries} must be at least 2: each half needs one")
    study = study_of(args.images, args.folder, args.queries)
    best = best_trial(study, args.queries // 2)
    print(f"{len(study.trials)} trials; best of the second half: trial {best.number},", end=" ")
    print(f"condition number {best.values[0]:.1f}, {best.values[1]:.0f} regions")
    print(SPACE.from_params(best.params))


if __name__ == "__main__":
    main()
