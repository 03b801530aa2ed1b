"""Stacks of cells, and the genotypes of DARTS and NAS-Bench-301."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.spaces import (
    DartsCell,
    EdgeCell,
    Network,
    NodeCell,
    OneOf,
    RecurrentCell,
    Repeat,
    SearchSpace,
    Stack,
)

DARTS = spaces.darts()
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),"
    " ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)],"
    " normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2),"
    " ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)],"
    " reduce_concat=[2, 3, 4, 5])"
)
"""As published with DARTS (Liu et al. 2019)."""


def test_parameters_carry_the_cells_name() -> None:
    names = [d.name for d in DARTS.decisions]
    assert names[0] == "normal.node_2_inputs"
    assert names[-1] == "reduce.node_5_op_1"
    assert len(names) == 24


def test_published_genotype_of_darts() -> None:
    arch = DARTS.parse(DARTS_V2)
    params = DARTS.to_params(arch)
    assert params["normal.node_4_inputs"] == "0_1"
    assert params["normal.node_4_op_0"] == "skip_connect"
    assert params["reduce.node_3_inputs"] == "1_2"
    assert params["reduce.node_3_op_0"] == "max_pool_3x3"
    text = str(arch)
    assert text.startswith("Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ")
    assert text.endswith("], reduce_concat=range(2, 6))")
    assert DARTS.parse(text) == arch


def as_text(cells: dict[str, str]) -> str:
    """``1:conv 0:pool ...`` a cell, as in the files of NAS-Bench-301, as a genotype."""
    fields = []
    for name in ("normal", "reduce"):
        pairs = [part.split(":") for part in cells[name].split()]
        genotype = ", ".join(f"('{op}', {source})" for source, op in pairs)
        fields.append(f"{name}=[{genotype}], {name}_concat=range(2, 6)")
    return f"Genotype({', '.join(fields)})"


def unordered(text: str, name: str) -> list[set[tuple[str, int]]]:
    """A cell's nodes as sets of (operation, source), read by Python alone."""
    pairs = eval(text, {"Genotype": dict, "range": range})[name]
    return [set(pairs[i : i + 2]) for i in range(0, 8, 2)]


@pytest.mark.parametrize(
    ("file", "step"),
    [
        ("nb301_naslib_725.csv.gz", 5),
        pytest.param("nb301_naslib_725.csv.gz", 1, marks=pytest.mark.slow),
        pytest.param("nb301_naslib_11221.csv.gz", 1, marks=pytest.mark.slow),
    ],
)
def test_cells_of_nas_bench_301_round_trip(file: str, step: int) -> None:
    default = Path(__file__).resolve().parents[2].parent / "shared" / "benchmarks"
    path = Path(os.environ.get("OPTUNA_AGNET_DATA", default)) / "nb301" / file
    if not path.exists():
        pytest.skip(f"{path} is missing: set OPTUNA_AGNET_DATA to the folder of the benchmarks")
    with gzip.open(path, "rt") as lines:
        texts = [as_text(row) for row in list(csv.DictReader(lines))[::step]]
    found = [DARTS.parse(text) for text in texts]
    for text, arch in zip(texts, found, strict=True):
        for name in ("normal", "reduce"):
            assert unordered(str(arch), name) == unordered(text, name)
    rows = DARTS.choices(found)
    assert DARTS.architectures(rows) == found
    back, valid = DARTS.decode(DARTS.encode(rows))
    assert valid.all()
    np.testing.assert_array_equal(back, rows)


def test_split_and_join_are_inverse() -> None:
    arch = DARTS.parse(DARTS_V2)
    cells = DARTS.split(arch)
    assert list(cells) == ["normal", "reduce"]
    assert str(cells["reduce"]).startswith(
        "[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('max_pool_3x3', 1),"
    )
    assert DARTS.join(**cells) == arch
    with pytest.raises(
        ValueError, match=r"cells \['normal'\] given; needed are \['normal', 'reduce'\]"
    ):
        DARTS.join(normal=cells["normal"])


def test_cells_are_told_apart_by_their_names() -> None:
    x = DARTS.sample(1, np.random.default_rng(0))
    swapped = np.concatenate([x[:, 12:], x[:, :12]], 1)
    assert DARTS.keys(x) != DARTS.keys(swapped)


def test_keys_see_isomorphism_within_a_cell() -> None:
    cell = "[('skip_connect', 0), ('max_pool_3x3', 1), ('skip_connect', 0), ('skip_connect', 1)]"
    twin = "[('skip_connect', 0), ('skip_connect', 1), ('skip_connect', 0), ('max_pool_3x3', 1)]"
    space = Stack(a=DartsCell(nodes=2), b=DartsCell(nodes=2))
    one, other = (
        space.parse(f"Genotype(a={cell}, b={cell})"),
        space.parse(f"Genotype(a={twin}, b={cell})"),
    )
    assert one != other
    assert one.key == other.key


