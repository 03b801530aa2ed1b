"""The generator against a one-graph-at-a-time reference on torch_geometric, and the laws of its scores."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optuna_agnet import spaces
from optuna_agnet.generator.files import load_generator
from optuna_agnet.generator.network import (
    Generator,
    GeneratorConfig,
    Scores,
    log_likelihood,
    reconstruction_loss,
    sample_graphs,
    valid_share,
)
from optuna_agnet.generator.wiring import Wiring
from optuna_agnet.spaces import DartsCell, NodeCell, RecurrentCell, SearchSpace, Stack
from optuna_agnet.spaces.graphs import to_adjacency

SPACES = [spaces.nas_bench_201(), spaces.nas_bench_101()]
FORMS = [GeneratorConfig.paper(), GeneratorConfig(), GeneratorConfig(structured=False)]
every_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
every_form = pytest.mark.parametrize(
    "config", FORMS, ids=["paper", "faster", "faster-unstructured"]
)


def latents(generator: Generator, n: int) -> Tensor:
    return 2 * generator.latents(n, torch.Generator().manual_seed(0)).to(generator.fixed.dtype)


@torch.no_grad()
def lively(space: SearchSpace, config: GeneratorConfig) -> Generator:
    """A generator in double precision whose edge scores lie on both sides of the threshold."""
    generator = Generator(space, config, seed=1).double()
    last = generator.add_edge[2]
    for parameter in generator.parameters():
        parameter *= 2.5  # untrained, nodes are all alike
    for _ in range(5):
        scores = generator(latents(generator, 64)).edges
        last.bias += 0.501 - scores[scores.abs() != 20].median().nan_to_num(0.5)  # none is on it
    return generator


def naive_update(update: nn.Module, h: Tensor, edge_index: Tensor) -> Tensor:
    """The graph network on one graph (i, d) with edges (2, E)."""
    message_passing = pytest.importorskip("torch_geometric.nn").MessagePassing

    class Layer(message_passing):  # type: ignore[misc, valid-type]
        def __init__(self, weights: nn.Module) -> None:
            super().__init__(aggr="add")
            self.weights = weights

        def forward(self, h: Tensor, edge_index: Tensor) -> Tensor:
            return self.weights.cell(self.propagate(edge_index, h=h), h)

        def message(self, h_i: Tensor, h_j: Tensor) -> Tensor:
            return self.weights.linear(torch.cat([h_j, h_i], 1))

    ahead, back = h[:, :16], h[:, 16:]
    for weights in update.forward_layers:
        ahead = Layer(weights)(ahead, edge_index)
    for weights in update.backward_layers:
        back = Layer(weights)(back, edge_index.flip(0))
    return torch.cat([ahead, back], 1)


def naive_read(weights: nn.Module, h: Tensor) -> Tensor:
    if len(h) == 1:
        return weights.value(h)[0]
    return sum(weights.value(v) * torch.sigmoid(weights.gate(v)) for v in h)


def naive_scores(generator: Generator, z: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (n, A), (E,) of one latent vector (L,), after docs/released_code.md, sec. 2."""
    certain, update = torch.tensor(20, dtype=z.dtype), generator.update
    given = F.one_hot(torch.tensor(1), len(generator.space.node_types)).to(z.dtype)
    nodes, edges, pairs = [certain * given], [], []
    h = generator.start(torch.cat([generator.embed(given), z]))[None]
    for i in range(1, generator.space.num_nodes):
        if i > 1:
            h = naive_update(update, h, torch.tensor(pairs).T)
        graph, start = naive_read(update.read_graph, h), naive_read(update.read_start, h)
        nodes.append(generator.add_node(torch.cat([graph, z])))
        new = generator.init_node(torch.cat([generator.embed(nodes[-1]), start, z]))
        for s in range(i):
            score = generator.add_edge(torch.cat([h[s], new, graph, z]))[0]
            edges.append(score if i > 1 else certain)
            if edges[-1] > 0.5:
                pairs.append((s, i))
        h = torch.cat([h, new[None]])
    return torch.stack(nodes), torch.stack(edges)


