"""Cells of a stack one after the other, through a study."""

import numpy as np
import optuna

from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.generator.network import Generator

CELL = spaces.EdgeCell(nodes=3, ops=("a", "b", "c"))
SPACE = spaces.Stack(normal=CELL, reduce=CELL)
CONFIG = AGNetConfig(n_startup=4, cell_schedule=(("normal", 6), ("reduce", 6)))


def continued(storage, n, directions=("maximize",)):
    """A study as a new process sees it, after ``n`` more trials, and the rows (T, D) of all of them."""
    sampler = AGNetSampler(SPACE, seed=0, config=CONFIG, generator=Generator(SPACE))
    study = optuna.create_study(
        directions=directions,
        sampler=sampler,
        storage=storage,
        study_name="turns",
        load_if_exists=True,
    )

    def objective(trial):
        text = str(SPACE.suggest(trial))
        values = [float(text.count(op)) for op in "bc"[: len(directions)]]
        return values[0] if len(values) == 1 else values

    study.optimize(objective, n)
    return study, np.array([SPACE.params_to_row(trial.params) for trial in study.trials])


def test_a_study_takes_turns_and_goes_on_where_it_stopped(tmp_path):
    _, whole = continued(f"sqlite:///{tmp_path}/whole.db", 18)
    storage = f"sqlite:///{tmp_path}/parts.db"
    for n in (7, 5, 6):  # stopped within each turn
        study, parts = continued(storage, n)
    np.testing.assert_array_equal(parts, whole)
    assert (whole[4:10, 3:] == whole[4, 3:]).all()
    best = np.argmax([trial.value for trial in study.trials[:10]])
    assert (whole[10:16, :3] == whole[best, :3]).all()
    assert (whole[16:, :3] != whole[best, :3]).any()


def test_turns_with_two_objectives_go_on_from_a_cell_of_the_front():
    study, x = continued(None, 16, directions=("maximize", "minimize"))
    values = np.array([trial.values for trial in study.trials[:10]]) * [1, -1]
    (kept,) = np.unique(x[10:, :3], axis=0)
    origin = next(i for i in range(10) if (x[i, :3] == kept).all())
    assert not ((values >= values[origin]).all(1) & (values > values[origin]).any(1)).any()
