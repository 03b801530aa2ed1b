"""AGNet: the search as an ask/tell optimizer, without Optuna (Algorithm 1 as a special case)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import torch

from optuna_agnet.architecture import Architecture
from optuna_agnet.checkpoints import Checkpoints
from optuna_agnet.generator.network import Generator
from optuna_agnet.generator.pretraining import pretrained
from optuna_agnet.search.acquisition import ranked_by_improvement
from optuna_agnet.search.candidates import (
    Filter,
    SpaceExhausted,
    generator_pool,
    neighbor_pool,
    random_pool,
)
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.limits import KnownConstraint, Limits
from optuna_agnet.search.model import Model, check_seed, seed_from
from optuna_agnet.search.observations import (
    Result,
    Told,
    check_directions,
    check_result,
    signs,
)
from optuna_agnet.search.ranking import RANKINGS, fronts, violations
from optuna_agnet.search.sources import check_sources
from optuna_agnet.search.turns import check_turns, fixed_by_turn
from optuna_agnet.spaces.base import CellSpace, Choice, IntArray, check_type
from optuna_agnet.surrogate.base import Candidates, FloatArray, Surrogate
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.torch_state import check_device, own_torch

_RANDOM_POOL = 64  # draws of which the first one within the limits is taken


@dataclass(frozen=True)
class Proposal:
    """One proposed architecture.

    Args:
        row: Its decisions (D,).
        architecture: The same as a value.
        source: "startup" (random, or what the sources speak for), "generator", "neighbors", "random" or "repeat".
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
        directions: One of "maximize" and "minimize" an objective.
        seed: Same seed, same results, same proposals.
        config: `AGNetConfig()` or `AGNetConfig.paper()`, or one of your own.
        generator: A pretrained one; default: the bundled one of the space, or one pretrained on first use (seconds).
        known_constraints: Limits that cost no evaluation, by name: functions of an architecture that return a number,
            at most 0 where it may be proposed. They decide what is proposed, and nothing else; each is called once an
            architecture, for candidates in the order in which they would be proposed.
        surrogate: One of your own, instead of the one that ``config.surrogate`` names.
        sources: Results of other searches in the same space, of another data set or device: their `told`. They are a
            prior for generator and surrogate, which what is told here overrules, and take the place of the random
            startup. Columns of objectives must mean the same; constraints are matched by name.
        checkpoints: Rounds of training of equal searches elsewhere or before, which need not be trained again.

    Raises:
        ValueError: An argument is out of range, the generator is another space's, or a source does not fit.
        TypeError: An argument has another type; a known constraint is no function.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> search = AGNet(space, seed=0)
        >>> for _ in range(20):
        ...     arch = search.ask()
        ...     search.tell(arch, str(arch).count("nor_conv_3x3"))
        >>> search.best[1]
        (6.0,)

        Other results of the same architectures are a better start than random ones:

        >>> warm = AGNet(space, seed=0, sources=[search.told])
        >>> str(warm.ask()).count("nor_conv_3x3") >= 5
        True
    """

    def __init__(
        self,
        space: CellSpace,
        directions: Sequence[str] = ("maximize",),
        *,
        seed: int = 0,
        config: AGNetConfig | None = None,
        generator: Generator | None = None,
        known_constraints: Mapping[str, KnownConstraint] | None = None,
        surrogate: Surrogate | None = None,
        sources: Sequence[Told] = (),
        checkpoints: Checkpoints | None = None,
    ) -> None:
        check_type("space", space, CellSpace, "spaces.nas_bench_201()")
        self.space, self.seed = space, check_seed(seed)
        self.config = AGNetConfig() if config is None else config
        check_type("config", self.config, AGNetConfig, "AGNetConfig(n_startup=8)")
        check_device(self.config.device)
        self.directions = check_directions(directions)
        if generator is not None:
            check_type("generator", generator, Generator, "pretrain(space)")
            if generator.space != space:
                raise ValueError(
                    f"the generator was made for {generator.space!r}, the search is in {space!r}"
                )
        check_turns(space, self.config)
        if sources and (surrogate is not None or self.config.surrogate != "gp"):
            raise ValueError(
                f"sources need the surrogate 'gp', not {surrogate or self.config.surrogate!r}: no other one learns from"
                " them"
            )
        self._sources = check_sources(space, self.directions, sources)
        of_sources = {name for source in self._sources for name in source.names}
        self._constraints_of_sources = tuple(sorted(of_sources))
        self.limits = Limits(space, known_constraints)
        self._generator, self._surrogate = generator, surrogate
        self._checkpoints = checkpoints
        self._model: Model | None = None
        self._told: list[Result] = []
        self._pending: list[IntArray] = []
        self._asked = 0
        self._pool: tuple[object, Candidates, str] | None = None
        self._keys: dict[bytes, object] = {}  # of architectures that are not proposed again
        self._warned = False

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
        told = self.told
        excluded = [row for row, values, _ in self._told if values is None]
        proposal = self.propose(
            told,
            pending=self._rows(self._pending),
            number=self._asked,
            excluded=self._rows(excluded),
        )
        self._asked += 1
        self._pending.append(proposal.row)
        return proposal.architecture

    def _rows(self, rows: Sequence[IntArray]) -> IntArray:
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.space.decisions))

    def tell(
        self,
        architecture: Architecture,
        values: float | Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """The result of an architecture, asked for or not.

        Args:
            architecture: What was evaluated.
            values: One number an objective; None where it failed or was given up: it will not be proposed again.
            constraints: By name, at most 0 where kept, such as ``{"latency_ms": latency - 4.0}``. They are learned from
                even without values, so an architecture need not be trained once it is known to break one.

        Raises:
            ValueError: A value is not finite, their number is not that of the directions, a constraint is NaN, or the
                architecture is no member of the space.
        """
        row = self.space.repair(self.space.choices([architecture]))[0]
        known, found = check_result(architecture, values, constraints or {}, self.directions)
        self._told.append((row, known, found))
        for i, pending in enumerate(self._pending):
            if (pending == row).all():
                del self._pending[i]
                break

    @property
    def told(self) -> Told:
        """All results so far: those with values, and those that were given up because they break a constraint."""
        return Told.of(self._told, self.directions, len(self.space.decisions))

    @property
    def best(self) -> tuple[Architecture, tuple[float, ...]]:
        """The best feasible architecture and its values; with several objectives, one of the `front`.

        Raises:
            ValueError: No feasible architecture was told yet.
        """
        return self.front[0]

    def ranks(self, told: Told) -> FloatArray:
        """The order (N,) of results, 0 for the best; feasible ones first."""
        return told.ranks(RANKINGS[self.config.ranking])

    @property
    def front(self) -> list[tuple[Architecture, tuple[float, ...]]]:
        """Feasible architectures that no other one dominates, with their values; just the best for one objective.

        Raises:
            ValueError: No feasible architecture was told yet.
        """
        told = self.told
        rows = np.flatnonzero(told.feasible)
        if not len(rows):
            raise ValueError(
                f"none of the {len(told)} architectures told so far is feasible: there is no best one"
            )
        rows = rows[fronts(told.y[rows]) == 0]
        if len(self.directions) == 1:
            rows = rows[:1]
        values = told.y[rows] * signs(self.directions)
        found = self.space.architectures(told.x[rows])
        return [(arch, tuple(row)) for arch, row in zip(found, values.tolist(), strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Everything that a continuation needs, ready for JSON."""
        return {
            "space": self.space.fingerprint,
            "directions": list(self.directions),
            "seed": self.seed,
            "config": self.config.to_dict(),
            "told": [
                [row.tolist(), None if values is None else list(values), constraints]
                for row, values, constraints in self._told
            ],
            "pending": [row.tolist() for row in self._pending],
            "asked": self._asked,
        }

    @classmethod
    def from_state_dict(
        cls,
        space: CellSpace,
        state: Mapping[str, Any],
        *,
        generator: Generator | None = None,
        known_constraints: Mapping[str, KnownConstraint] | None = None,
        surrogate: Surrogate | None = None,
        sources: Sequence[Told] = (),
        checkpoints: Checkpoints | None = None,
    ) -> AGNet:
        """Continue from `state_dict`, which lacks the last five arguments: give the same ones as before.

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
            space,
            state["directions"],
            seed=state["seed"],
            config=config,
            generator=generator,
            known_constraints=known_constraints,
            surrogate=surrogate,
            sources=sources,
            checkpoints=checkpoints,
        )
        search._told = [
            (np.array(row, dtype=np.int64), values and tuple(values), dict(constraints))
            for row, values, constraints in state["told"]
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
            self._model = Model(
                self.space,
                start,
                self.config,
                self.seed,
                self._surrogate,
                self._sources,
                self._checkpoints,
            )
        return self._model

    def propose(
        self,
        told: Told,
        *,
        pending: IntArray,
        number: int,
        excluded: IntArray,
        fixed: Mapping[str, Choice] | None = None,
        at_random: bool = False,
    ) -> Proposal:
        """The architecture to evaluate next; depends on the arguments and the seed alone.

        Args:
            told: Results, in the order in which they came.
            pending: Decisions (P, D) of architectures that are being evaluated.
            number: Of this proposal; separates the randomness of proposals that know the same results.
            excluded: Decisions (F, D) of architectures that are not to be proposed and have no value.
            fixed: Decisions that are given, by name.
            at_random: Whether the model is left out.

        Raises:
            SpaceExhausted: Nothing new is left.
        """
        turn_rng = np.random.default_rng(seed_from(self.seed, 5))
        free = self._new(told, pending, excluded)
        *turns, together = (
            replace(free, fixed={**by_turn, **(fixed or {})})
            for by_turn in fixed_by_turn(self.space, self.config, told, turn_rng)
        )
        for allowed in turns:
            with suppress(SpaceExhausted):  # of that cell: on with the next turn
                return self._propose(told, pending, number, allowed, at_random)
        return self._propose(told, pending, number, together, at_random)

    def _new(self, told: Told, pending: IntArray, excluded: IntArray) -> Filter:
        """What was not proposed before."""
        new = Filter(self.space, self.config.dedup, frozenset(), {})
        new = new.without(excluded, self._keys)
        if self.config.allow_duplicates:
            return new
        return new.without(told.x, self._keys).without(pending)

    def _propose(
        self, told: Told, pending: IntArray, number: int, allowed: Filter, at_random: bool
    ) -> Proposal:
        rng = np.random.default_rng(seed_from(self.seed, 2, number))
        startup = len(told) < self.config.n_startup
        if at_random or (startup and not self._sources):
            drawn = random_pool(_RANDOM_POOL, allowed, rng)
            row = self.limits.within(drawn, allowed, rng)
            return self._proposal(row, "random" if at_random else "startup", 0)
        if not startup:
            self._warn_if_infeasible(told)
        if not len(told):
            told = told.with_constraints(self._constraints_of_sources)
        with own_torch():
            self.model.advance(told)
            ranked, source = self._ranked(told, pending, number, allowed, rng)
        shared = self.config.round_size > 1  # a pool of one's own holds only new ones
        new = allowed.new(ranked) if shared else np.arange(len(ranked))
        if not len(new):  # a shared pool that is used up
            ranked, source = random_pool(_RANDOM_POOL, allowed, rng), "random"
            new = np.arange(len(ranked))
        row = self.limits.within(ranked[new], allowed, rng)
        return self._proposal(row, "startup" if startup else source, self.model.version)

    def _warn_if_infeasible(self, told: Told) -> None:
        if self._warned or told.feasible.any():
            return
        self._warned = True
        worst = np.where(np.isnan(told.constraints), -np.inf, told.constraints)
        nearest = worst[violations(-told.constraints).argmin()]
        broken = ", ".join(
            f"{name} by {value:.4g}"
            for name, value in zip(told.names, nearest, strict=True)
            if value > 0
        )
        warnings.warn(
            f"none of the {len(told)} architectures evaluated so far meets the constraints; the nearest breaks"
            f" {broken}. The search now looks for feasible ones first",
            UserWarning,
            stacklevel=2,
        )

    def _proposal(self, row: IntArray, source: str, version: int) -> Proposal:
        return Proposal(row, self.space.architectures(row[None])[0], source, version)

    def _ranked(
        self, told: Told, pending: IntArray, number: int, allowed: Filter, rng: np.random.Generator
    ) -> tuple[IntArray, str]:
        """Candidates (B, D), the best first, and where they come from."""
        if self.config.round_size > 1:
            # Alg. 1, l. 13-18: a round proposes from what was known when it began
            told = told.head(self.model.trained_on)
        pool, source = self._candidates(told, number, allowed, rng)
        surrogate = self.model.surrogate
        surrogate.fit(told.x, told.quantities, self.ranks(told))
        if isinstance(surrogate, GaussianProcess) and len(pending):
            surrogate.imagine(pending)
        mean, std = surrogate.predict(pool)
        size = len(self.directions)
        zero = surrogate.zero[size:]
        if self.config.acquisition == "mean" or not len(told):
            order = np.argsort(
                self.model.rank(mean[:, :size], mean[:, size:] - zero), kind="stable"
            )
        else:
            fitted = surrogate.fitted[told.feasible, :size]
            known = fitted[~np.isnan(fitted).any(1)]
            order = ranked_by_improvement(
                mean, std, zero, known, bool(rng.integers(2)), int(rng.integers(2**31))
            )
        return pool.x[order], source

    def _candidates(
        self, told: Told, number: int, allowed: Filter, rng: np.random.Generator
    ) -> tuple[Candidates, str]:
        if self.config.round_size == 1:
            return self._draw_candidates(told, number, allowed, rng)
        key = (self.model.digest, told.names, tuple(sorted(allowed.fixed.items())))
        if self._pool is None or self._pool[0] != key:
            start = Filter(self.space, self.config.dedup, frozenset(), allowed.fixed).without(
                told.x
            )
            rng = np.random.default_rng(seed_from(self.seed, 3, self.model.version))
            self._pool = (key, *self._draw_candidates(told, 0, start, rng))
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
            results = told if len(told) else self._sources[0]
            order = np.argsort(self.ranks(results), kind="stable")
            x = neighbor_pool(results.x[order], size, allowed, rng)
            pool = Candidates(x) if len(x) else None
        if pool is None:
            return Candidates(random_pool(size, allowed, rng)), "random"
        return pool, source


__all__ = ["AGNet", "Proposal", "SpaceExhausted"]
