"""AGNetPruner: stops trainings that have no good chance left, as `surrogate.curves` foretells them."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.ranking import signs
from optuna_agnet.core.validation import check_count
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.spaces.no_architecture import NoArchitecture
from optuna_agnet.study.attributes import StoppedBecause, explain_stop, stopped_because
from optuna_agnet.study.joint_parameters import JointParameters
from optuna_agnet.study.sampler import AGNetSampler
from optuna_agnet.study.trials import directions_of, is_feasible
from optuna_agnet.surrogate.curves import CurveModel, read, rungs
from optuna_agnet.surrogate.kernel import KernelParams, covariance, featurize

_PATIENCE = 10  # stopped trials in a row, after which the most promising ones are let through
_MOST = 150  # whole trials and as many stopped ones are learned from, the latest; bounds memory and time
_REACH = 0.5  # of each hyperparameter, on its range from 0 to 1


class AGNetPruner(BasePruner):
    """Stops a training when it has no good chance to become one of the best, given its architecture and its curve.

    Optuna's own pruners compare a trial's reports with others' at the same step. This one has a model of architecture,
    hyperparameters and step (`optuna_agnet.surrogate.curves`), so it also counts what similar trainings did, and how
    curves of this study go on from here. It decides when a training reaches a rung, one of a few log-spaced steps. All
    knowledge comes from the study's storage: many workers may share it, and a resumed study decides as if it had never
    stopped.

    Report with ``trial.report(value, step)`` after each epoch, whatever says how good the model is by then; the
    objective may be another quantity. Constraints are respected: only feasible trials set the goal.

    Args:
        sampler: The study's sampler. Architectures are known where it is an `AGNetSampler`; give a search space instead
            where another sampler searches one. Other parameters that all trials have are known with any sampler.
        n_warmup_curves: Whole trainings before the first one is stopped, at least 2.
        n_warmup_steps: Step before which nothing is stopped.
        top: A trial is worth going on with if it may become one of so many best.
        min_chance: A trial is stopped whose chance of that is smaller than so many times the chance of one about which
            nothing is known, top / (whole trainings + 1). Smaller stops fewer good ones, and saves less.

    Raises:
        ValueError: An argument is out of range.
        TypeError: ``sampler`` is neither a sampler nor a search space.

    Example:
        >>> import optuna
        >>> from optuna_agnet import AGNetPruner, AGNetSampler, spaces
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> space = spaces.nas_bench_201()
        >>> def objective(trial):
        ...     quality = str(space.suggest(trial)).count("nor_conv_3x3")
        ...     for epoch in range(1, 11):
        ...         trial.report(quality * epoch / 10, epoch)
        ...         if trial.should_prune():
        ...             raise optuna.TrialPruned
        ...     return quality
        >>> sampler = AGNetSampler(space, seed=0)
        >>> study = optuna.create_study(
        ...     direction="maximize", sampler=sampler, pruner=AGNetPruner(sampler)
        ... )
        >>> study.optimize(objective, n_trials=20)
        >>> any(trial.state.name == "PRUNED" for trial in study.trials)
        True
    """

    def __init__(
        self,
        sampler: BaseSampler | SearchSpace,
        *,
        n_warmup_curves: int = 5,
        n_warmup_steps: int = 0,
        top: int = 1,
        min_chance: float = 1.0,
    ) -> None:
        if not isinstance(sampler, (BaseSampler, SearchSpace)):
            raise TypeError(
                f"sampler={sampler!r} is neither a sampler nor a search space: give the study's AGNetSampler"
            )
        if not 0 < min_chance < math.inf:
            raise ValueError(f"min_chance={min_chance} must be a positive number")
        self._space = _space_of(sampler) or NoArchitecture()
        self._warmup_curves = check_count("n_warmup_curves", n_warmup_curves, 2)
        self._warmup_steps = check_count("n_warmup_steps", n_warmup_steps, 0)
        self._top, self._min_chance = check_count("top", top, 1), float(min_chance)
        self._reset()

    def _reset(self) -> None:
        self._storage: weakref.ref[Any] | None = None
        self._learned: tuple[tuple[int, tuple[int, ...]], _Learned | None] | None = None
        self._warn = WarnOnce()
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_storage", "_learned", "_warn", "_lock"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to stop a trial now; False until enough whole trainings are known, and between rungs.

        Raises:
            ValueError: The study has several objectives, or searches another space than the pruner's.
        """
        reported = trial.intermediate_values
        self._check(study, trial)
        if not reported or max(reported) < self._warmup_steps:
            return False
        try:
            with self._lock:
                learned = self._learn(study)
            reason = None if learned is None else self._reason(learned, trial)
        except np.linalg.LinAlgError as error:  # a trial must not die of the model
            self._warn(
                "model",
                f"no curves could be foretold ({error}): nothing is stopped until it works again",
            )
            return False
        if reason is not None:
            explain_stop(study, trial, reason)
        return reason is not None

    # -- what is refused -------------------------------------------------------------------------------------------

    def _check(self, study: Study, trial: FrozenTrial) -> None:
        if len(study.directions) != 1:
            raise ValueError(
                f"AGNetPruner needs one objective, and this study has {len(study.directions)}: Optuna stops no trials"
                " of such a study. Make the others constraints: trial.set_constraint"
            )
        own, other = self._space, _space_of(study.sampler)
        if isinstance(own, NoArchitecture):
            return
        if other is not None and other != own:
            raise ValueError(
                f"AGNetPruner was made for {own!r}, but the study's sampler searches {other!r}"
            )
        for name, expected in own.distributions().items():
            recorded = trial.distributions.get(name, expected)
            if recorded != expected:
                raise ValueError(
                    f"trial {trial.number} recorded the parameter '{name}' as {recorded}, but AGNetPruner's space"
                    f" {own!r} has {expected}: give the pruner the sampler or the space that the study searches"
                )

    # -- what is learned -------------------------------------------------------------------------------------------

    def _learn(self, study: Study) -> _Learned | None:
        """What finished trials teach; None while there is too little. Kept until another one is finished."""
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        done = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        done = sorted(done, key=lambda t: t.number)
        key = study._study_id, tuple(t.number for t in done)
        kept = self._storage is not None and self._storage() is study._storage
        if not kept or self._learned is None or self._learned[0] != key:
            joint = JointParameters(self._space)
            joint.update(study)
            sign = float(signs(directions_of(study))[0])
            self._learned = key, self._fit(done, sign, joint.hyperparameters)
            self._storage = weakref.ref(study._storage)
        return self._learned[1]

    def _fit(
        self, done: Sequence[FrozenTrial], sign: float, hyperparameters: Hyperparameters
    ) -> _Learned | None:
        complete = [t for t in done if t.state == TrialState.COMPLETE]
        finals = np.array([sign * t.values[0] for t in complete if is_feasible(t)])
        finals = np.sort(finals[np.isfinite(finals)])[::-1]
        whole = [t for t in complete if t.intermediate_values]
        if min(len(whole), len(finals)) < self._warmup_curves:
            return None
        steps = rungs([t.intermediate_values for t in whole])
        stopped = [t for t in done if t.state == TrialState.PRUNED and t.intermediate_values]
        shown = [*whole[-_MOST:], *stopped[-_MOST:]]
        values = np.stack([_levels(t, steps, sign) for t in shown])
        ends = np.flatnonzero(~np.isnan(values[:, -2:]).any(1))
        if len(ends) < self._warmup_curves:
            return None
        if (values[ends, -2] == values[ends, -1]).all():  # the last report is the objective
            steps, values = steps[:-1], np.delete(values, -2, 1)
        trained = [self._trained(trial, hyperparameters) for trial in shown]
        known = [k for k, settings in enumerate(trained) if settings is not None]
        settings = [s for s in trained if s is not None]
        near = np.eye(len(shown))
        if known:
            near[np.ix_(known, known)] = self._similarity(settings, settings, hyperparameters)
        return _Learned(
            CurveModel(values, near),
            steps,
            sign,
            goal=float(finals[min(self._top, len(finals)) - 1]),
            least_chance=self._min_chance * self._top / (len(finals) + 1),
            stopped=_stopped_in_a_row(done, steps),
            known=np.array(known, dtype=np.int64),
            settings=settings,
            hyperparameters=hyperparameters,
            size=len(shown),
        )

    def _trained(
        self, trial: FrozenTrial, hyperparameters: Hyperparameters
    ) -> tuple[IntArray, FloatArray] | None:
        """A trial's architecture (D,) and hyperparameters (H,); None where it has none that the pruner knows."""
        if isinstance(self._space, NoArchitecture) and not len(hyperparameters):
            return None
        try:
            row = self._space.params_to_row(trial.params)
        except ValueError:
            if trial.params:
                self._warn(
                    "space",
                    f"trial {trial.number} has no architecture of {self._space!r}: it is judged by its curve alone, and"
                    " so are others like it. Suggest architectures with space.suggest(trial)",
                )
            return None
        z = hyperparameters.rows([trial.params])[0]
        return None if np.isnan(z).any() else (self._space.repair(row[None])[0], z)

    def _similarity(
        self,
        some: Sequence[tuple[IntArray, FloatArray]],
        others: Sequence[tuple[IntArray, FloatArray]],
        hyperparameters: Hyperparameters,
    ) -> FloatArray:
        """Prior correlations (N, P) of what was trained: a factor for the architecture and one a hyperparameter."""
        features = [
            featurize(
                self._space,
                np.array([row for row, _ in each], dtype=np.int64),
                z=np.array([z for _, z in each]),
                unordered=hyperparameters.unordered,
            )
            for each in (some, others)
        ]
        size = len(hyperparameters)
        kernel = replace(KernelParams(), reaches=(_REACH,) * size, shares=(1.0,) * (size + 1))
        found: FloatArray = covariance(features[0].distances(features[1]), kernel).numpy()
        return found

    # -- what is decided -------------------------------------------------------------------------------------------

    def _reason(self, learned: _Learned, trial: FrozenTrial) -> StoppedBecause | None:
        """Why a trial is stopped, or None where it goes on."""
        reported = trial.intermediate_values
        step = max(reported)
        if not learned.reaches_rung(reported):
            return None
        values = read(reported, learned.steps, learned.sign)
        values = values[: int(np.searchsorted(learned.steps, step, side="right"))]
        if np.isnan(values).any():  # it began later than others
            return None
        cross, hyperparameters = np.zeros(learned.size), learned.hyperparameters
        own = self._trained(trial, hyperparameters)
        if own is not None and len(learned.known):
            cross[learned.known] = self._similarity(learned.settings, [own], hyperparameters)[:, 0]
        forecast = learned.model.forecast(values, cross)
        chance = forecast.chance(learned.goal)
        if chance >= learned.least_chance or chance >= learned.stopped.get(len(values), math.inf):
            return None
        sign = learned.sign
        return StoppedBecause(
            step,
            sign * float(forecast.mean[-1]),
            float(forecast.std[-1]),
            sign * learned.goal,
            chance,
        )


