"""The generator (Algorithm 3): a latent vector becomes the node and edge scores of a graph, node by node.

Letters: B latent vectors in a batch, n nodes, A node types, E = n (n - 1) / 2 edges, d width of a node's embedding,
g width of a graph's embedding, L latent numbers. Everything is dense and batched: all B graphs grow in lock-step, and
no graph of a batch sees another (the released code pairs rows wrongly there, RELEASED_CODE sec. 2).

Two forms, told apart by `GeneratorConfig.layers`: the paper's, which updates all nodes by a graph network after each
new node, and a faster one (0 layers), in which a new node gets one message from its predecessors and old ones rest.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optuna_agnet.generator.wiring import Wiring
from optuna_agnet.spaces.base import CellSpace, Graphs

_CERTAIN = 20.0
"""Score of what is given instead of generated; the probability of the contrary is 2e-9."""
_EDGE_THRESHOLD = 0.5
"""An edge exists for the following steps when its score, not its probability, exceeds this (RELEASED_CODE sec. 2)."""


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """Shape of a generator.

    Args:
        latent: L, 32 in Table 13.
        width: d, Table 13; the graph's embedding g has the same width.
        layers: Graph network layers in each direction (2 in Table 13); 0 gives the faster form.
        structured: Whether what all valid graphs of the space share is given instead of learned. The paper gives the
            first node and the first edge only.
    """

    latent: int = 16
    width: int = 32
    layers: int = 0
    structured: bool = True

    @classmethod
    def paper(cls) -> GeneratorConfig:
        """Table 13."""
        return cls(latent=32, layers=2, structured=False)


class Scores(NamedTuple):
    """Raw generator output: ``nodes`` (B, n, A) logits of the types, ``edges`` (B, E) logits of the edges.

    Edges that ``wiring`` draws together have log probabilities instead.
    """

    nodes: Tensor
    edges: Tensor
    wiring: Wiring | None = None

    def flat(self) -> Tensor:
        """(B, n A + E): the vector that the paper's surrogate reads."""
        return torch.cat([self.nodes.flatten(1), self.edges], 1)

    def take(self, rows: Tensor) -> Scores:
        """The scores of some rows."""
        return Scores(self.nodes[rows], self.edges[rows], self.wiring)


class _State(NamedTuple):
    nodes: Tensor  # (B, i, d) embeddings of the nodes so far
    adjacency: Tensor  # (B, i, i) float, [b, s, t] is an edge s -> t
    graph: Tensor  # (B, g) read-out that node and edge scores see
    start: Tensor  # (B, g) read-out that new embeddings see


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


class _ReadOut(nn.Module):
    """sum over v of W h_v * sigmoid(w h_v)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.value = nn.Linear(width, width)
        self.gate = nn.Linear(width, 1)

    def forward(self, h: Tensor) -> Tensor:  # (B, i, d) -> (B, g)
        if h.shape[1] == 1:  # a single node is read without a gate
            return self.value(h)[:, 0]  # type: ignore[no-any-return]
        gated: Tensor = self.value(h) * torch.sigmoid(self.gate(h))
        return gated.sum(1)


class _Message(nn.Module):
    """One message passing step: node t sums Linear([h_s, h_t]) over its edges s -> t and updates by a GRU."""

    def __init__(self, width: int, message: int) -> None:
        super().__init__()
        self.width = width
        self.linear = nn.Linear(2 * width, message)
        self.cell = nn.GRUCell(message, width)

    def forward(self, sources: Tensor, targets: Tensor, edges: Tensor) -> Tensor:
        """(B, s, d), (B, t, d), (B, s, t) -> (B, t, d)."""
        sent = F.linear(sources, self.linear.weight[:, : self.width])
        own = F.linear(targets, self.linear.weight[:, self.width :], self.linear.bias)
        received = edges.transpose(1, 2) @ sent + edges.sum(1)[:, :, None] * own
        return self.cell(received.flatten(0, 1), targets.flatten(0, 1)).view_as(targets)  # type: ignore[no-any-return]


class _FullUpdate(nn.Module):
    """The paper's: forward and backward graph network over all nodes, then both read-outs anew."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        half = width // 2
        self.forward_layers = nn.ModuleList(_Message(half, width) for _ in range(layers))
        self.backward_layers = nn.ModuleList(_Message(half, width) for _ in range(layers))
        self.read_graph, self.read_start = _ReadOut(width), _ReadOut(width)

    def first(self, h: Tensor) -> _State:
        empty = h.new_zeros(len(h), 1, 1)
        return _State(h, empty, self.read_graph(h), self.read_start(h))

    def grow(self, state: _State, new: Tensor, edges: Tensor) -> _State:
        adjacency = F.pad(state.adjacency, (0, 1, 0, 1))
        adjacency[:, :-1, -1] = edges
        ahead, back = torch.cat([state.nodes, new[:, None]], 1).chunk(2, 2)
        for layer in self.forward_layers:
            ahead = layer(ahead, ahead, adjacency)
        for layer in self.backward_layers:
            back = layer(back, back, adjacency.transpose(1, 2))
        nodes = torch.cat([ahead, back], 2)
        return _State(nodes, adjacency, self.read_graph(nodes), self.read_start(nodes))


