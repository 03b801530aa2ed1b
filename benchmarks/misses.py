"""Why searches miss what they are after: ``python -m benchmarks.misses`` (ten minutes).

Of searches on NAS-Bench-201 that have not found the best cell after 96 queries: how often it was among the candidates,
and where it stood, of all cells, in what the search expected of them at its last query. Of searches on `nb301`, where
candidates cost nothing to look up: how many of them are better than the best so far, and whether the search took one.
And how well a regression that knows four fifths of all latencies tells which cells keep the limit of
`nb201-c100-lat5`.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks import problems
from benchmarks.problems.base import Problem
from optuna_agnet import AGNet, AGNetConfig
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.search.acquisition import expected_improvement
from optuna_agnet.surrogate.base import Candidates
from optuna_agnet.surrogate.gaussian_process import GaussianProcess

QUERIES, FOLDS, BEST = 96, 5, 12
PHASES = ((16, 32), (32, 64), (64, 96))  # queries


class Watched(GaussianProcess):
    """The default surrogate; ``pool`` is what it was asked for last."""

    pool: IntArray | None = None

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        self.pool = candidates.x
        return super().predict(candidates)


def watched(problem: Problem, seed: int) -> tuple[AGNet, Watched]:
    """The default search, and its surrogate."""
    surrogate = Watched(problem.space)
    config = AGNetConfig(dedup="encoding")
    search = AGNet(problem.space, problem.directions, seed=seed, config=config, surrogate=surrogate)
    return search, surrogate


def missed(problem: Problem, seed: int) -> tuple[int | None, int, int, int]:
    """The query that found the optimum or None, asks with it among the candidates, all asks, its place at the end."""
    x = problem.space.enumerate()
    best = int(np.nanargmax(problem.evaluate(x).values[:, 0]))
    (search, surrogate), pools = watched(problem, seed), []
    for query in range(1, QUERIES + 1):
        arch = search.ask()
        if surrogate.pool is not None:
            pools.append(bool((surrogate.pool == x[best]).all(1).any()))
        row = problem.space.choices([arch])
        search.tell(arch, float(problem.evaluate(row).values[0, 0]))
        if (row[0] == x[best]).all():
            return query, sum(pools), len(pools), 0
    observations = search.observations
    surrogate.fit(observations.x, observations.outcomes, search.proposer.ranks(observations))
    mean, std = surrogate.predict(Candidates(x))
    gain = expected_improvement(mean[:, 0], std[:, 0], surrogate.fitted.max())
    return None, sum(pools), len(pools), 1 + int((gain > gain[best]).sum())


def offered(problem: Problem, seed: int) -> FloatArray:
    """Of each query (Q, 3): the best so far, candidates that are better, whether it was; NaN while there are none."""
    (search, surrogate), best, rows = watched(problem, seed), -np.inf, []
    for _ in range(QUERIES):
        arch = search.ask()
        value = float(problem.evaluate(problem.space.choices([arch])).values[0, 0])
        better = np.nan
        if surrogate.pool is not None:
            better = float((problem.evaluate(surrogate.pool).values[:, 0] > best).sum())
        rows.append([best, better, float(value > best)])
        search.tell(arch, value)
        best = max(best, value)
    return np.array(rows)


def candidates(problem: Problem, seeds: int) -> None:
    """Prints what `offered` says, phase by phase."""
    found = np.stack([offered(problem, seed) for seed in range(seeds)])  # (S, Q, 3)
    for start, end in PHASES:
        best, better, took = (found[:, start:end, k] for k in range(3))
        some = better > 0
        print(
            f"{problem.name}, {seeds} searches, queries {start + 1} to {end}: best so far {best.mean():.2f};"
            f" better ones in the pool in {some.mean():.0%} of the asks, {better[some].mean():.1f} on average;"
            f" one was taken in {took[some].mean():.0%} of those (at random: {chance(better[some]):.0%})",
            flush=True,
        )


def chance(better: FloatArray) -> float:
    """That a candidate at random is better, of pools of full size."""
    return float((better / AGNetConfig().pool_size).mean())


def latency(problem: Problem) -> None:
    """Prints how predictable the limit is, and what a regression says of the best cells that keep it."""
    from xgboost import XGBRegressor

    x = problem.space.enumerate()
    found = problem.evaluate(x)
    values, excess = found.values[:, 0], found.constraints[:, 0]
    features = problem.space.one_hot(x)
    fold = np.random.default_rng(0).integers(0, FOLDS, len(x))
    predicted = np.empty(len(x))
    for k in range(FOLDS):
        model = XGBRegressor(
            n_estimators=400, max_depth=7, learning_rate=0.05, subsample=0.8, n_jobs=1
        )
        predicted[fold == k] = model.fit(features[fold != k], excess[fold != k]).predict(
            features[fold == k]
        )
    left = excess - predicted
    kept = excess <= 0
    print(
        f"latency, {FOLDS} folds of all {len(x):,} cells: R2 {1 - left.var() / excess.var():.3f}, ",
        end="",
    )
    print(f"standard deviation of the error {left.std():.2f} ms; {kept.mean():.1%} keep the limit")
    best = np.argsort(-np.where(kept, values, -np.inf))[:BEST]
    print(
        f"of the {BEST} best that keep it, {int((predicted[best] <= 0).sum())} are predicted to keep it;",
        end=" ",
    )
    print(
        f"the best one that is has {values[kept & (predicted <= 0)].max():.2f}, the best of all {values[best[0]]:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--seeds", type=int, default=30, help="searches a problem (default: %(default)s)"
    )
    seeds = parser.parse_args().seeds
    for name in ("nb201-c10", "nb201-c100", "nb201-in16"):
        problem = problems.load(name)
        for seed in range(seeds):
            query, there, asks, place = missed(problem, seed)
            if query is None:
                print(
                    f"{name} seed {seed}: among the candidates in {there} of {asks} asks, ", end=""
                )
                print(
                    f"expected to be number {place:,} of {len(problem.space.enumerate()):,}",
                    flush=True,
                )
    candidates(problems.load("nb301"), min(seeds, 10))
    latency(problems.load("nb201-c100-lat5"))


if __name__ == "__main__":
    main()
