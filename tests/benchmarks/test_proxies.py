"""Scores beside published tables: what is stored is not computed again, and the tables bear our scores out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from benchmarks import proxies
from optuna_agnet import Architecture, build_model, spaces
from optuna_agnet.training_free import quick_scores

CONV = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
DEAD = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def test_an_interrupted_measurement_goes_on(tmp_path: Path) -> None:
    calls: list[str] = []

    def scores_of(text: str) -> dict[str, float]:
        calls.append(text)
        return {"naswot": float(len(calls))}

    out = tmp_path / "cells.jsonl"
    proxies.measure([CONV], out, scores_of)
    both = proxies.measure([DEAD, CONV], out, scores_of)
    assert calls == [CONV, DEAD]
    assert both.naswot.tolist() == [2.0, 1.0]


def test_the_table_gives_our_correlation_first() -> None:
    names = {name: [1.0, 2.0, 3.0] for name in proxies.TABLE}
    found = pd.DataFrame({"arch": list("abc"), **names, **{f"{n} s": [0.5] * 3 for n in names}})
    table = pd.DataFrame({"arch": list("abc"), **{c: [1, 3, 2] for c in proxies.TABLE.values()}})
    table = table.assign(**{column: [10.0, 20.0, 30.0] for column in proxies.ACCURACY})
    lines = proxies.beside_table(found, table)
    assert lines[0] == "| naswot | +1.00 / +0.50 (2.00) | +1.00 / +0.50 (2.00) | +0.50 | 0.500 |"


def test_photo_noise_has_the_spectrum_of_photographs() -> None:
    images = proxies.photo_noise(count=64, side=16)
    power = np.abs(np.fft.fft2(images.numpy())).mean((0, 1))
    assert power[0, 1] / power[0, 4] == pytest.approx(4, rel=0.2)
    assert images.equal(proxies.photo_noise(count=64, side=16))


@pytest.fixture
def cells() -> pd.DataFrame:
    """Sixty of those that the published table has scores of."""
    try:
        table = proxies.scored_cells()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return table.iloc[np.random.default_rng(0).permutation(len(table))[:60]]


@pytest.mark.slow
def test_our_scores_rank_cells_as_well_as_the_published_table(cells: pd.DataFrame) -> None:
    space, images = spaces.nas_bench_201(), proxies.photo_noise()
    found = pd.DataFrame([proxies.score(space, images, text) for text in cells.arch])
    for name, column in proxies.TABLE.items():
        ours = spearmanr(found[name], cells.c100_val_nb201)[0]
        assert ours >= 0.95 * spearmanr(cells[column], cells.c100_val_nb201)[0], name


@pytest.mark.slow
def test_noise_with_the_spectrum_of_photographs_is_the_better_batch(cells: pd.DataFrame) -> None:
    """What docs/scores.md says of white noise."""
    space, photos = spaces.nas_bench_201(), proxies.photo_noise()
    white = torch.randn(photos.shape, generator=torch.Generator().manual_seed(0))

    def correlations(images: torch.Tensor) -> str:
        def build(architecture: Architecture) -> nn.Module:
            return build_model(space, architecture, **proxies.SMALL["nas_bench_201"])

        score = quick_scores(build, images)["naswot"]
        found = [score(space.parse(text)) for text in cells.arch]
        both = [spearmanr(found, cells[accuracy])[0] for accuracy in proxies.ACCURACY]
        return " and ".join(f"{value:.2f}" for value in both)

    page = " ".join((Path(__file__).parents[2] / "docs" / "scores.md").read_text().split())
    assert f"{correlations(white)} instead of {correlations(photos)}" in page
