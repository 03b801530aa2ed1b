"""What the sampler reads from a study and writes to a trial: the only file with Optuna's private names.

Everything comes from the storage, so a sampler that is restarted, copied or shared knows what any other one knows.
Letters as in `spaces.base`: D decisions; N results, P pending and F excluded architectures.

Workers share nothing but the storage. What keeps them from evaluating an architecture twice are claims: a worker writes
which architecture its trial takes, then reads the study again, and picks another one if somebody else holds it
(`StudyState.confirm_claim`). And manifests say which trials each round of training learns from (`training_rounds`), so
that all of them train the same generator. There are no weights in the storage, and nothing that is read from it is ever
unpickled.
"""

from __future__ import annotations

import itertools
import json
import math
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.search import AGNetConfig, Observations
from optuna_agnet.search.model import training_sizes
from optuna_agnet.search.observations import Pairs, Result, Snapshot, hopeless, is_observed
from optuna_agnet.spaces.base import Choice, SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.study import training_rounds
from optuna_agnet.study.known_trials import KnownTrials, has_heartbeats
from optuna_agnet.study.pruned_trials import FinalValues
from optuna_agnet.study.trials import CONSTRAINTS, constraints_of, directions_of

CLAIM = "agnet:claim"
CLAIMED_HYPERPARAMETERS = "agnet:claim:hyperparameters"  # that go with it
SOURCE = "agnet:source"
VERSION = "agnet:version"
SECONDS = "agnet:seconds"
REPEAT = "repeat"  # the source of an architecture that is taken, where nothing new is left
STOPPED = "agnet:stopped"
_SPACE = "agnet:space"  # of a study, with a digest behind it
_FIXED = "fixed_params"  # where Optuna keeps what `enqueue_trial` was given
_LOOKS = 20  # at a rival's claim, before the architecture is left to it
_PAUSE = 0.05  # seconds between them
_UNKNOWN = 64  # trials named in manifests and lacking in a list, at most; a damaged one may name any number