class _Learned(NamedTuple):
    """What one state of a study teaches."""

    model: CurveModel
    steps: IntArray  # (G,): rungs
    sign: float
    goal: float  # larger is better
    least_chance: float  # of a trial that goes on
    stopped: Mapping[int, float]  # see `_stopped_in_a_row`
    known: IntArray  # trainings of the model of which is known what was trained ...
    settings: Sequence[tuple[IntArray, FloatArray]]  # ... and that
    hyperparameters: Hyperparameters
    size: int  # all trainings of the model

    def reaches_rung(self, reported: dict[int, float]) -> bool:
        """Whether the last report is the first one at or behind a rung."""
        *_, before, last = (-1, *sorted(reported))
        return bool(((self.steps > before) & (self.steps <= last)).any())


def _stopped_in_a_row(done: Sequence[FrozenTrial], steps: IntArray) -> Mapping[int, float]:
    """The largest chance of those stopped at each rung, by its number, once the last trials were all stopped.

    Who has a larger one then goes on, and so teaches the model what it may have judged wrongly: a model that is sure of
    useless reports would otherwise stop everything for ever.
    """
    last = [t for t in done[-_PATIENCE:] if t.state == TrialState.PRUNED]
    reasons = [r for r in map(stopped_because, last) if r is not None]
    if len(reasons) < _PATIENCE:
        return {}
    found = dict.fromkeys(range(len(steps) + 1), -math.inf)
    for reason in reasons:
        rung = int(np.searchsorted(steps, reason.step, side="right"))
        found[rung] = max(found[rung], reason.chance)
    return found


def _levels(trial: FrozenTrial, steps: IntArray, sign: float) -> FloatArray:
    """A finished trial's values at the rungs, and its objective where it came to one."""
    whole = trial.state == TrialState.COMPLETE and not math.isnan(trial.values[0])
    final = sign * trial.values[0] if whole else math.nan
    return np.append(read(trial.intermediate_values, steps, sign), final)


def _space_of(sampler: object) -> SearchSpace | None:
    """What a sampler searches, as far as that can be known."""
    while not isinstance(sampler, (AGNetSampler, SearchSpace)):
        sampler = getattr(sampler, "_base_sampler", None)  # PartialFixedSampler
        if sampler is None:
            return None
    return sampler if isinstance(sampler, SearchSpace) else sampler.space
