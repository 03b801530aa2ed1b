"""Networks that choose one block per layer (FBNet, Wu et al. 2019; MobileNet-like spaces)."""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import INPUT, NONE, OUTPUT, Architecture
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.spaces.base import Decision, SearchSpace
from optuna_agnet.spaces.checks import check_operations
from optuna_agnet.spaces.graphs import Graphs, edge_endpoints

_OUTPUT, _INPUT, _FIRST_OP = 0, 1, 2  # node types are (output, input, *ops)


class Chain(SearchSpace):
    """A chain of layers, each with choices of its own (``layer_0``, ``layer_1``, ...).

    Its graph is the chain from input to output. The text form lists the choices with commas.

    Args:
        layers: The choices of every layer.
        name: Short name of the space.

    Raises:
        ValueError: There is no layer, or one has less than two choices.

    Example:
        >>> space = Chain(layers=[("conv_3x3", "conv_5x5"), ("conv_3x3", "skip")])
        >>> arch = space.parse("conv_5x5,skip")
        >>> space.to_params(arch)
        {'layer_0': 'conv_5x5', 'layer_1': 'skip'}
    """

    def __init__(self, layers: Sequence[Sequence[str]], *, name: str = "chain") -> None:
        if isinstance(layers, str) or not layers:
            raise ValueError(
                f"layers={layers!r}: give the choices of at least one layer, e.g. [('conv', 'skip')]"
            )
        self.layers = tuple(check_operations(choices) for choices in layers)
        for i, choices in enumerate(self.layers):
            if len(choices) < 2:
                raise ValueError(
                    f"layer {i} has the single choice {choices[0]!r}: there is nothing to search;"
                    " leave it out here and put it into the network that you build"
                )
            if NONE in choices:
                raise ValueError(
                    f"layer {i} has the choice '{NONE}', which would cut the chain: call a layer"
                    " that passes its input on 'skip'"
                )
        super().__init__(
            name,
            [Decision(f"layer_{i}", choices) for i, choices in enumerate(self.layers)],
            operations=tuple(dict.fromkeys(op for choices in self.layers for op in choices)),
            num_nodes=len(self.layers) + 2,
        )
        most = int(self.num_choices.max())
        self._types = np.full((len(self.layers), most), -1)  # of each layer's choices
        for types, choices in zip(self._types, self.layers, strict=True):
            types[: len(choices)] = [self.ops.index(op) + _FIRST_OP for op in choices]
        sources, targets = edge_endpoints(self.num_nodes)
        self._edges: BoolArray = targets == sources + 1

    def __repr__(self) -> str:
        if len(self.layers) > 3 and len(set(self.layers)) == 1:
            return f"Chain(layers=[{self.layers[0]}] * {len(self.layers)})"
        return f"Chain(layers={list(self.layers)})"

    @cached_property
    def has_isomorphic(self) -> bool:
        return False

    @property
    def allowed_types(self) -> BoolArray:
        allowed = np.zeros((self.num_nodes, len(self.node_types)), dtype=bool)
        allowed[0, _INPUT] = allowed[-1, _OUTPUT] = True
        for row, choices in zip(allowed[1:-1], self.layers, strict=True):
            row[[self.ops.index(op) + _FIRST_OP for op in choices]] = True
        return allowed

    @property
    def fixed_edges(self) -> npt.NDArray[np.int8]:
        return self._edges.astype(np.int8)

    def encode(self, x: IntArray) -> Graphs:
        types = np.full((len(x), self.num_nodes), _OUTPUT)
        types[:, 0] = _INPUT
        types[:, 1:-1] = self._types[np.arange(len(self.layers)), x]
        return Graphs(types, np.broadcast_to(self._edges, (len(x), len(self._edges))))

    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        same = graphs.types[:, 1:-1, None] == self._types  # (B, layers, choices)
        valid = same.any(2).all(1) & (graphs.edges == self._edges).all(1)
        valid &= (graphs.types[:, 0] == _INPUT) & (graphs.types[:, -1] == _OUTPUT)
        return same.argmax(2), valid

    def parse(self, text: str) -> Architecture:
        found = text.strip().split(",")
        if len(found) != len(self.layers):
            raise ValueError(
                f"'{text}' has {len(found)} layers, {self!r} has {len(self.layers)};"
                f" one reads '{self.random_architecture(0)}'"
            )
        for i, (op, choices) in enumerate(zip(found, self.layers, strict=True)):
            if op not in choices:
                raise ValueError(f"layer {i} of '{text}' is '{op}'; it can be {list(choices)}")
        row = [choices.index(op) for op, choices in zip(found, self.layers, strict=True)]
        return self._architecture(np.array(row, dtype=np.int64))

    def _architecture(self, row: IntArray) -> Architecture:
        chosen = [choices[k] for choices, k in zip(self.layers, row.tolist(), strict=True)]
        return Architecture((INPUT, *chosen, OUTPUT), self._graph_edges(), ",".join(chosen))

    def _graph_edges(self) -> tuple[tuple[int, int], ...]:
        return tuple((i, i + 1) for i in range(len(self.layers) + 1))

    def _row(self, architecture: Architecture) -> Sequence[int]:
        if set(architecture.edges) != set(self._graph_edges()):
            raise ValueError("edges differ")
        chosen = architecture.nodes[1:-1]
        return [choices.index(op) for op, choices in zip(chosen, self.layers, strict=True)]