class StudyState:
    """A study's trials as arrays; finished trials never change, so each is converted once.

    Args:
        space: What is searched.
        study: The study.
        max_failures: Failed trials of one architecture after which it is excluded.
        stale_after: Seconds after which a trial that still runs counts as dead; None for never.
        config: Of the search whose rounds of training are agreed on with other workers; None leaves results in the
            order of their completion.
        writes: Whether what is missing there is written to the study.
        since: When the worker began: trials that have been running since before that are named in one warning where
            nobody would notice the death of their workers. None warns of none.

    Raises:
        ValueError: The study searches another space with parameters of the same names.
    """

    def __init__(
        self,
        space: SearchSpace,
        study: Study,
        max_failures: int,
        stale_after: float | None = None,
        config: AGNetConfig | None = None,
        writes: bool = True,
        since: datetime | None = None,
    ) -> None:
        self._space, self._config = space, config
        self._writes = writes and config is not None
        self._max_failures = max_failures
        self._trials = KnownTrials(stale_after)
        self._since = since if stale_after is None else None
        self._distributions = space.distributions()
        self._directions = directions_of(study)
        self._storage = weakref.ref(study._storage)
        self._study_id = study._study_id
        self._synced = 0  # rounds of training whose trials are agreed on
        self._forget()
        self._failed: list[int] = []  # numbers of failed trials
        self._failures: Counter[bytes] = Counter()
        self._excluded: dict[bytes, IntArray] = {}
        self._warn = WarnOnce(stacklevel=2)
        self._check_space(study)

    def _forget(self) -> None:
        self._observations = Observations.of([], self._directions, len(self._space.decisions))
        self._results: list[Result] = []  # in the order in which they were learned ...
        self._learned: dict[int, FrozenTrial] = {}  # ... and their trials, by number
        self._finals = FinalValues(self._directions[0])
        self._z: dict[int, FloatArray] = {}  # hyperparameters of learned trials, by number ...
        self._z_of = NONE  # ... and which these are

    def belongs_to(self, study: Study) -> bool:
        """Whether it was made for this study."""
        return self._storage() is study._storage and self._study_id == study._study_id

    def read(self, study: Study, number: int, hyperparameters: Hyperparameters = NONE) -> Snapshot:
        """The study as the trial ``number`` sees it: all other trials, Hyperband's brackets together.

        Args:
            study: The study.
            number: Of the trial.
            hyperparameters: Beside the architecture; with them pairs are pending and given up.

        Raises:
            ValueError: Recorded parameters don't fit the space.
        """
        alive, dead = self._update(study, number)
        self._check_running(study)
        if self._num_rounds() > self._synced:
            self._sync_training_order(study)
            alive, dead = self._update(study, number)
        pending = [self._unfinished_pair(trial, hyperparameters) for trial in alive]
        running = self._pairs([pair for pair in pending if pair is not None], hyperparameters)
        lost = sum(failed < number for failed in self._failed)
        lost += sum(trial.number < number for trial in dead)
        position = max(number - lost, 0)
        if not len(hyperparameters):
            excluded = self._stack(list(self._excluded.values()))
            return Snapshot(self._observations, running.x, excluded, position)
        z = self._known_z(hyperparameters)
        observed = [number for number, result in enumerate(self._results) if is_observed(result)]
        observations = replace(self._observations, z=z[observed])
        given_up, failed = self._given_up(z)
        excluded = hopeless(failed, observations.x)
        return Snapshot(observations, running.x, excluded, position, running.z, given_up)

    def params_of_results(self) -> list[dict[str, Any]]:
        """All parameters of the trials that are observations, in their order."""
        trials = zip(self._learned.values(), self._results, strict=True)
        return [trial.params for trial, result in trials if is_observed(result)]

    def _known_z(self, hyperparameters: Hyperparameters) -> FloatArray:
        """Hyperparameters (N, H) of all results; the middle of the range where a trial ended before it asked."""
        if hyperparameters != self._z_of:
            self._z, self._z_of = {}, hyperparameters
        new = [number for number in self._learned if number not in self._z]
        rows = hyperparameters.rows(self._learned[number].params for number in new)
        self._z.update(zip(new, np.nan_to_num(rows, nan=0.5), strict=True))
        known = [self._z[number] for number in self._learned]
        return np.array(known).reshape(len(known), len(hyperparameters))

    def _given_up(self, z: FloatArray) -> tuple[Pairs, IntArray]:
        """Pairs that were pruned, or failed too often; and the architectures (F, D) of all failures."""
        states = [trial.state for trial in self._learned.values()]
        x = self._stack([row for row, _, _ in self._results])
        failed = np.flatnonzero([state == TrialState.FAIL for state in states])
        keys = [(x[k].tobytes(), z[k].tobytes()) for k in failed]
        often = Counter(keys)
        dropped = [
            int(k) for k, key in zip(failed, keys, strict=True) if often[key] >= self._max_failures
        ]
        dropped += [k for k, state in enumerate(states) if state == TrialState.PRUNED]
        rows = np.array(dropped, dtype=np.int64)
        return Pairs(x[rows], z[rows]), x[failed]

    def _unfinished_pair(
        self, trial: FrozenTrial, hyperparameters: Hyperparameters
    ) -> tuple[IntArray, FloatArray] | None:
        """Architecture and hyperparameters of a trial that runs or waits, as far as both are settled."""
        row = self._unfinished_row(trial)
        if row is None:
            return None
        claimed = trial.system_attrs.get(CLAIMED_HYPERPARAMETERS)
        params = {**(claimed if isinstance(claimed, dict) else {}), **_settled(trial)}
        z: FloatArray = hyperparameters.rows([params])[0]
        return None if np.isnan(z).any() else (row, z)

    def _pairs(
        self, pairs: Sequence[tuple[IntArray, FloatArray]], hyperparameters: Hyperparameters
    ) -> Pairs:
        z = np.array([z for _, z in pairs], dtype=np.float64)
        shape = (len(pairs), len(hyperparameters))
        return Pairs(self._stack([row for row, _ in pairs]), z.reshape(shape))

    def read_after(self, study: Study, trial: FrozenTrial, state: TrialState) -> Snapshot:
        """The study as it will be when a trial has ended in this state, which the storage does not know yet."""
        snapshot = self.read(study, trial.number)
        if not self._space.is_complete(trial.params):
            return snapshot
        row = self._row(trial.params)
        failures = self._failures[row.tobytes()] + 1
        if state == TrialState.FAIL and failures < self._max_failures:
            return snapshot
        return replace(snapshot, excluded=np.concatenate([snapshot.excluded, row[None]]))

    def confirm_claim(
        self,
        study: Study,
        number: int,
        key: object,
        keys: Callable[[Pairs], list[object]],
        hyperparameters: Hyperparameters = NONE,
    ) -> bool:
        """Whether the trial ``number``, which claimed an architecture after the last `read`, may evaluate it.

        Of two trials that claim the same, at least one sees the other's claim, as each writes before it reads. The one
        with the larger number picks again. The one with the smaller number keeps its claim only when it has seen the
        other give way, since that one may have looked too early to see a rival.

        Args:
            study: The study.
            number: Of the trial.
            key: Of the claimed architecture, with its hyperparameters.
            keys: Keys of pairs.
            hyperparameters: Beside the architecture.
        """
        known = len(self._results)
        for _ in range(_LOOKS):
            self._ask_who_may_choose(study, number)
            alive, _ = self._others(number)
            x = self._stack([row for row, _, _ in self._results[known:]])
            if key in keys(Pairs(x, self._known_z(hyperparameters)[known:])):
                return False
            held = [(trial, self._unfinished_pair(trial, hyperparameters)) for trial in alive]
            rivals = [t for t, p in held if p and key in keys(self._pairs([p], hyperparameters))]
            if not rivals:
                return True
            if any(rival.number < number or _settled(rival) for rival in rivals):
                return False
            time.sleep(_PAUSE)
        return False

    def _update(self, study: Study, number: int) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        """Learn of finished trials; all other trials but ``number`` that may still finish, and those that died."""
        self._trials.update(study)
        self._learn()
        return self._others(number)

    def _others(self, number: int) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        alive, dead = self._trials.unfinished()
        others = [trial for trial in alive if trial.number != number]
        return others, [trial for trial in dead if trial.number != number]

    def _ask_who_may_choose(self, study: Study, number: int) -> None:
        """Look again, and ask for each trial that has no architecture yet: a list may be older than its claim."""
        self._trials.update(study)
        self._trials.look_beyond(study)
        others, _ = self._others(number)
        choosing = [t for t in others if not self._space.is_complete(_settled(t))]
        self._trials.look_up(study, [trial.number for trial in choosing])
        self._learn()

    def _learn(self) -> None:
        trials = self._trials.news
        for trial in trials:
            self._check(trial)
            self._check_use(trial)
        trials.sort(key=lambda t: (t.datetime_complete or datetime.min, t.number))
        self._failed += [trial.number for trial in trials if trial.state == TrialState.FAIL]
        new = [trial for trial in trials if self._is_whole(trial)]
        for trial, (row, _, _) in zip(new, self._append(new), strict=True):
            self._count_failure(trial.state, row)
        trials.clear()

    def _append(self, trials: list[FrozenTrial]) -> list[Result]:
        results = [self._result(trial) for trial in trials]
        self._results += results
        self._learned.update({trial.number: trial for trial in trials})
        self._observations = self._with(results)
        return results

    def _is_whole(self, trial: FrozenTrial) -> bool:
        return self._space.is_complete(trial.params) and not (
            trial.state == TrialState.COMPLETE and any(map(math.isnan, trial.values))
        )

    def _result(self, trial: FrozenTrial) -> Result:
        return self._row(trial.params), self._values(trial), constraints_of(trial)

    def _values(self, trial: FrozenTrial) -> tuple[float, ...] | None:
        """Its objectives; an estimate for a pruned one, from the trials learned before it, so that it never changes."""
        if trial.state == TrialState.COMPLETE:
            self._finals.add(trial.intermediate_values, trial.values[0])
            return tuple(trial.values)
        if trial.state == TrialState.PRUNED and len(self._directions) == 1:
            estimate = self._finals.estimate(trial.intermediate_values)
            return None if estimate is None else (estimate,)
        return None

    def _count_failure(self, state: TrialState, row: IntArray) -> None:
        key = row.tobytes()
        self._failures[key] += state == TrialState.FAIL
        if state == TrialState.PRUNED or self._failures[key] >= self._max_failures:
            self._excluded[key] = row

    def _with(self, results: list[Result]) -> Observations:
        """What was told, with more results behind it; costs no more for a long study."""
        more = Observations.of(results, self._directions, len(self._space.decisions))
        observations, names = self._observations, self._observations.names
        if not set(more.names) <= set(names):
            return Observations.of(self._results, self._directions, len(self._space.decisions))
        more = more.with_constraints(names)
        return Observations(
            np.concatenate([observations.x, more.x]),
            np.concatenate([observations.y, more.y]),
            np.concatenate([observations.constraints, more.constraints]),
            names,
        )

    # -- rounds of training ----------------------------------------------------------------------------------------

    def _num_rounds(self) -> int:
        return (
            0
            if self._config is None
            else len(training_sizes(len(self._observations), self._config))
        )

    def _sync_training_order(self, study: Study) -> None:
        """Bring results into the order of the study's manifests, and write those that are missing."""
        for _ in range(_LOOKS):
            stored = study._storage.get_study_system_attrs(self._study_id)
            self._look_up(study, stored)
            missing = self._apply_manifests(stored)
            if not missing or not self._writes:
                return
            for name, text in missing.items():
                study._storage.set_study_system_attr(self._study_id, name, text)

    def _look_up(self, study: Study, stored: Mapping[str, object]) -> None:
        """Learn of all trials that the manifests name: whoever wrote them had seen them finished."""
        self._trials.update(study)
        runs = (
            run for name in self._names(stored) for run in training_rounds.runs(stored[name]) or ()
        )
        unknown = (n for n in itertools.chain.from_iterable(runs) if n not in self._learned)
        self._trials.look_up(study, itertools.islice(unknown, _UNKNOWN))
        self._learn()

    def _apply_manifests(self, stored: Mapping[str, object]) -> dict[str, str]:
        """Take over what is agreed on; manifests by name for the rounds that are left."""
        order: list[int] = []
        free, ignored = set(self._learned), False
        names = list(self._names(stored))
        for name in names:
            numbers = training_rounds.parse(stored[name], free)
            if numbers is None:
                ignored = True
                self._warn(
                    "manifest",
                    f"the manifest '{name}' of this study, {str(stored[name])[:80]!r}, is damaged, or was written for"
                    " other trials or by another version: it is ignored, and so are later ones. Workers may train their"
                    " generators in different orders, and no result is lost",
                )
                break
            order += numbers
            free.difference_update(numbers)
        if order != list(self._learned)[: len(order)]:
            self._reorder(order + [n for n in self._learned if n in free])
        self._synced = self._num_rounds()
        return {} if ignored else self._missing(len(names), len(order))

    def _missing(self, version: int, start: int) -> dict[str, str]:
        """Manifests of the rounds from ``version`` on; those before it take the first ``start`` results."""
        assert self._config is not None
        ends = 1 + np.flatnonzero([is_observed(result) for result in self._results])
        found, numbers = {}, list(self._learned)
        sizes = training_sizes(len(self._observations), self._config)
        for later, size in enumerate(sizes[version:], version):
            end = max(start, int(ends[size - 1]))
            found[self._manifest_name(later)] = training_rounds.manifest(numbers[start:end])
            start = end
        return found

    def _names(self, stored: Mapping[str, object]) -> Iterator[str]:
        """Of the manifests that there are, in the order of their rounds."""
        names = map(self._manifest_name, itertools.count())
        return itertools.takewhile(stored.__contains__, names)

    def _manifest_name(self, version: int) -> str:
        assert self._config is not None
        return training_rounds.key(self._space, self._config, version)

    def _reorder(self, numbers: Sequence[int]) -> None:
        trials = [self._learned[number] for number in numbers]
        self._forget()
        self._append(trials)

    # -- the space -------------------------------------------------------------------------------------------------

    def _check_space(self, study: Study) -> None:
        """Leave the space in the study; refuse another one whose parameters have the same names."""
        stored = study._storage.get_study_system_attrs(self._study_id)
        own, names = f"{_SPACE}:{self._space.fingerprint[:16]}", list(self._distributions)
        for key, about in stored.items():
            if not key.startswith(_SPACE) or key == own or not isinstance(about, dict):
                continue
            if not set(names).isdisjoint(about.get("parameters", [])):
                raise ValueError(
                    f"the study '{study.study_name}' searches {about.get('space')}, not {self._space!r}: the same"
                    " parameters stand for other architectures there. Give the changed space a new study, and enqueue"
                    " what was good: study.enqueue_trial(space.to_params(architecture))"
                )
        if self._writes and own not in stored:
            about = {"space": repr(self._space), "parameters": names}
            study._storage.set_study_system_attr(self._study_id, own, about)

    def _check_use(self, trial: FrozenTrial) -> None:
        """Tell of complete trials that teach nothing, as they lack parameters of the space."""
        if not self._writes or trial.state != TrialState.COMPLETE:
            return
        missing = self._missing_of(trial.params)
        if missing and not self._distributions.keys().isdisjoint(trial.params):
            self._warn(
                "partial",
                f"trial {trial.number} finished without {len(missing)} of the {len(self._distributions)} parameters of"
                f" {self._space!r}: {', '.join(missing[:4])}{', ...' * (len(missing) > 4)}. It teaches the search"
                " nothing, and so do others like it: call suggest(trial) of the space, which asks for all that an"
                " architecture has, and leave unused what a network does not need",
            )
        elif (
            missing
            and _parse_claim(trial.system_attrs.get(CLAIM), self._space.num_choices.tolist())
            is not None
        ):
            self._warn(
                "unused",
                f"trial {trial.number} finished without the architecture that it was given: its parameters"
                f" {sorted(trial.params)[:4]} are none of {self._space!r} ({', '.join(missing[:3])}, ...), so it"
                " teaches the search nothing. Let the objective call suggest(trial) of the sampler's space",
            )

    def _missing_of(self, params: Mapping[str, Any]) -> list[str]:
        """Names of decisions that exist in an architecture of which these parameters are known."""
        chosen = {d.name: params.get(d.name, d.choices[0]) for d in self._space.decisions}
        exists = self._space.active(self._space.params_to_row(chosen)[None])[0]
        names = [d.name for d in self._space.decisions]
        return [n for n, e in zip(names, exists, strict=True) if e and n not in params]

    def _check_running(self, study: Study) -> None:
        """Tell, at the first look, of trials whose workers may be dead without anybody noticing."""
        since, self._since = self._since, None
        if since is None or has_heartbeats(study):
            return
        running = self._trials.running_since_before(since)
        if running:
            listed = ", ".join(map(str, running[:8])) + ", ..." * (len(running) > 8)
            self._warn(
                "running",
                f"trials of this study were running before this worker began: {listed}. If their workers live, all is"
                " well. If they were killed, nobody notices, and their architectures stay taken for ever: pass"
                " AGNetSampler(..., stale_after=0) where this is the only worker, else the seconds that no evaluation"
                " exceeds; or end them by hand,"
                f" study.tell({running[0]}, state=optuna.trial.TrialState.FAIL); or keep the study in a database with"
                " heartbeats, optuna.storages.RDBStorage(url, heartbeat_interval=60)",
            )

    # -- trials ----------------------------------------------------------------------------------------------------

    def _check(self, trial: FrozenTrial) -> None:
        for name, expected in self._distributions.items():
            recorded = trial.distributions.get(name, expected)
            if recorded != expected:
                raise ValueError(
                    f"trial {trial.number} of this study recorded the parameter '{name}' as {recorded}, but the space"
                    f" {self._space!r} has {expected}: suggest architectures with space.suggest(trial), and use the"
                    " space that the study was made with (same choices in the same order) or a new study"
                )

    def _unfinished_row(self, trial: FrozenTrial) -> IntArray | None:
        """The architecture of a trial that runs or waits, as far as it is settled."""
        try:
            return self._row(_settled(trial))
        except ValueError:  # some decisions are open
            return self._claimed(trial)

    def _claimed(self, trial: FrozenTrial) -> IntArray | None:
        claim = trial.system_attrs.get(CLAIM)
        if claim is None:
            return None
        row = _parse_claim(claim, self._space.num_choices.tolist())
        if row is None:
            self._warn(
                "claim",
                f"trial {trial.number} holds the claim {str(claim)[:80]!r}, which is none of the space {self._space!r}:"
                " it is ignored, and so are others like it",
            )
        return row

    def _row(self, params: Mapping[str, object]) -> IntArray:
        row: IntArray = self._space.repair(self._space.params_to_row(params)[None])[0]
        return row

    def _stack(self, rows: list[IntArray]) -> IntArray:
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(self._space.decisions))


