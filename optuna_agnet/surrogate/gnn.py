"""A small ensemble of graph neural networks, on the graphs that `Architecture.to_pyg` gives.

Each layer sends messages along the edges and against them, with weights of their own (Wen et al. 2020, a predictor of
architectures; Rossi et al. 2023): what an operation reads and what reads it are different questions. All members are
computed at once, as one more axis of the weights.

The networks start anew at each fit, from the same weights: what is predicted depends on results and seed alone, so a
search that was interrupted goes on as if it had not been.

Letters: M members, N graphs, V nodes of all of them, E edges, A node types, d width, K outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

try:
    from torch_geometric.data import Batch, Data
    from torch_geometric.nn import SimpleConv, global_add_pool
except ImportError as error:
    raise ImportError(
        "the graph neural network needs torch-geometric: pip install 'optuna-agnet[gnn]'"
    ) from error

from optuna_agnet.core.arrays import BoolArray, FloatArray, IntArray
from optuna_agnet.generator.training import Adam
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.surrogate.base import Candidates, most_telling
from optuna_agnet.surrogate.targets import RANKS, Target

_MEMBERS = 4
_WIDTH = 16
_LAYERS = 2
_STEPS = 100
_LEARNING_RATE = 0.015
_DECAY = 1e-3
_EMBEDDING = 0.3
"""Standard deviation of the first embeddings: small ones have to be learned, instead of random ones being kept."""
_MOST = 256
"""Results of a fit: its time grows with them."""
_REMEMBERED = 8192
"""Graphs that are kept for the next proposal."""


class DirectedLayer(nn.Module):
    """h + ReLU(h W + (sum of h over predecessors) W' + (sum of h over successors) W'' + b), for all members.

    Args:
        members: M.
        width: d.
        rng: Of the initial weights.

    Example:
        >>> layer = DirectedLayer(4, 16, torch.Generator().manual_seed(0))
        >>> layer(torch.zeros(4, 3, 16), torch.tensor([[0, 1], [1, 2]])).shape
        torch.Size([4, 3, 16])
    """

    def __init__(self, members: int, width: int, rng: torch.Generator) -> None:
        super().__init__()
        spread = (2 / (3 * width)) ** 0.5  # He et al. 2015
        self.weight = _normal((members, 3 * width, width), spread, rng)  # W, W', W''
        self.bias = nn.Parameter(torch.zeros(members, 1, width))

    def forward(self, h: Tensor, edges: Tensor) -> Tensor:
        """Nodes (M, V, d) and edges (2, E), sources over targets -> nodes (M, V, d)."""
        return self.update([h, *messages(h, edges)])

    def update(self, parts: list[Tensor]) -> Tensor:
        """The same, given h and the sums over predecessors and successors, each (M, V, d)."""
        return parts[0] + torch.relu(torch.baddbmm(self.bias, torch.cat(parts, 2), self.weight))


def messages(h: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over each node's predecessors and over its successors, both (..., V, d), of nodes (..., V, d).

    Args:
        h: Nodes.
        edges: (2, E), sources over targets.

    Example:
        >>> messages(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[0, 1], [2, 2]]))[0].ravel()
        tensor([0., 0., 3.])
    """
    total = SimpleConv(aggr="sum", node_dim=-2)
    return total(h, edges), total(h, edges.flip(0))


class GraphNetworks(nn.Module):
    """M graph networks of the same shape with different weights.

    Args:
        space: Whose node types they know.
        outcomes: K.
        seed: Of the initial weights; torch's global generator is neither read nor changed.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> graphs = [a.to_pyg(space.node_types) for a in space.architectures(np.eye(6, dtype=int))]
        >>> GraphNetworks(space, 2, seed=0)(joined(graphs)).shape
        torch.Size([4, 6, 2])
    """

    def __init__(self, space: SearchSpace, outcomes: int, seed: int) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.embedding = _normal((_MEMBERS, len(space.node_types), _WIDTH), _EMBEDDING, rng)
        layers = [DirectedLayer(_MEMBERS, _WIDTH, rng) for _ in range(_LAYERS)]
        self.layers = nn.ModuleList(layers)
        # an outcome of which nothing is known stays at 0, the middle of the targets
        self.weight = nn.Parameter(torch.zeros(_MEMBERS, _WIDTH, outcomes))
        self.bias = nn.Parameter(torch.zeros(_MEMBERS, 1, outcomes))
        self._size = space.num_nodes**0.5

    def forward(self, graphs: Batch) -> Tensor:
        """N graphs, `joined` -> predictions of all members (M, N, K)."""
        # the embedding of a sum is the sum of embeddings, so the first messages are the same at every step
        parts = [part @ self.embedding for part in (graphs.x, graphs.received, graphs.returned)]
        first, *others = self.layers
        h = first.update(parts)  # type: ignore[operator]
        for layer in others:
            h = layer(h, graphs.edge_index)
        pooled = global_add_pool(h, graphs.batch, graphs.num_graphs) / self._size
        return torch.baddbmm(self.bias, pooled, self.weight)


def joined(graphs: Sequence[Data]) -> Batch:
    """Graphs as one batch, with the first messages: ``received`` and ``returned`` (V, A)."""
    batch = Batch.from_data_list(graphs)
    batch.received, batch.returned = messages(batch.x, batch.edge_index)
    return batch


def _normal(shape: tuple[int, ...], spread: float, rng: torch.Generator) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=rng) * spread)


