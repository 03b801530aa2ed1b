"""How graphs grow, node by node (Alg. 3, l. 1-19), and what their nodes know of each other: both forms of the update.

Letters as in `network`; i nodes so far, s of them as sources of edges, m width of a message, r = 2 read-outs.

Graphs and batches are small, so time goes by the number of operations. What depends on weights alone is therefore put
together once a pass, both directions of the graph network are one batch, both read-outs are one, and in the faster form
a node says once, when it joins, all that it will ever be asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CERTAIN = 20.0
"""Logit of fixed nodes and edges; the probability of the contrary is 2e-9."""
_EDGE_THRESHOLD = 0.5
"""An edge exists for the following steps when its logit, not its probability, exceeds this.

As released (docs/released_code.md, sec. 2).
"""


class Growth(ABC):
    """A batch of graphs while they grow.

    Args:
        graph: Read-out (B, g) that the scores of nodes and edges see.
        start: Read-out (B, g) that new embeddings see.
    """

    graph: Tensor
    start: Tensor

    @abstractmethod
    def asked(self, sources: Sequence[int]) -> Tensor:
        """What nodes bring to the scores of edges from them, (B, s, 2 d): their embeddings times a weight."""

    @abstractmethod
    def add(self, new: Tensor, given: Sequence[int], free: Sequence[int], taken: Tensor) -> None:
        """One more node.

        Args:
            new: Its embedding (B, d).
            given: Sources of the edges to it that all graphs have.
            free: Sources of those that are generated.
            taken: How much of each of the latter exists (B, s).
        """


class _ReadOut(nn.Module):
    """sum over v of W h_v * sigmoid(w h_v); a single node is read without a gate."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.value = nn.Linear(width, width)
        self.gate = nn.Linear(width, 1)


class _Message(nn.Module):
    """One message passing step: node t sums Linear([h_s, h_t]) over its edges s -> t and updates by a GRU."""

    def __init__(self, width: int, message: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * width, message)
        self.cell = nn.GRUCell(message, width)


def _gru(message: Tensor, own: Tensor, h: Tensor) -> Tensor:
    """`nn.GRUCell` behind its two linear maps, (..., 3 d) of the message and (..., 3 d) of the old state (..., d)."""
    parts = [2 * h.shape[-1], h.shape[-1]]
    gates, candidate = torch.split(message, parts, -1)
    own_gates, own_candidate = torch.split(own, parts, -1)
    reset, keep = torch.sigmoid(gates + own_gates).chunk(2, -1)
    return torch.lerp(torch.tanh(torch.addcmul(candidate, reset, own_candidate)), h, keep)


def _gated(values: Tensor, gates: Tensor) -> Tensor:
    """(..., r d) and (..., r) -> (..., r, d)."""
    return values.view(*gates.shape, -1) * torch.sigmoid(gates)[..., None]


class FullUpdate(nn.Module):
    """The paper's: forward and backward graph network over all nodes, then both read-outs anew."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        half = width // 2
        self.forward_layers = nn.ModuleList(_Message(half, width) for _ in range(layers))
        self.backward_layers = nn.ModuleList(_Message(half, width) for _ in range(layers))
        self.read_graph, self.read_start = _ReadOut(width), _ReadOut(width)

    def begin(self, h: Tensor, asked: Tensor) -> Growth:
        """From the first node's embedding (B, d) and the weight (2 d, d) of what nodes are asked."""
        return _Updated(self, h, asked)


class _BothWays:
    """A layer forward and the same layer backward, as one batch of two."""

    def __init__(self, ahead: _Message, back: _Message) -> None:
        linears, cells = (ahead.linear, back.linear), (ahead.cell, back.cell)
        self.message = len(ahead.linear.weight)  # m
        weight = torch.stack([linear.weight for linear in linears])  # (2, m, 2 d)
        own = torch.stack([cell.weight_hh for cell in cells])
        self._from_node = torch.cat([*weight.chunk(2, 2), own], 1).mT  # (2, d, 2 m + 3 d)
        bias = [torch.cat([part.linear.bias, part.cell.bias_hh]) for part in (ahead, back)]
        self._bias = F.pad(torch.stack(bias), (self.message, 0))[:, None]
        self._from_message = torch.stack([cell.weight_ih for cell in cells]).mT
        self._message_bias = torch.stack([cell.bias_ih for cell in cells])[:, None]

    def __call__(self, h: Tensor, edges: Tensor, count: Tensor) -> Tensor:
        """Embeddings (2, B, i, d), edges to each node (2, B, i, i) and their number (2, B, i, 1) -> (2, B, i, d)."""
        flat, m = h.flatten(1, 2), self.message
        made = torch.baddbmm(self._bias, flat, self._from_node)
        sent, target, own = torch.split(made, [m, m, made.shape[2] - 2 * m], 2)
        received = edges @ sent.view(*h.shape[:3], m)
        received = torch.addcmul(received, count, target.view(*h.shape[:3], m))
        message = torch.baddbmm(self._message_bias, received.flatten(1, 2), self._from_message)
        return _gru(message, own, flat).view_as(h)