def _settled(trial: FrozenTrial) -> dict[str, object]:
    """Parameters that a trial has, or that it was enqueued with."""
    fixed = trial.system_attrs.get(_FIXED)
    return {**(fixed if isinstance(fixed, dict) else {}), **trial.params}


def _parse_claim(claim: object, num_choices: list[int]) -> IntArray | None:
    """Decisions (D,), or None where the text is torn or of something else."""
    try:
        row = json.loads(claim)  # type: ignore[arg-type]
    except (TypeError, ValueError, RecursionError):
        return None
    if not isinstance(row, list) or len(row) != len(num_choices):
        return None
    fits = all(type(k) is int and 0 <= k < n for k, n in zip(row, num_choices, strict=True))
    return np.array(row, dtype=np.int64) if fits else None


def claim(
    study: Study,
    trial: FrozenTrial,
    row: IntArray | None,
    hyperparameters: Mapping[str, Any] | None = None,
) -> None:
    """Tell other workers which architecture (D,) a trial takes, before its parameters are stored; None for none.

    Hyperparameters by name are written first: who sees the claim sees them as well.
    """
    if hyperparameters:
        study._storage.set_trial_system_attr(
            trial._trial_id, CLAIMED_HYPERPARAMETERS, dict(hyperparameters)
        )
    text = None if row is None else json.dumps(row.tolist(), separators=(",", ":"))
    study._storage.set_trial_system_attr(trial._trial_id, CLAIM, text)


