"""Training: losses fall, seeds decide, weights choose the data."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optuna_agnet.generator.network import (
    Generator,
    GeneratorConfig,
    Scores,
    log_likelihood,
    reconstruction_loss,
)
from optuna_agnet.generator.training import Adam, Head, Trainer, TrainingConfig, TrainingData
from optuna_agnet.spaces import NodeCell

SPACE = NodeCell(max_nodes=5, max_edges=6, ops=("conv", "pool"))


def data(
    n: int = 200, weights: Tensor | None = None, targets: Tensor | None = None
) -> TrainingData:
    graphs = SPACE.encode(SPACE.sample(n, np.random.default_rng(0)))
    return TrainingData.of(graphs, torch.device("cpu"), weights, targets)


def trained(
    config: TrainingConfig, rounds: int, seed: int = 0, form: GeneratorConfig | None = None
) -> Generator:
    generator, rng = Generator(SPACE, form, seed=seed), torch.Generator().manual_seed(seed)
    trainer = Trainer(generator, config)
    for _ in range(rounds):
        trainer.round(data(), rng)
    return generator


@torch.no_grad()
def nearest_loss(generator: Generator) -> float:
    scores = generator(generator.latents(64, torch.Generator().manual_seed(7)))
    known = data()
    return -log_likelihood(scores, known.types, known.edges).amax(0).mean().item()


@torch.no_grad()
def information(generator: Generator) -> float:
    """Nats that a graph's type and edge choices tell of z, summed over choices: 0 when z is ignored."""
    scores = generator(generator.latents(1000, torch.Generator().manual_seed(7)))
    types, edges = torch.softmax(scores.nodes, 2), torch.sigmoid(scores.edges)
    edges = torch.stack([edges, 1 - edges], 2)
    entropies = [
        (torch.special.entr(p.mean(0)) - torch.special.entr(p).mean(0)).sum()
        for p in (types, edges)
    ]
    return float(sum(entropies))


@pytest.mark.parametrize(
    "form", [GeneratorConfig(), GeneratorConfig.paper()], ids=["faster", "paper"]
)
def test_nearest_pairing_learns_and_uses_z(form: GeneratorConfig) -> None:
    config = TrainingConfig(steps=150, learning_rate=3e-3)
    before, after = Generator(SPACE, form), trained(config, 1, form=form)
    assert nearest_loss(after) < 0.75 * nearest_loss(before)
    assert information(after) > information(before) + 0.5


def test_a_latent_vector_of_its_own_each_teaches_to_ignore_z() -> None:
    """docs/released_code.md, sec. 3: what the nearest pairing is there for."""
    own = trained(TrainingConfig(steps=150, latents=0, learning_rate=3e-3), 1)
    nearest = trained(TrainingConfig(steps=150, learning_rate=3e-3), 1)
    assert information(own) < 0.5 * information(nearest)


