"""AGNetSampler: the search as an Optuna sampler. It only translates between a `Proposer` and a study."""

from __future__ import annotations

import copy
import math
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from optuna import TrialPruned
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.deprecation import accepts_old_names
from optuna_agnet.core.html import html_value
from optuna_agnet.core.progress import LOGGER
from optuna_agnet.core.seeds import Stream, check_seed, seed_from
from optuna_agnet.core.validation import check_type
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.generator.checkpoints import ArtifactStore, Checkpoints
from optuna_agnet.generator.network import Generator
from optuna_agnet.search import (
    Acquisition,
    AGNetConfig,
    CandidateSource,
    Proposal,
    Proposer,
    Snapshot,
    SpaceExhausted,
    Surrogate,
)
from optuna_agnet.search.candidates import Filter, Inventory
from optuna_agnet.search.known_constraints import InvalidConstraint, KnownConstraint
from optuna_agnet.search.observations import Pairs
from optuna_agnet.search.pairs import PairFilter
from optuna_agnet.search.parts import reads_hyperparameters
from optuna_agnet.search.scores import (
    PIECES,
    SCORE_TIME_LIMIT_S,
    Score,
    ScoreTable,
    check_scores,
    check_time_limit,
    evaluate,
)
from optuna_agnet.spaces.base import Choice, SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.spaces.no_architecture import NoArchitecture
from optuna_agnet.study import storage_view
from optuna_agnet.study.joint_parameters import JointParameters
from optuna_agnet.study.known_trials import note_start
from optuna_agnet.study.storage_view import StudyState
from optuna_agnet.study.stored_scores import StoredScores
from optuna_agnet.study.trials import directions_of
from optuna_agnet.study.trialwise_tpe import TrialwiseTPE
from optuna_agnet.study.warm_start import check_directions_of, read_sources

_DRAWS = 256  # random architectures with fixed decisions
_ATTEMPTS = 50  # at an architecture that no other worker takes at the same moment


class Fixed(NamedTuple):
    """What a trial does not leave to the search.

    Args:
        decisions: By name.
        hyperparameters: (H,), NaN where they are free.
        by_sampler: Whether decisions are fixed for all trials alike: then a used up space ends the study.
    """

    decisions: Mapping[str, Choice]
    hyperparameters: FloatArray
    by_sampler: bool


