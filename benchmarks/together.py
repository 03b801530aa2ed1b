"""Searches of the paper's algorithm side by side, their training as one batch (`benchmarks.run --together`).

The paper trains on 16 graphs of eight nodes a step. Such a step is thousands of operations on matrices of some hundred
numbers, and its time is that of starting them; searches that train for the same number of steps, as those of one
problem do, can share them, and a graph of them that is traced once. Each search draws the numbers that it draws alone
and makes the same steps, but sums are added up in another order, so the last digits differ, and with them a candidate
here and there, as between processors.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from benchmarks.records import Record
from optuna_agnet.generator.training import Trainer, TrainingData
from optuna_agnet.surrogate.mlp import MLPSurrogate

_alone = Trainer.fit


class _Loss(nn.Module):
    """Eq. 2 as a function of the parameters of generator and surrogate, in the order of the trainer's optimizer."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.generator, self.head = trainer.generator, trainer.head
        self._of = trainer.loss_at
        self._rng = torch.Generator()  # of which the paper's surrogate takes nothing

    def forward(self, latents: Tensor, *batch: Tensor) -> Tensor:
        return self._of(latents, TrainingData(*batch), self._rng)

    def at(self, parameters: dict[str, Tensor], *given: Tensor) -> Tensor:
        return functional_call(self, parameters, given)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Round:
    """A search's round of training: as `Trainer.fit` is given it."""

    trainer: Trainer
    data: TrainingData
    batches: Tensor  # (steps, B)
    rng: torch.Generator

    @property
    def kind(self) -> Hashable:
        """Rounds of one kind can be one batch."""
        generator, head = self.trainer.generator, self.trainer.head
        outputs = head.outputs if isinstance(head, MLPSurrogate) else id(head)
        return generator.space.fingerprint, generator.config, self.trainer.config, outputs

    def step(self, number: int) -> tuple[Tensor, ...]:
        """Latent vectors (B, L) of a step and the graphs that it learns from."""
        rows = self.batches[number]
        batch = self.data.take(rows)
        latents = self.trainer.generator.latents(len(rows), self.rng)
        return latents, batch.types, batch.edges, batch.weights, batch.targets


class Gradients:
    """Of S searches' losses, each by its own parameters: one graph of plain operations.

    Traced once through `vmap` and autograd, which take longer than the operations between them.

    Args:
        loss: Of one of the searches; they differ in nothing but numbers.
        parameters: Stacked (S, ...), in the order of ``loss``.
        given: Latent vectors and graphs of a step (S, B, ...).
    """

    def __init__(
        self, loss: _Loss, parameters: tuple[Tensor, ...], given: Sequence[Tensor]
    ) -> None:
        self._names = [name for name, _ in loss.named_parameters()]
        self._loss_of_each = vmap(loss.at)
        self._used: list[int] = []  # places of the parameters that the loss depends on
        graph = make_fx(self._made)(parameters, *given)
        graph.graph.eliminate_dead_code()
        graph.recompile()
        with torch.no_grad():
            self._graph = torch.jit.trace(graph, (parameters, *given), check_trace=False)

    @torch.enable_grad()
    def _made(self, parameters: tuple[Tensor, ...], *given: Tensor) -> tuple[Tensor, ...]:
        own = [parameter.detach().requires_grad_() for parameter in parameters]
        total = self._loss_of_each(dict(zip(self._names, own, strict=True)), *given).sum()
        found = torch.autograd.grad(total, own, allow_unused=True)
        self._used = [place for place, gradient in enumerate(found) if gradient is not None]
        return tuple(gradient for gradient in found if gradient is not None)

    @torch.no_grad()
    def __call__(
        self, parameters: tuple[Tensor, ...], given: Sequence[Tensor]
    ) -> list[list[Tensor | None]]:
        """A list for each search, with None where its loss depends on nothing of a parameter."""
        found: list[list[Tensor | None]] = [[None] * len(parameters) for _ in parameters[0]]
        for place, gradients in zip(self._used, self._graph(parameters, *given), strict=True):
            for own, gradient in zip(found, gradients, strict=True):
                own[place] = gradient
        return found


