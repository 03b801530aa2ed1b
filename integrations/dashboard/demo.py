"""The study that ``make dashboard`` opens: digits cells, accuracy against a limit on parameters.

python integrations/dashboard/demo.py --trials 48 --folder demo/dashboard
"""

import argparse
from pathlib import Path

import optuna

from optuna_agnet import AGNetSampler
from optuna_agnet.cli import digits
from optuna_agnet.dashboard import Dashboard
from optuna_agnet.hardware import count_parameters

LIMIT = 8.0  # thousands of parameters


def thousands(params: dict[str, object]) -> float:
    return count_parameters(digits.network(digits.SPACE.from_params(params))) / 1000


def objective(trial: optuna.Trial) -> float:
    arch = digits.SPACE.suggest(trial)
    if hasattr(trial, "set_constraint"):  # Optuna 5
        trial.set_constraint("thousand_parameters", thousands(trial.params) - LIMIT)
    return digits.validation_accuracy(arch, epochs=3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=48, help="of the study altogether")
    parser.add_argument("--folder", type=Path, default=Path("demo/dashboard"))
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    args.folder.mkdir(parents=True, exist_ok=True)

    dashboard = Dashboard(digits.SPACE, args.folder / "artifacts", every=8)
    limits = None
    if not hasattr(optuna.Trial, "set_constraint"):  # Optuna 4
        limits = lambda trial: (thousands(trial.params) - LIMIT,)  # noqa: E731
    study = optuna.create_study(
        storage=f"sqlite:///{args.folder}/study.db",
        study_name="digits cells",
        direction="maximize",
        sampler=AGNetSampler(digits.SPACE, seed=0, constraints_func=limits),
        load_if_exists=True,
    )
    study.set_metric_names(["validation accuracy"])
    missing = max(0, args.trials - len(study.trials))
    if missing:
        study.optimize(
            dashboard.objective(objective), missing, callbacks=[dashboard], show_progress_bar=True
        )
    dashboard.publish_study(study)
    print(f"{len(study.trials)} trials in sqlite:///{args.folder}/study.db")


if __name__ == "__main__":
    main()
