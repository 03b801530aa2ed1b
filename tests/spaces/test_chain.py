"""Chains of layers: FBNet's numbers, texts, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.spaces import Chain

CHAIN = Chain(layers=[("conv", "skip"), ("skip", "pool", "conv")])


def test_fbnet_has_22_layers_of_9_blocks() -> None:
    space = spaces.fbnet()
    assert [len(d.choices) for d in space.decisions] == [9] * 22
    assert [d.name for d in space.decisions][::21] == ["layer_0", "layer_21"]
    assert repr(space).endswith("* 22)")


def test_small_chain() -> None:
    assert CHAIN.architectures(np.array([[1, 2]]))[0].nodes == ("input", "skip", "conv", "output")
    assert len(np.unique(CHAIN.keys(CHAIN.enumerate()))) == 6
    assert str(CHAIN.from_params({"layer_0": "conv", "layer_1": "pool"})) == "conv,pool"


def test_a_choice_of_another_layer_is_invalid() -> None:
    graphs = CHAIN.encode(np.array([[0, 1]]))
    types = graphs.types.copy()
    types[0, 1] = types[0, 2]  # the first layer can't pool
    back, valid = CHAIN.decode(graphs._replace(types=types))
    assert not valid[0]
    assert back.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [("conv", "has 1 layers, Chain.* has 2"), ("pool,conv", r"layer 0 of .* is 'pool'; it can be")],
)
def test_bad_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CHAIN.parse(text)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "give the choices of at least one layer"),
        ("conv", "give the choices of at least one layer"),
        ([("conv", "skip"), ("conv",)], "layer 1 has the single choice 'conv'.* leave it out here"),
        ([("conv", "none")], "layer 0 has the choice 'none'.* 'skip'"),
        ([("conv", "conv")], r"\['conv'\] are given more than once"),
        ([()], "at least one operation name"),
        ([(16, 32)], r"operation 16 must be .*; numbers are parts of a Network"),
    ],
)
def test_bad_layers_are_refused(layers: list[tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Chain(layers)
