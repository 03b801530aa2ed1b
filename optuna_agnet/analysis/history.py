"""What a search did, worked out again from its study: its results, and the generator as it was after every round.

A round's weights follow from the results, the seed and the config alone, so nothing needs to be stored for this.
Letters as in `spaces.base`: D decisions; N results.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.ranking import signs
from optuna_agnet.core.validation import check_type
from optuna_agnet.generator.network import Generator
from optuna_agnet.search import AGNet, Observations, Proposer
from optuna_agnet.search.model import training_sizes
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.study.joint_parameters import JointParameters
from optuna_agnet.study.sampler import AGNetSampler
from optuna_agnet.study.storage_view import StudyState
from optuna_agnet.study.trials import directions_of
from optuna_agnet.surrogate.base import Candidates
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.surrogate.targets import normal_scores
from optuna_agnet.torch_settings import isolated_torch_settings

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, slots=True)
class Round:
    """The generator after a round of training.

    Args:
        observations: Results that it was trained on; 0 for the pretrained one.
        generator: A copy of its own.
    """

    observations: int
    generator: Generator

    def sample(self, n: int, seed: int = 0) -> tuple[IntArray, float]:
        """Valid architectures (B, D) out of ``n`` samples of z ~ N(0, 1), and the share that was valid."""
        rng = torch.Generator().manual_seed(seed)
        _, x, valid = self.generator.sample(n, rng)
        return x[valid], float(valid.mean())


@dataclass(frozen=True, slots=True)
class OutOfSamplePredictions:
    """What the surrogate, fitted on the first ``observations`` results, said of those up to the next round.

    Args:
        observations: Results known to it.
        mean: Predictions (B,), normal scores: 0 is the median of the known results, 1 as good as the best 16 %.
        std: Their standard deviations (B,).
        actual: The results (B,) on the same scale.
    """

    observations: int
    mean: FloatArray
    std: FloatArray
    actual: FloatArray

    @property
    def tau(self) -> float:
        """Kendall's rank correlation of predictions and results; NaN for fewer than two different ones."""
        return kendall_tau(self.mean, self.actual)


@dataclass(frozen=True)
class SearchHistory:
    """Results and rounds of one search; `search_history` makes it.

    Args:
        search: Seed, config and space.
        observations: The results, in the order in which they came.
    """

    search: Proposer
    observations: Observations

    @property
    def space(self) -> SearchSpace:
        """What was searched."""
        return self.search.space

    @cached_property
    def sizes(self) -> list[int]:
        """How many results each round knew; the pretrained generator, the first, knew 0."""
        return [0, *training_sizes(len(self.observations), self.search.config)]

    @property
    def has_generator(self) -> bool:
        """Whether a generator takes part in the search; in a space of many decisions none does."""
        return self.search.has_generator

    @cached_property
    @isolated_torch_settings()
    def rounds(self) -> list[Round]:
        """The pretrained generator and the one after each round; trains them when first asked for.

        Raises:
            ValueError: None takes part in the search.
        """
        model, rounds = self.search.model, list[Round]()
        for size in self.sizes:
            model.advance(self.observations.head(size))
            if model.generator is None:
                raise ValueError(
                    f"no generator takes part in a search of {self.space!r}: its decisions are many, and candidates are"
                    " mutants of the best results"
                )
            rounds.append(Round(size, copy.deepcopy(model.generator)))
        return rounds

    @isolated_torch_settings()
    def judgements(self, objective: int = 0) -> list[OutOfSamplePredictions]:
        """How the default surrogate judged results before it knew them, one entry a round.

        The search had picked most of these because the surrogate liked them, so ranks among them are harder to tell
        than among random architectures.
        """
        found = []
        for size, end in pairwise([*self.sizes[1:], len(self.observations)]):
            new = np.flatnonzero(~np.isnan(self.observations.y[:end, objective]))
            new = new[new >= size]
            if len(new):
                surrogate, known = self._fitted(size, objective)
                mean, std = surrogate.predict(Candidates(self.observations.x[new]))
                actual = _scores_among(self.observations.y[new, objective], known)
                found.append(OutOfSamplePredictions(size, mean[:, 0], std[:, 0], actual))
        return found

    @isolated_torch_settings()
    def predict(self, x: IntArray, objective: int = 0) -> FloatArray:
        """Values (B,) of decisions (B, D) in the study's units, by the default surrogate on all results."""
        surrogate, known = self._fitted(len(self.observations), objective)
        mean, _ = surrogate.predict(Candidates(x))
        known = np.sort(known)
        value: FloatArray = np.interp(mean[:, 0], normal_scores(known), known)
        return value * float(signs(self.search.directions)[objective])

    def _fitted(self, size: int, objective: int) -> tuple[GaussianProcess, FloatArray]:
        """The surrogate of an objective after so many results, and the values that it knows, larger is better."""
        observations = self.observations.head(size)
        surrogate = GaussianProcess(self.space)
        surrogate.fit(
            observations.x, observations.y[:, [objective]], self.search.ranks(observations)
        )
        return surrogate, observations.y[~np.isnan(surrogate.fitted[:, 0]), objective]


