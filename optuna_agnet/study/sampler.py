"""AGNetSampler: the search as an Optuna sampler. It only translates between a `Proposer` and a study."""

from __future__ import annotations

import math
import secrets
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property, partial
from numbers import Real
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.deprecation import accepts_old_names
from optuna_agnet.core.html import html_value
from optuna_agnet.core.seeds import check_seed
from optuna_agnet.core.validation import check_count, check_type
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.generator.checkpoints import ArtifactStore, Checkpoints
from optuna_agnet.generator.network import Generator
from optuna_agnet.search import Acquisition, AGNetConfig, CandidateSource, Proposer, Surrogate
from optuna_agnet.search.known_constraints import KnownConstraint
from optuna_agnet.search.parts import SearchParts, config_or_default
from optuna_agnet.search.scores import SCORE_TIME_LIMIT_S, Score, check_scores
from optuna_agnet.search.starts import start_value
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.spaces.no_architecture import NoArchitecture
from optuna_agnet.study.attributes import is_unused_claim
from optuna_agnet.study.constraints_func import Constraints, ConstraintsFunc
from optuna_agnet.study.joint_parameters import JointParameters
from optuna_agnet.study.known_trials import note_start
from optuna_agnet.study.search_factory import SearchFactory
from optuna_agnet.study.storage_view import StudyState
from optuna_agnet.study.study_search import StudySearch
from optuna_agnet.study.trials import directions_of, listed_for_a_trial
from optuna_agnet.study.trialwise_tpe import TrialwiseTPE
from optuna_agnet.study.warm_start import read_sources


