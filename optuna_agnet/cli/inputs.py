"""What commands are given: a search space by name or from a file, a study in a storage."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from optuna_agnet.spaces import SearchSpace, presets

if TYPE_CHECKING:
    import optuna

    from optuna_agnet.generator import Generator

PRESETS: dict[str, Callable[[], SearchSpace]] = {
    name: make
    for name, make in vars(presets).items()
    if callable(make) and getattr(make, "__module__", "") == presets.__name__ and name[0] != "_"
}


class SpaceType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A search space: a preset's name, FILE.py:NAME or MODULE:NAME; NAME is a space or a function that makes one."""

    name = "space"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> SearchSpace:
        """Text to space; a usage error where there is none."""
        if isinstance(value, SearchSpace):
            return value
        if value in PRESETS:
            return PRESETS[value]()
        found = imported(value, PRESETS)
        found = found() if _takes_nothing(found) else found
        if not isinstance(found, SearchSpace):
            self.fail(
                f"'{value}' is no search space, nor a function without arguments that returns one"
            )
        return found


def _takes_nothing(found: object) -> bool:
    if not callable(found):
        return False
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):  # it has arguments, or nobody knows
        return False
    return True


class OutputType(click.Path):
    """A file that is going to be written, in a folder that is there: work that takes minutes is not done in vain.

    Args:
        endings: That its name may have; none for any.
    """

    def __init__(self, *endings: str) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self._endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Text to path; a ValueError where it can't be written."""
        path = super().convert(value, param, ctx)
        assert isinstance(path, Path)
        if not path.parent.is_dir():
            raise ValueError(f"'{path}' can't be written (no such folder): give another path")
        if self._endings and path.suffix not in self._endings:
            raise ValueError(f"'{path}' must end in {' or '.join(self._endings)}")
        return path


class ImportedType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """FILE.py:NAME or MODULE:NAME, imported."""

    name = "file.py:name"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Text to object; a usage error where there is none."""
        return imported(value, ()) if isinstance(value, str) else value


def imported(value: str, known: Collection[str]) -> Any:
    """What FILE.py:NAME or MODULE:NAME stands for; ``known`` are the names that could have been given instead.

    Raises:
        click.BadParameter: The text has another form, or there is nothing of that name.
        ValueError: There is no such file.
        ImportError: It can't be imported.
    """
    home, colon, name = value.rpartition(":")
    if not colon or not home or (home[0] == "." and not home.endswith(".py")):
        others = f"neither one of {', '.join(sorted(known))} nor" if known else "not"
        raise click.BadParameter(f"'{value}' is {others} FILE.py:NAME or MODULE:NAME")
    module = _file_module(Path(home)) if home.endswith(".py") else _module(home, Path.cwd())
    if not hasattr(module, name):
        raise click.BadParameter(f"'{home}' has no '{name}'")
    return getattr(module, name)


def _file_module(path: Path) -> ModuleType:
    """A file as module of its own name, its folder on the import path, as ``python FILE.py`` has it."""
    if not path.is_file():
        raise ValueError(f"the file '{path}' does not exist")
    if "." in path.stem:
        raise ImportError(
            f"'{path}' can't be imported: Python takes the dot for a package's; rename the file"
        )
    module = _module(path.stem, path.resolve().parent)
    if module.__file__ is None or not path.samefile(module.__file__):
        raise ImportError(
            f"'{path}' can't be imported: Python has another module '{path.stem}'; rename the file"
        )
    return module


def _module(name: str, folder: Path) -> ModuleType:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return importlib.import_module(name)


_SPACE_HELP = f"A preset ({', '.join(sorted(PRESETS))}) or your own as FILE.py:NAME or MODULE:NAME."
space_option = click.option(
    "--space", type=SpaceType(), help=f"{_SPACE_HELP} Default: the preset whose parameters it has."
)
generator_option = click.option(
    "--generator",
    "generator_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file of 'pretrain'. Default: the bundled one, or one pretrained on first use.",
)
study_option = click.option("--study", "name", help="Name; may be left out if it is the only one.")


def given_generator(space: SearchSpace, file: Path | None) -> Generator | None:
    """The generator of ``--generator``; None where the search shall find its own.

    Raises:
        ValueError: There is no such file, or it belongs to another space.
    """
    from optuna_agnet.generator import load_generator

    return None if file is None else load_generator(space, file)


def quiet_optuna() -> None:
    """Optuna at warnings only; what this package says of its own work stays."""
    import optuna

    from optuna_agnet.core.progress import LOGGER

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    LOGGER.setLevel(optuna.logging.INFO)


def load_study(storage: str, name: str | None) -> optuna.Study:
    """A study of a storage, the only one if no name is given; nothing is created.

    Raises:
        ValueError: There is no such database or study; the message lists the studies that there are.
    """
    import optuna

    quiet_optuna()
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
    from sqlalchemy import create_engine, make_url
    from sqlalchemy import inspect as tables_of

    if "://" not in storage:
        if not Path(storage).is_file():
            raise ValueError(
                f"the file '{storage}' does not exist; a database is given as URL, such as sqlite:///nas.db"
            )
        with open(storage, "rb") as file:
            is_sqlite = file.read(15) == b"SQLite format 3"
        if is_sqlite:
            raise ValueError(f"'{storage}' is an SQLite database: give sqlite:///{storage}")
        try:
            return JournalStorage(JournalFileBackend(storage))
        except (ValueError, KeyError, TypeError, AttributeError):  # whatever reading it comes to
            raise ValueError(
                f"'{storage}' is no journal file of Optuna; a database is given as URL, such as sqlite:///nas.db"
            ) from None
    url = make_url(storage)
    if url.get_backend_name() == "sqlite":
        if not Path(url.database or "").is_file():
            raise ValueError(f"the database {storage} does not exist")
        if not tables_of(create_engine(url)).has_table("studies"):
            raise ValueError(f"{storage} is no database of Optuna")
    return storage


def _recorded(space: SearchSpace, recorded: dict[str, Any]) -> bool:
    """Whether distributions by name are a space's: all that every architecture has, and none other."""
    own = space.distributions()
    always = {d.name for d in space.decisions if d.parent is None}
    return always <= recorded.keys() and all(recorded.get(n, d) == d for n, d in own.items())


def space_of(study: optuna.Study) -> SearchSpace:
    """The preset whose parameters a study's trials have.

    Raises:
        ValueError: There is none.
    """
    recorded: dict[str, Any] = {}
    for trial in study.get_trials(deepcopy=False):
        recorded.update(trial.distributions)
    for make in PRESETS.values():
        space = make()
        if _recorded(space, recorded):
            return space
    raise ValueError(
        f"the parameters of the study '{study.study_name}' ({', '.join(sorted(recorded)[:4]) or 'none yet'}) are no"
        " preset's: give its space with --space FILE.py:NAME"
    )