class _Updated(Growth):
    def __init__(self, update: FullUpdate, h: Tensor, asked: Tensor) -> None:
        pairs = zip(update.forward_layers, update.backward_layers, strict=True)
        self._layers = [_BothWays(*cast("tuple[_Message, _Message]", pair)) for pair in pairs]
        reads = update.read_graph, update.read_start
        parts = [read.value for read in reads] + [read.gate for read in reads]
        self._weight = torch.cat([part.weight for part in parts])  # (r d + r, d)
        self._bias = torch.cat([part.bias for part in parts])
        self._asked = asked
        self._edges = h.new_zeros(2, len(h), 1, 1)  # [0, b, t, s] and [1, b, s, t]: edge s -> t
        self._halves = torch.stack(h.chunk(2, 1))[:, :, None]  # (2, B, i, d / 2): ahead, back
        self._nodes = h[:, None]  # (B, i, d)
        values, _ = self._read()
        self.graph, self.start = values[:, 0].chunk(2, 1)

    def _read(self) -> tuple[Tensor, Tensor]:
        values, gates = F.linear(self._nodes, self._weight, self._bias).tensor_split([-2], 2)
        return values, gates

    def asked(self, sources: Sequence[int]) -> Tensor:
        every = len(sources) == self._nodes.shape[1]
        return F.linear(self._nodes if every else self._nodes[:, sources], self._asked)

    def add(self, new: Tensor, given: Sequence[int], free: Sequence[int], taken: Tensor) -> None:
        into = new.new_zeros(len(new), self._nodes.shape[1])
        into[:, given] = 1
        into[:, free] = taken
        self._edges = F.pad(self._edges, (0, 1, 0, 1))
        self._edges[0, :, -1, :-1] = self._edges[1, :, :-1, -1] = into
        count = self._edges.sum(3, keepdim=True)
        halves = torch.cat([self._halves, torch.stack(new.chunk(2, 1))[:, :, None]], 2)
        for layer in self._layers:
            halves = layer(halves, self._edges, count)
        self._halves, self._nodes = halves, torch.cat(halves.unbind(), 2)
        self.graph, self.start = _gated(*self._read()).sum(1).unbind(1)


class NewNodeUpdate(nn.Module):
    """The faster form: only the new node is updated, and the read-outs are running sums."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.message = _Message(width, width)
        self.value, self.gate = nn.Linear(width, 2 * width), nn.Linear(width, 2)

    def begin(self, h: Tensor, asked: Tensor) -> Growth:
        """From the first node's embedding (B, d) and the weight (2 d, d) of what nodes are asked."""
        return _Resting(self, h, asked)


