"""Measuring the training-free scores: what is stored is not computed again, and the table says what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import training_free
from optuna_agnet import spaces

CONV = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
DEAD = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def test_an_interrupted_measurement_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, space = tmp_path / "cells.jsonl", spaces.nas_bench_201()
    first = training_free.measure(space, pd.Series([CONV]), "digits", out)
    calls = []
    scores = training_free.training_free_scores
    monkeypatch.setattr(
        training_free,
        "training_free_scores",
        lambda space, arch, images: calls.append(str(arch)) or scores(space, arch, images),
    )
    both = training_free.measure(space, pd.Series([CONV, DEAD]), "digits", out)
    assert calls == [DEAD]
    assert both.ntk_condition_number.tolist() == [first.ntk_condition_number[0], np.inf]
    assert json.loads(out.read_text().splitlines()[1])["ntk_condition_number"] is None


def test_the_report_has_the_signs_of_the_scores() -> None:
    scores = pd.DataFrame(
        {
            "arch": list("abc"),
            "ntk_condition_number": [5.0, 7.0, np.inf],
            "linear_regions": [30, 20, 10],
        }
    )
    accuracy = pd.DataFrame({"arch": list("cba"), "toy": [1.0, 2.0, 3.0]})
    lines = training_free.report(scores, accuracy, "digits")
    assert [line.split(" | ")[2] for line in lines] == [
        "-1.00 / -1.00",
        "+1.00 / +1.00",
        "+1.00 / +1.00",
    ]


def test_batches_are_the_same_in_every_run() -> None:
    for kind, channels in (("digits", 1), ("noise", 3)):
        one, two = training_free.batch(kind), training_free.batch(kind)
        assert one.shape == (32, channels, 8, 8)
        assert one.equal(two)