class AGNetSampler(BaseSampler):
    """AG-Net for Optuna: proposes architectures together with the hyperparameters beside them.

    Ask for architectures with ``space.suggest(trial)``, and for learning rates and the like with ``trial.suggest_*`` as
    usual: those that every trial asks for, always in the same range, are in the same model, and no pair of architecture
    and hyperparameters comes twice. What only some trials ask for, and all of it in the very first trial, is left to an
    independent sampler. All knowledge comes from the study's storage, so a study that
    is interrupted and resumed gets the architectures that it would have got anyway, given the same ``seed``; trials
    of other samplers, enqueued and imported ones count as well, and pruned ones by what they had reported. The trained
    model is only a cache.

    Args:
        space: What is searched; None for hyperparameters alone.
        seed: Same seed, same study, same architectures; None takes one from the system.
        config: `AGNetConfig()` or `AGNetConfig.paper()`, or one of your own.
        generator: A pretrained one; default: the bundled one of the space, or one pretrained on first use (seconds).
        independent_sampler: Samples parameters that not all trials have; default: Optuna's `TPESampler`,
            with random numbers that depend on ``seed`` and the trial's number alone, so that workers differ and a
            study that is resumed goes on as it would have gone. One of your own is left as it is: give it another seed
            in each worker.
        max_failures: Failed trials of one architecture after which it is not proposed again; until then it is tried
            again at once. A worker's death counts as one where the storage notices it (heartbeats).
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
        artifact_store: Where workers share trained generators, one of `optuna.artifacts` that all of them reach: one
            worker trains a round, and who joins or resumes takes over the last one instead of training all again.
            Proposals are the same without it.
        surrogate: One of your own, instead of the one that ``config.surrogate`` names: a `Surrogate`.
        candidate_sources: Sources of candidates that take turns, instead of those that ``config.candidate_sources``
            names: `CandidateSource`.
        acquisition: How candidates are ordered, instead of what ``config.acquisition`` names: an `Acquisition`.
        scores: Numbers that cost no trial and may say something of the objective, by name: functions of an
            architecture, such as its parameters or NASWOT of its network (`training_free.quick_scores` has both).
            Larger may be better or worse. Before the first proposal they are computed for a few hundred random
            architectures, once a study, and kept there; workers share the work. They replace the random startup, and
            are believed as far as results bear them out. Need the default surrogate.
        score_time_limit_s: Seconds for that, in each worker; what is not computed by then stays unknown.

    Raises:
        ValueError: An argument is out of range, the generator is another space's, or a source study does not fit.
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
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
        source_studies: Sequence[Study] = (),
        artifact_store: ArtifactStore | None = None,
        surrogate: Surrogate | None = None,
        candidate_sources: Sequence[CandidateSource] | None = None,
        acquisition: Acquisition | None = None,
        scores: Mapping[str, Score] | None = None,
        score_time_limit_s: float = SCORE_TIME_LIMIT_S,
    ) -> None:
        if max_failures < 1:
            raise ValueError(f"max_failures={max_failures} must be at least 1")
        if stale_after is not None and not 0 <= stale_after < math.inf:
            raise ValueError(
                f"stale_after={stale_after} must be a number of seconds, at least 0, or None for never"
            )
        space = NoArchitecture() if space is None else space
        check_type("space", space, SearchSpace, "spaces.nas_bench_201()")
        self.seed = secrets.randbits(32) if seed is None else check_seed(seed)
        if constraints_func is not None and not callable(constraints_func):
            raise TypeError(
                f"constraints_func={constraints_func!r} must be a function of a trial that returns its constraints"
            )
        self._space, self._config, self._generator = space, config, generator
        self._surrogate, self._candidate_sources = surrogate, candidate_sources
        self._acquisition, self._scores = acquisition, check_scores(scores)
        self._score_time_limit_s = check_time_limit(score_time_limit_s)
        self._known_constraints, self._constraints_func = known_constraints, constraints_func
        self._sources = read_sources(source_studies, space)
        self._checkpoints = None if artifact_store is None else Checkpoints(artifact_store)
        directions = self._sources[0].directions if self._sources else ("maximize",)
        self._search: Proposer | None = self.new_search(directions)  # errors at the door
        self._joint: JointParameters | None = None
        if independent_sampler is None:
            independent_sampler = TrialwiseTPE(self.seed)
        example = "optuna.samplers.RandomSampler()"
        check_type("independent_sampler", independent_sampler, BaseSampler, example)
        self._independent_sampler = independent_sampler
        self._max_failures, self._stale_after = max_failures, stale_after
        self._state: StudyState | None = None
        self._inventory: Inventory | None = None
        self._warn = WarnOnce()
        self._lock = threading.RLock()
        self._since = datetime.now()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_lock"]
        rebuilt = ("_search", "_state", "_inventory", "_joint")  # from the study
        state.update(dict.fromkeys(rebuilt))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()
        self._since = datetime.now()

    @property
    def space(self) -> SearchSpace:
        """What is searched."""
        return self._space

    def _repr_html_(self) -> str:
        config, default = self._config or AGNetConfig(), AGNetConfig()
        changed = [
            f.name for f in fields(config) if getattr(config, f.name) != getattr(default, f.name)
        ]
        rows = [
            ("seed", self.seed),
            ("config", ", ".join(f"{k}={getattr(config, k)!r}" for k in changed) or "default"),
            ("known constraints", ", ".join(self._known_constraints or ()) or "none"),
            ("source studies", ", ".join(source.name for source in self._sources) or "none"),
            ("independent sampler", type(self._independent_sampler).__name__),
        ]
        return html_value("AGNetSampler", rows) + self._space._repr_html_()

    # -- Optuna's contract -----------------------------------------------------------------------------------------

    def reseed_rng(self) -> None:
        """Reseed an independent sampler of your own; all else differs by trial number and needs no reseeding."""
        self._independent_sampler.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The space's decisions, parameters beside them that all trials have, and what else is sampled jointly."""
        own = self._space.distributions()
        others = self._independent_sampler.infer_relative_search_space(study, trial)
        found: dict[str, BaseDistribution] = {n: d for n, d in own.items() if not d.single()}
        found.update({n: d for n, d in others.items() if n not in own})
        found.update(self._joint_parameters(study))
        return found

    def _joint_parameters(self, study: Study) -> Mapping[str, BaseDistribution]:
        """Parameters beside the architecture that the model takes account of."""
        if not reads_hyperparameters(self._config or AGNetConfig(), self._surrogate):
            return {}
        with self._lock:
            self._state_of(study)  # makes a new one for a new study
            if self._joint is None:
                self._joint = JointParameters(self._space)
            return self._joint.update(study)

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
        joint = self._joint_parameters(study)
        own = ({d.name for d in self._space.decisions} | joint.keys()) & search_space.keys()
        params: dict[str, Any] = {}
        if own:
            chosen = self._sample_pair(study, trial, Hyperparameters.of(joint))
            params.update({name: chosen[name] for name in search_space if name in chosen})
        others = {name: d for name, d in search_space.items() if name not in own}
        params.update(self._sample_others(study, trial, others))
        return params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Any other parameter, from the independent sampler."""
        if any(d.name == param_name for d in self._space.decisions):
            self._warn(
                f"independent {param_name}",
                f"the architecture's parameter '{param_name}' is sampled independently by"
                f" {type(self._independent_sampler).__name__}: suggest architectures with space.suggest(trial)",
            )
        return self._independent_sampler.sample_independent(
            study, trial, param_name, param_distribution
        )

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Notes the time, and is forwarded to the independent sampler."""
        with suppress(Exception):  # an error here would leave a trial that runs and that nobody has
            note_start(study, trial)
        self._independent_sampler.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Stores what ``constraints_func`` says, is forwarded, and ends `optimize` with a space's last architecture."""
        if self._constraints_func is not None and state in (
            TrialState.COMPLETE,
            TrialState.PRUNED,
        ):
            self._store_constraints(study, trial, state, values)
        if state == TrialState.FAIL and storage_view.is_unused_claim(trial):
            self._warn(
                "unused",
                f"trial {trial.number} failed before it took its architecture; if Optuna complained about a 'dynamic"
                " value space', choices differ from the space's: suggest architectures with space.suggest(trial)",
            )
        self._independent_sampler.after_trial(study, trial, state, values)
        with suppress(
            Exception
        ):  # the trial has its result; whatever this is, the next one will tell
            self._stop_if_used_up(study, trial, state)

    def _store_constraints(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        assert self._constraints_func is not None
        done = copy.copy(trial)
        done.state, done.values = state, values
        try:
            found = [float(value) for value in self._constraints_func(done)]
        except Exception as error:  # the user's own code; the trial's result must not be lost
            self._warn(
                "constraints_func",
                f"constraints_func raised {type(error).__name__}: {error} in trial {trial.number}; the constraints of"
                " such trials stay unknown",
            )
            return
        if any(math.isnan(value) for value in found):
            self._warn(
                "NaN",
                f"constraints_func returned NaN in trial {trial.number}: {found}; the constraints of such trials stay"
                " unknown",
            )
            return
        storage_view.set_constraints(study, trial, found)

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

    def _sample_pair(
        self, study: Study, trial: FrozenTrial, hyperparameters: Hyperparameters
    ) -> dict[str, Any]:
        """Parameters of an architecture, and hyperparameters, that no other trial has together."""
        by_sampler = storage_view.fixed_by_sampler(study, self._space)
        fixed = {**by_sampler, **storage_view.fixed_by_trial(trial, self._space)}
        fixed_z = storage_view.fixed_hyperparameters(study, trial, hyperparameters)
        single = {d.name: d.choices[0] for d in self._space.decisions if len(d.choices) == 1}
        if self._space.is_complete({**single, **fixed}) and not np.isnan(fixed_z).any():
            return {**single, **fixed, **hyperparameters.values(fixed_z)}
        start = time.perf_counter()
        with self._lock:
            try:
                search = self._search_for(study, hyperparameters)
                stop = fixed == by_sampler
                picked = self._claim(study, trial, search, Fixed(fixed, fixed_z, stop))
                seconds = time.perf_counter() - start
                storage_view.describe(study, trial, picked.source, picked.version, seconds)
            except Exception:
                with suppress(Exception):  # the storage may be gone; the first error tells why
                    storage_view.claim(study, trial, None)
                raise
        LOGGER.debug(
            "Trial %d: an architecture from %s in %.3f s", trial.number, picked.source, seconds
        )
        return {**self._space.row_to_params(picked.row), **search.values(picked)}

    def _claim(self, study: Study, trial: FrozenTrial, search: Proposer, fixed: Fixed) -> Proposal:
        """A pick that the trial holds, and no other one."""
        state, hyperparameters = self._state_of(study), search.hyperparameters
        free = Filter(self._space, search.config.dedup, frozenset(), {})
        keys = PairFilter(hyperparameters, free, frozenset(), fixed.hyperparameters).keys
        for _ in range(_ATTEMPTS):
            snapshot = state.read(study, trial.number, hyperparameters)
            try:
                picked = self._propose(search, snapshot, fixed)
            except SpaceExhausted as exhausted:
                picked = self._without_new(search, snapshot, fixed, exhausted)
                if picked.source == storage_view.REPEAT and fixed.by_sampler:
                    self._say_used_up(f"{exhausted}")
                    if storage_view.stop(study):
                        raise TrialPruned(f"{exhausted}") from None
            claimed = self._space.repair(picked.row[None])
            storage_view.claim(study, trial, claimed[0], search.values(picked))
            if search.config.allow_duplicates or picked.source == storage_view.REPEAT:
                break
            key = keys(Pairs(claimed, np.empty((1, 0)) if picked.z is None else picked.z[None]))[0]
            if state.confirm_claim(study, trial.number, key, keys, hyperparameters):
                break
        return picked

    def _propose(self, search: Proposer, snapshot: Snapshot, fixed: Fixed) -> Proposal:
        """The search's proposal; a random new architecture where the model fails."""
        ask = partial(
            search.propose, snapshot, fixed=fixed.decisions, fixed_z=fixed.hyperparameters
        )
        try:
            return ask()
        except (SpaceExhausted, InvalidConstraint):
            raise
        except Exception as error:  # a trial must not die of the model
            self._warn(
                "model",
                f"the model failed ({type(error).__name__}: {error}); random architectures until it works again",
            )
            return ask(at_random=True)

    def _without_new(
        self,
        search: Proposer,
        snapshot: Snapshot,
        fixed: Fixed,
        exhausted: SpaceExhausted,
    ) -> Proposal:
        """What there is to propose when the search has found nothing new.

        Raises:
            SpaceExhausted: No architecture keeps the limits.
        """
        pairs = len(search.hyperparameters) > 0
        row = None
        if fixed.decisions and not pairs:
            row = self._unrepaired(search, snapshot, fixed.decisions)
        if row is not None:
            decisions = dict(fixed.decisions)
            self._warn(
                "unrepaired",
                f"{self._space!r} writes no new architecture with {decisions}: random ones from now on, which have"
                " these parameters and are written in another way",
            )
            return Proposal(row, "random", 0)
        known = (snapshot.observations.x, snapshot.pending, snapshot.excluded)
        if search.limits and search.limits.first(np.concatenate(known)) is None:
            raise exhausted
        row = self._repeat(search, snapshot, fixed.decisions)
        if not pairs:
            return Proposal(row, storage_view.REPEAT, 0)
        known_pairs, rng = snapshot.observations.pairs, self._rng(snapshot.position)
        same = np.flatnonzero((known_pairs.x == row).all(1))
        drawn = search.hyperparameters.sample(1, rng)[0]
        z = known_pairs.z[same[0]] if len(same) else drawn
        z = np.where(np.isnan(fixed.hyperparameters), z, fixed.hyperparameters)
        return Proposal(row, storage_view.REPEAT, 0, z)

    def _unrepaired(
        self, search: Proposer, snapshot: Snapshot, fixed: Mapping[str, Choice]
    ) -> IntArray | None:
        """Decisions (D,) that have the fixed ones and stand for a new architecture, although not as it is written."""
        untaken, rng = search.untaken(snapshot).architectures, self._rng(snapshot.position)
        free = replace(untaken, fixed=fixed)
        every = self._space.enumerate()
        x = self._space.sample(_DRAWS, rng) if every is None else rng.permutation(every)
        x = self._space.assign(x, fixed)
        repaired = self._space.repair(x)
        new = replace(free, fixed={}).new(repaired)
        within = search.limits.first(repaired[new])
        return None if within is None else np.asarray(x[new[within]])

    def _say_used_up(self, why: str) -> None:
        self._warn(
            "exhausted",
            f"{why}. optimize() stops after the running trials; an ask-and-tell loop gets architectures again",
        )

    def _stop_if_used_up(self, study: Study, trial: FrozenTrial, state: TrialState) -> None:
        """End `optimize` with the last architecture, rather than with a trial that gets none."""
        with self._lock:
            pairs = self._search is None or len(self._search.hyperparameters)
            if pairs or self._space.num_combinations == 1:
                return  # whether pairs are used up shows when one is asked for
            search = self._search_for(study, NONE)
            fixed = storage_view.fixed_by_sampler(study, self._space)
            if search.config.allow_duplicates or self._state is None:
                return
            inventory = self._inventory or Inventory(self._space, search.config.dedup)
            if not inventory.may_be_used_up(trial.number + 1, fixed):
                return
            self._inventory = inventory
            snapshot = self._state_of(study).read_after(study, trial, state)
            left = replace(search.untaken(snapshot).architectures, fixed=fixed)
            if inventory.is_used_up(left) and storage_view.stop(study):
                taken = len(left.taken)
                self._say_used_up(
                    f"no new architecture is left in {self._space!r}: {taken} are taken. Widen the space, or set"
                    " AGNetConfig(allow_duplicates=True)"
                )

    def _repeat(
        self, search: Proposer, snapshot: Snapshot, fixed: Mapping[str, Choice]
    ) -> IntArray:
        """The best of the least-evaluated architectures within the limits; a random one where there is none."""
        results = len(snapshot.observations)
        known = np.concatenate([snapshot.observations.x, snapshot.pending])
        rows, inverse, counts = np.unique(known, axis=0, return_inverse=True, return_counts=True)
        rank = np.full(len(rows), float(len(known)))
        np.minimum.at(rank, inverse.reshape(-1)[:results], search.ranks(snapshot.observations))
        rows = rows[np.lexsort((rank, counts))]
        rows = rows[Filter(self._space, search.config.dedup, frozenset(), fixed).fits(rows)]
        within = search.limits.first(rows)
        if within is not None:
            return np.asarray(rows[within])
        drawn = self._space.sample(1, self._rng(snapshot.position))
        return np.asarray(self._space.assign(drawn, fixed)[0])

    # -- caches ----------------------------------------------------------------------------------------------------

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
        for source in self._sources:
            check_directions_of(source, tuple(directions), "this study")
        return Proposer(
            self._space,
            directions,
            seed=self.seed,
            config=self._config,
            generator=self._generator,
            known_constraints=self._known_constraints,
            surrogate=self._surrogate,
            candidate_sources=self._candidate_sources,
            acquisition=self._acquisition,
            prior_observations=[s.with_hyperparameters(hyperparameters) for s in self._sources],
            checkpoints=self._checkpoints,
            scores=partial(self._table, study) if self._scores else None,
            hyperparameters=hyperparameters,
        )

    def _table(self, study: Study | None) -> ScoreTable:
        """What the scores say, from the study as far as it is known there; nothing without a study."""
        if study is None:
            return ScoreTable(
                np.empty((0, len(self._space.decisions)), np.int64), np.empty((0, 0)), ()
            )
        return evaluate(
            self._space,
            self._scores,
            StoredScores(study),
            time_limit_s=self._score_time_limit_s,
            first_piece=secrets.randbelow(PIECES),
        )

    def _search_for(self, study: Study, hyperparameters: Hyperparameters) -> Proposer:
        """The search with the study's directions, these hyperparameters, and its scores."""
        self._state_of(study)
        about, search = (directions_of(study), hyperparameters), self._search
        if search is None or (search.directions, search.hyperparameters) != about:
            self._search = search = self.new_search(about[0], study, hyperparameters)
        return search

    def _state_of(self, study: Study) -> StudyState:
        if self._state is None or not self._state.belongs_to(study):
            self._joint = None
            if self._scores:  # another study has numbers of its own
                self._search = None
            self._state = StudyState(
                self._space,
                study,
                self._max_failures,
                self._stale_after,
                self._config or AGNetConfig(),
                since=self._since,
            )
        return self._state

    def _rng(self, position: int) -> np.random.Generator:
        return np.random.default_rng(seed_from(self.seed, Stream.REPEAT, position))