def describe(study: Study, trial: FrozenTrial, source: str, version: int, seconds: float) -> None:
    """Store where a trial's architecture comes from, and how long that took."""
    for key, value in ((SOURCE, source), (VERSION, version), (SECONDS, round(seconds, 4))):
        study._storage.set_trial_system_attr(trial._trial_id, key, value)


class StoppedBecause(NamedTuple):
    """Why a pruner stopped a trial: what it foretold, in the objective's units, and what it would have had to reach."""

    step: int
    mean: float
    std: float
    goal: float
    chance: float


def explain_stop(study: Study, trial: FrozenTrial, reason: StoppedBecause) -> None:
    """Store why a trial is stopped."""
    study._storage.set_trial_system_attr(trial._trial_id, STOPPED, reason._asdict())


def stopped_because(trial: FrozenTrial) -> StoppedBecause | None:
    """Why `AGNetPruner` stopped a trial; None where it did not."""
    found = trial.system_attrs.get(STOPPED)
    return StoppedBecause(**found) if isinstance(found, dict) else None


def set_constraint(study: Study, trial: Trial, name: str, value: float) -> None:
    """Store one constraint of a running trial, at most 0 where kept, as Optuna 5's ``trial.set_constraint`` does."""
    study._storage.set_trial_system_attr(trial._trial_id, f"{CONSTRAINTS}:{name}", float(value))


