"""What a notebook shows of values: short, escaped, and from all spaces."""

from __future__ import annotations

import re

import optuna
import pytest

from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.cli.inputs import PRESETS
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.html import html_table

optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_cells_are_text() -> None:
    assert "<b>" not in html_table([("<b>", 1)], ("<b>", ""))


def test_an_architecture_is_its_picture() -> None:
    shown = Architecture(("input", "conv", "output"), ((0, 1), (1, 2)))._repr_html_()
    assert "<svg" in shown
    assert "conv" in shown


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_space_is_a_short_table(name: str) -> None:
    space = PRESETS[name]()
    shown = space._repr_html_()
    assert len(shown) < 4000
    assert f"{len(space.decisions)} decisions" in shown
    assert space.decisions[0].name in shown
    assert 2 <= shown.count("<tr>") <= 14


def test_equal_neighbours_share_a_row_and_many_choices_are_cut() -> None:
    own = spaces.Chain([("a", "b"), ("a", "b"), tuple(f"w{k}" for k in range(30))])
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", own._repr_html_())
    assert rows[0] == ("layer_0 ... layer_1 (2)", "a, b")
    assert rows[1][1].endswith("w9, ... (30)")


def test_a_sampler_says_what_was_changed() -> None:
    space = spaces.EdgeCell(nodes=3, ops=("a", "b"))
    shown = AGNetSampler(space, seed=7)._repr_html_()
    assert "<td>7</td>" in shown
    assert "<td>default</td>" in shown
    changed = AGNetSampler(
        space,
        config=AGNetConfig(n_startup=5),
        known_constraints={"size": lambda arch: 0.0},
        independent_sampler=optuna.samplers.RandomSampler(),
    )._repr_html_()
    for text in ("n_startup=5", "size", "RandomSampler", "op_0_1"):
        assert text in changed
