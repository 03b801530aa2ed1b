"""What is refused when a network space is written, and the forms that it may have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.spaces import Decision, Network, OneOf, Repeat, ordered


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Network(**{"a.b": (1, 2)}),
            ValueError,
            r"\['a\.b'\]: a name must be an identifier",
        ),
        (lambda: Network(**{"": (1, 2)}), ValueError, "must be an identifier"),
        (lambda: OneOf(**{"3x3": (1, 2)}), ValueError, "OneOf has parts called"),
        (lambda: OneOf(), ValueError, r"OneOf\(\) has no alternative"),
        (lambda: OneOf(alternative=(1, 2)), ValueError, r"\['alternative'\] are given twice"),
        (lambda: Repeat((1, 2), 3, 2), ValueError, "least=3 must be at most most=2"),
        (lambda: Repeat((1, 2), -1, 2), ValueError, "least=-1 must be an integer of at least 0"),
        (lambda: Repeat((1, 2), 0, 0), ValueError, "most=0 must be an integer of at least 1"),
        (lambda: Repeat((1, 2), 1, 2.5), ValueError, r"most=2\.5 must be an integer"),
        (lambda: Repeat(Network, 1, 2), TypeError, "part=<class .* is no part of a network"),
        (lambda: Network(width=64), TypeError, r"width=64 is no part .* ordered\(16, 32, 64\)"),
        (lambda: Network(act="relu"), TypeError, r"act='relu' is no part .*\('relu', 'gelu'\)"),
        (lambda: Network(act={"relu", "gelu"}), TypeError, "is no part of a network"),
        (lambda: Network(act=()), ValueError, r"act=\(\) has no choice"),
        (lambda: Network(act=("relu", None)), TypeError, "act has the choice None"),
        (lambda: Network(act=(math.tanh,)), TypeError, "Name things"),
        (lambda: Network(rate=(0.1, math.inf)), TypeError, "rate has the choice inf"),
        (lambda: Network(act=("relu", "relu")), ValueError, "has the choice 'relu' twice"),
        (lambda: Network(bias=(True, 1)), ValueError, "twice"),
        (lambda: Network(k=("a", "1", 1)), ValueError, "choices '1' and 1, which read alike"),
        (lambda: Repeat((0.5, "0.5"), 1, 2), ValueError, "choices 0.5 and '0.5', which read"),
        (lambda: ordered(), ValueError, "at least one value"),
        (lambda: ordered(1, 2.0), TypeError, "int alone or float alone"),
        (lambda: ordered("16", "32"), TypeError, "a plain tuple is an unordered choice"),
        (lambda: ordered(True, 2), TypeError, "int alone or float alone"),
        (lambda: ordered((16, 32)), TypeError, r"one by one: ordered\(\*\(16, 32\)\)"),
        (lambda: ordered(range(2, 9)), TypeError, r"one by one: ordered\(\*range\(2, 9\)\)"),
        (
            lambda: OneOf(a=None, b=(1, 2)),
            TypeError,
            r"a=None is no part .*Network\(\) where there",
        ),
        (lambda: ordered(32, 16), ValueError, r"must ascend, each value once: \[16, 32\]"),
        (lambda: ordered(16, 16), ValueError, "each value once"),
        (lambda: ordered(0.0, math.nan), ValueError, "must be finite"),
    ],
)
def test_what_is_wrong_is_named(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_name_given_twice_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="multiple values for keyword argument 'a'"):
        Network(a=(1, 2), **{"a": (3, 4)})


@pytest.mark.parametrize(
    ("values", "positions"),
    [
        ((16, 32, 64), [0, 1 / 3, 1]),  # the largest is four times the smallest: by value
        ((16, 32, 64, 128), [0, 1 / 3, 2 / 3, 1]),
        ((0.0, 0.3, 0.6), [0, 0.5, 1]),
        ((-8, 0, 8), [0, 0.5, 1]),
        ((0, 1, 1000), [0, 0.001, 1]),
        ((7,), [0]),
    ],
)
def test_positions_follow_values_or_their_logarithms(values: Any, positions: list[float]) -> None:
    found = Decision("d", values, ordered=True).positions
    assert found is not None
    assert found.tolist() == pytest.approx(positions)
    assert Decision("d", values).positions is None


@pytest.mark.parametrize(
    "space",
    [
        Network(a=("x", "y"), b=ordered(1, 2), c=OneOf(d=Network(), e=Repeat((True, False), 0, 2))),
        Repeat(OneOf(a=(1, 2), b=Network(c=ordered(0.5, 1.5))), 1, 3),
        Network(cell=spaces.EdgeCell(nodes=3, ops=("conv", "skip"))),
    ],
)
def test_the_repr_is_how_it_is_written(space: Network) -> None:
    again = eval(repr(space), vars(spaces).copy())
    assert again == space
    assert hash(again) == hash(space)


def test_spaces_that_differ_are_different() -> None:
    every = [
        Network(a=(1, 2)),
        Network(a=ordered(1, 2)),
        Network(a=(1.0, 2.0)),
        Network(a=(2, 1)),
        Network(b=(1, 2)),
        Network(a=Network(b=(1, 2))),
        Network(a=OneOf(b=(1, 2))),
        Network(a=Repeat((1, 2), 1, 2)),
        Network(a=Repeat((1, 2), 0, 2)),
        Repeat((1, 2), 1, 2),
    ]
    assert len({space.fingerprint for space in every}) == len(every)


def test_numpys_numbers_are_pythons() -> None:
    rates, widths = np.linspace(0.0, 1.0, 3), np.array([8, 16])
    numpys = Network(rate=tuple(rates), width=ordered(*widths), act=tuple(np.array(["a", "b"])))
    own = Network(rate=(0.0, 0.5, 1.0), width=ordered(8, 16), act=("a", "b"))
    assert numpys == own
    assert repr(numpys) == repr(own)
    values = {"rate": 0.5, "width": 16, "act": "b"}
    assert str(numpys.from_values(values)) == str(own.from_values(values))


def test_a_cell_is_the_same_in_whatever_order_its_places_are_written() -> None:
    one, other = {(0, 1): ("a",), (0, 2): ("b", "a")}, {(0, 2): ["b", "a"], (0, 1): ["a"]}
    edges = [spaces.EdgeCell(nodes=3, ops=("a", "b"), edge_ops=own) for own in (one, other)]
    nodes = [
        spaces.NodeCell(max_nodes=4, ops=("a", "b"), node_ops=own)
        for own in ({1: ("a",), 2: ("b",)}, {2: ["b"], 1: ["a"]})
    ]
    for first, second in (edges, nodes):
        assert first == second
        assert repr(first) == repr(second)
        assert Network(cell=first) == Network(cell=second)


def test_parts_may_be_shared() -> None:
    block = Network(kernel=ordered(3, 5))
    space = Network(a=block, b=Repeat(block, 1, 2), c=OneOf(d=block, e=block))
    names = [decision.name for decision in space.decisions]
    assert names == [
        "a.kernel",
        "b.depth",
        "b.0.kernel",
        "b.1.kernel",
        "c",
        "c.d.kernel",
        "c.e.kernel",
    ]


def test_an_alternative_may_be_a_choice_and_a_part_may_be_called_name() -> None:
    space = Network(name=OneOf(self=ordered(1, 2), other=("x",)))
    arch = space.from_values({"name": {"self": 2}})
    assert space.to_params(arch) == {"name": "self", "name.self": 2}


def test_a_network_of_nothing_has_one_architecture() -> None:
    assert Network().num_architectures == 1
    assert Network().values(Network().from_values({})) == {}
