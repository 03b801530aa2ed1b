"""AGNet: the search as an ask/tell optimizer, without Optuna (Algorithm 1 as a special case)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch

from optuna_agnet.architecture import Architecture
from optuna_agnet.generator.network import Generator
from optuna_agnet.generator.pretraining import pretrained
from optuna_agnet.search.acquisition import expected_improvement
from optuna_agnet.search.candidates import (
    Filter,
    SpaceExhausted,
    generator_pool,
    neighbor_pool,
    random_pool,
)
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.model import Model, seed_from
from optuna_agnet.search.observations import Told, check_directions, to_maximize
from optuna_agnet.spaces.base import CellSpace, Choice, IntArray
from optuna_agnet.surrogate.base import Candidates, FloatArray
from optuna_agnet.surrogate.gaussian_process import GaussianProcess


@dataclass(frozen=True)
class Proposal:
    """One proposed architecture.

    Args:
        row: Its decisions (D,).
        architecture: The same as a value.
        source: "startup", "generator", "neighbors", "random" or "repeat".
        version: Rounds of training that the generator had had.
    """

    row: IntArray
    architecture: Architecture
    source: str
    version: int


class AGNet:
    """Architecture search with a generator, a surrogate and rank-weighted retraining.

    Args:
        space: What is searched.
        directions: One of "maximize" and "minimize" an objective; one objective so far.
        seed: Same seed, same results, same proposals.
        config: `AGNetConfig()` or `AGNetConfig.paper()`, or one of your own.
        generator: A pretrained one; default: the bundled one of the space, or one pretrained on first use (seconds).

    Raises:
        ValueError: An argument is out of range, or the generator is another space's.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> search = AGNet(space, seed=0)
        >>> for _ in range(20):
        ...     arch = search.ask()
        ...     search.tell(arch, str(arch).count("nor_conv_3x3"))
        >>> search.best[1]
        (6.0,)
    """

    def __init__(
        self,
        space: CellSpace,
        directions: Sequence[str] = ("maximize",),
        *,
        seed: int = 0,
        config: AGNetConfig | None = None,
        generator: Generator | None = None,
    ) -> None:
        if seed < 0:
            raise ValueError(f"seed={seed} must not be negative")
        self.space, self.seed = space, seed
        self.config = config or AGNetConfig()
        self.directions = check_directions(directions)
        if generator is not None and generator.space != space:
            raise ValueError(
                f"the generator was made for {generator.space!r}, the search is in {space!r}"
            )
        self._generator = generator
        self._model: Model | None = None
        self._told: list[tuple[IntArray, tuple[float, ...] | None]] = []  # None: failed
        self._pending: list[IntArray] = []
        self._asked = 0
        self._pool: tuple[tuple[int, int], Candidates, str] | None = None

    # -- ask and tell ----------------------------------------------------------------------------------------------

    @overload
    def ask(self) -> Architecture: ...
    @overload
    def ask(self, n: int) -> list[Architecture]: ...
    def ask(self, n: int | None = None) -> Architecture | list[Architecture]:
        """The next architecture, or a list of ``n``; any number may be pending.

        Raises:
            SpaceExhausted: All architectures were proposed (a ValueError).
            ValueError: ``n`` is no positive integer.
        """
        if n is None:
            return self._ask_one()
        if n < 1:
            raise ValueError(f"n={n} must be at least 1")
        return [self._ask_one() for _ in range(n)]

    def _ask_one(self) -> Architecture:
        nothing = np.empty((0, len(self.space.decisions)), dtype=np.int64)
        pending = np.stack(self._pending) if self._pending else nothing
        failed = [row for row, values in self._told if values is None]
        excluded = np.stack(failed) if failed else nothing
        proposal = self.propose(self.told, pending=pending, number=self._asked, excluded=excluded)
        self._asked += 1
        self._pending.append(proposal.row)
        return proposal.architecture

    def tell(self, architecture: Architecture, values: float | Sequence[float] | None) -> None:
        """The result of an architecture, asked for or not; None where it failed: it will not be proposed again.

        Raises:
            ValueError: A value is not finite, their number is not that of the directions, or the architecture is no
                member of the space.
        """
        row = self.space.repair(self.space.choices([architecture]))[0]
        if values is not None:
            values = tuple(float(v) for v in np.atleast_1d(np.asarray(values, dtype=np.float64)))
            if len(values) != len(self.directions):
                raise ValueError(
                    f"{len(values)} values for {len(self.directions)} directions {self.directions}"
                )
            if not np.isfinite(values).all():
                raise ValueError(
                    f"values={values} of '{architecture}' are not finite: tell None for an evaluation that failed"
                )
        self._told.append((row, values))
        for i, pending in enumerate(self._pending):
            if (pending == row).all():
                del self._pending[i]
                break

    @property
    def told(self) -> Told:
        """All results so far."""
        rows = [(row, values) for row, values in self._told if values is not None]
        if not rows:
            return Told(
                np.empty((0, len(self.space.decisions)), dtype=np.int64),
                np.empty((0, len(self.directions))),
            )
        return Told(np.stack([row for row, _ in rows]), np.array([values for _, values in rows]))

    @property
    def best(self) -> tuple[Architecture, tuple[float, ...]]:
        """The best architecture and its values.

        Raises:
            ValueError: Nothing was told yet.
        """
        told = self.told
        if not len(told):
            raise ValueError("nothing was told yet: there is no best architecture")
        row = int(to_maximize(told.y, self.directions).argmax())
        return self.space.architectures(told.x[row][None])[0], tuple(told.y[row].tolist())

    def state_dict(self) -> dict[str, Any]:
        """Everything that a continuation needs, ready for JSON."""
        return {
            "space": self.space.fingerprint,
            "directions": list(self.directions),
            "seed": self.seed,
            "config": self.config.to_dict(),
            "told": [
                [row.tolist(), None if values is None else list(values)]
                for row, values in self._told
            ],
            "pending": [row.tolist() for row in self._pending],
            "asked": self._asked,
        }

    @classmethod
    def from_state_dict(
        cls, space: CellSpace, state: Mapping[str, Any], *, generator: Generator | None = None
    ) -> AGNet:
        """Continue from `state_dict`; give the same ``generator`` if one was given before.

        Raises:
            ValueError: The state is another space's, or incomplete.
        """
        missing = {"space", "directions", "seed", "config", "told", "pending", "asked"} - set(state)
        if missing:
            raise ValueError(
                f"the state lacks {sorted(missing)}: it is none that state_dict() gave"
            )
        if state["space"] != space.fingerprint:
            raise ValueError(f"the state belongs to another space than {space!r}")
        config = AGNetConfig.from_dict(state["config"])
        search = cls(
            space, state["directions"], seed=state["seed"], config=config, generator=generator
        )
        search._told = [
            (np.array(row, dtype=np.int64), None if values is None else tuple(values))
            for row, values in state["told"]
        ]
        search._pending = [np.array(row, dtype=np.int64) for row in state["pending"]]
        search._asked = state["asked"]
        return search

    # -- one proposal ----------------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """Generator and surrogate, trained as far as the last proposal needed them."""
        if self._model is None:
            start = self._generator or pretrained(self.space, self.config.generator)
            self._model = Model(self.space, start, self.config, self.seed, self.directions)
        return self._model

    def propose(
        self,
        told: Told,
        *,
        pending: IntArray,
        number: int,
        excluded: IntArray,
        fixed: Mapping[str, Choice] | None = None,
    ) -> Proposal:
        """The architecture to evaluate next; depends on the arguments and the seed alone.

        Args:
            told: Results, in the order in which they came.
            pending: Decisions (P, D) of architectures that are being evaluated.
            number: Of this proposal; separates the randomness of proposals that know the same results.
            excluded: Decisions (F, D) of architectures that are not to be proposed and have no value.
            fixed: Decisions that are given, by name.

        Raises:
            SpaceExhausted: Nothing new is left.
        """
        free = Filter(self.space, self.config.dedup, frozenset(), fixed or {})
        allowed = free.without(excluded)
        if not self.config.allow_duplicates:
            allowed = allowed.without(told.x).without(pending)
        rng = np.random.default_rng(seed_from(self.seed, 2, number))
        if len(told) < self.config.n_startup:
            return self._proposal(random_pool(1, allowed, rng)[0], "startup", 0)
        self.model.advance(told)
        ranked, source = self._ranked(told, pending, number, allowed, rng)
        new = allowed.new(ranked)
        if not len(new):  # a shared pool that is used up
            ranked, source = random_pool(1, allowed, rng), "random"
            new = np.zeros(1, dtype=np.int64)
        return self._proposal(ranked[new[0]], source, self.model.version)

    def _proposal(self, row: IntArray, source: str, version: int) -> Proposal:
        return Proposal(row, self.space.architectures(row[None])[0], source, version)

    def _ranked(
        self, told: Told, pending: IntArray, number: int, allowed: Filter, rng: np.random.Generator
    ) -> tuple[IntArray, str]:
        """Candidates (B, D), the best first, and where they come from."""
        pool, source = self._candidates(told, number, allowed, rng)
        y = to_maximize(told.y, self.directions)
        surrogate = self.model.surrogate
        surrogate.fit(told.x, y)
        if isinstance(surrogate, GaussianProcess) and len(pending):
            surrogate.imagine(pending)
        mean, std = surrogate.predict(pool)
        worth = self._worth(mean, std)
        return pool.x[np.argsort(-worth, kind="stable")], source

    def _worth(self, mean: FloatArray, std: FloatArray) -> FloatArray:
        surrogate = self.model.surrogate
        if self.config.acquisition == "ei" and isinstance(surrogate, GaussianProcess):
            return expected_improvement(mean, std, float(surrogate.fitted.max()))
        return mean

    def _candidates(
        self, told: Told, number: int, allowed: Filter, rng: np.random.Generator
    ) -> tuple[Candidates, str]:
        if self.config.round_size == 1:
            return self._draw_candidates(told, number, allowed, rng)
        key = (self.model.version, id(self.model))
        if (
            self._pool is None or self._pool[0] != key
        ):  # Alg. 1, l. 13-18: one pool a round, from what was known then
            known = told.head(self.model.trained_on)
            start = Filter(self.space, self.config.dedup, frozenset(), allowed.fixed).without(
                known.x
            )
            rng = np.random.default_rng(seed_from(self.seed, 3, self.model.version))
            self._pool = (key, *self._draw_candidates(known, 0, start, rng))
        return self._pool[1], self._pool[2]

    def _draw_candidates(
        self, told: Told, number: int, allowed: Filter, rng: np.random.Generator
    ) -> tuple[Candidates, str]:
        source = self.config.sources[number % len(self.config.sources)]
        size, pool = self.config.pool_size, None
        if source == "generator":
            torch_rng = torch.Generator().manual_seed(int(rng.integers(2**62)))
            pool = generator_pool(self.model.generator, self.config, allowed, torch_rng)
        elif source == "neighbors":
            order = np.argsort(-to_maximize(told.y, self.directions), kind="stable")
            x = neighbor_pool(told.x[order], size, allowed, rng)
            pool = Candidates(x) if len(x) else None
        if pool is None:
            return Candidates(random_pool(size, allowed, rng)), "random"
        return pool, source


__all__ = ["AGNet", "Proposal", "SpaceExhausted"]
