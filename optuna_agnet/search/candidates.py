"""Where the candidates of a proposal come from, and which architectures are out of the question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from optuna_agnet.generator.network import Generator, sample_graphs
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.spaces.base import BoolArray, CellSpace, Choice, IntArray
from optuna_agnet.surrogate.base import Candidates

PARENTS = 8
"""Incumbents whose neighbours are candidates."""
_LEAST_NEW = 1 / 32
"""A pool with fewer new candidates than this share of its size is given up for random draws."""


class SpaceExhausted(ValueError):
    """Every architecture of the space was proposed."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a candidate must fulfil: to be new, and to agree with decisions that are fixed.

    Args:
        space: The space.
        dedup: As in `AGNetConfig`.
        taken: Keys of architectures that are not to be proposed.
        fixed: Decisions that a candidate must have, by name.
    """

    space: CellSpace
    dedup: str
    taken: frozenset[object]
    fixed: Mapping[str, Choice]

    def keys(self, x: IntArray) -> list[object]:
        """One hashable key an architecture (B, D); equal keys count as the same architecture."""
        if self.dedup == "graph":
            return list(self.space.keys(x).tolist())
        return [row.tobytes() for row in x]

    def without(self, x: IntArray, known: dict[bytes, object] | None = None) -> Filter:
        """The same, with more architectures taken; ``known`` remembers their keys, by row, for later calls."""
        known = {} if known is None else known
        rows = [row.tobytes() for row in x]
        new = [number for number, row in enumerate(rows) if row not in known]
        known.update(zip([rows[number] for number in new], self.keys(x[new]), strict=True))
        taken = self.taken | {known[row] for row in rows}
        return Filter(self.space, self.dedup, taken, self.fixed)

    def fix(self, x: IntArray) -> IntArray:
        """Decisions (B, D) with the fixed ones set, repaired."""
        if not self.fixed:
            return x
        x = x.copy()
        for column, decision in enumerate(self.space.decisions):
            if decision.name in self.fixed:
                x[:, column] = decision.choices.index(self.fixed[decision.name])
        return self.space.repair(x)

    def new(self, x: IntArray) -> IntArray:
        """Row numbers of those that fulfil it, the first of each kind."""
        fits, seen, rows = self.fits(x), set(self.taken), []
        for row, key in enumerate(self.keys(x)):
            if fits[row] and key not in seen:
                seen.add(key)
                rows.append(row)
        return np.array(rows, dtype=np.int64)

    def fits(self, x: IntArray) -> BoolArray:
        """Which rows (B,) have the fixed decisions."""
        fits = np.ones(len(x), dtype=bool)
        for column, decision in enumerate(self.space.decisions):
            if decision.name in self.fixed:
                fits &= x[:, column] == decision.choices.index(self.fixed[decision.name])
        return fits


def generator_pool(
    generator: Generator, config: AGNetConfig, allowed: Filter, rng: torch.Generator
) -> Candidates | None:
    """Valid new samples of the generator, at most ``config.pool_size``; None where it hardly finds any."""
    parts: list[Candidates] = []
    count = 0
    for draws in config.draws:
        if parts:
            allowed = allowed.without(parts[-1].x)
        part = _sampled(generator, draws, config, allowed, rng)
        parts.append(part)
        count += len(part.x)
        if count >= config.pool_size:
            break
    if count < max(1, config.pool_size * _LEAST_NEW):
        return None
    scores = [part.scores for part in parts if part.scores is not None]
    pool = Candidates(np.concatenate([part.x for part in parts]), torch.cat(scores))
    kept = torch.randperm(count, generator=rng)[: config.pool_size].numpy()
    return pool.take(kept)


def _sampled(
    generator: Generator, draws: int, config: AGNetConfig, allowed: Filter, rng: torch.Generator
) -> Candidates:
    with torch.no_grad():
        scores = generator(generator.latents(draws, rng, uniform=config.uniform_latents))
    x, valid = generator.space.decode(sample_graphs(scores, rng))
    rows = np.flatnonzero(valid)
    fixed = allowed.fix(x[rows])
    new = allowed.new(fixed)
    return Candidates(fixed[new], scores.flat()[torch.from_numpy(rows[new])])


def neighbor_pool(best: IntArray, size: int, allowed: Filter, rng: np.random.Generator) -> IntArray:
    """New neighbours of the incumbents ``best`` (B, D), at most ``size``."""
    x = allowed.fix(allowed.space.neighbors(best[:PARENTS]))
    new = x[allowed.new(x)]
    return rng.permutation(new)[:size]


def random_pool(size: int, allowed: Filter, rng: np.random.Generator) -> IntArray:
    """New valid architectures, at least one and at most ``size``.

    Raises:
        SpaceExhausted: Nothing new is left.
    """
    for attempt in range(4):
        x = allowed.fix(allowed.space.sample(size * 4**attempt, rng))
        new = allowed.new(x)
        if len(new):
            return x[new][:size]
    every = allowed.space.enumerate()
    if every is not None:
        every = every[allowed.new(every)]
    if every is None or not len(every):
        fixed = f" with {dict(allowed.fixed)}" if allowed.fixed else ""
        raise SpaceExhausted(
            f"no new architecture is left in {allowed.space!r}{fixed}: {len(allowed.taken)} are taken."
            " Stop here, widen the space, or set AGNetConfig(allow_duplicates=True)"
        )
    return rng.permutation(every)[:size]
