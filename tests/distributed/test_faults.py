"""Real databases that are locked, full or gone in the middle of an ask: Optuna's own error, and no claim stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import crew
import optuna
import pytest
import sqlalchemy
from crew import SPACE
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from optuna_agnet.study import study_search
from optuna_agnet.study.attributes import CLAIM
from optuna_agnet.study.storage_view import StudyState

MOMENTS = ("before it reads the study", "before it claims", "before it looks again")


def open_study(address: str, name: str) -> optuna.Study:
    """On a storage that waits for a lock for a tenth of a second only."""
    arguments = {"connect_args": {"timeout": 0.1}} if address.startswith("sqlite") else {}
    storage = RDBStorage(address, engine_kwargs=arguments)
    return crew.new_study(address, name, storage=storage)


@contextmanager
def locked(study: optuna.Study, mode: str) -> Iterator[None]:
    """By another program."""
    path = study._storage._backend.engine.url.database
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"BEGIN {mode}")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(study: optuna.Study) -> Iterator[None]:
    """No file of this process may grow, so that every write fails as on a full disk."""
    resource = pytest.importorskip("resource", reason="Windows has no limits of a process")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def gone(study: optuna.Study) -> Iterator[None]:
    """The server ends all connections, as when it restarts. (With MySQL, Optuna connects again by itself.)"""
    engine = sqlalchemy.create_engine(study._storage._backend.engine.url)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    engine.dispose()
    yield


FAULTS = {
    "sqlite, locked": ("sqlite", lambda study: locked(study, "EXCLUSIVE")),
    "sqlite, locked for writing": ("sqlite", lambda study: locked(study, "IMMEDIATE")),
    "sqlite, full": ("sqlite", full),
    "postgresql, gone": ("postgresql", gone),
}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> tuple[str, Callable]:
    """A database's address and what happens to it."""
    database, happens = FAULTS[request.param]
    return request.getfixturevalue(database), happens


@pytest.mark.filterwarnings("ignore:trial 5 failed before it took its architecture")
@pytest.mark.parametrize("moment", MOMENTS)
def test_faults_surface_and_the_study_goes_on(
    fault: tuple[str, Callable], name: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, happens = fault
    study = open_study(address, name)
    study.optimize(crew.objective, n_trials=5)
    trial, trouble = study.ask(), happens(study)
    owner, method = {
        MOMENTS[0]: (StudyState, "read"),
        MOMENTS[1]: (study_search, "write_claim"),
        MOMENTS[2]: (StudyState, "confirm_claim"),
    }[moment]
    healthy = getattr(owner, method)

    def troubled(*arguments: object) -> object:
        monkeypatch.setattr(owner, method, healthy)
        trouble.__enter__()
        return healthy(*arguments)

    monkeypatch.setattr(owner, method, troubled)
    try:
        with pytest.raises(StorageInternalError):
            SPACE.suggest(trial)
    finally:
        trouble.__exit__(None, None, None)
    written = study.get_trials()[-1].system_attrs.get(CLAIM)
    lasting = moment == MOMENTS[2] and address.startswith("sqlite")  # it can't be taken back
    assert (written is not None) == lasting
    study.tell(trial, state=TrialState.FAIL)
    assert len(crew.held(study)) == 5
    study.optimize(crew.objective, n_trials=4)
    assert len(set(crew.architectures(study))) == 9
