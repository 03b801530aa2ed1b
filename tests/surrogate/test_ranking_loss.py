"""Differentiable ranking: the published gradient, and a generator that follows it."""

import copy

import numpy as np
import pytest
import torch

from optuna_agnet import spaces
from optuna_agnet.generator.network import GeneratorConfig, sample_graphs
from optuna_agnet.generator.pretraining import pretrained
from optuna_agnet.generator.training import Trainer, TrainingConfig, TrainingData
from optuna_agnet.surrogate.ranking_loss import RankingHead, mean_ranks, ranking_loss

SPACE = spaces.nas_bench_201()
WEIGHTS = np.random.default_rng(0).normal(size=(6, 5))


class Known:
    """A surrogate without a gradient: true values, of both signs."""

    def __init__(self, *signs):
        self.signs = np.array(signs)

    def fit(self, x, y, rank):
        raise AssertionError("the search fits it, not the head")

    def predict(self, candidates):
        value = WEIGHTS[np.arange(6), candidates.x].sum(1)[:, None]
        return value * self.signs, np.zeros((len(value), len(self.signs)))


def generator():
    return copy.deepcopy(pretrained(SPACE, GeneratorConfig()))


def gradient(head, net, seed=0, size=64):
    rng = torch.Generator().manual_seed(seed)
    scores = net(net.latents(size, rng))
    loss = head.losses(scores, torch.zeros(size, 1), rng).sum()
    return torch.cat(
        [
            torch.zeros_like(p).flatten() if g is None else g.flatten()
            for p, g in zip(
                net.parameters(),
                torch.autograd.grad(loss, list(net.parameters()), allow_unused=True),
                strict=True,
            )
        ]
    )


def naive_ranks(scores):
    return [
        sum(other > own for other in scores) + (sum(other == own for other in scores) + 1) / 2
        for own in scores
    ]


@pytest.mark.parametrize("values", [[0.3, -1.0, 2.0, 0.3], [1.0] * 4, [3.0, 2.0, 1.0, 0.0]])
def test_ranks_equal_naive_ones(values):
    expected = torch.tensor(naive_ranks(values)) / 4
    torch.testing.assert_close(mean_ranks(torch.tensor(values)), expected)


@pytest.mark.parametrize("reach", [0.02, 0.5, 4.0])
def test_the_gradient_is_that_of_the_paper(reach):
    """Rolinek et al. 2020, Alg. 1: -(rk(y) - rk(y + lambda dL/drk)) / lambda, here lambda = 4."""
    rng = torch.Generator().manual_seed(0)
    scores = torch.randn(9, generator=rng, requires_grad=True)
    wanted = mean_ranks(torch.randn(9, generator=rng))
    ranking_loss(scores, wanted, reach).backward()
    found = naive_ranks(scores.tolist())
    pushed = [
        s + 2 * reach * (r / 9 - w.item())
        for s, r, w in zip(scores.tolist(), found, wanted, strict=True)
    ]
    expected = [-(r - m) / 9 / 4 for r, m in zip(found, naive_ranks(pushed), strict=True)]
    torch.testing.assert_close(scores.grad, torch.tensor(expected))


def test_no_gradient_where_the_ranks_agree():
    scores = torch.tensor([0.1, 0.2, 0.3], requires_grad=True)
    loss = ranking_loss(scores, mean_ranks(scores.detach() * 100))
    loss.backward()
    assert loss == 0
    assert not scores.grad.any()


def test_descending_the_gradient_sorts():
    scores = torch.zeros(8, requires_grad=True)
    wanted = mean_ranks(torch.arange(8.0))
    optimizer = torch.optim.SGD([scores], lr=0.2)
    for _ in range(50):
        optimizer.zero_grad()
        ranking_loss(scores, wanted, 0.1).backward()
        optimizer.step()
    torch.testing.assert_close(mean_ranks(scores.detach()), wanted)


def test_the_gradient_reaches_the_generator_and_only_the_order_counts():
    net = generator()
    one, ten, none = (gradient(RankingHead(Known(*s), SPACE), net) for s in ([1], [10], [0]))
    assert one.norm() > 0
    torch.testing.assert_close(one, ten)
    assert not torch.allclose(one, none)


def test_the_generator_follows_the_ranking():
    """Trained by the ranking alone, it makes better graphs, or worse ones when the ranking is turned around."""
    made = {}
    for sign in (1, -1):
        net, rng = generator(), torch.Generator().manual_seed(1)
        head, optimizer = RankingHead(Known(sign), SPACE), torch.optim.Adam(net.parameters(), 1e-3)
        for _ in range(40):
            optimizer.zero_grad()
            head.losses(net(net.latents(32, rng)), torch.zeros(32, 1), rng).sum().backward()
            optimizer.step()
        x, valid = SPACE.decode(sample_graphs(net(net.latents(1000, rng)), rng))
        assert valid.all()
        made[sign] = WEIGHTS[np.arange(6), x].sum(1).mean()
    spread = WEIGHTS.std(1).max() * np.sqrt(6)  # of random cells, at most
    assert made[1] > made[-1] + spread / 4


def test_it_trains_with_the_reconstruction():
    known = SPACE.sample(32, np.random.default_rng(0))
    data = TrainingData.of(SPACE.encode(known), torch.device("cpu"))
    nets = []
    for alpha in (0.0, 0.9):
        net = generator()
        trainer = Trainer(net, TrainingConfig(alpha=alpha), RankingHead(Known(1), SPACE))
        trainer.round(data, torch.Generator().manual_seed(0))
        nets.append(net)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True)
    )


def test_a_batch_without_a_valid_graph_has_nothing_to_rank():
    net = generator()
    rng = torch.Generator().manual_seed(0)
    scores = net(net.latents(8, rng))
    nodes = torch.full_like(scores.nodes, -20.0)
    nodes[..., 1] = 20.0  # "input" everywhere
    assert RankingHead(Known(1), SPACE).losses(scores._replace(nodes=nodes), None, rng) == 0
