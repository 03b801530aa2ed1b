"""BANANAS (White et al. 2021, "Bayesian Optimization with Neural Architectures for Neural Architecture Search").

An ensemble of networks on the path encoding predicts 100 mutants of the incumbent; independent Thompson sampling takes
the ones with the largest draws of N(mean, std^2) of the members.

Budget protocol: 10 random architectures, then rounds of 10. Ensemble of five, ten ReLU layers of 20, Adam with learning
rate 0.01 and betas 0.9 and 0.99, mean absolute error, 150 epochs of batches of 32: the release's settings.

Differs: values are scaled to mean 0 and standard deviation 1; the encoding is truncated only where it has more than 400
columns (release: to 40 on NAS-Bench-101 and 30 on NAS-Bench-201, which hides one of its six operations).

Letters: B rows, n nodes, A operations, C sequences of operations of one length.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.methods.base import Factory
from benchmarks.methods.networks import NetworkConfig, Networks
from benchmarks.methods.rounds import RankedMutants
from benchmarks.problems.base import Problem
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.graphs import to_adjacency

NETWORK = NetworkConfig(
    5, (20,) * 10, torch.relu, "l1", epochs=150, batch_size=32, lr=0.01, betas=(0.9, 0.99)
)
_COLUMNS = 400


class Bananas(RankedMutants):
    """See the module; arguments as of `RankedMutants`.

    Raises:
        ValueError: The paths of the space are too long to be encoded.
    """

    def __init__(self, problem: Problem, seed: int, **arguments: int) -> None:
        super().__init__(problem, seed, **arguments)
        some = self.space.sample(64, np.random.default_rng(0))
        if not self.encode(some).any():
            raise ValueError(
                f"the paths of {self.space!r} are too long for a path encoding of {_COLUMNS} columns:"
                " BANANAS is for cells, choose bananas-onehot, dngo or weaknas"
            )

    def encode(self, x: IntArray) -> FloatArray:
        """What the networks see of rows (B, D)."""
        return path_encoding(self.space, x)

    def worth(self, candidates: IntArray) -> FloatArray:
        """A draw each from the ensemble's predictions."""
        ensemble = Networks(NETWORK, self.encode(self.x), self.scaled(), self.rng)
        predicted = ensemble.predict(self.encode(candidates))
        return np.asarray(self.rng.normal(predicted.mean(0), predicted.std(0)))


class OneHotBananas(Bananas):
    """The same on decisions, one-hot (the adjacency encoding of White et al.), which any space has."""

    def encode(self, x: IntArray) -> FloatArray:
        """Decisions instead of paths."""
        return self.space.one_hot(x).astype(np.float64)


def path_encoding(space: SearchSpace, x: IntArray, columns: int = _COLUMNS) -> FloatArray:
    """Which sequences of operations lead from input to output, 0 or 1 each (White et al., section 4).

    Shorter sequences come first, then the order of ``space.ops``. Lengths that would need more than ``columns`` columns
    are left out (the paper's truncation). An operation "none" counts as any other.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.EdgeCell(nodes=3, ops=("conv", "pool"))
        >>> encoded = path_encoding(space, np.array([[0, 1, 0]]), columns=7)
        >>> encoded  # direct; conv, pool; conv conv, conv pool, pool conv, pool pool
        array([[0., 0., 1., 1., 0., 0., 0.]])
    """
    graphs, operations = space.encode(x), len(space.ops)
    leads = to_adjacency(graphs.edges, space.num_nodes).transpose(0, 2, 1).astype(np.float32)
    first = len(space.node_types) - operations
    is_op = graphs.types[:, :, None] == np.arange(first, len(space.node_types))  # (B, n, A)
    is_output = graphs.types == 0
    reached = (np.arange(space.num_nodes) == 0)[None, :, None] * np.ones((len(x), 1, 1))
    found: list[FloatArray] = []
    for _ in range(space.num_nodes - 1):
        if sum(part.shape[1] for part in found) + reached.shape[2] > columns:
            break
        arrived = leads @ reached > 0  # (B, n, C): a path of this sequence arrives at the node
        found.append((arrived & is_output[:, :, None]).any(1).astype(np.float64))
        reached = (arrived[..., None] & is_op[:, :, None, :]).reshape(*arrived.shape[:2], -1)
    return np.concatenate(found, axis=1)


METHODS: dict[str, Factory] = {"bananas": Bananas, "bananas-onehot": OneHotBananas}
