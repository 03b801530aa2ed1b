"""One worker of a search; any number of them, on any machines, share a database. Put your own training into `train`.

STORAGE=postgresql+psycopg://... TRIALS=100 python worker.py
"""

import os

import optuna
import torch
from optuna.storages import RDBStorage
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from optuna_agnet import AGNetSampler, build_model, spaces
from optuna_agnet.retry import RetryCallback

TRIALS = int(
    os.environ.get("TRIALS", "100")
)  # results that end the search, of all workers together
SPACE = spaces.nas_bench_201()


def train(trial: optuna.Trial) -> float:
    """Validation accuracy after two passes over scikit-learn's digits."""
    arch = SPACE.suggest(trial)
    images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
    images = images.float().reshape(-1, 1, 8, 8) / 16
    model = build_model(SPACE, arch, in_channels=1, channels=8, cells_per_stage=1, stages=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for batch in torch.arange(1280).repeat(2).split(64):
        optimizer.zero_grad()
        cross_entropy(model(images[batch]), labels[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        return (model.eval()(images[1280:]).argmax(1) == labels[1280:]).double().mean().item()


def main() -> None:
    storage = RDBStorage(
        os.environ["STORAGE"],
        heartbeat_interval=60,  # a worker that is silent for three minutes is dead:
        grace_period=180,  # its trial fails, and another worker takes it up
        # in Optuna 4 this argument is failed_trial_callback
        heartbeat_stale_trial_callback=RetryCallback(max_retry=3),
    )
    study = optuna.create_study(
        study_name=os.environ.get("STUDY", "agnet"),
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        sampler=AGNetSampler(SPACE, seed=0),  # the same seed everywhere: proposals differ by trial
    )
    enough = MaxTrialsCallback(TRIALS, states=(TrialState.COMPLETE,))
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < TRIALS:
        study.optimize(train, callbacks=[enough])
    print(f"best of {len(study.trials)} trials: {study.best_value:.2%}, {study.best_params}")


if __name__ == "__main__":
    main()
