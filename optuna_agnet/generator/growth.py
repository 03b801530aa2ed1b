"""What the nodes of a growing graph know of each other: both forms of the generator's update (Alg. 3).

Letters as in `network`; i nodes so far, s of them as sources of edges, m width of a message, r = 2 read-outs.

Graphs and batches are small, so time goes by the number of operations. What depends on weights alone is therefore put
together once a pass, both directions of the graph network are one batch, both read-outs are one, and in the faster form
a node says once, when it joins, all that it will ever be asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
