"""Bars where somebody watches, lines of the logger elsewhere, nothing where Optuna is silent."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.core.progress import LOGGER, progress_bar
from optuna_agnet.generator.network import Generator

INFO, WARNING = logging.INFO, logging.WARNING


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_imported(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    own, optunas = LOGGER.level, optuna.logging.get_verbosity()
    LOGGER.setLevel(logging.NOTSET)
    yield
    LOGGER.setLevel(own)
    optuna.logging.set_verbosity(optunas)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What Optuna's handlers get to see."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("optuna").addHandler(handler)
    yield found
    logging.getLogger("optuna").removeHandler(handler)


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, show: bool = True) -> str:
    """What a bar of three steps writes to a terminal or a file."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        with progress_bar(3, "counting", "step", show) as bar:
            for _ in range(3):
                bar.update()
    return stream.getvalue()


def test_a_terminal_gets_a_bar_and_no_line(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    optuna.logging.set_verbosity(INFO)
    assert "counting: 100%" in shown(monkeypatch, _Terminal())
    assert lines == []


def test_a_file_gets_a_line_at_each_end_and_no_carriage_return(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    optuna.logging.set_verbosity(INFO)
    assert shown(monkeypatch, io.StringIO()) == ""
    begins, ends = lines
    assert begins == "counting: 3 steps, begins"
    assert ends.startswith("counting: 3 steps in ")


def test_the_first_line_comes_before_the_work(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    optuna.logging.set_verbosity(INFO)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar(3, "counting", "step"):
        assert len(lines) == 1
    assert len(lines) == 2


def test_so_does_a_terminal_with_tqdm_disable(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    optuna.logging.set_verbosity(INFO)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert shown(monkeypatch, _Terminal()) == ""
    assert len(lines) == 2


@pytest.mark.parametrize("stream", [_Terminal, io.StringIO])
def test_nothing_is_shown_where_optuna_is_silent(
    stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    optuna.logging.set_verbosity(WARNING)
    assert shown(monkeypatch, stream()) == ""
    optuna.logging.set_verbosity(INFO)
    assert shown(monkeypatch, stream(), show=False) == ""
    assert lines == []


def test_a_level_of_its_own_goes_before_optunas(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    optuna.logging.set_verbosity(WARNING)
    LOGGER.setLevel(INFO)
    assert "100%" in shown(monkeypatch, _Terminal())
    shown(monkeypatch, io.StringIO())
    assert len(lines) == 2
    LOGGER.setLevel(WARNING)
    optuna.logging.set_verbosity(INFO)
    assert shown(monkeypatch, _Terminal()) == ""
    assert len(lines) == 2


def test_a_study_says_where_its_architectures_come_from(lines: list[str]) -> None:
    space = spaces.EdgeCell(nodes=3, ops=("a", "b"))
    for level, count in ((INFO, 0), (logging.DEBUG, 3)):
        optuna.logging.set_verbosity(level)
        sampler = AGNetSampler(
            space, seed=0, config=AGNetConfig(n_startup=2), generator=Generator(space)
        )
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: len(space.suggest(trial).nodes), n_trials=3)
        assert sum("an architecture from" in line for line in lines) == count


SEARCH = """
from optuna_agnet import spaces
space = spaces.EdgeCell(nodes=3, ops=("a", "b", "c", "d"))
def objective(trial):
    return str(space.suggest(trial)).count("a")
"""


def test_a_log_file_of_a_search_has_a_line_a_trial_and_two_of_pretraining(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SEARCH)
    own = ("mine.py:objective", "--space", "mine.py:space", "--trials", "18")
    done = subprocess.run(
        [sys.executable, "-m", "optuna_agnet", "search", *own],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "OPTUNA_AGNET_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stderr + done.stdout
    messages = [line.split("] ", 1)[1] for line in done.stderr.splitlines()]
    assert sum("pretraining edge_cell: 600 steps in" in message for message in messages) == 1
    assert sum(message.startswith("Trial ") for message in messages) == 18
    assert sum("600 steps, begins" in message for message in messages) == 1
    assert len(messages) == 21  # and one of where the generator is kept
