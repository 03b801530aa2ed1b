from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules import build_model
from optuna_agnet.modules.node_cell import NodeCellModule, vertex_channels
from optuna_agnet.modules.operations import BUILT_IN
from optuna_agnet.spaces import NodeCell

OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")  # label_code's digits, nb101/README.md


def _decode(n: int, edge_bits: int, label_code: int) -> Architecture:
    digits = [label_code // 3 ** (n - 3 - i) % 3 for i in range(n - 2)]
    pairs = [(x, y) for y in range(n) for x in range(y)]
    edges = tuple((x, y) for x, y in pairs if edge_bits >> (x + y * (y - 1) // 2) & 1)
    return Architecture(("input", *(OPS[d] for d in digits), "output"), edges)


def _random_cells(space: NodeCell, n: int) -> list[Architecture]:
    return space.architectures(space.sample(n, np.random.default_rng(0)))


def test_parameters_agree_with_the_table(
    nb101: NodeCell, table: Callable[[str], list[dict[str, str]]], data_file: Callable[[str], Path]
) -> None:
    rows = table("nb101/nb101_acc_30001.csv.gz")
    with np.load(data_file("nb101/nb101_space.npz")) as cells:
        columns = {name: cells[name] for name in ("n_vertices", "edge_bits", "label_code")}
    for i in np.random.default_rng(0).choice(len(rows), 60, replace=False):
        place = int(rows[i]["space_idx"])
        arch = _decode(*(int(column[place]) for column in columns.values()))
        with torch.device("meta"):
            model = build_model(nb101, arch)
        assert sum(p.numel() for p in model.parameters()) == int(rows[i]["params"]), str(arch)


def test_vertex_channels_follow_the_rule(nb101: NodeCell) -> None:
    for arch in _random_cells(nb101, 300):
        channels = vertex_channels(arch, 16, 128)
        last = len(arch.nodes) - 1
        feeders = [channels[v] for v in range(1, last) if (v, last) in arch.edges]
        assert (channels[0], channels[-1]) == (16, 128)
        if feeders:
            assert sum(feeders) == 128
            assert feeders == sorted(feeders, reverse=True)
            assert max(feeders) - min(feeders) <= 1
        inner = [(s, t) for s, t in arch.edges if s > 0 and t < last]
        assert all(channels[s] >= channels[t] for s, t in inner)


def _naive_cell(cell: NodeCellModule, arch: Architecture, x: Tensor) -> Tensor:
    """The value of the output by recursion over predecessors."""
    last = len(arch.nodes) - 1

    def value(v: int) -> Tensor:
        read = [value(s)[:, : cell.channels[v]] for s, t in arch.edges if t == v and s > 0]
        if (0, v) in arch.edges:
            read.append(cell.projections[f"vertex_{v}"](x))
        result: Tensor = cell.operations[f"vertex_{v}"](torch.stack(read).sum(0))
        return result

    joined = [value(s) for s, t in arch.edges if t == last and s > 0]
    parts = [torch.cat(joined, 1)] if joined else []
    if (0, last) in arch.edges:
        parts.append(cell.projections[f"vertex_{last}"](x))
    return torch.stack(parts).sum(0)


def test_cells_agree_with_a_naive_twin(nb101: NodeCell) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 5, 5)
    for arch in _random_cells(nb101, 100):
        cell = NodeCellModule(arch, BUILT_IN, c_in=6, c_out=11).eval()
        assert torch.allclose(cell(x), _naive_cell(cell, arch, x), atol=1e-5), str(arch)


def test_input_that_feeds_only_the_output_is_projected() -> None:
    cell = NodeCellModule(Architecture(("input", "output"), ((0, 1),)), BUILT_IN, 4, 8)
    assert cell(torch.zeros(2, 4, 3, 3)).shape == (2, 8, 3, 3)
    assert not cell.operations


def test_the_skeleton_pools_between_three_stacks(nb101: NodeCell) -> None:
    model = build_model(nb101, nb101.random_architecture(0), channels=8)
    kinds = [isinstance(cell, nn.MaxPool2d) for cell in model.get_submodule("cells").children()]
    assert kinds == [*[False] * 3, True, *[False] * 3, True, *[False] * 3]


def test_too_few_channels_are_refused_for_every_cell_of_the_space(nb101: NodeCell) -> None:
    chain = nb101.parse("input,maxpool3x3,output 0>1 1>2")
    with pytest.raises(ValueError, match=r"channels=3 .* channels=4 or more"):
        build_model(nb101, chain, channels=3)
    build_model(nb101, chain, channels=4)


def test_too_few_channels_for_a_cell() -> None:
    arch = Architecture(("input", "a", "b", "output"), ((0, 1), (0, 2), (1, 3), (2, 3)))
    with pytest.raises(ValueError, match="2 vertices"):
        vertex_channels(arch, 4, 1)


@pytest.mark.parametrize("edges", [((0, 2), (1, 2)), ((0, 1), (0, 2)), ((0, 1),)])
def test_a_cell_with_dead_vertices_is_refused(edges: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="prune"):
        vertex_channels(Architecture(("input", "a", "output"), edges), 4, 4)