class _Resting(Growth):
    def __init__(self, update: NewNodeUpdate, h: Tensor, asked: Tensor) -> None:
        linear, cell, width = update.message.linear, update.message.cell, h.shape[1]
        source, target = linear.weight.chunk(2, 1)
        joining = [update.value.weight, update.gate.weight, source, asked]
        self._joining = torch.cat(joining)
        bias = torch.cat([update.value.bias, update.gate.bias])
        self._joining_bias = F.pad(bias, (0, len(source) + len(asked)))
        self._parts = [len(weight) for weight in joining]
        self._own = torch.cat([target, cell.weight_hh])
        self._own_bias = torch.cat([linear.bias, cell.bias_hh])
        self._own_parts = [len(target), 3 * width]
        self._cell = cell
        self._sent: list[Tensor] = []  # (B, d) each
        self._brought: list[Tensor] = []  # (B, 2 d) each
        self._reads = h.new_zeros(())
        self._join(h)

    def _join(self, h: Tensor) -> None:
        made = F.linear(h, self._joining, self._joining_bias)
        values, gates, sent, brought = torch.split(made, self._parts, 1)
        self._sent.append(sent)
        self._brought.append(brought)
        self._reads = self._reads + _gated(values, gates)
        self.graph, self.start = self._reads.unbind(1)

    def asked(self, sources: Sequence[int]) -> Tensor:
        return torch.stack([self._brought[source] for source in sources], 1)

    def add(self, new: Tensor, given: Sequence[int], free: Sequence[int], taken: Tensor) -> None:
        made = F.linear(new, self._own, self._own_bias)
        target, own = torch.split(made, self._own_parts, 1)
        received = reduce(torch.add, [self._sent[s] for s in given], len(given) * target)
        if free:
            sent = torch.stack([self._sent[source] for source in free], 1)
            received = (
                received + (taken[:, None] @ sent)[:, 0] + taken.sum(1, keepdim=True) * target
            )
        message = F.linear(received, self._cell.weight_ih, self._cell.bias_ih)
        self._join(_gru(message, own, new))


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What all graphs of a space have in common, which is given instead of generated.

    Args:
        settled: Of each node, whether it can have one type only.
        given: Sources of the edges to each node that all graphs have ...
        free: ... and of those that are generated.
        wired: Nodes whose generated edges are drawn together, so that their scores are log probabilities.
    """

    settled: Sequence[bool]
    given: Sequence[Sequence[int]]
    free: Sequence[Sequence[int]]
    wired: frozenset[int]

    def taken(self, node: int, edges: Tensor) -> Tensor:
        """How much of each generated edge to a node exists for the following steps, given their scores (B, s)."""
        return edges.exp() if node in self.wired else (edges > _EDGE_THRESHOLD).to(edges.dtype)


class _Layers:
    """A two-layer perceptron in one pass; the last part of its input is the same z at every node.

    So z's share of the first layer is computed once.

    Args:
        mlp: Two layers.
        z: (B, L).
    """

    def __init__(self, mlp: nn.Sequential, z: Tensor) -> None:
        first, last = cast("tuple[nn.Linear, nn.Linear]", (mlp[0], mlp[2]))
        weight, of_z = first.weight.tensor_split([first.in_features - z.shape[1]], 1)
        self.weight = weight.T  # of what comes before z
        self._of_z = F.linear(z, of_z, first.bias)
        self._last = last.weight, last.bias

    def __call__(self, x: Tensor) -> Tensor:
        """The output, given what comes before z."""
        return self.rest(self.hidden(x, self.weight))

    def hidden(self, x: Tensor, weight: Tensor) -> Tensor:
        """The first layer of z and a part of what comes before it."""
        return torch.addmm(self._of_z, x, weight)

    def rest(self, hidden: Tensor) -> Tensor:
        """What follows the first layer."""
        return F.linear(F.relu(hidden), *self._last)


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


class GraphGrower(nn.Module):
    """The networks of Algorithm 3, and its loop. Their weights are on no device yet.

    Args:
        types: A, of nodes.
        latent: L.
        width: d.
        layers: Of the graph network; 0 for the faster form.
    """

    def __init__(self, types: int, latent: int, width: int, layers: int) -> None:
        super().__init__()
        self.width = width
        with torch.device("meta"):
            self.embed = _mlp(types, width, width)
            self.start = _mlp(width + latent, 2 * width, width)
            self.add_node = _mlp(width + latent, width, types)
            self.init_node = _mlp(2 * width + latent, 2 * width, width)
            self.add_edge = _mlp(3 * width + latent, 2 * width, 1)
            self.update: FullUpdate | NewNodeUpdate = (
                FullUpdate(width, layers) if layers else NewNodeUpdate(width)
            )

    def grow(
        self, z: Tensor, allowed: Tensor, skeleton: Skeleton
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Scores of each node's types (B, A), and of the edges to each node that are generated (B, s).

        Args:
            z: Latent vectors (B, L).
            allowed: Types that nodes may have (n, A).
            skeleton: What is given.
        """
        add_node, init_node = _Layers(self.add_node, z), _Layers(self.init_node, z)
        add_edge = _Layers(self.add_edge, z)
        of_source, of_others = torch.split(add_edge.weight, [self.width, 2 * self.width])
        given = CERTAIN * F.one_hot(torch.tensor(1, device=z.device), allowed.shape[1])
        nodes, edges = [given.to(z.dtype).expand(len(z), -1)], []
        first = self.embed(nodes[0][:1] / CERTAIN).expand(len(z), -1)
        asked = of_source.T if any(skeleton.free) else of_source.T[:0]
        growth = self.update.begin(self.start(torch.cat([first, z], 1)), asked)
        last = len(allowed) - 1
        for i in range(1, last + 1):
            free = skeleton.free[i]
            if skeleton.settled[i] and not free and i < last:  # nothing of it is generated
                scores = (CERTAIN * allowed[i : i + 1]).to(z.dtype)
            else:
                scores = add_node(growth.graph)
            nodes.append(scores.expand(len(z), -1))
            if i == last and not free:
                break
            known = torch.cat([self.embed(scores).expand(len(z), -1), growth.start], 1)
            new, taken = init_node(known), z.new_zeros(len(z), 0)
            if free:  # the first layer has a part of each source, and one for all of them
                others = add_edge.hidden(torch.cat([new, growth.graph], 1), of_others)
                generated = add_edge.rest(growth.asked(free) + others[:, None])[..., 0]
                wired = i in skeleton.wired
                edges.append(torch.log_softmax(generated, 1) if wired else generated)
                taken = skeleton.taken(i, edges[-1])
            if i < last:
                growth.add(new, skeleton.given[i], free, taken)
        return nodes, edges
