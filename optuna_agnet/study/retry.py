"""Retries of trials whose worker died."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # at run time when a storage is made: the import alone costs nothing
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class RetryCallback:
    """Optuna's retry of trials whose worker died, without the constraints that the dead trial had set.

    A retried trial inherits them otherwise, and ``trial.set_constraint`` doesn't overwrite what is set. For a storage
    with heartbeats: ``RDBStorage(url, heartbeat_interval=60, heartbeat_stale_trial_callback=RetryCallback(3))``; in
    Optuna 4 the argument is called ``failed_trial_callback``.

    Args:
        max_retry: Retries of one trial; None for any number.
        inherit_intermediate_values: Whether a retried trial has what the dead one had reported. For objectives that go
            on from a checkpoint: pruners judge a training by all of its curve.
    """

    def __init__(
        self, max_retry: int | None = None, inherit_intermediate_values: bool = False
    ) -> None:
        import optuna

        name = "RetryHeartbeatStaleTrialCallback"
        storages = optuna.storages
        kind = getattr(storages, name if hasattr(storages, name) else "RetryFailedTrialCallback")
        self._retry = kind(max_retry, inherit_intermediate_values)

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Enqueue the dead trial again."""
        from optuna_agnet.study.trials import CONSTRAINTS

        again = copy.copy(trial)
        again.system_attrs = {
            key: value
            for key, value in trial.system_attrs.items()
            if key.partition(":")[0] != CONSTRAINTS
        }
        self._retry(study, again)
