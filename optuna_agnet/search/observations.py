"""What a search knows: evaluated architectures, their objectives and their constraints.

Letters: N results, M objectives, C constraints, D decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np

from optuna_agnet.core.arrays import BoolArray, FloatArray, IntArray
from optuna_agnet.core.ranking import Ranking, signs
from optuna_agnet.core.validation import check_type
from optuna_agnet.search.outcomes import Outcomes

Result: TypeAlias = tuple[IntArray, tuple[float, ...] | None, Mapping[str, float]]
"""Decisions (D,), objectives as the user gives them or None, constraints by name."""


FAILS = "agnet:fails"
"""The constraint that what can't be evaluated breaks."""


@dataclass(frozen=True)
class Observations:
    """Evaluated architectures in the order in which their results came.

    Args:
        x: Decisions (N, D), repaired.
        y: Objectives (N, M), larger is better in every column; infinite ones are ranked, NaN is unknown: that of an
            architecture that was given up because it breaks a constraint.
        constraints: (N, C), kept where at most 0; NaN is unknown.
        names: Of the C constraints.
        z: Hyperparameters beside the architectures (N, H), `Hyperparameters.rows`; None where there are none.
    """

    x: IntArray
    y: FloatArray
    constraints: FloatArray
    names: tuple[str, ...] = ()
    z: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def measured(self) -> Outcomes:
        """Objectives and margins of the constraints (N, M + C), with the constraints' names."""
        values = np.concatenate([self.y, -self.constraints], 1)
        return Outcomes(values, np.zeros(self.constraints.shape[1]), self.names)

    @property
    def outcomes(self) -> FloatArray:
        """(N, M + C): the values of `measured`, larger is better in every column."""
        return self.measured.values

    @property
    def feasible(self) -> BoolArray:
        """(N,): which break no known constraint."""
        return self.measured.feasible

    @property
    def kept(self) -> BoolArray:
        """(N,): which keep every constraint for certain; those that miss one are `feasible`, but not among these."""
        return self.measured.kept

    def ranks(self, ranking: Ranking) -> FloatArray:
        """The order (N,) of the results, 0 for the best."""
        return ranking(self.y, -self.constraints)

    def ranked(self, ranking: Ranking) -> tuple[FloatArray, Pairs]:
        """The order (N,) of the results, 0 for the best, and the results in this order, the best first."""
        rank = self.ranks(ranking)
        return rank, self.pairs.take(np.argsort(rank, kind="stable"))

    def head(self, size: int | None) -> Observations:
        """The first ``size`` of them; all for None."""
        z = None if self.z is None else self.z[:size]
        return Observations(self.x[:size], self.y[:size], self.constraints[:size], self.names, z)

    def joined(self, more: Observations) -> Observations:
        """These and, after them, others with the same constraints."""
        z = None if self.z is None or more.z is None else np.concatenate([self.z, more.z])
        return Observations(
            np.concatenate([self.x, more.x]),
            np.concatenate([self.y, more.y]),
            np.concatenate([self.constraints, more.constraints]),
            self.names,
            z,
        )

    def extended(self, results: Iterable[Result], directions: Sequence[str]) -> Observations:
        """These and, after them, those of more results that say something (`of`); constraints of both."""
        more = Observations.of(results, directions, self.x.shape[1])
        names = tuple(sorted({*self.names, *more.names}))
        return self.with_constraints(names).joined(more.with_constraints(names))

    def with_constraints(self, names: tuple[str, ...]) -> Observations:
        """The same with other constraints, in this order; those that it does not know are NaN."""
        constraints = np.full((len(self), len(names)), np.nan)
        for column, name in enumerate(names):
            if name in self.names:
                constraints[:, column] = self.constraints[:, self.names.index(name)]
        return Observations(self.x, self.y, constraints, names, self.z)

    def with_failures(self, failures: Failures) -> Observations:
        """These and, among them, pairs that can't be evaluated: that is one more constraint, which these keep.

        Otherwise a search that is promised much by what runs out of memory or diverges would try nothing else. In the
        order in which all came, as hyperparameters of the model are those of the first so many: behind all results,
        failures would hardly be among them.
        """
        failed = failures.pairs
        if not len(failed.x):
            return self
        names, count = (*self.names, FAILS), len(failed.x)
        constraints = np.full((count, len(names)), np.nan)
        constraints[:, -1] = 1.0
        unknown = np.full((count, self.y.shape[1]), np.nan)
        kept = np.concatenate([self.constraints, np.full((len(self), 1), -1.0)], axis=1)
        known = replace(self, constraints=kept, names=names)
        joined = known.joined(Observations(failed.x, unknown, constraints, names, failed.z))
        places = np.append(np.arange(len(self)) + 0.5, failures.after)
        return joined._take(np.argsort(places, kind="stable"))

    def _take(self, rows: IntArray) -> Observations:
        """Some of them, in this order."""
        z = None if self.z is None else self.z[rows]
        return Observations(self.x[rows], self.y[rows], self.constraints[rows], self.names, z)

    @cached_property
    def pairs(self) -> Pairs:
        """Architectures and hyperparameters."""
        return Pairs(self.x, np.empty((len(self), 0)) if self.z is None else self.z)

    @classmethod
    def of(
        cls,
        results: Iterable[Result],
        directions: Sequence[str],
        num_decisions: int,
        z: FloatArray | None = None,
    ) -> Observations:
        """From results that have values, and those that were given up because they break a constraint.

        Args:
            results: Some of which say nothing and are left out.
            directions: Of the objectives.
            num_decisions: D.
            z: Hyperparameters of all the results, also of those that are left out.

        Raises:
            ValueError: Numbers of values and directions differ.
        """
        results = list(results)
        observed = [number for number, result in enumerate(results) if is_observed(result)]
        results = [results[number] for number in observed]
        names = tuple(sorted({name for _, _, constraints in results for name in constraints}))
        unknown = (np.nan,) * len(directions)
        for row, values, _ in results:
            if values is not None and len(values) != len(directions):
                raise ValueError(
                    f"{len(values)} values {tuple(values)} of {row.tolist()} for {len(directions)} directions"
                    f" {tuple(directions)}"
                )
        y = np.array([unknown if v is None else tuple(v) for _, v, _ in results], dtype=np.float64)
        constraints = [[found.get(name, np.nan) for name in names] for _, _, found in results]
        return cls(
            np.array([row for row, _, _ in results], dtype=np.int64).reshape(-1, num_decisions),
            y.reshape(-1, len(directions)) * signs(directions),
            np.array(constraints, dtype=np.float64).reshape(len(results), len(names)),
            names,
            None if z is None else z[observed],
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """Architectures with hyperparameters beside them.

    Args:
        x: Decisions (P, D).
        z: Hyperparameters (P, H), `Hyperparameters.rows`.
    """

    x: IntArray
    z: FloatArray

    def take(self, rows: IntArray) -> Pairs:
        """Some of them."""
        return Pairs(self.x[rows], self.z[rows])


@dataclass(frozen=True, slots=True)
class Failures:
    """Pairs that failed for the last time: what a search can learn from where there is no value.

    Args:
        pairs: In the order in which they failed (F, ...).
        after: How many observations each of them came after (F,).
    """

    pairs: Pairs
    after: IntArray


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one proposal follows from, besides the seed.

    Args:
        observations: Results so far, in the order in which they came, or that of the study's manifests.
        pending: Decisions (P, D) of architectures that are being evaluated.
        excluded: Decisions (F, D) of architectures that are not to be proposed and have no value.
        position: Of the proposal; separates the randomness of proposals that know the same results. In a study the
            number of earlier trials that did not fail: a trial that failed or died leaves its place to the next one,
            which gets the same architecture if nothing else has changed, so a study that was killed goes on as if it
            had not been. What has failed for the last time keeps its place: the next proposal is of another kind.
        pending_z: Hyperparameters (P, H) of those that are being evaluated; None where there are none.
        given_up: Pairs that are not to be proposed again and have no value.
        failed: What failed for the last time; None where nothing did.
        judged: The observations as they are judged by now, and behind them what is expected of trainings that still
            run; None where that is the same. What a training that was stopped would have come to is judged again
            whenever more is known, but the generator learns from what was known first: its rounds of training are not
            taken back.
    """

    observations: Observations
    pending: IntArray
    excluded: IntArray
    position: int
    pending_z: FloatArray | None = None
    given_up: Pairs | None = None
    judged: Observations | None = None
    failed: Failures | None = None

    @property
    def latest(self) -> Observations:
        """All that is known by now."""
        return self.observations if self.judged is None else self.judged

    @property
    def pending_pairs(self) -> Pairs:
        """What is being evaluated, with its hyperparameters."""
        none = np.empty((len(self.pending), 0))
        return Pairs(self.pending, none if self.pending_z is None else self.pending_z)


MOST_FAILURES = 3
"""Failures of an architecture, with whatever hyperparameters, and no result, after which it is left alone."""


def hopeless(failed: IntArray, observed: IntArray, often: int = MOST_FAILURES) -> IntArray:
    """Of failed architectures (F, D) those that failed so often and have never had a result (N, D)."""
    rows, counts = np.unique(failed, axis=0, return_counts=True)
    successful = {row.tobytes() for row in observed}
    kept = [c >= often and r.tobytes() not in successful for r, c in zip(rows, counts, strict=True)]
    return np.asarray(rows[np.array(kept, dtype=bool)])


def is_observed(result: Result) -> bool:
    """Whether a result says something: values, or that a constraint is broken."""
    _, values, constraints = result
    return values is not None or any(value > 0 for value in constraints.values())


def check_result(
    architecture: object,
    values: float | Sequence[float] | None,
    constraints: Mapping[str, float],
    directions: Sequence[str],
) -> tuple[tuple[float, ...] | None, dict[str, float]]:
    """Values and constraints of an architecture as floats.

    Raises:
        ValueError: A value is no finite number, their number is not that of the directions, or a constraint is NaN, no
            number or without a name.
        TypeError: The constraints are no mapping.
    """
    check_type("constraints", constraints, Mapping, "{'latency_ms': latency - 4.0}")
    if values is not None:
        values = _numbers(values, architecture)
        if len(values) != len(directions):
            raise ValueError(
                f"{len(values)} values for {len(directions)} directions {tuple(directions)}"
            )
        if not np.isfinite(values).all():
            raise ValueError(
                f"values={values} of '{architecture}' are not finite: tell None for an evaluation that failed"
            )
    found = _margins(constraints, architecture)
    if any(np.isnan(value) for value in found.values()):
        raise ValueError(
            f"constraints={found} of '{architecture}' contain NaN: leave out what is unknown"
        )
    return values, found


def _numbers(values: float | Sequence[float], architecture: object) -> tuple[float, ...]:
    try:
        return tuple(float(v) for v in np.atleast_1d(np.asarray(values, dtype=np.float64)))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"values={values!r} of '{architecture}' must be numbers, one an objective ({error})"
        ) from error


def _margins(constraints: Mapping[str, float], architecture: object) -> dict[str, float]:
    told = f"constraints={dict(constraints)!r} of '{architecture}'"
    for name in constraints:
        if not isinstance(name, str):
            raise ValueError(f"{told}: {name!r} is no name; give a string, such as 'latency_ms'")
    try:
        return {name: float(value) for name, value in constraints.items()}
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{told} must be numbers, at most 0 where kept ({error})") from error