class GNNSurrogate:
    """The mean of an ensemble of graph networks; needs torch-geometric, the extra ``gnn``.

    Each member learns from three quarters of the results. How far members are off for the others says how far they
    are off for candidates: their mean squared error there, plus the members' variance for a candidate, is the
    candidate's variance.

    Args:
        space: Whose architectures it reads, as graphs; any space whose node types are the labels of its architectures.
        seed: Of the initial weights.
        target: What it sees of values: by default their order, as normal scores.

    Raises:
        ValueError: The space's architectures have labels that are none of its node types.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> x = space.sample(40, np.random.default_rng(0))
        >>> y = (x == 3).sum(1).astype(float)
        >>> networks = GNNSurrogate(space, seed=0)
        >>> networks.fit(x[:30], y[:30, None], rank=-y[:30])
        >>> mean, std = networks.predict(Candidates(x[30:]))
        >>> bool(np.corrcoef(mean[:, 0], y[30:])[0, 1] > 0.5), bool((std > 0).all())
        (True, True)
    """

    feasibility_threshold: FloatArray
    fitted: FloatArray

    def __init__(self, space: SearchSpace, *, seed: int = 0, target: Target = RANKS) -> None:
        self.space, self.seed, self.target = space, seed, target
        self._graphs: dict[bytes, Data] = {}
        try:
            space.random_architecture(0).to_pyg(space.node_types)
        except ValueError as error:
            raise ValueError(
                f"the graph neural network can't read architectures of {space!r}: {error}, its node_types. Name them"
                " there, or take a surrogate that reads decisions, surrogate='gp'"
            ) from error

    def fit(self, x: IntArray, y: FloatArray, rank: FloatArray) -> None:
        """Learn from decisions (N, D) and values (N, K), as `Surrogate.fit`; from at most 256 of them."""
        kept = most_telling(rank, _MOST)
        self._x, values = x[kept], y[kept]
        known = ~np.isnan(values)
        targets = np.zeros(values.shape)
        self.feasibility_threshold = np.zeros(y.shape[1])
        for column, rows in enumerate(known.T):
            if rows.any():
                targets[rows, column] = self.target.scores(values[rows, column])
                self.feasibility_threshold[column] = self.target.zero(values[rows, column])
        self._targets = torch.from_numpy(targets).float()
        self._shares = _shares(known)
        members = self._learn()
        held_out = torch.from_numpy(known) & (self._shares == 0)  # (M, N, K)
        squares = ((members - self._targets) ** 2 * held_out).sum((0, 1)).double().numpy()
        count = known.sum(0)
        self._error = np.where(count > 0, squares / np.maximum(count, 1), 1.0)  # (K,)
        self.fitted = np.full(y.shape, np.nan)
        self.fitted[kept] = np.where(known, members.mean(0).double().numpy(), np.nan)

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (B, K)."""
        members = self._members(candidates.x).double().numpy()
        return members.mean(0), np.sqrt(members.var(0, ddof=1) + self._error + 1e-6)

    def condition_on_pending(self, x: IntArray) -> None:
        """Learn anew, with architectures (P, D) that seem to have come out a standard deviation below their mean.

        Were they to come out as predicted, what is predicted would hardly change, and several workers would ask for the
        same kind; a pessimistic guess keeps them apart, as the "constant liar" of Ginsbourger et al. (2010) does.
        `fitted` and the threshold stay.
        """
        mean, std = self.predict(Candidates(x))
        learned = self._shares.amax((0, 1)) > 0  # (K,): of unknown outcomes there is nothing to say
        self._x = np.concatenate([self._x, x])
        self._targets = torch.cat([self._targets, torch.from_numpy(mean - std).float()])
        self._shares = torch.cat([self._shares, learned.float().expand(_MEMBERS, len(x), -1)], 1)
        self._learn()

    def _learn(self) -> Tensor:
        """Train new networks; what they say of the results (M, N, K)."""
        graphs = self._batch(self._x)
        weights = self._shares / self._shares.sum(1, keepdim=True).clamp_min(1)  # (M, N, K)
        weights = weights / self._targets.shape[1]  # outcomes count alike
        self._networks = GraphNetworks(self.space, self._targets.shape[1], self.seed)
        parameters = list(self._networks.parameters())
        optimizer = Adam(parameters, _LEARNING_RATE, (0.9, 0.999))
        for step in range(_STEPS):
            optimizer.learning_rate = _LEARNING_RATE * (1 - step / _STEPS)
            errors = (self._networks(graphs) - self._targets) ** 2
            decay = torch.stack([(parameter**2).sum() for parameter in parameters]).sum()
            optimizer.step((errors * weights).sum() + _DECAY * decay)
        with torch.no_grad():
            return self._networks(graphs)  # type: ignore[no-any-return]

    @torch.no_grad()
    def _members(self, x: IntArray) -> Tensor:
        """What each member says of decisions (B, D): (M, B, K)."""
        return self._networks(self._batch(x))  # type: ignore[no-any-return]

    def _batch(self, x: IntArray) -> Batch:
        """The graphs of decisions (B, D); those seen lately are not made again."""
        if len(self._graphs) > _REMEMBERED:
            self._graphs.clear()
        names = [row.tobytes() for row in np.ascontiguousarray(x, dtype=np.int64)]
        new = [i for i, name in enumerate(names) if name not in self._graphs]
        for i, architecture in zip(new, self.space.architectures(x[new]), strict=True):
            self._graphs[names[i]] = architecture.to_pyg(self.space.node_types)
        return joined([self._graphs[name] for name in names])


def _shares(known: BoolArray) -> Tensor:
    """(M, N, K): 1 where a member learns from a known value, each from all but every M-th result."""
    own = np.arange(len(known)) % _MEMBERS != np.arange(_MEMBERS)[:, None]  # (M, N)
    shares: npt.NDArray[np.bool_] = own[:, :, None] & known
    return torch.from_numpy(shares).float()