def fit_together(rounds: Sequence[Round], known: dict[Hashable, Gradients]) -> None:
    """Train S generators and surrogates of one `Round.kind` for the same number of steps, each on its own graphs.

    Args:
        rounds: The searches'.
        known: Gradients of earlier rounds; new ones are added.
    """
    of_each = [list(_Loss(r.trainer).parameters()) for r in rounds]
    for number in range(len(rounds[0].batches)):
        parameters = tuple(torch.stack(own).detach() for own in zip(*of_each, strict=True))
        given = [torch.stack(part) for part in zip(*(r.step(number) for r in rounds), strict=True)]
        shape = rounds[0].kind, given[0].shape
        if shape not in known:
            known[shape] = Gradients(_Loss(rounds[0].trainer), parameters, given)
        for r, gradients in zip(rounds, known[shape](parameters, given), strict=True):
            r.trainer.optimizer.descend(gradients)


def shareable(trainer: Trainer) -> bool:
    """Whether its steps are the paper's: a latent vector for each graph, and a surrogate that is trained end to end."""
    return trainer.config.latents == 0 and isinstance(trainer.head, MLPSurrogate)


class Meeting:
    """Where searches wait for each other before a round of training; one of them runs at a time.

    Args:
        searches: How many.
    """

    def __init__(self, searches: int) -> None:
        self._turn = threading.Condition()
        self._running = searches
        self._waiting: list[Round] = []
        self._known: dict[Hashable, Gradients] = {}
        self._error: BaseException | None = None

    @contextmanager
    def taking_part(self) -> Iterator[None]:
        """Around all that a search does."""
        with self._turn:
            try:
                yield
            finally:
                self._running -= 1
                self._train()

    def fit(
        self,
        trainer: Trainer,
        data: TrainingData,
        batches: Tensor,
        rng: torch.Generator,
        after: Callable[[int], None] | None = None,
    ) -> None:
        """`Trainer.fit`, at once with the others' where all of them are here."""
        if not shareable(trainer):
            _alone(trainer, data, batches, rng, after)
            return
        mine = Round(trainer, data, batches, rng)
        self._waiting.append(mine)
        self._train()
        while mine in self._waiting and self._error is None:
            self._turn.wait()
        if self._error is not None:
            raise RuntimeError("the common training failed") from self._error

    def _train(self) -> None:
        """If nobody else is to come, train those with the fewest steps before them: they are behind the others."""
        if not self._waiting or len(self._waiting) < self._running:
            return
        least = min(len(r.batches) for r in self._waiting)
        kinds: defaultdict[Hashable, list[Round]] = defaultdict(list)
        for r in self._waiting:
            if len(r.batches) == least:
                kinds[r.kind].append(r)
        try:
            for rounds in kinds.values():
                fit_together(rounds, self._known)
        except Exception as error:
            self._error = error
        self._waiting = [r for r in self._waiting if len(r.batches) > least]
        self._turn.notify_all()


def run_together(jobs: Sequence[Any], run: Callable[[Any], Record | str]) -> list[Record | str]:
    """Their records; seconds are shares of what all of them took, and lines say how many there were.

    Args:
        jobs: Searches.
        run: From a search to its record, or to the reason why there is none.
    """
    meeting = Meeting(len(jobs))

    def take_part(job: Any) -> Record | str:
        with meeting.taking_part():
            found = run(job)
        if isinstance(found, str):
            return found
        seconds = [round(s / len(jobs), 5) for s in found.seconds]
        return replace(found, seconds=seconds, machine={"together": len(jobs)})

    def fit(trainer: Trainer, *given: Any, **named: Any) -> None:
        meeting.fit(trainer, *given, **named)

    with patch.object(Trainer, "fit", fit), ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(take_part, jobs))