class AGNetSampler(BaseSampler):
    """AG-Net for Optuna: proposes architectures together with the hyperparameters beside them.

    Ask for architectures with ``space.suggest(trial)``, and for learning rates and the like with ``trial.suggest_*`` as
    usual: those that every trial asks for, always in the same range, are in the same model, and no pair of architecture
    and hyperparameters comes twice. What only some trials ask for is left to an independent sampler. All knowledge is
    in the study's storage, so a study that is interrupted and resumed gets the architectures that it would have got
    anyway, given the same ``seed``; trials of other samplers, enqueued and imported ones count as well, and pruned ones
    by what they had reported. The trained model is only a cache.

    Args:
        space: What is searched; None for hyperparameters alone.
        seed: Same seed, same study, same architectures; None takes one from the system.
        config: `AGNetConfig()` or `AGNetConfig.paper()`, or one of your own.
        generator: A pretrained one; default: the bundled one of the space, or one pretrained on first use (seconds).
        independent_sampler: Samples parameters that not all trials have; default: Optuna's `TPESampler`,
            with random numbers that depend on ``seed`` and the trial's number alone, so that workers differ and a
            study that is resumed goes on as it would have gone. One of your own is left as it is, and also begins the
            study, before a trial has shown which parameters there are: give it another seed in each worker.
        max_failures: Failed trials of one architecture after which it is not proposed again; until then it is tried
            again at once. A worker's death counts as one where the storage notices it (heartbeats). Of architectures
            with hyperparameters two that failed again, and none that didn't, are enough: what fails later is not tried
            again.
        stale_after: Seconds after which a trial that still runs counts as dead, so that its architecture becomes free;
            longer than any evaluation takes, or 0 for a study with one worker. Needed where the storage has no
            heartbeats (Journal, Redis, gRPC, and databases unless they are asked for): without it, trials that were
            running before this worker began are named in one warning. Counted in UTC, so workers may be in any time
            zone; their clocks must agree to within this time.
        known_constraints: Limits that cost no trial, by name: functions of an architecture that return a number, at
            most 0 where it may be proposed, such as ``{"latency_ms": lambda arch: latency(arch) - 4.0}``. Each is
            called once an architecture, for candidates in the order in which they would be proposed. Constraints that
            only a trial can tell are set in it: ``trial.set_constraint("latency_ms", latency - 4.0)``; a trial that is
            pruned after that, as too slow to be worth its training, still counts.
        constraints_func: The same for Optuna 4 and Ray Tune: called after a trial, returns all its constraints.
        source_studies: Studies of the same space and objectives on another data set or device: a warm start. What they
            hold is read once, here. It is a prior for generator and surrogate and replaces the random startup; results
            of the study itself overrule it, so an unrelated source costs some trials and no more. Constraints are
            matched by name. All workers should get the same ones, and so should a study that is resumed. Needs the
            default surrogate, ``config.surrogate="gp"``.
        artifact_store: Where workers of several machines share trained generators, one of `optuna.artifacts` that all
            of them reach: one worker trains a round, and who joins or resumes takes over the last one instead of
            training all again. Workers of one machine share them in the user's cache folder. Proposals are the same.
        surrogate: One of your own, instead of the one that ``config.surrogate`` names: a `Surrogate`.
        candidate_sources: Sources of candidates that take turns, instead of those that ``config.candidate_sources``
            names: `CandidateSource`.
        acquisition: How candidates are ordered, instead of what ``config.acquisition`` names: an `Acquisition`.
        scores: Numbers that cost no trial and may say something of the objective, by name: functions of an
            architecture, such as its parameters or NASWOT of its network (`training_free.quick_scores` has both).
            Larger may be better or worse. Before the first proposal they are computed for a few hundred random
            architectures, once a study, and kept there; workers share the work. They replace the random startup, and
            are believed as far as results bear them out. Need a space and the default surrogate.
        score_time_limit_s: Seconds for that, in each worker; what is not computed by then stays unknown.

    Raises:
        ValueError: An argument is out of range, the space has nothing to choose, the generator is another space's, or
            a source study does not fit.
        TypeError: A known constraint or ``constraints_func`` is no function, a source no study, or ``artifact_store``
            no store.

    Example:
        >>> import optuna
        >>> from optuna_agnet import spaces
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> space = spaces.nas_bench_201()
        >>> def objective(trial):
        ...     return str(space.suggest(trial)).count("nor_conv_3x3")
        >>> study = optuna.create_study(direction="maximize", sampler=AGNetSampler(space, seed=0))
        >>> study.optimize(objective, n_trials=5)
        >>> len(study.best_params)
        6

        The next study, on other data, starts from this one:

        >>> warm = AGNetSampler(space, seed=0, source_studies=[study])
        >>> next_study = optuna.create_study(direction="maximize", sampler=warm)
        >>> next_study.optimize(objective, n_trials=5)
        >>> next_study.trials[0].value >= 2
        True
    """

    _of_study: tuple[weakref.ref[BaseStorage], int, StudySearch] | None = None

    @accepts_old_names(companion="independent_sampler")
    def __init__(
        self,
        space: SearchSpace | None = None,
        *,
        seed: int | None = None,
        config: AGNetConfig | None = None,
        generator: Generator | None = None,
        independent_sampler: BaseSampler | None = None,
        max_failures: int = 2,
        stale_after: float | None = None,
        known_constraints: Mapping[str, KnownConstraint] | None = None,
        constraints_func: ConstraintsFunc | None = None,
        source_studies: Sequence[Study] = (),
        artifact_store: ArtifactStore | None = None,
        surrogate: Surrogate | None = None,
        candidate_sources: Sequence[CandidateSource] | None = None,
        acquisition: Acquisition | None = None,
        scores: Mapping[str, Score] | None = None,
        score_time_limit_s: float = SCORE_TIME_LIMIT_S,
    ) -> None:
        self._space = _check_space(space)
        self.seed = secrets.randbits(32) if seed is None else check_seed(seed)
        parts = SearchParts(
            self._space,
            seed=self.seed,
            config=config_or_default(config),
            generator=generator,
            known_constraints=known_constraints,
            surrogate=surrogate,
            candidate_sources=candidate_sources,
            acquisition=acquisition,
            checkpoints=None if artifact_store is None else Checkpoints(artifact_store),
        )
        sources = read_sources(source_studies, self._space)
        self._factory = SearchFactory(parts, sources, check_scores(scores), score_time_limit_s)
        self._factory.check()
        self._warn, self._lock, self._since = WarnOnce(), threading.RLock(), datetime.now()
        self._constraints = Constraints.of(constraints_func, self._warn)
        self._independent_sampler = _check_sampler(independent_sampler, self.seed)
        self._failures = _check_failures(max_failures, stale_after)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_lock"]
        state["_of_study"] = None  # is built again from the study
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()
        self._since = datetime.now()

    @property
    def space(self) -> SearchSpace:
        """What is searched."""
        return self._space

    @cached_property
    def _distributions(self) -> Mapping[str, BaseDistribution]:
        return self._space.distributions()

    def _repr_html_(self) -> str:
        independent = ("independent sampler", type(self._independent_sampler).__name__)
        rows = [*self._factory.described(), independent]
        return html_value("AGNetSampler", rows) + self._space._repr_html_()

    # -- Optuna's contract -----------------------------------------------------------------------------------------

    def reseed_rng(self) -> None:
        """Reseed an independent sampler of your own; all else differs by trial number and needs no reseeding."""
        self._independent_sampler.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The space's decisions, parameters beside them that all trials have, and what else is sampled jointly."""
        others = self._independent_sampler.infer_relative_search_space(study, trial)
        others = {n: d for n, d in others.items() if n not in self._distributions}
        own = {n: d for n, d in self._distributions.items() if not d.single()}
        return {**own, **others, **self._joint_parameters(study)}

    def _joint_parameters(self, study: Study) -> Mapping[str, BaseDistribution]:
        """Parameters beside the architecture that the model takes account of."""
        with self._lock:
            joint = self._search_of(study).joint
            return {} if joint is None else joint.update(study, listed_for_a_trial(study))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """One architecture with its hyperparameters, and the independent sampler's, as ``search_space`` names them.

        Raises:
            ValueError: The study's recorded parameters don't fit the space.
            SpaceExhausted: No architecture keeps the known constraints.
            TrialPruned: Nothing new is left; `optimize` stops. An ask-and-tell loop gets architectures again.
            InvalidConstraint: A known constraint returned something else than a number (a TypeError).
        """
        start = time.perf_counter()
        with self._lock:
            search = self._search_of(study)
            params, left = search.params_for(study, trial, search_space.keys(), start)
        others = {name: d for name, d in search_space.items() if name in left}
        return {**params, **self._sample_others(study, trial, others)}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Any other parameter, from the independent sampler."""
        if param_name in self._distributions:
            self._warn(
                f"independent {param_name}",
                f"the architecture's parameter '{param_name}' is sampled independently by"
                f" {type(self._independent_sampler).__name__}: suggest architectures with space.suggest(trial)",
            )
        elif self._starts(study):
            (parameter,) = Hyperparameters.of({param_name: param_distribution}).parameters
            return start_value(parameter, trial.number, self.seed)
        return self._independent_sampler.sample_independent(
            study, trial, param_name, param_distribution
        )

    def _starts(self, study: Study) -> bool:
        """Whether no trial has shown yet which hyperparameters are searched, and nobody gave a sampler for them."""
        with self._lock:
            joint = self._search_of(study).joint
        given = not isinstance(self._independent_sampler, TrialwiseTPE)
        return joint is not None and not joint.known and not given

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Notes the time, and is forwarded to the independent sampler."""
        with suppress(Exception):  # an error here would leave a trial that runs and that nobody has
            note_start(study, trial)
        self._independent_sampler.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Stores what ``constraints_func`` says, is forwarded, and ends `optimize` with a space's last architecture."""
        if self._constraints is not None:
            self._constraints.store(study, trial, state, values)
        if state == TrialState.FAIL and is_unused_claim(trial):
            self._warn(
                "unused",
                f"trial {trial.number} failed before it took its architecture; if Optuna complained about a 'dynamic"
                " value space', choices differ from the space's: suggest architectures with space.suggest(trial)",
            )
        self._independent_sampler.after_trial(study, trial, state, values)
        # the trial has its result: whatever goes wrong here, the next one will tell
        with suppress(Exception), self._lock:
            if self._of_study is not None:
                self._search_of(study).stop_if_used_up(study, trial, state)

    # -- the independent sampler's part -------------------------------------------------------------------------------

    def _sample_others(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        found = self._independent_sampler.sample_relative(study, trial, dict(search_space))
        return {
            name: found[name]
            if name in found
            else self._independent_sampler.sample_independent(study, trial, name, d)
            for name, d in search_space.items()
        }

    # -- the architecture ------------------------------------------------------------------------------------------

    def new_search(
        self,
        directions: Sequence[str],
        study: Study | None = None,
        hyperparameters: Hyperparameters = NONE,
    ) -> Proposer:
        """The search that the sampler asks, nothing told yet: its space, seed, config, generator, limits and sources.

        With a study, the scores that are stored there are among them, and those that it lacks are computed.

        Raises:
            ValueError: The sources have other directions.
        """
        return self._factory.new_search(directions, study, hyperparameters)

    def _search_of(self, study: Study) -> StudySearch:
        """The search of this study; there is a new one where the last one was another's."""
        if self._of_study is not None:
            storage, study_id, search = self._of_study
            if storage() is study._storage and study_id == study._study_id:
                return search
        search = self._begin(study)
        self._of_study = weakref.ref(study._storage), study._study_id, search
        return search

    def _begin(self, study: Study) -> StudySearch:
        state = StudyState(
            self._space,
            study,
            *self._failures,
            self._factory.parts.config,
            since=self._since,
        )
        reads = self._factory.parts.reads_hyperparameters
        joint = JointParameters(self._space, self._warn) if reads else None
        new_search = partial(self.new_search, directions_of(study))
        if joint is not None:
            joint.update(study, listed_for_a_trial(study))
        return StudySearch(self._space, state, joint, new_search, self._warn)


def _check_space(space: SearchSpace | None) -> SearchSpace:
    if space is None:
        return NoArchitecture()
    check_type("space", space, SearchSpace, "spaces.nas_bench_201()")
    return space


def _check_failures(max_failures: int, stale_after: float | None) -> tuple[int, float | None]:
    if stale_after is not None and not (
        isinstance(stale_after, Real) and 0 <= stale_after < math.inf
    ):
        raise ValueError(
            f"stale_after={stale_after!r} must be a number of seconds, at least 0, or None for never"
        )
    return check_count("max_failures", max_failures, 1), stale_after


def _check_sampler(sampler: BaseSampler | None, seed: int) -> BaseSampler:
    if sampler is None:
        return TrialwiseTPE(seed)
    check_type("independent_sampler", sampler, BaseSampler, "optuna.samplers.RandomSampler()")
    return sampler
