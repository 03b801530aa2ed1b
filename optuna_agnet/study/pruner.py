"""AGNetPruner: stops trainings that have no good chance left, as `surrogate.curves` foretells them."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.arrays import IntArray
from optuna_agnet.core.ranking import signs
from optuna_agnet.core.validation import check_count
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.no_architecture import NoArchitecture
from optuna_agnet.study.attributes import (
    FellBehind,
    StoppedBecause,
    explain_stop,
    foretold_to_fail,
)
from optuna_agnet.study.continuations import Continued, enqueue_continuation, taken
from optuna_agnet.study.halving import fell_behind
from optuna_agnet.study.sampler import AGNetSampler
from optuna_agnet.study.study_curves import LEAST, LearnedCurves, StudyCurves, ended
from optuna_agnet.study.trials import directions_of, is_feasible
from optuna_agnet.surrogate.curves import num_passed, reaches_rung

_PATIENCE = 10  # stopped trials in a row, after which the most promising ones are let through


class AGNetPruner(BasePruner):
    """Stops a training when it has no good chance to become one of the best, given its architecture and its curve.

    Optuna's own pruners compare a trial's reports with others' at the same step. This one has a model of architecture,
    hyperparameters and step (`optuna_agnet.surrogate.curves`), so it also counts what similar trainings did, and how
    curves of this study go on from here. It decides when a training reaches a rung, one of a few log-spaced steps. All
    knowledge comes from the study's storage: many workers may share it, and a resumed study decides as if it had never
    stopped.

    Report with ``trial.report(value, step)`` after each epoch, whatever says how good the model is by then, and ask
    ``trial.should_prune()`` each time: between rungs the answer is no. The objective may be another quantity.
    Constraints are respected: only feasible trials set the goal.

    Args:
        sampler: The study's sampler. Architectures are known where it is an `AGNetSampler`; give a search space instead
            where another sampler searches one. Other parameters that all trials have are known with any sampler.
        n_warmup_curves: Whole trainings before the first one is stopped, at least 2. The model needs five; until then
            the better half of those at each rung goes on (successive halving).
        n_warmup_steps: Step before which nothing is stopped.
        top: A trial is worth going on with if it may become one of so many best.
        min_chance: A trial is stopped whose chance of that is smaller than so many times the chance of one about which
            nothing is known, top / (whole trainings + 1). At each rung in proportion to the steps until the next one.
            Smaller stops fewer good ones, and saves less.

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
        n_warmup_curves: int = 2,
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
        self._distributions = self._space.distributions()
        self._warmup_curves = check_count("n_warmup_curves", n_warmup_curves, 2)
        self._curves = StudyCurves(self._space, max(self._warmup_curves, LEAST))
        self._warmup_steps = check_count("n_warmup_steps", n_warmup_steps, 0)
        self._top, self._min_chance = check_count("top", top, 1), float(min_chance)
        self._reset()

    def _reset(self) -> None:
        self._warn = WarnOnce()
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_warn", "_lock"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to stop a trial now; False until enough whole trainings are known, and between rungs.

        Raises:
            ValueError: The study has several objectives or no direction, or searches another space than the pruner's.
        """
        reported = trial.intermediate_values
        self._check(study, trial)
        if not reported or max(reported) < self._warmup_steps:
            return False
        try:
            with self._lock:  # features are made in memory that the next decision uses again
                learned = self._curves.learn(study)
                reason = self._reason(learned, trial) if learned else self._behind(study, trial)
        except np.linalg.LinAlgError as error:  # a trial must not die of the model
            self._tell_of(error)
            return False
        if reason is not None:
            explain_stop(study, trial, reason)
        return reason is not None

    def continue_stopped(self, study: Study, trial: FrozenTrial | None = None) -> Continued | None:
        """Enqueue the stopped trial that is most worth going on with by now, if one is.

        What was foretold when a trial was stopped may look different once more is known. For objectives that keep
        checkpoints: ``study.optimize(objective, callbacks=[pruner.continue_stopped])``, or call it before each ask. The
        trial that goes on has the stopped one's parameters and reports; `continued_from` says where it starts.

        Args:
            study: The study.
            trial: The one that has just ended; not read, it is there because Optuna gives it to callbacks.

        Returns:
            The trial that was enqueued again; None where none is worth it, or another worker took it.

        Raises:
            ValueError: The study has several objectives, no direction, or a pruner of another kind.
        """
        _check_objectives(study)
        if not isinstance(study.pruner, AGNetPruner):
            raise ValueError(
                f"continue_stopped goes with an AGNetPruner as the study's pruner, and this study has"
                f" {type(study.pruner).__name__}, which would stop again what goes on: give it create_study(pruner=...)"
                " or load_study(pruner=...)"
            )
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        try:
            with self._lock:
                learned = self._curves.learn(study)
            promise = {} if learned is None else self._promise_of_stopped(learned)
        except np.linalg.LinAlgError as error:  # a study must not die of the model
            self._tell_of(error)
            return None
        self._tell_of_silence(trials)
        unavailable = taken(trials)
        best = max(
            (n for n in promise if n not in unavailable), key=promise.__getitem__, default=None
        )
        if learned is None or best is None or promise[best] < 1:
            return None
        return enqueue_continuation(study, next(t for t in learned.shown if t.number == best))

    def _promise_of_stopped(self, learned: LearnedCurves) -> Mapping[int, float]:
        """Chances in units of the least one of a trial that goes on, by number; of none that broke a constraint."""
        goal, forecasts = self._goal(learned), self._curves.forecasts_of_stopped(learned)
        return {
            t.number: forecasts[t.number].chance(goal)
            / self._least_chance(learned, num_passed(learned.steps, max(t.intermediate_values)))
            for t in learned.shown
            if t.number in forecasts and is_feasible(t)
        }

    def _tell_of(self, error: np.linalg.LinAlgError) -> None:
        self._warn(
            "model",
            f"no curves could be foretold ({error}): nothing is stopped, and nothing goes on, until it works again",
        )

    def _tell_of_silence(self, trials: Sequence[FrozenTrial]) -> None:
        stopped = [trial for trial in trials if trial.state == TrialState.PRUNED]
        if stopped and not any(trial.intermediate_values for trial in stopped):
            self._warn(
                "silence",
                f"{len(stopped)} trials were pruned, and none had reported: without trial.report(value, step) before"
                " that there is no telling which is worth going on with",
            )

    # -- what is refused -------------------------------------------------------------------------------------------

    def _check(self, study: Study, trial: FrozenTrial) -> None:
        _check_objectives(study)
        own, other = self._space, _space_of(study.sampler)
        if isinstance(own, NoArchitecture):
            return
        if other is not None and other != own:
            raise ValueError(
                f"AGNetPruner was made for {own!r}, but the study's sampler searches {other!r}"
            )
        for name, expected in self._distributions.items():
            recorded = trial.distributions.get(name, expected)
            if getattr(recorded, "choices", None) != expected.choices:
                raise ValueError(
                    f"trial {trial.number} recorded the parameter '{name}' as {recorded}, but AGNetPruner's space"
                    f" {own!r} has {expected}: give the pruner the sampler or the space that the study searches"
                )

    # -- what is decided -------------------------------------------------------------------------------------------

    def _behind(self, study: Study, trial: FrozenTrial) -> FellBehind | None:
        """Where a trial stands that has to stop while nothing can be foretold; None where it goes on."""
        trials = ended(study._storage.get_all_trials(study._study_id, deepcopy=False))
        done = [t for t in trials if t.intermediate_values and is_feasible(t)]
        whole = sum(t.state == TrialState.COMPLETE for t in done)
        if not self._warmup_curves <= whole < LEAST:
            return None
        return fell_behind(done, trial, float(signs(directions_of(study))[0]), self._top)

    def _reason(self, learned: LearnedCurves, trial: FrozenTrial) -> StoppedBecause | None:
        """Why a trial is stopped, or None where it goes on."""
        if not reaches_rung(learned.steps, trial.intermediate_values):
            return None
        forecast = self._curves.forecast(learned, trial)
        if forecast is None:
            return None
        chance = forecast.chance(self._goal(learned))
        rung = num_passed(learned.steps, max(trial.intermediate_values))
        row = _stopped_in_a_row(learned)
        if chance >= self._least_chance(learned, rung) or chance >= row.get(rung, math.inf):
            return None
        return StoppedBecause(
            max(trial.intermediate_values),
            learned.sign * float(forecast.mean[-1]),
            float(forecast.std[-1]),
            learned.sign * self._goal(learned),
            chance,
        )

    def _goal(self, learned: LearnedCurves) -> float:
        """What a trial has to become, larger is better: the top-th best of the whole ones."""
        return float(learned.finals[min(self._top, len(learned.finals)) - 1])

    def _least_chance(self, learned: LearnedCurves, rung: int) -> float:
        """Of a trial that goes on from a rung, numbered from 1."""
        share = _share(rung, learned.waits)
        return self._min_chance * share * self._top / (len(learned.finals) + 1)


def _share(rung: int, waits: IntArray) -> float:
    """How much of the least chance a rung asks for, the first one having number 1.

    Who goes on buys one more look, and may still be stopped then. So a chance is weighed against the steps until the
    next look, in units of their geometric mean over the rungs: first looks are cheap and forgive, late ones are dear.
    """
    return float(waits[rung - 1] / np.exp(np.log(waits).mean()))


def _check_objectives(study: Study) -> None:
    if len(study.directions) != 1:
        raise ValueError(
            f"AGNetPruner needs one objective, and this study has {len(study.directions)}: Optuna stops no trials"
            " of such a study. Make the others constraints: trial.set_constraint"
        )
    if study.directions[0] == StudyDirection.NOT_SET:
        raise ValueError(
            "the study's direction is not set, so there is no telling what is good: make it with"
            ' create_study(direction="maximize") or "minimize"'
        )


def _stopped_in_a_row(learned: LearnedCurves) -> Mapping[int, float]:
    """The largest chance of those stopped at each rung, by its number, once the last trials were all stopped.

    Who has a larger one then goes on, and so teaches the model what it may have judged wrongly: a model that is sure of
    useless reports would otherwise stop everything for ever.
    """
    last = [t for t in learned.done[-_PATIENCE:] if t.state == TrialState.PRUNED]
    reasons = foretold_to_fail(last).values()
    if len(reasons) < _PATIENCE:
        return {}
    steps = learned.steps
    found = dict.fromkeys(range(len(steps) + 1), -math.inf)
    for reason in reasons:
        rung = num_passed(steps, reason.step)
        found[rung] = max(found[rung], reason.chance)
    return found


def _space_of(sampler: object) -> SearchSpace | None:
    """What a sampler searches, as far as that can be known."""
    while not isinstance(sampler, (AGNetSampler, SearchSpace)):
        sampler = getattr(sampler, "_base_sampler", None)  # PartialFixedSampler
        if sampler is None:
            return None
    return sampler if isinstance(sampler, SearchSpace) else sampler.space
