"""Searches with scores: what a score says that is right, negated, noise or unknown for half of the cells."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from benchmarks import problems
from benchmarks.methods import scores
from optuna_agnet import spaces
from optuna_agnet.search.scores import architectures_of

SPACE = spaces.nas_bench_201()
X = architectures_of(SPACE)
VALUES = dict(zip(SPACE.keys(X).tolist(), range(len(X)), strict=True))


def said(seed: int = 0, **changes: float) -> list[float]:
    """What a score says of all cells, asked twice: a cell has one score."""
    score = scores.score(SPACE, VALUES, np.random.default_rng(seed), **changes)
    first, second = ([score(a) for a in SPACE.architectures(X)] for _ in range(2))
    assert np.array_equal(first, second, equal_nan=True)
    return first


def test_a_score_is_the_tables_and_may_be_negated() -> None:
    true = [VALUES[key] for key in SPACE.keys(X).tolist()]
    assert said() == true
    assert said(sign=-1.0) == [-value for value in true]


def test_noise_says_nothing_of_the_table_and_is_drawn_by_the_seed() -> None:
    noise = said(noise=True)
    assert all(0 <= value < 1 for value in noise)
    assert noise == said(noise=True)
    assert noise != said(seed=1, noise=True)


def test_half_of_the_cells_are_unknown_the_others_as_they_are() -> None:
    true, half = said(), said(known=0.5)
    unknown = np.isnan(half)
    assert 0.4 < unknown.mean() < 0.6
    assert all(math.isnan(b) or a == b for a, b in zip(true, half, strict=True))


@pytest.mark.parametrize(("problem", "column"), [("nb101", "nwot"), ("nb301", "synflow")])
def test_a_problem_without_such_a_score_is_refused(problem: str, column: str) -> None:
    with pytest.raises(ValueError, match=f"no score '{column}' of {problem}"):
        scores.known_scores(problem, column)


def test_why_three_scores_are_behind_one() -> None:
    """The shares in docs/scores.md of cells that have a skip connection where the best have one."""
    try:
        keys, first = np.unique(SPACE.keys(everything := SPACE.enumerate()), return_index=True)
        ranks = [
            rankdata([scores.published(f"{column}_c10")[key] for key in keys])
            for column in ("synflow", "nwot", "params", "zen")
        ]
        accuracy = problems.load("nb201-c10").evaluate(everything[first]).values[:, 0]
    except FileNotFoundError as error:
        pytest.skip(str(error))
    skips = everything[first][:, 3] == 1
    synflow, naswot, parameters, zen = ranks
    together = (synflow + naswot + parameters, synflow + naswot + zen)
    shares = [round(100 * skips[np.argsort(-r)[:300]].mean()) for r in (*ranks, *together)]
    assert skips[np.argsort(-accuracy)[:30]].all()
    page = " ".join((Path(__file__).parents[2] / "docs" / "scores.md").read_text().split())
    assert f"come first by synflow, {shares[0]} % have the skip connection on edge 0-3" in page
    assert (
        f"by NASWOT {shares[1]} %, by parameters {shares[2]} %, by Zen-score {shares[3]} %" in page
    )
    assert f"the mean of synflow, NASWOT and parameters {shares[4]} %, by that" in page
    assert f"by that of synflow, NASWOT and Zen-score {shares[5]} %" in page
    # over all cells the mean of these three is the better one
    agreement = [spearmanr(r, accuracy)[0] for r in (synflow, naswot, parameters, together[0])]
    assert max(agreement[:3]) < agreement[3]
    alike, unlike = spearmanr(synflow, parameters)[0], spearmanr(naswot, zen)[0]
    assert f"much alike (rank correlation {alike:.2f}), NASWOT and Zen-score" in page
    assert f"do not ({unlike:.2f})" in page


def test_darts_cells_have_the_scores_that_a_search_asks_for() -> None:
    space = spaces.darts()
    wanted = space.keys(architectures_of(space)).tolist()
    known = scores.known_scores("nb301", "nwot")
    assert set(wanted) == set(known)
    assert len(set(known.values())) > len(known) / 2
