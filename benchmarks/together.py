"""Searches of the paper's algorithm side by side, their training as one batch (`benchmarks.run --together`).

The paper trains on 16 graphs of eight nodes a step. Such a step is thousands of operations on matrices of some hundred
numbers, and its time is that of starting them; searches that train for the same number of steps, as those of one
problem do, can share them, and a graph of them that is traced once. Each search draws the numbers that it draws alone
and makes the same steps, but sums are added up in another order, so the last digits differ, and with them a candidate
here and there, as between processors. It pays where graphs are small: three searches of recurrent cells (`nbnlp`) take
twice as long together as one after the other, most of it for tracing and compiling.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from benchmarks.records import Record
from optuna_agnet.generator.training import Adam, Trainer, TrainingData
from optuna_agnet.surrogate.mlp import MLPSurrogate

SIZE = 10
"""Searches of a batch; where there are fewer some are in it twice, as a graph is traced for one size."""
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


def compiled(graph: fx.GraphModule) -> Callable[..., tuple[Tensor, ...]]:
    """Torch's compiler makes kernels of what stands between the matrix products."""
    return torch.compile(graph, fullgraph=True, dynamic=False)


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
        outputs = head.outputs if isinstance(head, MLPSurrogate) else 0
        return generator.space.fingerprint, generator.config, self.trainer.config, outputs

    @property
    def steps_before(self) -> float:
        """Fewer than others' where a collapsed generator began again."""
        state = self.trainer.optimizer.state
        return max(float(state[name]) for name in state if name.startswith("steps."))

    def step(self, number: int) -> tuple[Tensor, ...]:
        """Latent vectors (B, L) of a step and the graphs that it learns from."""
        rows = self.batches[number]
        batch = self.data.take(rows)
        latents = self.trainer.generator.latents(len(rows), self.rng)
        return latents, batch.types, batch.edges, batch.weights, batch.targets


class Gradients:
    """Of S searches' losses, each by its own parameters: one graph of plain operations.

    Traced once through `vmap` and autograd, which take longer than the operations between them, and compiled.

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
        self._graph = compiled(graph)

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
    ) -> list[Tensor | None]:
        """As the parameters; None where the loss depends on nothing of one."""
        found: list[Tensor | None] = [None] * len(parameters)
        for place, gradient in zip(self._used, self._graph(parameters, *given), strict=True):
            found[place] = gradient
        return found


class Batch:
    """Searches whose training is one: their parameters stacked (S, ...), and an Adam for those of equally many steps.

    Adam goes number by number, so each search moves as it does alone.

    Args:
        rounds: At most `SIZE`; the last one fills the other places.
    """

    def __init__(self, rounds: Sequence[Round]) -> None:
        self.rounds = sorted(rounds, key=lambda r: r.steps_before)
        self.places = [min(place, len(rounds) - 1) for place in range(SIZE)]
        states = [self.rounds[place].trainer.optimizer.state for place in self.places]
        stacked = {name: torch.stack([s[name] for s in states]) for name in states[0]}
        self.parameters = _parameters(stacked)
        self._parts = list(self._made(stacked))

    def _made(self, stacked: Mapping[str, Tensor]) -> Iterator[tuple[slice, Adam]]:
        """Optimizers of views on the parameters, each of some neighbouring searches."""
        config = self.rounds[0].trainer.config
        before = [self.rounds[place].steps_before for place in self.places]
        for steps in dict.fromkeys(before):
            own = slice(before.index(steps), before.index(steps) + before.count(steps))
            part = {name: value[own] for name, value in stacked.items()}
            made = Adam(_parameters(part), config.learning_rate, config.betas)
            made.restore({n: v[0] if n.startswith("steps.") else v for n, v in part.items()})
            yield own, made

    def given(self, number: int) -> list[Tensor]:
        """Latent vectors (S, B, L) of a step, and the graphs to learn from."""
        steps = [r.step(number) for r in self.rounds]
        return [torch.stack([part[i] for i in self.places]) for part in zip(*steps, strict=True)]

    def descend(self, gradients: Sequence[Tensor | None]) -> None:
        """A step of each search."""
        for own, optimizer in self._parts:
            optimizer.descend([None if g is None else g[own] for g in gradients])

    def give_back(self) -> None:
        """Put what was learned into the searches' own trainers."""
        for own, optimizer in self._parts:
            for number, r in enumerate(self.rounds[own]):
                state = optimizer.state.items()
                r.trainer.optimizer.restore({n: v[number] if v.dim() else v for n, v in state})


def _parameters(state: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """Of an optimizer's state, in its order."""
    return tuple(value.detach() for name, value in state.items() if name.startswith("parameter."))


_known: dict[Hashable, Gradients] = {}
"""Of this process: a new one takes minutes to compile."""


def fit_together(rounds: Sequence[Round]) -> None:
    """Train generators and surrogates of one `Round.kind` for the same number of steps, each on its own graphs."""
    for start in range(0, len(rounds), SIZE):
        batch = Batch(rounds[start : start + SIZE])
        for number in range(len(rounds[0].batches)):
            given = batch.given(number)
            shape = rounds[0].kind, given[0].shape
            if shape not in _known:
                loss = _Loss(rounds[0].trainer)
                _known[shape] = Gradients(loss, batch.parameters, given)
            batch.descend(_known[shape](batch.parameters, given))
        batch.give_back()


def shareable(trainer: Trainer) -> bool:
    """Whether its steps are the paper's: a latent vector for each graph, no surrogate but one trained end to end."""
    return trainer.config.latents == 0 and isinstance(trainer.head, MLPSurrogate | None)


class Meeting:
    """Where searches wait for each other before a round of training; one of them runs at a time.

    Args:
        searches: How many.
    """

    def __init__(self, searches: int) -> None:
        self._turn = threading.Condition()
        self._running = searches
        self._waiting: list[Round] = []
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
        pretrains = after is not None  # the others may wait for it
        if pretrains or not shareable(trainer):
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
                fit_together(rounds)
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