@every_space
@torch.no_grad()
def test_paper_form_equals_the_naive_reference(space: SearchSpace) -> None:
    generator = lively(space, GeneratorConfig.paper())
    z = latents(generator, 5)
    scores = generator(z)
    taken = (scores.edges > 0.5).double().mean(1)
    assert ((taken > 0.1) & (taken < 0.9)).sum() > 1  # some graphs have some edges and not others
    for b in range(5):
        nodes, edges = naive_scores(generator, z[b])
        torch.testing.assert_close(scores.nodes[b], nodes, atol=1e-4, rtol=0)
        torch.testing.assert_close(scores.edges[b], edges, atol=1e-4, rtol=0)


def naive_faster_scores(generator: Generator, z: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (n, A), (E,) of the faster form for one latent vector (L,), an edge at a time."""
    update, last = generator.update, generator.space.num_nodes - 1
    wired = [] if generator.wiring is None else generator.wiring.places.tolist()

    def read(h: Tensor) -> Tensor:
        return update.value(h).view(2, -1) * torch.sigmoid(update.gate(h))[:, None]

    given = F.one_hot(torch.tensor(1), len(generator.space.node_types)).to(z.dtype)
    h, nodes, edges = [generator.start(torch.cat([generator.embed(given), z]))], [20 * given], []
    reads = read(h[0])
    for i in range(1, last + 1):
        allowed, fixed = generator.allowed[i], generator.fixed[i * (i - 1) // 2 : i * (i + 1) // 2]
        free = fixed.isnan()
        scores = generator.add_node(torch.cat([reads[0], z]))
        if allowed.sum() == 1 and not free.any() and i < last:
            scores = 20 * allowed.to(z.dtype)
        new = generator.init_node(torch.cat([generator.embed(scores), reads[1], z]))
        raw = torch.stack([generator.add_edge(torch.cat([s, new, reads[0], z]))[0] for s in h])
        if i in wired:
            raw[free] = torch.log_softmax(raw[free], 0)
        taken = torch.where(free, raw.exp() if i in wired else (raw > 0.5).to(raw), fixed)
        sent = [update.message.linear(torch.cat([s, new])) for s in h]
        message = sum(share * part for share, part in zip(taken, sent, strict=True))
        nodes.append(torch.where(allowed, scores, -20))
        edges.append(torch.where(free, raw, 20 * (2 * fixed - 1)))
        h.append(update.message.cell(message[None], new[None])[0])
        reads = reads + read(h[-1])
    return torch.stack(nodes), torch.cat(edges)


DARTS = Stack(a=DartsCell(nodes=3, ops=("conv", "pool")), b=DartsCell(nodes=2, ops=("conv",)))
RECURRENT = RecurrentCell(max_nodes=4)


@pytest.mark.parametrize("space", [*SPACES, DARTS, RECURRENT], ids=lambda space: space.name)
@torch.no_grad()
def test_faster_form_equals_the_naive_reference(space: SearchSpace) -> None:
    generator = lively(space, GeneratorConfig())
    z = latents(generator, 3)
    scores = generator(z)
    for b in range(3):
        nodes, edges = naive_faster_scores(generator, z[b])
        torch.testing.assert_close(scores.nodes[b], nodes, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(scores.edges[b], edges, atol=1e-6, rtol=1e-6)


@every_space
@every_form
@torch.no_grad()
def test_scores_do_not_depend_on_the_rest_of_the_batch(
    space: SearchSpace, config: GeneratorConfig
) -> None:
    generator = lively(space, config)
    z = latents(generator, 12)
    together = generator(z)
    torch.testing.assert_close(generator(z[4:5]), together.take(torch.tensor([4])))
    torch.testing.assert_close(generator(z.flip(0)), together.take(torch.arange(11, -1, -1)))
    assert not torch.allclose(together.flat()[4], together.flat()[5])


def test_paper_form_has_the_released_number_of_parameters() -> None:
    generator = Generator(SPACES[0], GeneratorConfig.paper())
    assert sum(p.numel() for p in generator.parameters()) == 42_474  # docs/released_code.md, sec. 2


def test_structured_form_makes_valid_cells_only_where_edges_are_fixed() -> None:
    space, rng = SPACES[0], torch.Generator().manual_seed(0)
    generator = Generator(space)
    graphs = sample_graphs(generator(generator.latents(1000, rng)), rng)
    rows, valid = space.decode(graphs)
    assert valid.all()
    assert len({row.tobytes() for row in rows}) > 500


@every_space
@torch.no_grad()
def test_structured_form_knows_what_all_cells_share(space: SearchSpace) -> None:
    generator = Generator(space)
    scores = generator(latents(generator, 3))
    allowed, fixed = torch.tensor(space.allowed_types), torch.tensor(space.fixed_edges)
    assert (scores.nodes[:, 1:][:, ~allowed[1:]] == -20).all()
    assert (scores.edges[:, fixed == 1] == 20).all()
    assert (scores.edges[:, fixed == 0] == -20).all()
    assert (scores.edges[:, fixed < 0].abs() < 20).all()


def random_case() -> tuple[Scores, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    scores = Scores(torch.randn(4, 5, 3, generator=rng), torch.randn(4, 10, generator=rng))
    types = torch.randint(3, (6, 5), generator=rng)
    return scores, types, torch.randint(2, (6, 10), generator=rng).float()


def test_log_likelihood_equals_a_loop() -> None:
    scores, types, edges = random_case()
    result = log_likelihood(scores, types, edges)
    for m in range(4):
        for b in range(6):
            expected = torch.tensor(0.0)
            for node, kind in enumerate(types[b]):
                expected += torch.log_softmax(scores.nodes[m, node], 0)[kind]
            for edge, on in enumerate(edges[b]):
                chance = torch.sigmoid(scores.edges[m, edge])
                expected += torch.log(chance if on else 1 - chance)
            torch.testing.assert_close(result[m, b], expected, atol=1e-4, rtol=1e-4)


def test_reconstruction_loss_is_the_mean_negative_log_likelihood() -> None:
    scores, types, edges = random_case()
    loss = reconstruction_loss(scores, types[:4], edges[:4])
    no_edges, no_nodes = (
        Scores(scores.nodes, 0 * scores.edges),
        Scores(0 * scores.nodes, scores.edges),
    )
    ln2, ln3 = torch.tensor(2.0).log(), torch.tensor(3.0).log()
    nodes = -log_likelihood(no_edges, types[:4], edges[:4]).diagonal() - 10 * ln2
    pairs = -log_likelihood(no_nodes, types[:4], edges[:4]).diagonal() - 5 * ln3
    torch.testing.assert_close(loss, nodes / 5 + pairs / 10)


def test_samples_follow_the_scores() -> None:
    nodes = torch.tensor([[0.0, 1.0, -1.0]]).expand(20_000, 1, 3)
    edges = torch.tensor([[2.0, -1.0]]).expand(20_000, 2)
    graphs = sample_graphs(Scores(nodes, edges), torch.Generator().manual_seed(0))
    share = torch.bincount(torch.from_numpy(graphs.types[:, 0])) / 20_000
    torch.testing.assert_close(share, torch.softmax(nodes[0, 0], 0), atol=0.015, rtol=0)
    drawn = torch.from_numpy(graphs.edges).float().mean(0)
    torch.testing.assert_close(drawn, torch.sigmoid(edges[0]), atol=0.015, rtol=0)


@every_form
def test_seed_decides_and_the_global_generator_is_left_alone(config: GeneratorConfig) -> None:
    before, space = torch.get_rng_state(), NodeCell(4, 4, ("conv", "pool"))
    one, same, other = (Generator(space, config, seed=seed) for seed in (0, 0, 1))
    rng = torch.Generator().manual_seed(0)
    sample_graphs(one(one.latents(3, rng, uniform=True)), rng)
    assert torch.equal(torch.get_rng_state(), before)
    z = one.latents(3, rng)
    assert torch.equal(one(z).flat(), same(z).flat())
    assert not torch.equal(one(z).flat(), other(z).flat())


def test_uniform_latents_lie_between_minus_three_and_three() -> None:
    generator, rng = Generator(SPACES[0]), torch.Generator().manual_seed(0)
    z = generator.latents(1000, rng, uniform=True)
    assert z.shape == (1000, generator.config.latent)
    assert 2.9 < z.abs().max() <= 3


every_wired = pytest.mark.parametrize("space", [DARTS, RECURRENT], ids=["darts", "recurrent"])


@every_wired
def test_wired_scores_are_log_shares(space: SearchSpace) -> None:
    generator = Generator(space)
    scores = generator(latents(generator, 3))
    wiring = scores.wiring
    assert wiring is not None
    shares = torch.nn.functional.pad(scores.edges.exp(), (0, 1))[:, wiring.table]  # (B, T, S)
    torch.testing.assert_close(shares.sum(2), torch.ones(3, len(wiring.places)))
    assert scores.take(torch.tensor([1])).wiring is wiring


def test_darts_cells_are_valid_by_construction() -> None:
    generator, rng = Generator(DARTS), torch.Generator().manual_seed(0)
    rows, valid = DARTS.decode(sample_graphs(generator(generator.latents(1000, rng)), rng))
    assert valid.all()
    assert len({row.tobytes() for row in rows}) > 200


@every_wired
def test_drawn_edges_keep_the_rules(space: SearchSpace) -> None:
    generator, rng = Generator(space), torch.Generator().manual_seed(0)
    graphs = sample_graphs(generator(generator.latents(500, rng)), rng)
    n = space.num_nodes
    adjacency = np.zeros((500, n, n), dtype=bool)
    targets, sources = np.tril_indices(n, -1)
    adjacency[:, sources, targets] = graphs.edges
    wiring = Wiring(space)
    free = np.zeros((n, n), dtype=bool)
    free[sources, targets] = space.fixed_edges < 0
    for i in wiring.places.tolist():
        taken = adjacency[:, :, i] & free[:, i]
        degree = space.in_degrees[i][graphs.types[:, i]]
        possible = free[:, i] & space.edge_allowed[graphs.types, graphs.types[:, i, None]]
        j = space.distinct_source_of[i]
        while j >= 0:  # it must not take what one of its chain has taken
            possible &= ~(adjacency[:, :, j] & free[:, j])
            j = space.distinct_source_of[j]
        enough = possible.sum(1) >= degree
        assert (taken.sum(1) == np.minimum(degree, free[:, i].sum()))[enough].all()
        assert not (taken & ~possible)[enough].any()


def test_what_must_be_read_is_read_wherever_a_node_can() -> None:
    """Left unread is only what no node could read, but in the place of another one that must be read."""
    space = RECURRENT
    generator, rng = Generator(space), torch.Generator().manual_seed(0)
    graphs = sample_graphs(generator(generator.latents(500, rng)), rng)
    adjacency = to_adjacency(graphs.edges, space.num_nodes)
    free = to_adjacency((space.fixed_edges < 0)[None], space.num_nodes)[0]
    required, types = np.flatnonzero(space.must_be_read), graphs.types
    for graph, source in itertools.product(range(500), required):
        if (adjacency[graph, source] & free[source]).any():
            continue
        for node in np.flatnonzero(free[source]):
            allowed = space.edge_allowed[types[graph], types[graph, node]]
            given_up = adjacency[graph, :, node] & free[:, node] & allowed
            assert not (allowed[source] and np.delete(given_up, required).any())


def test_most_samples_of_recurrent_cells_are_valid() -> None:
    """Without the rule above a third are, as most read no input."""
    generator = load_generator(spaces.nas_bench_nlp(12))
    assert valid_share(generator, 1000, torch.Generator().manual_seed(0)) > 0.6


def test_likelihoods_of_two_nodes_that_stay_apart_sum_to_one() -> None:
    """All pairs of sources of node 3, by hand: p(first) p(second) / (1 - p(second = first))."""
    space = DartsCell(nodes=2, ops=("conv",))
    generator = Generator(space)
    scores = generator(latents(generator, 2))
    x = space.enumerate()
    graphs = space.encode(x)
    found = log_likelihood(
        scores, torch.from_numpy(graphs.types), torch.from_numpy(graphs.edges).float()
    )
    types = torch.log_softmax(scores.nodes, 2).gather(
        2, torch.from_numpy(graphs.types)[:1, :, None].expand(2, -1, -1)
    )
    chance = (found - types.sum((1, 2))[:, None]).exp()  # of the edges, given the types
    for b in range(2):
        first, second = (
            scores.edges[b, [t * (t - 1) // 2 + s for s in at]].exp()
            for t, at in ((5, (0, 1)), (6, (1, 4)))
        )
        expected = {
            (0, 1): first[0] * second[0],
            (0, 2): first[0] * second[1],
            (1, 2): first[1] * second[1] / (1 - second[0]),
        }
        for row, pair in zip(x, [(0, 1), (0, 2), (1, 2)], strict=True):
            torch.testing.assert_close(chance[b, row[3]], expected[pair], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(sum(expected.values()), torch.tensor(1.0))


def test_draws_of_two_nodes_that_stay_apart_follow_the_likelihood() -> None:
    space = DartsCell(nodes=2, ops=("conv",))
    generator = Generator(space, seed=3)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter *= 1.5  # away from uniform
    rng = torch.Generator().manual_seed(0)
    scores = generator(generator.latents(1, rng)).take(torch.zeros(20_000, dtype=torch.long))
    rows, valid = space.decode(sample_graphs(scores, rng))
    assert valid.all()
    graphs = space.encode(space.enumerate())
    every = log_likelihood(
        scores.take(torch.tensor([0])),
        torch.from_numpy(graphs.types),
        torch.from_numpy(graphs.edges).float(),
    )[0]
    share = np.bincount(rows[:, 3], minlength=3) / len(rows)
    expected = torch.softmax(every, 0).detach().numpy()
    np.testing.assert_allclose(share, expected, atol=0.015)


@every_wired
def test_loss_of_wired_edges_is_their_negative_log_likelihood(space: SearchSpace) -> None:
    generator = Generator(space)
    scores = generator(latents(generator, 4))
    graphs = space.encode(space.sample(4, np.random.default_rng(0)))
    types, edges = torch.from_numpy(graphs.types), torch.from_numpy(graphs.edges).float()
    loss = reconstruction_loss(scores, types, edges)
    nodes = F.cross_entropy(scores.nodes.transpose(1, 2), types, reduction="none")
    both = log_likelihood(scores, types, edges).diagonal()
    expected = nodes.mean(1) - (both + nodes.sum(1)) / scores.wiring.count
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)


def test_spaces_without_rules_are_not_wired() -> None:
    assert all(Generator(space).wiring is None for space in SPACES)
    assert Generator(DARTS, GeneratorConfig.paper()).wiring is None


@pytest.mark.parametrize("beside", ["{}", "{'lr': FloatDistribution(0, 1)}"])
def test_a_first_ask_loads_no_compiler_and_no_computer_algebra(beside: str) -> None:
    """Torch imports them at some calls: a second of processor time, more than all else in a first ask."""
    code = f"""
import sys
from optuna.distributions import FloatDistribution
from optuna_agnet import AGNet, AGNetConfig, spaces
config = AGNetConfig(n_startup=2)
search = AGNet(spaces.nas_bench_201(), seed=0, config=config, hyperparameters={beside})
for value in range(6):
    search.tell(search.ask(), value)
assert search.ask() and search.proposer.model.version > 0
print(sorted({{"sympy", "torch._dynamo", "torch._inductor", "matplotlib"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