def test_same_seed_gives_the_same_weights_and_the_global_generator_is_left_alone() -> None:
    before, config = torch.get_rng_state(), TrainingConfig(steps=3)
    one, same, other = (trained(config, 2, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)
    assert any(
        not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )


def test_graphs_are_drawn_in_proportion_to_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(Trainer, "fit", lambda self, data, batches, rng: drawn.append(batches))
    trainer = Trainer(Generator(SPACE), TrainingConfig(steps=500, batch_size=16))
    trainer.round(data(3, weights=torch.tensor([0.0, 1.0, 3.0])), torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn[0].flatten(), minlength=3) / 8000
    torch.testing.assert_close(counts, torch.tensor([0.0, 0.25, 0.75]), atol=0.02, rtol=0)


def test_number_of_steps() -> None:
    assert TrainingConfig().num_steps(1000) == 8
    assert TrainingConfig.paper().num_steps(33) == 30 * 3


def test_weights_and_surrogate_enter_the_loss() -> None:
    """Eq. 2 with share alpha, times the graph's weight (sec. 3.1 of the paper)."""

    class Constant(Head):
        def losses(self, scores: Scores, targets: Tensor, rng: torch.Generator) -> Tensor:
            assert scores.flat().shape[1] == 5 * 4 + 10  # n A + E
            return (3.0 - targets.T) ** 2

    known, rows = data(4, weights=torch.full((4,), 2.0), targets=torch.ones(4, 1)), torch.arange(4)
    losses = {}
    for alpha in (0.0, 0.9):
        for weigh in (False, True):
            config = TrainingConfig(latents=0, alpha=alpha, weigh_loss=weigh)
            trainer = Trainer(Generator(SPACE), config, Constant())
            losses[alpha, weigh] = trainer.loss(known, rows, torch.Generator().manual_seed(0))
    torch.testing.assert_close(losses[0.9, False], 0.1 * losses[0.0, False] + 0.9 * 4)
    torch.testing.assert_close(losses[0.9, True], 2 * losses[0.9, False])


class Terms(Head):
    """Two terms, whatever the generator makes."""

    shares = (0.75, 0.25)

    def losses(self, scores: Scores, targets: Tensor, rng: torch.Generator) -> Tensor:
        return targets.T


def test_terms_are_weighed_by_their_shares() -> None:
    """Eq. 6."""
    values = torch.tensor([[4.0, 8.0], [0.0, 2.0], [1.0, 1.0]])
    known, rows = data(3, targets=values), torch.arange(3)
    whole, alone = (
        Trainer(Generator(SPACE), TrainingConfig(latents=0, alpha=alpha), Terms()).loss(
            known, rows, torch.Generator().manual_seed(0)
        )
        for alpha in (0.5, 0.0)
    )
    expected = np.mean([0.75 * a + 0.25 * b for a, b in values.tolist()])
    assert float(whole.detach()) == pytest.approx(0.5 * float(alone.detach()) + 0.5 * expected)


def test_scaled_terms_are_at_most_one_and_keep_their_proportions() -> None:
    """Appendix C.7, with a graph whose largest term is the reconstruction's and one whose largest is another."""
    values = torch.tensor([[0.5, 0.25], [2000.0, 1000.0]])
    known = data(2, targets=values)
    config = TrainingConfig(latents=0, alpha=0.9, scale_losses=True)
    trainer = Trainer(Generator(SPACE), config, Terms())
    found = trainer.loss(known, torch.arange(2), torch.Generator().manual_seed(0))
    latents = trainer.generator.latents(2, torch.Generator().manual_seed(0))
    each = reconstruction_loss(trainer.generator(latents), known.types, known.edges).tolist()
    assert each[0] > 0.5
    assert each[1] < 2000
    first = 0.1 * 1 + 0.9 * (0.75 * 0.5 + 0.25 * 0.25) / each[0]
    second = 0.1 * each[1] / 2000 + 0.9 * (0.75 + 0.25 / 2)
    assert float(found.detach()) == pytest.approx((first + second) / 2, rel=1e-5)
    found.backward()  # what a term is divided by is a number, not something to train
    gradient = trainer.generator.add_node[2].weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("wrong", [{"alpha": 1.1}, {"objective_share": -0.1}])
def test_shares_are_checked(wrong: dict[str, float]) -> None:
    name, value = wrong.popitem()
    with pytest.raises(ValueError, match=f"{name}={value}.*from 0 to 1"):
        TrainingConfig(**{name: value})


def test_settings_of_the_papers_tables() -> None:
    table_14, table_15 = TrainingConfig.paper(), TrainingConfig.paper_hardware()
    assert (table_14.epochs, TrainingConfig.paper(epochs=15).epochs) == (30, 15)
    assert (table_14.alpha, table_14.learning_rate, table_14.scale_losses) == (0.9, 0.001, False)
    assert (table_15.alpha, table_15.learning_rate, table_15.scale_losses) == (0.95, 0.002, True)
    assert (table_15.epochs, table_15.objective_share) == (30, 0.5)


class Linear(Head):
    """The mean of the raw output, times a weight, as prediction."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def losses(self, scores: Scores, targets: Tensor, rng: torch.Generator) -> Tensor:
        return ((self.weight * scores.flat().mean(1) - targets[:, 0]) ** 2)[None]


@pytest.mark.parametrize("backpropagate", [True, False])
def test_the_surrogate_is_trained_with_the_generator(backpropagate: bool) -> None:
    head, config = Linear(), TrainingConfig(steps=2, alpha=0.9, backpropagate=backpropagate)
    Trainer(Generator(SPACE), config, head).round(data(), torch.Generator().manual_seed(0))
    assert head.weight != 1


def test_without_backpropagation_the_surrogate_teaches_the_generator_nothing() -> None:
    """Table 6, "w/o backprop": the generator's gradient is that of its own loss, the surrogate's stays as it is."""
    known, rows, gradients = data(4), torch.arange(4), {}
    for alpha, backpropagate in [(0.0, True), (0.9, True), (0.9, False)]:
        config = TrainingConfig(latents=0, alpha=alpha, backpropagate=backpropagate)
        trainer = Trainer(Generator(SPACE), config, Linear())
        trainer.loss(known, rows, torch.Generator().manual_seed(0)).backward()
        generator = trainer.generator.add_node[2].weight.grad
        gradients[alpha, backpropagate] = generator, trainer.head.weight.grad
    alone, coupled, detached = gradients.values()
    torch.testing.assert_close(detached[0], 0.1 * alone[0])
    assert not torch.allclose(coupled[0], 0.1 * alone[0])
    torch.testing.assert_close(detached[1], coupled[1])
    assert detached[1] != 0


def test_after_is_called_behind_each_step() -> None:
    seen: list[int] = []
    batches = torch.zeros(3, 4, dtype=torch.long)
    trainer = Trainer(Generator(SPACE), TrainingConfig())
    trainer.fit(data(), batches, torch.Generator().manual_seed(0), seen.append)
    assert seen == [0, 1, 2]


def test_adam_takes_the_steps_of_torch() -> None:
    own, other, unused = (torch.ones(3, 2, requires_grad=True) for _ in range(3))
    ours, theirs = Adam([own, unused], 0.1, (0.5, 0.9)), torch.optim.Adam([other], 0.1, (0.5, 0.9))
    for step in range(5):
        ours.learning_rate = theirs.param_groups[0]["lr"] = 0.1 / (step + 1)
        scale = torch.arange(6.0).view(3, 2)
        ours.step((scale * own**2).sum())
        theirs.zero_grad()
        (scale * other**2).sum().backward()
        theirs.step()
    torch.testing.assert_close(own, other)
    assert (unused == 1).all()


@pytest.mark.parametrize(
    "form", [GeneratorConfig(), GeneratorConfig.paper()], ids=["faster", "paper"]
)
def test_a_generator_takes_the_steps_of_torch(form: GeneratorConfig) -> None:
    """Where autograd hands a gradient over transposed, too."""
    known, config = data(16), TrainingConfig(latents=0)
    ours, theirs = Trainer(Generator(SPACE, form), config), Trainer(Generator(SPACE, form), config)
    ours.fit(known, torch.arange(16).repeat(3, 1), torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(theirs.generator.parameters(), config.learning_rate, config.betas)
    rng = torch.Generator().manual_seed(0)
    for _ in range(3):
        optimizer.zero_grad()
        theirs.loss(known, torch.arange(16), rng).backward()
        optimizer.step()
    for name, weight in theirs.generator.named_parameters():
        torch.testing.assert_close(ours.generator.get_parameter(name), weight, atol=1e-5, rtol=0)


def test_training_does_not_load_the_compiler_of_torch() -> None:
    code = """
import sys, torch
from optuna_agnet.generator.training import Adam
weight = torch.ones(2, requires_grad=True)
Adam([weight], 0.1, (0.9, 0.999)).step((weight**2).sum())
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "form", [GeneratorConfig(), GeneratorConfig.paper()], ids=["faster", "paper"]
)
def test_cuda_learns_as_the_cpu_does(form: GeneratorConfig) -> None:
    losses = []
    for device in ("cpu", "cuda"):
        generator = Generator(SPACE, form).to(device)
        graphs = SPACE.encode(SPACE.sample(64, np.random.default_rng(0)))
        known = TrainingData.of(graphs, generator.device)
        rng = torch.Generator().manual_seed(0)
        Trainer(generator, TrainingConfig(steps=20)).round(known, rng)
        generator = generator.to("cpu")
        losses.append(nearest_loss(generator))
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
