"""DARTS cells in turns: what is fixed, and when."""

import numpy as np
import pytest

from benchmarks.methods import METHODS
from benchmarks.problems.base import Outcomes, Problem
from optuna_agnet import AGNetConfig, spaces
from optuna_agnet.generator.network import Generator
from optuna_agnet.generator.training import Trainer
from optuna_agnet.search import agnet

SPACE = spaces.Stack(normal=spaces.DartsCell(nodes=2), reduce=spaces.DartsCell(nodes=2))
HALF = len(SPACE.decisions) // 2  # decisions of the normal cell, before those of the other


def problem(space):
    def evaluate(x):
        return Outcomes(
            x.sum(1).astype(float)[:, None], np.empty((len(x), 0)), np.full(len(x), np.nan)
        )

    return Problem("made up", space, evaluate, data="none")


def proposals(search, told, n=2):
    """The next n rows (n, D) after a number of random results, and all rows told."""
    rng = np.random.default_rng(0)
    x = SPACE.sample(told, rng)
    for arch, value in zip(SPACE.architectures(x), x.sum(1), strict=True):
        search.tell(arch, float(value))
    return SPACE.choices(search.ask(n)), x


def test_the_reduction_cell_stays_until_query_155_and_the_normal_one_until_310(monkeypatch):
    monkeypatch.setattr(agnet, "pretrained", Generator)  # untrained: nothing here depends on it
    monkeypatch.setattr(Trainer, "round", lambda self, data, rng: None)
    made_up = problem(SPACE)

    def after(told, seed=0):
        return proposals(METHODS["agnet-turns"](made_up, seed), told)

    (startup, _), (first, _), (last, _) = after(15), after(16), after(154)
    assert (startup[0] != startup[1]).any()
    fixed = first[0, HALF:]
    assert (np.concatenate([first, last])[:, HALF:] == fixed).all()
    assert (first[0, :HALF] != first[1, :HALF]).any()
    assert (after(16, seed=1)[0][0, HALF:] != fixed).any()
    for told in (155, 309):
        rows, x = after(told)
        best = x[:155][x[:155].sum(1).argmax()]
        assert (rows[:, :HALF] == best[:HALF]).all()
        assert (rows[0, HALF:] != rows[1, HALF:]).any()


def test_both_algorithms_take_the_same_turns():
    names = ("agnet-paper-turns", "agnet-turns")
    paper, default = (METHODS[name](problem(SPACE), 0).config for name in names)
    assert paper == AGNetConfig.paper(dedup="encoding", turns=default.turns)
    assert default == AGNetConfig(dedup="encoding", turns=(("normal", 139), ("reduce", 155)))


def test_other_spaces_have_no_cells_to_take_turns():
    with pytest.raises(ValueError, match="'normal' must be a cell of EdgeCell"):
        METHODS["agnet-turns"](problem(spaces.nas_bench_201()), 0)
