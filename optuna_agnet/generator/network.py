"""The generator (Algorithm 3): a latent vector becomes the node and edge scores of a graph, node by node.

Letters: B latent vectors in a batch, n nodes, A node types, E = n (n - 1) / 2 edges, d width of a node's embedding,
g width of a graph's embedding, L latent numbers. Everything is dense and batched: all B graphs grow in lock-step, and
no graph of a batch sees another (the released code pairs rows wrongly there, docs/released_code.md, sec. 2).

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

from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.generator.growth import CERTAIN, GraphGrower, Skeleton
from optuna_agnet.generator.wiring import Wiring
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.graphs import Graphs, num_edges


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


class Generator(GraphGrower):
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
    free: Tensor  # positions of the latter

    def __init__(
        self, space: SearchSpace, config: GeneratorConfig | None = None, *, seed: int = 0
    ) -> None:
        config = config or GeneratorConfig()
        super().__init__(len(space.node_types), config.latent, config.width, config.layers)
        self.space, self.config = space, config
        self.provenance: dict[str, float] | None = None  # how it was pretrained
        self.register_buffer("allowed", self._allowed(), persistent=False)
        self.register_buffer("fixed", self._fixed(), persistent=False)
        self.register_buffer("free", self.fixed.isnan().nonzero()[:, 0], persistent=False)
        wiring = Wiring(space) if self.config.structured else None
        self.wiring = wiring if wiring is not None and len(wiring.places) else None
        self._skeleton = self._shared_by_all()
        initialise(self, seed)

    def _allowed(self) -> Tensor:
        allowed = torch.from_numpy(self.space.allowed_types)
        if not self.config.structured:
            allowed = torch.ones_like(allowed)
        allowed[0] = True  # a constant is not masked
        return allowed

    def _fixed(self) -> Tensor:
        fixed = torch.from_numpy(self.space.fixed_edges.astype(np.float32))
        fixed[fixed < 0] = torch.nan
        if not self.config.structured:
            fixed[1:] = torch.nan  # the first edge is a constant, as released
        return fixed

    def _shared_by_all(self) -> Skeleton:
        ends = [num_edges(i + 1) for i in range(self.space.num_nodes)]
        into = [self.fixed[a:b] for a, b in itertools.pairwise([0, *ends])]  # edges to each node
        return Skeleton(
            settled=(self.allowed.sum(1) == 1).tolist(),
            given=[(fixed == 1).nonzero()[:, 0].tolist() for fixed in into],
            free=[fixed.isnan().nonzero()[:, 0].tolist() for fixed in into],
            wired=frozenset(() if self.wiring is None else self.wiring.places.tolist()),
        )

    def forward(self, z: Tensor) -> Scores:
        """Latent vectors (B, L) as scores of nodes (B, n, A) and edges (B, E)."""
        nodes, edges = self.grow(z, self.allowed, self._skeleton)
        types = torch.where(self.allowed, torch.stack(nodes, 1), -CERTAIN)
        return Scores(types, self._all_edges(edges, z), self.wiring)

    def _all_edges(self, generated: list[Tensor], z: Tensor) -> Tensor:
        """(B, E), with those that are given."""
        known = (CERTAIN * (2 * self.fixed - 1)).to(z.dtype).expand(len(z), -1)
        return known.index_copy(1, self.free, torch.cat(generated, 1)) if generated else known

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

    @torch.no_grad()
    def sample(
        self, n: int, rng: torch.Generator, *, uniform: bool = False
    ) -> tuple[Tensor, IntArray, BoolArray]:
        """Architectures of ``n`` latent vectors: `Scores.flat`, decisions (n, D), and which of them (n,) are valid."""
        scores = self(self.latents(n, rng, uniform=uniform))
        return scores.flat(), *self.space.decode(sample_graphs(scores, rng))


def valid_share(generator: Generator, n: int, rng: torch.Generator) -> float:
    """How many of n samples are valid."""
    return float(generator.sample(n, rng)[2].mean())


def initialise(module: nn.Module, seed: int) -> None:
    """Do torch's default initialisation from a generator of our own."""
    rng = torch.Generator().manual_seed(seed)
    for part in module.modules():
        for name, shaped in dict(part.named_parameters(recurse=False)).items():
            fan = part.hidden_size if isinstance(part, nn.GRUCell) else part.in_features
            bound = float(fan) ** -0.5  # type: ignore[arg-type]
            # not Module.to_empty, which imports sympy: half a second of a process's first ask
            made = torch.empty(shaped.shape).uniform_(-bound, bound, generator=rng)
            setattr(part, name, nn.Parameter(made))


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
