"""Differentiable ranking (Rolinek et al. 2020): how a surrogate without a gradient teaches the generator.

Letters as in `generator.network`; K outcomes.

The paper pairs XGBoost with "a gradient estimation for rank-based metrics" so as "to include gradient information to
the generator" (sec. 3.1). As released, that loss does not depend on the generator (docs/released_code.md, sec. 6). Here
it does: the generator's own order of the graphs that it makes, the likely ones first, is to be the surrogate's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from optuna_agnet.generator.network import Scores, reconstruction_loss, sample_graphs
from optuna_agnet.generator.training import Head
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.surrogate.base import Candidates, Surrogate

_LAMBDA = 4.0
"""Of Rolinek et al.: the gradient is so many times smaller than a difference of ranks. At 1, fewer graphs are valid."""
_REACH = 0.02
"""A tenth of the spread of Eq. 1 among the samples of a search. Far larger ones (measured: 0.1) pull all graphs towards
equal likelihood, instead of good ones ahead of their neighbours."""


def mean_ranks(scores: Tensor) -> Tensor:
    """Ranks (B,) of scores (B,) in (0, 1], small for the largest; equal scores share the mean of their ranks.

    Example:
        >>> 4 * mean_ranks(torch.tensor([0.1, 0.9, 0.9, 0.5]))
        tensor([4.0000, 1.5000, 1.5000, 3.0000])
    """
    above = (scores > scores[:, None]).sum(1)
    equal = (scores == scores[:, None]).sum(1)
    return (above + (equal + 1) / 2) / len(scores)


class _Ranks(torch.autograd.Function):
    """`mean_ranks`, with the gradient of its piecewise linear interpolation: Rolinek et al., Alg. 1."""

    @staticmethod
    def forward(context: Any, scores: Tensor) -> Tensor:
        found = mean_ranks(scores)
        context.save_for_backward(scores, found)
        return found

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        scores, found = context.saved_tensors
        change: Tensor = mean_ranks(scores + _LAMBDA * gradient) - found
        return change / _LAMBDA


def ranking_loss(scores: Tensor, wanted: Tensor, reach: float = _REACH) -> Tensor:
    """Sum of squared differences between the ranks of ``scores`` and ``wanted`` ranks, both (B,), times reach / lambda.

    A step against its gradient raises scores that are ranked too low and lowers those that are ranked too high; where
    the ranks agree it is 0. Scores that differ by more than 4 ``reach`` are never told to change places.

    Example:
        >>> scores = torch.tensor([0.01, 0.02, 0.03], requires_grad=True)
        >>> ranking_loss(scores, mean_ranks(torch.tensor([3.0, 2.0, 1.0]))).backward()
        >>> scores.grad.sign().tolist()
        [-1.0, 0.0, 1.0]
    """
    found: Tensor = _Ranks.apply(scores)  # type: ignore[no-untyped-call]
    return reach / _LAMBDA * ((found - wanted) ** 2).sum()


class RankingHead(Head):
    """Compares two orders of graphs that the generator makes: by Eq. 1, how readily it makes them, and by prediction.

    Invalid graphs are left out: the reconstruction takes care of them. Several outcomes count by the sum of their
    ranks.

    Args:
        surrogate: Fitted before each round; any that needs no scores of its own for a candidate.
        space: Whose graphs they are.
    """

    def __init__(self, surrogate: Surrogate, space: SearchSpace) -> None:
        super().__init__()
        self.surrogate, self.space = surrogate, space

    def losses(self, scores: Scores, targets: Tensor, rng: torch.Generator) -> Tensor:
        """One loss of all graphs sampled from ``scores``: (1, 1)."""
        graphs = sample_graphs(scores, rng)
        x, valid = self.space.decode(graphs)
        rows = torch.from_numpy(valid).to(scores.nodes.device)
        if not valid.any():
            return scores.nodes.new_zeros((1, 1))
        types = torch.from_numpy(graphs.types[valid]).to(rows.device)
        edges = torch.from_numpy(graphs.edges[valid]).to(scores.edges)
        kept = scores.take(rows)
        mean, _ = self.surrogate.predict(Candidates(x[valid], kept.flat().detach()))
        joint = torch.stack([mean_ranks(column) for column in torch.from_numpy(mean.T)]).sum(0)
        wanted = mean_ranks(-joint).to(scores.nodes)
        return ranking_loss(-reconstruction_loss(kept, types, edges), wanted).view(1, 1)