def test_stacks_of_any_cells() -> None:
    space = Stack(
        stem=NodeCell(max_nodes=4, max_edges=4, ops=("conv", "pool")),
        body=EdgeCell(nodes=3, ops=("conv", "none")),
    )
    arch = space.parse(
        "Genotype(stem='input,conv,output 0>1 1>2', body='|conv~0|+|none~0|conv~1|')"
    )
    assert arch.nodes == (
        "input",
        "stem.conv",
        "output",
        "body.conv",
        "none",
        "body.conv",
        "output",
    )
    assert space.to_params(arch)["stem.op_1"] == "conv"
    assert str(space.split(arch)["body"]) == "|conv~0|+|none~0|conv~1|"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Genotype(", "Genotype(", None),
        ("Genotype(", "Genotype", "is no architecture of Stack.* one reads"),
        ("Genotype(", "Genotype(3, ", "is no architecture of"),
        ("normal=", "reduce=", "has two cells 'reduce'"),
        ("normal=", "other=", "lacks the cell 'normal'"),
        ("normal_concat=", "other_concat=", r"has \['other_concat'\]; the cells are"),
        (
            "reduce_concat=[2, 3, 4, 5]",
            "reduce_concat=[4, 5]",
            r"reduce_concat=\[4, 5\]: the output of",
        ),
        (
            "('dil_conv_3x3', 2)",
            "('conv', 2)",
            "cell 'normal': node 5 has operation 'conv'; known are",
        ),
        (
            "('dil_conv_3x3', 2)",
            "('dil_conv_3x3', 7)",
            "cell 'normal': node 5 reads 7; it can read",
        ),
        (", ('dil_conv_3x3', 2)", "", "cell 'normal': .* has 7 operations"),
    ],
)
def test_bad_genotypes_are_refused(old: str, new: str, message: str | None) -> None:
    text = DARTS_V2.replace(old, new)
    if message is None:
        DARTS.parse(text)
        return
    with pytest.raises(ValueError, match=message):
        DARTS.parse(text)


def test_bad_stacks_are_refused() -> None:
    cell = DartsCell()
    with pytest.raises(
        ValueError, match=r"cells=\{\}: name one space a cell, e\.g\. Stack\(normal="
    ):
        Stack()
    with pytest.raises(ValueError, match=r"cells \['a\.b'\]: a cell's name must be an identifier"):
        Stack(**{"a.b": cell})
    for network in (Network(cell=cell), OneOf(a=cell), Repeat(cell, 1, 2)):
        with pytest.raises(
            ValueError, match=r"\['both'\]: .* no Network, OneOf or Repeat; those can"
        ):
            Stack(both=network)
    with pytest.raises(TypeError, match="multiple values for keyword argument 'normal'"):
        Stack(**{"normal": cell}, **{"normal": cell})  # Python itself keeps names apart


def test_edges_between_cells_are_refused() -> None:
    x = DARTS.sample(1, np.random.default_rng(0))
    graphs = DARTS.encode(x)
    edges = graphs.edges.copy()
    edges[0, 20 * 19 // 2 + 4] = (
        True  # from a sum of the normal cell to an operation of the reduction cell
    )
    back, valid = DARTS.decode(graphs._replace(edges=edges))
    assert not valid[0]
    np.testing.assert_array_equal(back, x)


NESTED = Stack(encoder=DARTS, decoder=Stack(a=DartsCell(nodes=2), b=EdgeCell(2, ("conv", "none"))))


def test_a_stack_inside_a_stack() -> None:
    assert len(NESTED.decisions) == 24 + 6 + 1
    arch = NESTED.random_architecture(0)
    parts = NESTED.split(arch)
    assert parts["encoder"] in DARTS.architectures(DARTS.choices([parts["encoder"]]))
    assert str(arch) == f"Genotype(encoder={parts['encoder']}, decoder={parts['decoder']})"
    assert NESTED.join(**parts) == NESTED.parse(str(arch)) == arch
    inner = NESTED.cells["decoder"].split(parts["decoder"])
    assert NESTED.to_params(arch)["decoder.b.op_0_1"] in str(inner["b"])


def test_cells_of_inner_stacks_are_told_apart() -> None:
    cell = EdgeCell(2, ("conv", "none"))
    space = Stack(a=Stack(x=cell, y=cell), b=Stack(x=cell))
    every = space.enumerate()
    assert len(every) == space.num_architectures == 8
    assert len(set(space.keys(every).tolist())) == 8
    with pytest.raises(ValueError, match=r"cell 'a': .* lacks the cell 'y'"):
        space.parse("Genotype(a=Genotype(x='|conv~0|'), b=Genotype(x='|conv~0|'))")


@pytest.mark.parametrize(
    "cell",
    [RecurrentCell(max_nodes=4), NodeCell(5, 6, ("conv", "pool")), NESTED],
    ids=lambda cell: type(cell).__name__,
)
def test_keys_are_those_of_the_values(cell: SearchSpace) -> None:
    space = Stack(first=cell, second=EdgeCell(nodes=3, ops=("conv", "none")))
    rows = space.sample(50, np.random.default_rng(0))
    found = [f"{int(key):016x}" for key in space.keys(rows)]
    assert found == [arch.key for arch in space.architectures(rows)]
