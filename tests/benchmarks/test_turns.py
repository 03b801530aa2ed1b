"""DARTS cells in turns: what is fixed, and when."""

import numpy as np
import pytest

from benchmarks.methods import METHODS, turns
from benchmarks.problems.base import Outcomes, Problem
from optuna_agnet import spaces
from optuna_agnet.generator.network import Generator
from optuna_agnet.generator.training import Trainer
from optuna_agnet.search import proposer

SPACE = spaces.Stack(normal=spaces.DartsCell(nodes=2), reduce=spaces.DartsCell(nodes=2))
HALF = len(SPACE.decisions) // 2  # decisions of the normal cell, before those of the other


def problem(space):
    def evaluate(x):
        return Outcomes(
            x.sum(1).astype(float)[:, None], np.empty((len(x), 0)), np.full(len(x), np.nan)
        )

    return Problem("made up", space, evaluate, data="none")


def proposals(search, observations, n=2):
    """The next n rows (n, D) after a number of random results, and all rows told."""
    rng = np.random.default_rng(0)
    x = SPACE.sample(observations, rng)
    for arch, value in zip(SPACE.architectures(x), x.sum(1), strict=True):
        search.tell(arch, float(value))
    return SPACE.choices(search.ask(n)), x


def test_the_reduction_cell_stays_until_query_155_and_the_normal_one_until_310(monkeypatch):
    monkeypatch.setattr(proposer, "pretrained", Generator)  # untrained: nothing here depends on it
    monkeypatch.setattr(Trainer, "round", lambda self, data, rng: None)
    made_up = problem(SPACE)

    def after(observations, seed=0):
        return proposals(METHODS["agnet-turns"](made_up, seed), observations)

    (startup, _), (first, _), (last, _) = after(15), after(16), after(154)
    assert (startup[0] != startup[1]).any()
    fixed = first[0, HALF:]
    assert (np.concatenate([first, last])[:, HALF:] == fixed).all()
    assert (first[0, :HALF] != first[1, :HALF]).any()
    assert (after(16, seed=1)[0][0, HALF:] != fixed).any()
    for observations in (155, 309):
        rows, x = after(observations)
        best = x[:155][x[:155].sum(1).argmax()]
        assert (rows[:, :HALF] == best[:HALF]).all()
        assert (rows[0, HALF:] != rows[1, HALF:]).any()


@pytest.mark.parametrize("kind", ["", "-xgb"])
@pytest.mark.filterwarnings("ignore:of what the generator")  # it is untrained
def test_the_second_turn_fixes_the_best_cell_of_the_first(kind, monkeypatch):
    monkeypatch.setattr(proposer, "pretrained", Generator)
    monkeypatch.setattr(Trainer, "round", lambda self, data, rng: None)
    monkeypatch.setattr(turns, "TURNS", (("normal", 20), ("reduce", 20)))
    search = METHODS[f"agnet-paper{kind}-turns"](problem(SPACE), 0)
    rows = []
    for _ in range(60):  # goes on where the turns end
        arch = search.ask()
        rows.append(SPACE.choices([arch])[0])
        search.tell(arch, [float(rows[-1].sum())])
    rows = np.array(rows)
    assert len(np.unique(rows[16:36, :HALF], axis=0)) == 20
    assert len(np.unique(rows[16:36, HALF:], axis=0)) == 1
    best = rows[rows[:36].sum(1).argmax()]
    assert (rows[36:, :HALF] == best[:HALF]).all()
    assert len(np.unique(rows[36:, HALF:], axis=0)) == 24


@pytest.mark.filterwarnings("ignore:of what the generator")
def test_the_paper_searches_the_space_of_one_cell(monkeypatch):
    monkeypatch.setattr(proposer, "pretrained", Generator)
    search = METHODS["agnet-paper-turns"](problem(SPACE), 0)
    for value, arch in enumerate(SPACE.architectures(SPACE.sample(16, np.random.default_rng(0)))):
        search.tell(arch, [float(value)])
    search.ask()
    assert search._search.space == SPACE.cells["normal"]
    assert len(search._search.observations) == 16


def test_other_spaces_have_no_cells_to_take_turns():
    with pytest.raises(ValueError, match="'normal' must be a cell of EdgeCell"):
        METHODS["agnet-turns"](problem(spaces.nas_bench_201()), 0)
    with pytest.raises(ValueError, match=r"turns need a Stack of the cells .* not EdgeCell"):
        METHODS["agnet-paper-turns"](problem(spaces.nas_bench_201()), 0)
