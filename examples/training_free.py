"""DARTS cells searched without training: both TE-NAS scores are the objectives of a study, kept in SQLite.

python examples/training_free.py --queries 20                  # scikit-learn's digits, half a minute
python examples/training_free.py --queries 208 --images DIR    # DIR/CLASS/NAME.jpg; as many as in the paper
"""

import argparse
from pathlib import Path
from statistics import median

import optuna
import torch
from image_folder import Folder, digits

from optuna_agnet import AGNetSampler, spaces
from optuna_agnet.training_free import rank_sum, training_free_scores

SPACE = spaces.darts()


def images_of(root: Path | None) -> torch.Tensor:
    """16 images from ROOT or digits."""
    data = Folder(root, side=32) if root else digits()
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:16]
    return torch.stack([data[i][0] for i in chosen.tolist()])


def open_study(name: str, folder: Path) -> optuna.Study:
    """A new study in ``folder``, or the one of that name."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        directions=["minimize", "maximize"],
        storage=f"sqlite:///{folder}/training_free.db",
        study_name=name,
        load_if_exists=True,
        sampler=AGNetSampler(SPACE, seed=0),
    )


def study_of(root: Path | None, folder: Path, queries: int) -> optuna.Study:
    """The study in ``folder`` with ``queries`` trials in all."""
    study, images = open_study(str(root or "digits"), folder), images_of(root)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        scores = training_free_scores(SPACE, SPACE.suggest(trial), images)
        trial.set_user_attr("seconds", scores.seconds)
        return scores.ntk_condition_number, scores.linear_regions

    study.optimize(objective, max(0, queries - len(study.trials)), show_progress_bar=True)
    return study


def best_trial(study: optuna.Study, first: int = 0) -> optuna.trial.FrozenTrial:
    """The one, from trial ``first`` on, whose ranks by both scores have the lowest sum (C.5)."""
    trials = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])[first:]
    sums = rank_sum([t.values[0] for t in trials], [t.values[1] for t in trials])
    return trials[int(sums.argmin())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=20, help="trials in all")
    parser.add_argument("--images", type=Path, help="folder of images, instead of the digits")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="for the study")
    args = parser.parse_args()
    study = study_of(args.images, args.folder, args.queries)
    best = best_trial(study)
    seconds = [t.user_attrs["seconds"] for t in study.trials if t.user_attrs]  # not of cut ones
    condition, regions = best.values
    print(f"{len(study.trials)} trials, {median(seconds):.2f} s a score (median)")
    print(f"best: trial {best.number}, condition number {condition:.1f}, {regions:.0f} regions")
    print(SPACE.from_params(best.params))


if __name__ == "__main__":
    main()