class _NewNodeUpdate(nn.Module):
    """The faster form: only the new node is updated, and the read-outs are running sums."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.message = _Message(width, width)
        self.value, self.gate = nn.Linear(width, 2 * width), nn.Linear(width, 2)

    def _read(self, h: Tensor) -> tuple[Tensor, Tensor]:  # (B, d) -> two of (B, g)
        graph, start = self.value(h).chunk(2, 1)
        gates = torch.sigmoid(self.gate(h))
        return graph * gates[:, :1], start * gates[:, 1:]

    def first(self, h: Tensor) -> _State:
        return _State(h, h.new_zeros(0), *self._read(h[:, 0]))

    def grow(self, state: _State, new: Tensor, edges: Tensor) -> _State:
        updated = self.message(state.nodes, new[:, None], edges[:, :, None])
        graph, start = self._read(updated[:, 0])
        nodes = torch.cat([state.nodes, updated], 1)
        return _State(nodes, state.adjacency, state.graph + graph, state.start + start)


class Generator(nn.Module):
    """z -> node and edge scores -> graphs, for one space.

    Args:
        space: The space whose graphs it makes.
        config: Its shape.
        seed: Of the initial weights; torch's global generator is neither read nor changed.

    Example:
        >>> from optuna_agnet import spaces
        >>> generator = Generator(spaces.nas_bench_201())
        >>> rng = torch.Generator().manual_seed(0)
        >>> scores = generator(torch.randn(4, 16, generator=rng))
        >>> scores.nodes.shape, scores.edges.shape
        (torch.Size([4, 8, 7]), torch.Size([4, 28]))
    """

    allowed: Tensor  # (n, A) bool
    fixed: Tensor  # (E,) float: 1 or 0 where given, nan where generated

    def __init__(
        self, space: CellSpace, config: GeneratorConfig | None = None, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.space, self.config = space, config or GeneratorConfig()
        self.provenance: dict[str, float] | None = None  # how it was pretrained
        self.register_buffer("allowed", self._allowed(), persistent=False)
        self.register_buffer("fixed", self._fixed(), persistent=False)
        wiring = Wiring(space) if self.config.structured else None
        self.wiring = wiring if wiring is not None and len(wiring.places) else None
        ends = [i * (i + 1) // 2 for i in range(space.num_nodes)]
        into = [self.fixed[a:b] for a, b in itertools.pairwise([0, *ends])]  # of each node
        self._free = [fixed.isnan().nonzero()[:, 0] for fixed in into]  # sources of generated edges
        self._wired = set() if self.wiring is None else set(self.wiring.places.tolist())
        self._settled = (self.allowed.sum(1) == 1).tolist()
        width, latent, types = self.config.width, self.config.latent, len(space.node_types)
        with torch.device("meta"):
            self.embed = _mlp(types, width, width)
            self.start = _mlp(width + latent, 2 * width, width)
            self.add_node = _mlp(width + latent, width, types)
            self.init_node = _mlp(2 * width + latent, 2 * width, width)
            self.add_edge = _mlp(3 * width + latent, 2 * width, 1)
            layers = self.config.layers
            self.update: _FullUpdate | _NewNodeUpdate = (
                _FullUpdate(width, layers) if layers else _NewNodeUpdate(width)
            )
        initialise(self, seed)

    def _allowed(self) -> Tensor:
        allowed = torch.from_numpy(self.space.allowed_types)
        if not self.config.structured:
            allowed = torch.ones_like(allowed)
        return allowed

    def _fixed(self) -> Tensor:
        fixed = torch.from_numpy(self.space.fixed_edges.astype(np.float32))
        fixed[fixed < 0] = torch.nan
        if not self.config.structured:
            fixed[1:] = torch.nan  # RELEASED_CODE sec. 2, step 4: the first edge is a constant
        return fixed

    def forward(self, z: Tensor) -> Scores:
        """Latent vectors (B, L) as scores of nodes (B, n, A) and edges (B, E)."""
        batch, types = len(z), len(self.space.node_types)
        given = F.one_hot(torch.tensor(1, device=z.device), types).expand(batch, types).to(z.dtype)
        node_scores, edge_scores = [_CERTAIN * given], []
        state = self.update.first(self.start(torch.cat([self.embed(given), z], 1))[:, None])
        last = self.space.num_nodes - 1
        for i in range(1, last + 1):
            settled = self._settled[i] and not len(self._free[i]) and i < last
            if settled:  # nothing of it is generated
                scores = (_CERTAIN * self.allowed[i]).to(z.dtype).expand(batch, types)
            else:
                scores = self.add_node(torch.cat([state.graph, z], 1))
            new = self.init_node(torch.cat([self.embed(scores), state.start, z], 1))
            edges = self._edge_scores(i, state, new, z)
            node_scores.append(torch.where(self.allowed[i], scores, -_CERTAIN))
            edge_scores.append(edges)
            if i < last:
                state = self.update.grow(state, new, self._taken(i, edges))
        return Scores(torch.stack(node_scores, 1), torch.cat(edge_scores, 1), self.wiring)

    def _taken(self, i: int, edges: Tensor) -> Tensor:
        """How much of each edge (B, i) exists for the following steps."""
        return edges.exp() if i in self._wired else (edges > _EDGE_THRESHOLD).to(edges.dtype)

    def _edge_scores(self, i: int, state: _State, new: Tensor, z: Tensor) -> Tensor:  # -> (B, i)
        start = i * (i - 1) // 2
        known = (_CERTAIN * (2 * self.fixed[start : start + i] - 1)).to(z.dtype).expand(len(z), i)
        free = self._free[i].to(z.device)
        if not len(free):
            return known
        first, width = self.add_edge[0], self.config.width
        assert isinstance(first, nn.Linear)
        shared = torch.cat([new, state.graph, z], 1)
        sources = state.nodes if len(free) == i else state.nodes[:, free]
        hidden = F.linear(sources, first.weight[:, :width])  # one part a source, one for all
        hidden = hidden + F.linear(shared, first.weight[:, width:], first.bias)[:, None]
        generated = self.add_edge[2](F.relu(hidden))[..., 0]
        if i in self._wired:
            generated = torch.log_softmax(generated, 1)
        return generated if len(free) == i else known.index_copy(1, free, generated)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.allowed.device

    def latents(self, n: int, rng: torch.Generator, *, uniform: bool = False) -> Tensor:
        """Draw latent vectors (n, L): standard normal, or uniform in [-3, 3] (Alg. 1, l. 15); ``rng`` is a CPU's."""
        if uniform:
            z = torch.rand(n, self.config.latent, generator=rng) * 6 - 3
        else:
            z = torch.randn(n, self.config.latent, generator=rng)
        return z.to(self.device)


