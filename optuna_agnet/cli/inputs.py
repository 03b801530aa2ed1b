"""What commands are given: a search space by name or from a file, a study in a storage."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optuna_agnet.spaces import CellSpace, presets

if TYPE_CHECKING:
    import optuna

PRESETS: dict[str, Callable[[], CellSpace]] = {
    name: make
    for name, make in vars(presets).items()
    if callable(make) and getattr(make, "__module__", "") == presets.__name__ and name[0] != "_"
}


class SpaceType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A search space: a preset's name, FILE.py:NAME or MODULE:NAME; NAME is a space or a function that makes one."""

    name = "space"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> CellSpace:
        """Text to space; a usage error where there is none."""
        if isinstance(value, CellSpace):
            return value
        if value in PRESETS:
            return PRESETS[value]()
        home, colon, attribute = value.rpartition(":")
        if not colon:
            self.fail(
                f"'{value}' is neither one of {', '.join(sorted(PRESETS))} nor FILE.py:NAME or MODULE:NAME"
            )
        found = getattr(_module(home), attribute, None)
        found = found() if callable(found) else found
        if not isinstance(found, CellSpace):
            self.fail(
                f"'{attribute}' in '{home}' is no search space, nor a function that returns one"
            )
        return found


def _module(home: str) -> Any:
    if not home.endswith(".py"):
        sys.path.insert(0, os.getcwd())
        return importlib.import_module(home)
    if not Path(home).is_file():
        raise ValueError(f"the file '{home}' does not exist")
    spec = importlib.util.spec_from_file_location(Path(home).stem, home)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_SPACE_HELP = f"A preset ({', '.join(sorted(PRESETS))}) or your own as FILE.py:NAME or MODULE:NAME."
space_option = click.option(
    "--space", type=SpaceType(), help=f"{_SPACE_HELP} Default: the preset whose parameters it has."
)
study_option = click.option("--study", "name", help="Name; may be left out if it is the only one.")


def load_study(storage: str, name: str | None) -> optuna.Study:
    """A study of a storage, the only one if no name is given; nothing is created.

    Raises:
        ValueError: There is no such database or study; the message lists the studies that there are.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    opened = _open(storage)
    names = sorted(optuna.get_all_study_names(opened))
    if not names:
        raise ValueError(f"{storage} holds no study")
    known = ", ".join(f"'{known}'" for known in names)
    if name is None and len(names) > 1:
        raise ValueError(f"{storage} holds {len(names)} studies, choose one with --study: {known}")
    if name is not None and name not in names:
        raise ValueError(f"{storage} has no study '{name}'; it has {known}")
    return optuna.load_study(study_name=name or names[0], storage=opened)


def _open(storage: str) -> Any:
    """A URL as it is, or a journal file; a file must be there already, as Optuna would make it."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy import create_engine, inspect, make_url

    if "://" not in storage:
        if not Path(storage).is_file():
            raise ValueError(
                f"the file '{storage}' does not exist; a database is given as URL, such as sqlite:///nas.db"
            )
        return JournalStorage(JournalFileBackend(storage))
    url = make_url(storage)
    if url.get_backend_name() == "sqlite":
        if not Path(url.database or "").is_file():
            raise ValueError(f"the database {storage} does not exist")
        if not inspect(create_engine(url)).has_table("studies"):
            raise ValueError(f"{storage} is no database of Optuna")
    return storage


def space_of(study: optuna.Study) -> CellSpace:
    """The preset whose parameters a study's trials have.

    Raises:
        ValueError: There is none.
    """
    recorded: dict[str, Any] = {}
    for trial in study.get_trials(deepcopy=False):
        recorded.update(trial.distributions)
    for make in PRESETS.values():
        space = make()
        if space.distributions().items() <= recorded.items():
            return space
    raise ValueError(
        f"the parameters of the study '{study.study_name}' ({', '.join(sorted(recorded)[:4]) or 'none yet'}) are no"
        " preset's: give its space with --space FILE.py:NAME"
    )