def search_history(
    study: optuna.Study, space: SearchSpace, search: AGNet | Proposer | None = None
) -> SearchHistory:
    """The history of a study's search.

    Args:
        study: The study.
        space: What it searched.
        search: Seed and config of the search, `AGNet(space, directions, seed=..., config=...)`. Default: those of
            the study's sampler; where that is no `AGNetSampler`, as after `optuna.load_study`, seed 0 and the default
            config. With another seed or config the rounds are not those of the search, but what would have become of
            the generator on the same results.

    Raises:
        ValueError: The study's parameters don't fit the space, or none of its trials holds a result.

    Example:
        >>> import optuna
        >>> from optuna_agnet import spaces
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> space = spaces.nas_bench_201()
        >>> study = optuna.create_study(direction="maximize", sampler=AGNetSampler(space, seed=0))
        >>> study.optimize(lambda trial: str(space.suggest(trial)).count("conv_3x3"), n_trials=17)
        >>> history = search_history(study, space)
        >>> history.sizes, history.rounds[1].observations
        ([0, 16], 16)
    """
    check_type("space", space, SearchSpace, "the one that the study searched")
    if isinstance(search, AGNet):
        search = search.proposer
    if search is None:
        search = _search_of(study, space)
    observations = _observations(study, search)
    if not len(observations):
        raise ValueError(
            f"the study '{study.study_name}' has no complete trial with the parameters of {space!r}"
            f" ({', '.join(d.name for d in space.decisions[:3])}, ...): run it first, or give the space it searched"
        )
    return SearchHistory(search, observations)


def joint_history(study: optuna.Study, history: SearchHistory) -> SearchHistory:
    """The same with what is searched beside the architecture; the history itself where that is nothing."""
    space, joint = history.space, JointParameters(history.space)
    joint.update(study)
    found = joint.hyperparameters
    if not (len(found) and history.search.parts.reads_hyperparameters):
        return history
    search = _search_of(study, space, found)
    return SearchHistory(search, _observations(study, search))


def _observations(study: optuna.Study, search: Proposer) -> Observations:
    state = StudyState(search.space, study, max_failures=2, config=search.config, writes=False)
    return state.read(study, -1, search.hyperparameters).observations


def _search_of(
    study: optuna.Study, space: SearchSpace, hyperparameters: Hyperparameters = NONE
) -> Proposer:
    """That of the study's sampler, if it has one of this space."""
    directions, sampler = directions_of(study), study.sampler
    if isinstance(sampler, AGNetSampler):
        search = sampler.new_search(directions, None, hyperparameters)
        if search.space == space:
            return search
    return Proposer(space, directions, seed=0, hyperparameters=hyperparameters)


def _scores_among(new: FloatArray, known: FloatArray) -> FloatArray:
    """Normal scores of new values (B,) on the scale of known ones (K,): where each would rank among them."""
    ordered = np.sort(known)
    below = np.searchsorted(ordered, new, side="left")
    upto = np.searchsorted(ordered, new, side="right")
    quantile = ((below + upto) / 2 + 0.5) / (len(known) + 1)
    return torch.special.ndtri(torch.from_numpy(quantile)).numpy()  # type: ignore[no-any-return]


def kendall_tau(a: FloatArray, b: FloatArray) -> float:
    """Kendall's tau-b of (N,) and (N,); NaN where one of them is constant.

    Example:
        >>> round(kendall_tau(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0])), 3)
        0.667
    """
    i, j = np.triu_indices(len(a), 1)
    signs_a, signs_b = np.sign(a[i] - a[j]), np.sign(b[i] - b[j])
    size = np.sqrt(np.abs(signs_a).sum() * np.abs(signs_b).sum())
    return float((signs_a * signs_b).sum() / size) if size else float("nan")