def initialise(module: nn.Module, seed: int) -> None:
    """Do torch's default initialisation from a generator of our own."""
    rng = torch.Generator().manual_seed(seed)
    for part in module.modules():
        own = list(part.parameters(recurse=False))
        if not own:
            continue
        part.to_empty(device="cpu", recurse=False)
        fan = part.hidden_size if isinstance(part, nn.GRUCell) else part.in_features
        bound = float(fan) ** -0.5  # type: ignore[arg-type]
        with torch.no_grad():
            for parameter in part.parameters(recurse=False):
                parameter.uniform_(-bound, bound, generator=rng)


def sample_graphs(scores: Scores, rng: torch.Generator) -> Graphs:
    """Node types ~ Categorical, edges ~ Bernoulli (Alg. 3, l. 20-21); one graph a row of ``scores``."""
    with torch.no_grad():
        noise = -torch.log(
            -torch.log(torch.rand(scores.nodes.shape, generator=rng).clamp_(1e-20, 1 - 1e-7))
        )
        types = (scores.nodes.cpu() + noise).argmax(2)
        luck = torch.rand(scores.edges.shape, generator=rng)
        edges = luck < torch.sigmoid(scores.edges.cpu())
        if scores.wiring is not None:
            wired = scores.wiring.draw(scores.edges.cpu(), luck, types)
            edges = torch.where(scores.wiring.drawn.cpu(), wired, edges)
    return Graphs(types.numpy(), edges.numpy())


def log_likelihood(scores: Scores, types: Tensor, edges: Tensor) -> Tensor:
    """Log probability of graphs under latent vectors: scores of M, types (B, n), edges (B, E) float -> (M, B)."""
    one_hot = F.one_hot(types, scores.nodes.shape[2]).to(scores.nodes.dtype).flatten(1)  # (B, n A)
    nodes = F.log_softmax(scores.nodes, 2).flatten(1) @ one_hot.T
    present, absent = scores.edges, F.logsigmoid(-scores.edges)
    if scores.wiring is not None:
        present = scores.wiring.likelihoods(present)
        absent = absent.masked_fill(scores.wiring.drawn, 0)
    return nodes + present @ edges.T + absent.sum(1)[:, None]


def reconstruction_loss(scores: Scores, types: Tensor, edges: Tensor) -> Tensor:
    """Eq. 1, (B,): cross-entropy of the node types plus binary cross-entropy of the edges, each a mean."""
    nodes = F.cross_entropy(scores.nodes.transpose(1, 2), types, reduction="none").mean(1)
    each = F.binary_cross_entropy_with_logits(scores.edges, edges, reduction="none")
    if scores.wiring is None:
        return nodes + each.mean(1)
    wired = -scores.wiring.likelihoods(scores.edges) * edges
    each = torch.where(scores.wiring.drawn, wired, each)
    return nodes + each.sum(1) / scores.wiring.count
