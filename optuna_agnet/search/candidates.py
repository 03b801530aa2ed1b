"""Where the candidates of a proposal come from, and which architectures are out of the question."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch

from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.generator.network import Generator
from optuna_agnet.spaces.base import Choice, SearchSpace
from optuna_agnet.surrogate.base import Candidates

PARENTS = 8
"""Incumbents whose neighbours are candidates."""
_LEAST_NEW = 1 / 32
"""A pool with fewer new candidates than this share of its size is given up for random draws."""
_MOST_ALIKE = 32
"""Combinations of choices that stand for one architecture; where there are more, a used up space is noticed later."""


class SpaceExhausted(ValueError):
    """Nothing new is left to propose, or was found, in the space or within the known constraints."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a candidate must fulfil: to be new, and to agree with decisions that are fixed.

    Args:
        space: The space.
        dedup: As in `AGNetConfig`.
        taken: Keys of architectures that are not to be proposed.
        fixed: Decisions that a candidate must have, by name.
        known: Keys by row, remembered, as a search comes to the same architectures again and again.
    """

    space: SearchSpace
    dedup: str
    taken: frozenset[object]
    fixed: Mapping[str, Choice]
    known: dict[object, object] = field(default_factory=dict, compare=False, repr=False)

    def keys(self, x: IntArray) -> list[object]:
        """One hashable key an architecture (B, D); equal keys count as the same architecture."""
        rows: list[object] = [row.tobytes() for row in x]
        if self.dedup != "graph" or not self.space.has_isomorphic:
            return rows
        known = self.known
        new = {row: number for number, row in enumerate(rows) if row not in known}
        if new:
            known.update(zip(new, self.space.keys(x[list(new.values())]).tolist(), strict=True))
        return [known[row] for row in rows]

    def without(self, *more: IntArray) -> Filter:
        """The same, with more architectures taken."""
        return replace(self, taken=self.taken.union(*(self.keys(x) for x in more if len(x))))

    def fix(self, x: IntArray) -> IntArray:
        """Decisions (B, D) with the fixed ones set, repaired."""
        if not self.fixed:
            return x
        return self.space.repair(self.space.assign(x, self.fixed))

    def new(self, x: IntArray) -> IntArray:
        """Row numbers of those that fulfil it, the first of each kind."""
        fits, seen, rows = self.fits(x), set(self.taken), []
        for row, key in enumerate(self.keys(x)):
            if fits[row] and key not in seen:
                seen.add(key)
                rows.append(row)
        return np.array(rows, dtype=np.int64)

    def fits(self, x: IntArray) -> BoolArray:
        """Which rows (B,) have the fixed decisions, as far as these exist in them."""
        fits = np.ones(len(x), dtype=bool)
        if not self.fixed:
            return fits
        active = self.space.active(x)
        for column, decision in enumerate(self.space.decisions):
            if decision.name in self.fixed:
                choice = decision.index(self.fixed[decision.name])
                fits &= (x[:, column] == choice) | ~active[:, column]
        return fits


def neighbor_pool(best: IntArray, size: int, allowed: Filter, rng: np.random.Generator) -> IntArray:
    """New neighbours of the incumbents ``best`` (B, D), at most ``size``: the nearest, at random among equals."""
    x, steps = allowed.space.neighbors_and_steps(best[:PARENTS])
    x = allowed.fix(x)
    new = rng.permutation(allowed.new(x))
    nearest: IntArray = x[new[np.argsort(steps[new], kind="stable")]]
    return nearest[:size]


def random_pool(size: int, allowed: Filter, rng: np.random.Generator) -> IntArray:
    """New valid architectures, at least one and at most ``size``.

    Raises:
        SpaceExhausted: Nothing new is left, or was found in a space that is too large to list.
    """
    for attempt in range(4):
        x = allowed.fix(allowed.space.sample(size * 4**attempt, rng))
        new = allowed.new(x)
        if len(new):
            return x[new][:size]
    every = allowed.space.enumerate()
    fitting = None if every is None else every[allowed.fits(every)]
    if fitting is None or not len(fitting):
        raise SpaceExhausted(
            f"no new architecture{_with(allowed)} was found in {allowed.space!r}; {len(allowed.taken)} are taken"
        )
    left = fitting[allowed.new(fitting)]
    if not len(left):
        raise SpaceExhausted(
            f"no new architecture is left in {allowed.space!r}{_with(allowed)}: {len(allowed.taken)} are taken."
            " Stop here, widen the space, or set AGNetConfig(allow_duplicates=True)"
        )
    return rng.permutation(left)[:size]


def _with(allowed: Filter) -> str:
    return f" with {dict(allowed.fixed)}" if allowed.fixed else ""


class Inventory:
    """All architectures of a space that is small enough to list; they are listed once the space may be used up.

    Args:
        space: The space.
        dedup: As in `AGNetConfig`.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.EdgeCell(nodes=3, ops=("skip", "conv"))
        >>> free = Filter(space, "graph", frozenset(), {})
        >>> inventory, x = Inventory(space, "graph"), space.enumerate()
        >>> inventory.is_used_up(free.without(x[:-1])), inventory.is_used_up(free.without(x))
        (False, True)
    """

    def __init__(self, space: SearchSpace, dedup: str) -> None:
        self._free = Filter(space, dedup, frozenset(), {})
        self._keys: dict[tuple[object, ...], frozenset[object]] = {}  # by what is fixed

    def may_be_used_up(self, taken: int, fixed: Mapping[str, Choice]) -> bool:
        """Whether it is worth a closer look when so many architectures are taken; costs nothing."""
        free = (len(d.choices) for d in self._free.space.decisions if d.name not in fixed)
        return taken * _MOST_ALIKE >= math.prod(free)

    def is_used_up(self, allowed: Filter) -> bool:
        """Whether no architecture is left that is allowed; False as well where that is not easily known."""
        if not self.may_be_used_up(len(allowed.taken), allowed.fixed):
            return False
        known = tuple(sorted(allowed.fixed.items()))
        if known not in self._keys:
            every = self._free.space.enumerate()
            found = [] if every is None else self._free.keys(allowed.fix(every))
            self._keys[known] = frozenset(found)
        keys = self._keys[known]
        return bool(keys) and keys <= allowed.taken


@dataclass(frozen=True, slots=True)
class CandidateRequest:
    """What a source of candidates is asked for.

    Args:
        trained_generator: As trained on the results so far; None where no source reads it.
        incumbents: Decisions (N, D) of all results, the best first; while there are none, of the first prior study,
            if there is one.
        size: Most candidates that are wanted.
        allowed: What each of them must fulfil.
        rng: For all that is random; the same state gives the same candidates.
    """

    trained_generator: Generator | None
    incumbents: IntArray
    size: int
    allowed: Filter
    rng: np.random.Generator

    def around(self, ranked: IntArray) -> CandidateRequest:
        """The same for a quarter as many, with candidates (B, D), the most promising first, as incumbents."""
        allowed = self.allowed.without(ranked)
        return replace(self, incumbents=ranked, size=max(1, self.size // 4), allowed=allowed)

    @property
    def generator(self) -> Generator:
        """As trained on the results so far.

        Raises:
            ValueError: The source has ``uses_generator = False``, and so have the others.
        """
        if self.trained_generator is None:
            raise ValueError(
                "no generator was trained: all sources of candidates have uses_generator = False; leave that out of the"
                " one that reads it"
            )
        return self.trained_generator


@runtime_checkable
class CandidateSource(Protocol):
    """Where the candidates of a proposal come from. Sources take turns, one a proposal.

    One that does not read ``request.generator`` may have the attribute ``uses_generator = False``: where all have it,
    none is trained. One with an attribute ``refinements`` is asked so many times again, with the candidates that the
    acquisition likes best in the place of incumbents (`CandidateRequest.around`).
    """

    @property
    def name(self) -> str:
        """What `Proposal.source` and the study say of a proposal that came from it."""

    def candidates(self, request: CandidateRequest) -> Candidates | None:
        """New and allowed architectures (``request.allowed.new``); None where there is none: random ones then."""


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """A source of one's own, of which nothing is believed.

    Its candidates are repaired: a row that is not stands for an architecture whose row is another one, and would never
    be told. What is not new or not allowed is left out.

    Args:
        source: The source.
    """

    source: CandidateSource

    @property
    def name(self) -> str:
        """Of the source."""
        return self.source.name

    @property
    def uses_generator(self) -> bool:
        """Whether the source may read the generator."""
        return bool(getattr(self.source, "uses_generator", True))

    @property
    def refinements(self) -> int:
        """How often the source is asked again."""
        return int(getattr(self.source, "refinements", 0))

    def candidates(self, request: CandidateRequest) -> Candidates | None:
        """What is left of what the source gives; None where nothing is.

        Raises:
            TypeError: The source gave something else than `Candidates` or None.
            ValueError: Its decisions have another shape than those of the space, or are none of its choices.
        """
        given = self.source.candidates(request)
        if given is None:
            return None
        if not isinstance(given, Candidates):
            raise TypeError(
                f"the source '{self.name}' gave {type(given).__name__}: give Candidates(x), or None"
            )
        x = _checked(self.name, np.asarray(given.x), request.allowed.space)
        found = Candidates(request.allowed.space.repair(x), given.scores)
        kept = request.allowed.new(found.x)
        if len(kept) < len(x):
            found = found.take(kept)
        return found if len(found.x) else None


def _checked(name: str, x: IntArray, space: SearchSpace) -> IntArray:
    """Decisions (B, D) that exist."""
    if x.ndim != 2 or x.shape[1] != len(space.decisions) or x.dtype.kind not in "iu":
        raise ValueError(
            f"the source '{name}' gave x of shape {x.shape} and type {x.dtype}: give integers of shape"
            f" (B, {len(space.decisions)}), as space.choices(architectures) does"
        )
    if ((x < 0) | (x >= space.num_choices)).any():
        raise ValueError(
            f"the source '{name}' gave decisions outside of 0 <= x < space.num_choices, which is"
            f" {space.num_choices.tolist()}"
        )
    return x


@dataclass(frozen=True, slots=True)
class GeneratorSource:
    """Valid new samples of the generator; None where it hardly finds any.

    Args:
        samples_per_attempt: Samples of one attempt after the other, until there are as many as asked for.
        uniform_latents: As in `PaperOptions`.
    """

    samples_per_attempt: tuple[int, ...]
    uniform_latents: bool
    name: str = "generator"

    def candidates(self, request: CandidateRequest) -> Candidates | None:
        """At most ``request.size``."""
        rng = torch.Generator().manual_seed(int(request.rng.integers(2**62)))
        allowed, parts, count = request.allowed, list[Candidates](), 0
        for samples in self.samples_per_attempt:
            if parts:
                allowed = allowed.without(parts[-1].x)
            parts.append(self._sampled(samples, request.generator, allowed, rng))
            count += len(parts[-1].x)
            if count >= request.size:
                break
        if count < max(1, request.size * _LEAST_NEW):
            return None
        scores = [part.scores for part in parts if part.scores is not None]
        kept = torch.randperm(count, generator=rng)[: request.size]
        x = np.concatenate([part.x for part in parts])
        return Candidates(x[kept.numpy()], torch.cat(scores)[kept])

    def _sampled(
        self, samples: int, generator: Generator, allowed: Filter, rng: torch.Generator
    ) -> Candidates:
        scores, x, valid = generator.sample(samples, rng, uniform=self.uniform_latents)
        rows = np.flatnonzero(valid)
        fixed = allowed.fix(x[rows])
        new = allowed.new(fixed)
        return Candidates(fixed[new], scores[torch.from_numpy(rows[new])])


@dataclass(frozen=True, slots=True)
class NeighborSource:
    """New neighbours of the best results: they differ in one decision, in ordered choices by as little as may be."""

    name: str = "neighbors"
    uses_generator: ClassVar[bool] = False

    def candidates(self, request: CandidateRequest) -> Candidates | None:
        """At most ``request.size``; None where all were evaluated."""
        x = neighbor_pool(request.incumbents, request.size, request.allowed, request.rng)
        return Candidates(x) if len(x) else None


@dataclass(frozen=True, slots=True)
class RandomSource:
    """New random architectures."""

    name: str = "random"
    uses_generator: ClassVar[bool] = False

    def candidates(self, request: CandidateRequest) -> Candidates | None:
        """At most ``request.size``; raises `SpaceExhausted` where nothing new is left."""
        return Candidates(random_pool(request.size, request.allowed, request.rng))