def set_constraints(study: Study, trial: FrozenTrial, values: Iterable[float]) -> None:
    """Store a trial's constraints as the list that every Optuna version and optuna-dashboard read."""
    study._storage.set_trial_system_attr(trial._trial_id, CONSTRAINTS, list(values))


def is_repeated(study: Study, trial: Trial) -> bool:
    """Whether a trial got an architecture again, as nothing new is left."""
    attrs = study._storage.get_trial(trial._trial_id).system_attrs
    return attrs.get(SOURCE) == REPEAT


def is_unused_claim(trial: FrozenTrial) -> bool:
    """Whether an architecture was proposed to a trial that then took no parameter at all."""
    return trial.system_attrs.get(CLAIM) is not None and not trial.params


def fixed_by_trial(trial: FrozenTrial, space: SearchSpace) -> dict[str, Choice]:
    """Decisions that `enqueue_trial` or an earlier attempt settled, those that the space knows."""
    return _choices(_settled(trial), space)


def fixed_hyperparameters(
    study: Study, trial: FrozenTrial, hyperparameters: Hyperparameters
) -> FloatArray:
    """Hyperparameters (H,) that `PartialFixedSampler` or the trial settles; NaN of all others."""
    fixed = {**_partially_fixed(study), **_settled(trial)}
    row: FloatArray = hyperparameters.rows([fixed])[0]
    return row


