"""How a generator learns from graphs: one loop for query-free pretraining and for rank-weighted retraining.

Letters as in `network`; N graphs to learn from, M latent vectors a step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from optuna_agnet.generator.network import Generator, Scores, log_likelihood, reconstruction_loss
from optuna_agnet.spaces.graphs import Graphs

_SMALLEST = 1e-12  # of a loss that others are divided by


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One round of training.

    Args:
        steps: Gradient steps a round ...
        epochs: ... plus so many times the data, in batches.
        batch_size: Graphs a step.
        learning_rate: Of Adam.
        betas: Of Adam.
        latents: M. Each graph trains the one latent vector of M under which it is most likely (implicit maximum
            likelihood, Li and Malik 2018), so that z comes to mean something. 0: a latent vector of its own each, as in
            the paper; the generator then learns to ignore z (docs/released_code.md, sec. 3).
        weigh_loss: Whether a graph's weight also multiplies its loss (sec. 3.1 of the paper) and not only its chance to
            be drawn.
        alpha: Eq. 2, share of the surrogate's loss; 0 leaves the surrogate out of the generator's training.
        backpropagate: Whether the surrogate's loss trains the generator too; if not, it trains the surrogate alone (the
            paper's "w/o backprop", Table 6).
        objective_share: Eq. 6, lambda: what the MLP's error in the first objective counts for. Other objectives and
            constraints have equal parts of the rest.
        scale_losses: Whether the terms of Eq. 2 and 6 are each divided by the largest of them, so that none is above 1
            (appendix C.7).

    Raises:
        ValueError: ``alpha`` or ``objective_share`` is no share.

    Example:
        >>> TrainingConfig.paper().alpha, TrainingConfig.paper_hardware().alpha
        (0.9, 0.95)
    """

    steps: int = 8
    epochs: int = 0
    batch_size: int = 16
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    latents: int = 64
    weigh_loss: bool = False
    alpha: float = 0.0
    backpropagate: bool = True
    objective_share: float = 0.5
    scale_losses: bool = False

    def __post_init__(self) -> None:
        for name in ("alpha", "objective_share"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value!r} must be a share, from 0 to 1")

    @classmethod
    def paper(cls, epochs: int = 30) -> TrainingConfig:
        """Table 14: 30 epochs for NAS-Bench-201 and NLP cells, 15 for NAS-Bench-101 and DARTS cells."""
        return cls(
            steps=0, epochs=epochs, betas=(0.5, 0.999), latents=0, weigh_loss=True, alpha=0.9
        )

    @classmethod
    def paper_hardware(cls) -> TrainingConfig:
        """Table 15 and appendix C.7, of the searches on the Hardware-Aware NAS-Bench."""
        return replace(cls.paper(), alpha=0.95, learning_rate=0.002, scale_losses=True)

    def num_steps(self, size: int) -> int:
        """Gradient steps of a round on ``size`` graphs."""
        return self.steps + self.epochs * -(-size // self.batch_size)


@dataclass(frozen=True)
class TrainingData:
    """Graphs ``types`` (N, n), ``edges`` (N, E); their ``weights`` (N,) and, for a surrogate, ``targets`` (N, K)."""

    types: Tensor
    edges: Tensor
    weights: Tensor
    targets: Tensor

    @classmethod
    def of(
        cls,
        graphs: Graphs,
        device: torch.device,
        weights: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> TrainingData:
        """Graphs on a device; all weights 1 and all targets 0 unless given."""
        size = len(graphs.types)
        return cls(
            torch.from_numpy(graphs.types.copy()).to(device),
            torch.from_numpy(graphs.edges.copy()).to(device, torch.float32),
            (torch.ones(size) if weights is None else weights.float()).to(device),
            (torch.zeros(size, 1) if targets is None else targets.float()).to(device),
        )

    def take(self, rows: Tensor) -> TrainingData:
        """Some of them, in the order of ``rows``."""
        return TrainingData(
            self.types[rows], self.edges[rows], self.weights[rows], self.targets[rows]
        )


class Head(nn.Module, ABC):
    """What a surrogate adds to the generator's training: L_C of Eq. 2, and the parameters that learn from it.

    Attributes:
        shares: (T,), what each of its terms counts for in L_C; the sum is 1.
    """

    shares: tuple[float, ...] = (1.0,)

    @abstractmethod
    def losses(self, scores: Scores, targets: Tensor, rng: torch.Generator) -> Tensor:
        """Its terms for each of B graphs (T, B), or for all of them together (T, 1).

        Args:
            scores: Raw generator output for B latent vectors.
            targets: Values (B, K) of the graphs that they are to reconstruct, in [0, 1].
            rng: For losses that sample.
        """


class Adam:
    """Torch's fused Adam without the class around it.

    The first optimizer that torch makes imports its compiler: a second of processor time and 70 MB, more than anything
    else in the first ask of a search.

    Args:
        parameters: All of one device.
        learning_rate: May be changed between steps.
        betas: As in `torch.optim.Adam`.
    """

    def __init__(
        self, parameters: Iterable[Tensor], learning_rate: float, betas: tuple[float, float]
    ) -> None:
        self.learning_rate, self._betas = learning_rate, betas
        self._parameters = list(parameters)
        self._means = [torch.zeros_like(p, requires_grad=False) for p in self._parameters]
        self._squares = [torch.zeros_like(p, requires_grad=False) for p in self._parameters]
        self._steps = [torch.zeros((), device=p.device) for p in self._parameters]

    @property
    def state(self) -> dict[str, Tensor]:
        """All that a step changes, by name."""
        parts = {
            "parameter": self._parameters,
            "mean": self._means,
            "square": self._squares,
            "steps": self._steps,
        }
        return {f"{part}.{i}": t for part, held in parts.items() for i, t in enumerate(held)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state` with the same names and shapes."""
        with torch.no_grad():
            for name, tensor in self.state.items():
                tensor.copy_(state[name])

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of a scalar; parameters that it does not depend on stay as they are."""
        self.descend(torch.autograd.grad(loss, self._parameters, allow_unused=True))

    def descend(self, gradients: Sequence[Tensor | None]) -> None:
        """One step, given the gradient of each parameter; None leaves one as it is."""
        used = [i for i, gradient in enumerate(gradients) if gradient is not None]
        with torch.no_grad():
            adam(
                [self._parameters[i] for i in used],
                # the fused kernel goes by memory: a transposed gradient would move the wrong weights
                [gradient.contiguous() for gradient in gradients if gradient is not None],
                [self._means[i] for i in used],
                [self._squares[i] for i in used],
                [],
                [self._steps[i] for i in used],
                fused=True,
                amsgrad=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=self.learning_rate,
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )


class Trainer:
    """A generator, optionally the head of a surrogate, and one Adam over both.

    Neither weights nor optimizer are reset between rounds (docs/released_code.md, sec. 5).

    Args:
        generator: Trained in place.
        config: The rounds.
        head: Its loss has the share ``config.alpha``.
    """

    def __init__(
        self, generator: Generator, config: TrainingConfig, head: Head | None = None
    ) -> None:
        self.generator, self.config, self.head = generator, config, head
        parameters = [*generator.parameters(), *(head.parameters() if head is not None else ())]
        self.optimizer = Adam(parameters, config.learning_rate, config.betas)

    def round(self, data: TrainingData, rng: torch.Generator) -> None:
        """One round on data drawn in proportion to their weights, with replacement (Alg. 1, l. 11)."""
        steps = self.config.num_steps(len(data.types))
        chance = data.weights.cpu()
        drawn = torch.multinomial(
            chance, steps * self.config.batch_size, replacement=True, generator=rng
        )
        self.fit(data, drawn.view(steps, self.config.batch_size), rng)

    def fit(
        self,
        data: TrainingData,
        batches: Iterable[Tensor],
        rng: torch.Generator,
        after: Callable[[int], None] | None = None,
    ) -> None:
        """One gradient step a batch of row numbers; ``after(step)`` is called behind each."""
        for step, rows in enumerate(batches):
            rows = rows.to(self.generator.device)
            loss = self.loss(data, rows, rng)
            self.optimizer.step(loss)
            if after is not None:
                after(step)

    def loss(self, data: TrainingData, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Eq. 2 over the rows of a batch, a scalar."""
        latents = self.generator.latents(self.config.latents or len(rows), rng)
        return self.loss_at(latents, data.take(rows), rng)

    def loss_at(self, latents: Tensor, batch: TrainingData, rng: torch.Generator) -> Tensor:
        """Eq. 2 over a batch at latent vectors (M, L), one each where ``config.latents`` is 0."""
        types, edges = batch.types, batch.edges
        scores = self._scores(latents, types, edges)
        loss = reconstruction_loss(scores, types, edges)
        if self.head is not None:
            if not self.config.backpropagate:
                scores = scores._replace(nodes=scores.nodes.detach(), edges=scores.edges.detach())
            extra = self.head.losses(scores, batch.targets, rng)
            loss = self._joint(loss, extra.expand(-1, len(types)), self.head.shares)
        return (loss * batch.weights).mean() if self.config.weigh_loss else loss.mean()

    def _joint(self, reconstruction: Tensor, extra: Tensor, shares: Sequence[float]) -> Tensor:
        """Eq. 2 and 6 for each graph (B,): (1 - alpha) L_G + alpha sum_t share_t L_t."""
        alpha = self.config.alpha
        terms = torch.cat([reconstruction[None], extra])  # (1 + T, B)
        if self.config.scale_losses:
            terms = terms / terms.detach().amax(0).clamp_min(_SMALLEST)
        return (1 - alpha) * terms[0] + alpha * (terms.new_tensor(shares) @ terms[1:])

    def _scores(self, latents: Tensor, types: Tensor, edges: Tensor) -> Scores:
        scores = self.generator(latents)
        if not self.config.latents:
            return scores  # type: ignore[no-any-return]
        with torch.no_grad():
            nearest = log_likelihood(scores, types, edges).argmax(0)
        return scores.take(nearest)  # type: ignore[no-any-return]
