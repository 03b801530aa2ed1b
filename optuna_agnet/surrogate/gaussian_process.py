"""The default surrogate: an exact Gaussian process on true encodings, with targets that it may choose.

`kernel` has the covariance, `hyperparameters` the most probable numbers in it, `posterior` what then follows.

Other studies' results are a prior: each source has a GaussianProcess of its own, and what these predict are regressors
of the mean. Their weights are normal around equal shares of one; the grid also says how far they may be from that, and
can leave the sources out. Weights are part of the GP (a linear kernel), so a source that misleads is followed less with
every result, and one that is always wrong gets a negative weight. No sources are the case S = 0 of the same formulas.

Scores that cost no evaluation are regressors too, each interpolated by a process of its own. What they say of an
outcome is a guess, so the grid can leave weight and sign to the results alone, and it is looked at after every one of
the first results instead of every eighth.

Letters: N training architectures, P candidates, K outcomes, S sources: prior studies, then scores.

Own code instead of a library, for a measured reason (`benchmarks/gp_library.py`; one core, N = 192, P = 512): fit and
predict take 13 ms here and 75 ms in GPyTorch, hyperparameters 89 ms (the best of 100 grid points, no local optima) and
576 ms (50 steps of Adam), while other work ran; an ask is to stay under 30 ms, and every eighth needs both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.surrogate.base import Candidates, most_telling
from optuna_agnet.surrogate.hyperparameters import DOUBT, GUESSES, STUDIES, best_kernels
from optuna_agnet.surrogate.kernel import (
    BufferPool,
    Features,
    Featurizer,
    KernelParams,
    Similarities,
)
from optuna_agnet.surrogate.posterior import Posterior
from optuna_agnet.surrogate.reaches import default_kernel, fitted_kernels
from optuna_agnet.surrogate.relevance import fitted_relevance
from optuna_agnet.surrogate.targets import RANKS, Target, log_slope, normal_scores

_TUNING_POINTS = 200
_WARY = 24
"""Results after each of which it is asked anew whether scores are worth following."""


class GaussianProcess:
    """See the module. Each outcome has a GP of its own; predictions are in units of its targets.

    Args:
        space: Whose decisions it reads.
        targets: What it may see of an outcome's values. The first is taken unless another one explains them better (the
            marginal likelihood, with the Jacobian of the change of variables): by odds of 20 to 1 if it is ranks, and
            each result e times better if it is not.
        hyperparameters: Of those beside the architecture that it reads as well.
        priors: Processes that were fitted to other studies' results of the same outcomes.
        scores: Processes that were fitted to one number an architecture that costs no evaluation.
        columns: Which of the hyperparameters that it is asked about are its own; None: all of them.
        tune_every: Hyperparameters are those of the first so many points, a multiple of this; so they depend on the
            data alone and not on how often it was fitted.
        max_points: Bound of the training set: the better half, and an even spread of the others.
        weigh_decisions: Whether decisions may count differently (`relevance`), where that explains results better than
            chance would in 19 of 20 cases; with one outcome, and without hyperparameters.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> x = space.sample(40, np.random.default_rng(0))
        >>> y = (x == 3).sum(1).astype(float)
        >>> gp = GaussianProcess(space)
        >>> gp.fit(x[:30], y[:30, None], rank=-y[:30])
        >>> mean, std = gp.predict(Candidates(x[30:]))
        >>> mean.shape, bool((std > 0).all())
        ((10, 1), True)
    """

    feasibility_threshold: FloatArray
    fitted: FloatArray
    reads_hyperparameters = True

    def __init__(
        self,
        space: SearchSpace,
        *,
        targets: Sequence[Target] = (RANKS,),
        hyperparameters: Hyperparameters = NONE,
        priors: Sequence[GaussianProcess] = (),
        scores: Sequence[GaussianProcess] = (),
        tune_every: int = 8,
        max_points: int = 400,
        columns: Sequence[int] | None = None,
        weigh_decisions: bool = False,
    ) -> None:
        self.weigh_decisions = weigh_decisions and not len(hyperparameters)
        self.relevance: FloatArray | None = None  # (D,), of mean 1; None: all decisions count alike
        self.hyperparameters = hyperparameters
        self.columns = list(range(len(hyperparameters)) if columns is None else columns)
        self.space, self.targets = space, tuple(targets)
        self.priors, self.scores = priors, scores
        self.tune_every, self.max_points = tune_every, max_points
        self.kernels: list[KernelParams] = []
        self.chosen: list[Target] = []  # of each outcome
        self._tuned_on: bytes | None = None
        self._buffers = BufferPool()
        self._featurize = Featurizer(space, hyperparameters.unordered, self._buffers)
        self._outcome_buffers: defaultdict[int, BufferPool] = defaultdict(
            BufferPool
        )  # of each outcome

    def fit(
        self, x: IntArray, y: FloatArray, rank: FloatArray, z: FloatArray | None = None
    ) -> None:
        """Condition on decisions (N, D), hyperparameters (N, H) and values (N, K), as `Surrogate.fit`."""
        z = np.empty((len(x), 0)) if z is None else z
        self._posteriors: list[Posterior] = []
        self._tune(x, z, y)
        kept = most_telling(rank, self.max_points)
        self._features, distances = self._featurize.compared(x[kept], z[kept], None, self._weights)
        prior, lean = self._prior(self._features, y.shape[1]), self._lean(y.shape[1])
        self.feasibility_threshold, self.fitted = np.zeros(y.shape[1]), np.full(y.shape, np.nan)
        for column, kernel in enumerate(self.kernels):
            values = y[kept, column]
            known = np.flatnonzero(~np.isnan(values))
            if len(kept) and not len(known):
                # all known ones were left out: as if one average value had been seen
                known, values = np.zeros(1, dtype=np.int64), np.zeros(1)
            scores, threshold = self.chosen[column].of(values[known])
            target, rows = torch.from_numpy(scores), torch.from_numpy(known)
            posterior = Posterior(
                distances,
                rows,
                target,
                prior[rows, column],
                lean[column],
                kernel,
                self._outcome_buffers[column],
            )
            if not len(known) and self.priors:
                threshold = np.mean([prior.feasibility_threshold[column] for prior in self.priors])
            self.feasibility_threshold[column] = threshold
            self.fitted[kept[known], column] = posterior.fitted
            self._posteriors.append(posterior)
        # standard deviations (K,) of results around their values
        self.noise = np.array([(p.kernel.noise * p.variance) ** 0.5 for p in self._posteriors])

    def condition_on_pending(self, x: IntArray, z: FloatArray | None = None) -> None:
        """Condition on pending architectures (P, D), and hyperparameters (P, H), as if their means had been observed.

        `feasibility_threshold` and `fitted` stay as they are.
        """
        z = np.empty((len(x), 0)) if z is None else z
        more, old = self._featurize(x, z, "more counts"), len(self._features.z)
        prior = self._prior(more, len(self.kernels))
        means = self._means(more, prior)
        self._features = self._features.with_more(more)
        distances = self._distances(self._features)
        pending = torch.arange(old, old + len(x))
        for column, posterior in enumerate(self._posteriors):
            rows = torch.cat([posterior.rows, pending])
            target = torch.cat([posterior.target, means[:, column]])
            known = torch.cat([posterior.prior, prior[:, column]])
            self._posteriors[column] = Posterior(
                distances,
                rows,
                target,
                known,
                posterior.lean,
                posterior.kernel,
                posterior.buffers,
                posterior.variance,
            )

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """Posterior mean and standard deviation (P, K) of the noise-free values."""
        z = np.empty((len(candidates.x), 0)) if candidates.z is None else candidates.z
        features, distances = self._featurize.compared(
            candidates.x, z, self._features, self._weights
        )
        prior = self._prior(features, len(self.kernels))
        known = zip(self._posteriors, prior.unbind(1), strict=True)
        means, stds = zip(*(posterior.predict(distances, p) for posterior, p in known), strict=True)
        return torch.stack(means, 1).numpy(), torch.stack(stds, 1).numpy()

    def _means(self, features: Features, prior: Tensor) -> Tensor:
        """Posterior means (P, K), given what prior studies predict."""
        distances = self._distances(features)
        known = zip(self._posteriors, prior.unbind(1), strict=True)
        return torch.stack([posterior.mean(distances, p) for posterior, p in known], 1)

    def _distances(self, features: Features) -> Similarities:
        """From the training set (N, P)."""
        return self._features.distances(features, self._buffers, self._weights)

    @property
    def _weights(self) -> Tensor | None:
        """How much each column of the decisions' features counts (F,); None: all alike."""
        if self.relevance is None:
            return None
        return torch.from_numpy(self.relevance[self.space.feature_decisions].astype(np.float32))

    def _prior(self, features: Features, outcomes: int) -> Tensor:
        """What the sources predict (P, K, S)."""
        none = torch.empty(len(features.z), outcomes, 0, dtype=torch.float64)
        found = [source._means(features.take(source.columns), none) for source in self.priors]
        # spread evenly, not normally: a score tells bad from good, but hardly the best from one another
        found += [
            3**0.5
            * torch.erf(score._means(features.take([]), none[:, :1]) / 2**0.5).expand(-1, outcomes)
            for score in self.scores
        ]
        return torch.stack(found, 2) if found else none

    def score_means(self, x: IntArray) -> FloatArray:
        """What the scores say of decisions (P, D), each in units of its own standard deviation, (P, S of scores)."""
        z = np.zeros((len(x), len(self.hyperparameters)))
        prior = self._prior(self._featurize(x, z, "more counts"), 1)
        return prior[:, 0, len(self.priors) :].numpy()

    def _lean(self, outcomes: int) -> Tensor:
        """Weights (K, S) of sources that are right: studies share one, and without any the scores share it.

        A score is taken for larger is better, of the first outcome; what it says of the others results have to tell.
        """
        studies, scores = len(self.priors), len(self.scores)
        lean = torch.zeros(outcomes, studies + scores, dtype=torch.float64)
        lean[:, :studies] = 1 / max(studies, 1)
        if not studies:
            lean[:1] = 1 / max(scores, 1)
        return lean

    def score_weights(self) -> FloatArray:
        """How far each score is followed for each outcome, (K, S of scores): 0 is not at all, negative the other way.

        In normal scores of the outcome for one of the score.
        """
        followed = torch.stack([posterior.weights for posterior in self._posteriors])
        return followed[:, len(self.priors) :].numpy()

    def _tune(self, x: IntArray, z: FloatArray, y: FloatArray) -> None:
        every = 1 if self.scores and len(y) < _WARY else self.tune_every
        size = max(len(y) - len(y) % every, min(len(y), every))
        data = x[:size].tobytes() + z[:size].tobytes() + y[:size].tobytes()
        if data == self._tuned_on:
            return
        default = default_kernel(len(self.hyperparameters))
        self.kernels, self._tuned_on = [default] * y.shape[1], data
        self.chosen = [self.targets[0]] * y.shape[1]
        self.relevance = None
        if self.priors and not self.scores and size < self.tune_every:
            return
        columns = defaultdict(list)  # those known for the same architectures share the costly part
        for column, values in enumerate(y[:size].T):
            known = np.flatnonzero(~np.isnan(values))
            columns[known[most_telling(-values[known], _TUNING_POINTS)].tobytes()].append(column)
        for rows_data, chosen in columns.items():
            rows = np.frombuffer(rows_data, dtype=np.int64)
            if not len(rows):
                continue
            self._choose(x[rows], z[rows], y[rows], chosen)

    def _choose(self, x: IntArray, z: FloatArray, y: FloatArray, columns: Sequence[int]) -> None:
        """Kernel and target of some outcomes, all known for the same results: (n, D), (n, H) and values (n, K)."""
        features, distances = self._featurize.compared(x, z)
        scores = [[t.scores(y[:, column]) for column in columns] for t in self.targets]
        prior = self._prior(features, y.shape[1])[:, columns].repeat(1, len(scores), 1)
        targets = torch.from_numpy(np.stack([s for of_target in scores for s in of_target], 1))
        lean = self._lean(y.shape[1])[columns].repeat(len(scores), 1)
        # a grid has no local optima, but only so many dimensions
        choose = fitted_kernels if len(self.hyperparameters) else best_kernels
        found = choose(distances, targets, prior, lean, GUESSES if self.scores else STUDIES)
        # results that differ in what changes nothing have almost equal values: improbable ones, until that is known
        doubt = DOUBT if self.targets[0] is RANKS else float(len(y))
        for number, column in enumerate(columns):
            ranked = normal_scores(y[:, column])
            evidence = [
                found[i * len(columns) + number][1]
                + log_slope(of_target[number], ranked)
                - (doubt if i else 0.0)
                for i, of_target in enumerate(scores)
            ]
            best = int(np.argmax(evidence))
            self.chosen[column] = self.targets[best]
            self.kernels[column] = found[best * len(columns) + number][0]
            if self.weigh_decisions and y.shape[1] == 1:  # outcomes share one distance
                at = best * len(columns) + number
                given = targets[:, at], prior[:, at], lean[at]
                self.kernels[0], self.relevance = fitted_relevance(
                    features, distances, *given, self.kernels[0], self.space.feature_decisions
                )