def fixed_by_sampler(study: Study, space: SearchSpace) -> dict[str, Choice]:
    """Decisions that `PartialFixedSampler` settles, those that the space knows."""
    return _choices(_partially_fixed(study), space)


def _partially_fixed(study: Study) -> dict[str, object]:
    """All parameters that `PartialFixedSampler` settles."""
    sampler: BaseSampler = study.sampler
    fixed: dict[str, object] = {}
    while isinstance(sampler, PartialFixedSampler):
        fixed = {**sampler._fixed_params, **fixed}
        sampler = sampler._base_sampler
    return fixed


def _choices(params: Mapping[str, object], space: SearchSpace) -> dict[str, Choice]:
    known: dict[str, Choice] = {}
    for decision in space.decisions:
        with suppress(ValueError):  # none of the choices
            known[decision.name] = decision.choices[decision.index(params.get(decision.name))]
    return known


def study_attributes(study: Study) -> Mapping[str, Any]:
    """All that samplers have left in a study."""
    return study._storage.get_study_system_attrs(study._study_id)


def set_study_attribute(study: Study, key: str, value: Any) -> None:
    """Leave a value, ready for JSON and below 2,045 characters, in a study."""
    study._storage.set_study_system_attr(study._study_id, key, value)


def stop(study: Study) -> bool:
    """End ``study.optimize`` after the running trials; False in an ask-and-tell loop, which nobody can stop."""
    try:
        study.stop()
    except RuntimeError:
        return False
    return True
