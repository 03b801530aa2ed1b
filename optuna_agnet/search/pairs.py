"""Candidates where hyperparameters are searched together with the architecture: pairs of both.

Where much is free, as with cells, three kinds of proposals take turns, as sources of candidates do, and for the same
reason: expected improvement over all pairs at once would spend most trials on the last digits of the learning rate of
one architecture.

- new architectures, with hyperparameters that did well, changed ones, and any others (every second proposal);
- the same, and the best known architectures as well (every fourth);
- the best known architectures with hyperparameters that are far from all that did well (every fourth): a better
  optimizer that needs another learning rate is found by nothing else.

Where less is free, such as two widths and activations beside five hyperparameters, the model soon knows all of it, and
every proposal is of the second kind (benchmarks/README.md).

Of the first two the best pairs are improved further, one hyperparameter at a time.

Letters: B pairs, N results, D decisions, H hyperparameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product

import numpy as np

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.search.candidates import PARENTS, Filter, SpaceExhausted, random_pool
from optuna_agnet.search.config import STARTUP
from optuna_agnet.search.known_constraints import Limits
from optuna_agnet.search.observations import Pairs
from optuna_agnet.spaces.base import Choice
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.surrogate.base import Candidates

Order = Callable[[Candidates], IntArray]
"""From B candidates to their row numbers (B,), the best first."""

_FAR = 0.25  # of a hyperparameter's range
_FAR_PARENTS = 4
_ROUNDS = 3  # of improvement ...
_IMPROVED = 8  # ... of so many pairs
_STEP = 0.12  # of a hyperparameter's range, in the first round ...
_SHRINK = 0.4  # ... and by what it becomes smaller in the next
_EACH = 16  # pairs of a known architecture
_ENUMERABLE = 50_000  # pairs


class Turn(Enum):
    """Which architectures a proposal may take."""

    NEW = "new"
    ANY = "any"
    FAR = "far"


_TURNS = (Turn.NEW, Turn.ANY, Turn.NEW, Turn.FAR)


def turn_of(position: int, free: int) -> Turn:
    """Whose turn it is; they are taken where as many numbers are free as in a cell.

    Args:
        position: Of the proposal.
        free: `free_numbers` of architecture and hyperparameters.
    """
    return _TURNS[position % len(_TURNS)] if free >= STARTUP else Turn.ANY


@dataclass(frozen=True, slots=True)
class PairFilter:
    """What a pair must fulfil: to be new, and to agree with what is fixed.

    Args:
        hyperparameters: Of the pairs.
        architectures: What their architectures must fulfil.
        taken: Keys of pairs that are not to be proposed.
        fixed: Hyperparameters (H,) that a pair must have, NaN where they are free.
    """

    hyperparameters: Hyperparameters
    architectures: Filter
    taken: frozenset[object]
    fixed: FloatArray

    def keys(self, pairs: Pairs) -> list[object]:
        """One hashable key a pair."""
        unique, each = np.unique(pairs.x, axis=0, return_inverse=True)
        of_architectures = self.architectures.keys(unique)
        places = np.rint(pairs.z * 1e9)  # the same value may come from different sums
        return [
            (of_architectures[k], row.tobytes())
            for k, row in zip(each.reshape(-1), places, strict=True)
        ]

    def without(self, *known: Pairs) -> PairFilter:
        """The same, with more pairs taken."""
        taken = self.taken.union(*(self.keys(pairs) for pairs in known if len(pairs.x)))
        return PairFilter(self.hyperparameters, self.architectures, taken, self.fixed)

    def with_fixed(self, fixed: Mapping[str, Choice]) -> PairFilter:
        """The same, with decisions that are given, by name."""
        return replace(self, architectures=replace(self.architectures, fixed=fixed))

    def fix(self, z: FloatArray) -> FloatArray:
        """Hyperparameters (B, H) with the fixed ones set."""
        return np.where(np.isnan(self.fixed), z, self.fixed)

    def new(self, pairs: Pairs) -> Pairs:
        """Those that fulfil it, the first of each kind."""
        seen, rows = set(self.taken), []
        for row, key in enumerate(self.keys(pairs) if len(pairs.x) else []):
            if key not in seen:
                seen.add(key)
                rows.append(row)
        return pairs.take(np.array(rows, dtype=np.int64))


def pair_pool(
    architectures: IntArray,
    best: Pairs,
    turn: Turn,
    allowed: PairFilter,
    size: int,
    rng: np.random.Generator,
) -> Candidates | None:
    """New pairs, at most twice ``size``; None where there is none.

    Args:
        architectures: New ones (B, D), as their source gives them, possibly none.
        best: Results (N, ...), the best first.
        turn: Which architectures may be taken.
        allowed: What a pair must fulfil.
        size: Most pairs of known architectures.
        rng: For all that is random.
    """
    known = best.x[allowed.architectures.new(best.x)][:PARENTS]
    if turn is Turn.FAR:
        pairs = _far(known[:_FAR_PARENTS], best.z[:PARENTS], allowed, size, rng)
    else:
        again = np.repeat(known, min(_EACH, size // PARENTS), axis=0)
        x = np.concatenate([architectures, again]) if turn is Turn.ANY else architectures
        pairs = Pairs(x, _good_hyperparameters(best.z[:PARENTS], len(x), allowed, rng))
    pairs = allowed.new(pairs)
    return Candidates(pairs.x, None, pairs.z) if len(pairs.x) else None


def _good_hyperparameters(
    good: FloatArray, n: int, allowed: PairFilter, rng: np.random.Generator
) -> FloatArray:
    """(n, H): a quarter as they are in the best results (B, H), and as many near them as anywhere."""
    hyperparameters = allowed.hyperparameters
    anywhere = hyperparameters.sample(n, rng)
    if not len(good):
        return allowed.fix(anywhere)
    copied = good[rng.integers(len(good), size=n)]
    copied = np.where(np.isnan(copied), anywhere, copied)  # a prior study may have others
    near = hyperparameters.perturb(copied, rng)
    kind = rng.choice(3, size=(n, 1), p=(0.25, 0.375, 0.375))
    return allowed.fix(np.select([kind == 0, kind == 1], [copied, near], anywhere))


def _far(
    known: IntArray, good: FloatArray, allowed: PairFilter, size: int, rng: np.random.Generator
) -> Pairs:
    """Known architectures with hyperparameters that differ much from each of the good ones (B, H) in some entry."""
    x = np.repeat(known, size // max(len(known), 1), axis=0)
    z = allowed.fix(allowed.hyperparameters.sample(len(x), rng))
    gaps = np.nan_to_num(allowed.hyperparameters.gaps(z, good), nan=1.0)  # (H, size, B)
    far = (gaps.max(0) >= _FAR).all(1)
    return Pairs(x[far], z[far]) if far.any() else Pairs(x, z)


def random_pairs(size: int, allowed: PairFilter, rng: np.random.Generator) -> Candidates:
    """New random pairs, at least one and at most ``size``; architectures alone where there are no hyperparameters.

    Raises:
        SpaceExhausted: Nothing new is left.
    """
    if not len(allowed.hyperparameters):
        return Candidates(random_pool(size, allowed.architectures, rng))
    for attempt in range(4):
        n = size * 4**attempt
        x = random_pool(n, allowed.architectures, rng)
        x = x[rng.integers(len(x), size=n)]
        pairs = allowed.new(Pairs(x, allowed.fix(allowed.hyperparameters.sample(n, rng))))
        if len(pairs.x):
            return Candidates(pairs.x[:size], None, pairs.z[:size])
    pairs = allowed.new(_every_pair(allowed))
    if not len(pairs.x):
        space, names = allowed.architectures.space, ", ".join(allowed.hyperparameters.names)
        alone = space.num_combinations == 1
        what = (
            f"values of {names} are"
            if alone
            else f"pair of an architecture of {space!r} and {names} is"
        )
        raise SpaceExhausted(
            f"no new {what} left: {len(allowed.taken)} are taken. Stop here, widen the ranges, or set"
            " AGNetConfig(allow_duplicates=True)"
        )
    rows = rng.permutation(len(pairs.x))[:size]
    return Candidates(pairs.x[rows], None, pairs.z[rows])


def _every_pair(allowed: PairFilter) -> Pairs:
    """All pairs that agree with what is fixed; none where there are too many to list."""
    space, hyperparameters = allowed.architectures.space, allowed.hyperparameters
    x = space.enumerate()
    z = None if x is None else _every_value(allowed, _ENUMERABLE // max(len(x), 1))
    if x is None or z is None:
        return Pairs(
            np.empty((0, len(space.decisions)), dtype=np.int64), np.empty((0, len(hyperparameters)))
        )
    x = x[allowed.architectures.new(x)]
    return Pairs(np.repeat(x, len(z), axis=0), np.tile(z, (len(x), 1)))


def _every_value(allowed: PairFilter, most: int) -> FloatArray | None:
    """All hyperparameters (n, H) that agree with what is fixed; None where there are more than so many."""
    columns = allowed.hyperparameters.grid(allowed.fixed)
    if columns is None or np.prod([len(c) for c in columns]) > most:
        return None
    values = np.array(list(product(*columns)), dtype=np.float64)
    return values.reshape(-1, len(allowed.hyperparameters))


def within_limits(
    ranked: Candidates, allowed: PairFilter, limits: Limits, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """The first pair whose architecture is within all limits, or a new one of an architecture that a climb finds.

    Raises:
        SpaceExhausted: None was found.
        InvalidConstraint: A function returned something else than a number.
    """
    assert ranked.z is not None
    architectures = allowed.architectures
    while True:
        row = limits.within(ranked.x, architectures, rng)
        same = (ranked.x == row).all(1)  # none where it was found beyond the candidates
        z = ranked.z[same] if same.any() else _new_values(row, ranked.z, allowed, rng)
        if len(z):
            return row, z[0]
        architectures = architectures.without(row[None])


def _new_values(
    row: IntArray, wanted: FloatArray, allowed: PairFilter, rng: np.random.Generator
) -> FloatArray:
    """Hyperparameters (n, H) with which an architecture (D,) is new: those wanted (B, H), else any; possibly none."""

    def new(z: FloatArray) -> FloatArray:
        return allowed.new(Pairs(np.tile(row, (len(z), 1)), z)).z

    found = new(wanted)
    if len(found):
        return found
    every = _every_value(allowed, _ENUMERABLE)
    if every is None:
        every = allowed.fix(allowed.hyperparameters.sample(len(wanted), rng))
    return rng.permutation(new(every))


def improved(
    ranked: Candidates, order: Order, allowed: PairFilter, rng: np.random.Generator
) -> Candidates:
    """Ranked pairs, the best of which were changed in one hyperparameter after the other for the better."""
    for number in range(_ROUNDS):
        best = ranked.take(np.arange(min(_IMPROVED, len(ranked.x))))
        assert best.z is not None
        step = _STEP * _SHRINK**number
        origins, moved = allowed.hyperparameters.moves(best.z, step, rng)
        more = allowed.new(Pairs(best.x[origins], allowed.fix(moved)))
        both = allowed.new(
            Pairs(np.concatenate([best.x, more.x]), np.concatenate([best.z, more.z]))
        )
        pool = Candidates(both.x, None, both.z)
        found = pool.take(order(pool)[:_IMPROVED])
        ranked = _before(found, ranked)
    return ranked


def _before(best: Candidates, others: Candidates) -> Candidates:
    """Both, those that were improved in the place of as many."""
    assert best.z is not None
    rest = others.take(np.arange(_IMPROVED, len(others.x)))
    assert rest.z is not None
    return Candidates(np.concatenate([best.x, rest.x]), None, np.concatenate([best.z, rest.z]))
