"""Pretrained generators are kept on disk: once per machine, whole or not at all, and never needed."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from optuna_agnet import spaces
from optuna_agnet.generator import cache, pretraining
from optuna_agnet.generator.network import Generator, GeneratorConfig

ROOT = Path(__file__).parents[2]
SPACE = spaces.EdgeCell(nodes=3, ops=("conv", "pool"))
CONFIG = GeneratorConfig()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPTUNA_AGNET_CACHE", str(tmp_path / "cache"))
    pretraining._pretrained.cache_clear()
    return tmp_path / "cache"


def weights(generator: Generator) -> torch.Tensor:
    return torch.cat([weight.flatten() for weight in generator.state_dict().values()])


def test_the_second_process_reads_what_the_first_has_made(folder, monkeypatch):
    first = pretraining.pretrained(SPACE, CONFIG, steps=3)
    assert [path.suffix for path in folder.iterdir() if path.suffix != ".lock"] == [".safetensors"]
    pretraining._pretrained.cache_clear()  # as a new process
    monkeypatch.setattr(pretraining, "pretrain", lambda *args, **kwargs: pytest.fail("again"))
    again = pretraining.pretrained(SPACE, CONFIG, steps=3)
    assert torch.equal(weights(again), weights(first))
    assert again.provenance == first.provenance


def test_a_line_says_where_it_is_kept_and_reading_it_says_nothing(folder, monkeypatch):
    said = []
    monkeypatch.setattr(cache.LOGGER, "info", lambda text, *args: said.append(text % args))
    for _ in range(2):
        cache.kept(SPACE, CONFIG, {}, lambda: Generator(SPACE, CONFIG))
    (file,) = folder.glob("*.safetensors")
    assert said == [f"the generator of '{SPACE.name}' is kept in {file}"]


@pytest.mark.parametrize(
    "other",
    [
        {"steps": 4},
        {"seed": 1},
        {"space": spaces.EdgeCell(nodes=3, ops=("pool", "conv"))},
        {"config": GeneratorConfig(latent=8)},
    ],
)
def test_other_generators_are_other_files(folder, other):
    arguments = {"space": SPACE, "config": CONFIG, "steps": 3, "seed": 0}
    pretraining.pretrained(**arguments)
    pretraining.pretrained(**{**arguments, **other})
    assert len(list(folder.glob("*.safetensors"))) == 2


def test_workers_that_start_together_train_once(folder):
    made, found = [], []

    def make() -> Generator:
        made.append(1)
        time.sleep(0.2)
        return Generator(SPACE, CONFIG)

    def work() -> None:
        found.append(cache.kept(SPACE, CONFIG, {}, make))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 1
    assert len(found) == 8
    assert [p.suffix for p in folder.iterdir() if p.suffix != ".lock"] == [".safetensors"]


WORKER = """
import sys
from optuna_agnet.generator import pretraining
from optuna_agnet.generator.network import GeneratorConfig
from optuna_agnet.spaces import Network, Repeat, ordered

train = pretraining.pretrain

def told(*args, **more):
    print("trained", flush=True)
    return train(*args, **more)

pretraining.pretrain = told
space = Network(width=ordered(1, 2), blocks=Repeat(Network(kernel=ordered(3, 5, 7)), 2, 38))
assert len(space.decisions) == 40
print("ready", flush=True)
sys.stdin.readline()
generator = pretraining.pretrained(space, GeneratorConfig(), steps=10)
print(float(sum(weight.double().sum() for weight in generator.state_dict().values())), flush=True)
"""


@pytest.mark.slow
def test_processes_that_start_together_train_once(folder: Path) -> None:
    """Eight workers of a space of forty decisions, told to begin when all are ready."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER], env=environment, **pipes) for _ in range(8)
    ]
    assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 8
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate()[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 8
    assert sum("trained" in words for words in said) == 1
    assert len({words[-1] for words in said}) == 1
    assert [p.suffix for p in folder.iterdir() if p.suffix != ".lock"] == [".safetensors"]


@pytest.mark.parametrize("content", [b"", b"torn", None])
def test_a_damaged_file_is_made_anew(folder, content):
    pretraining.pretrained(SPACE, CONFIG, steps=3)
    file = next(folder.glob("*.safetensors"))
    good = file.read_bytes()
    file.write_bytes(good[: len(good) // 2] if content is None else content)
    pretraining._pretrained.cache_clear()
    pretraining.pretrained(SPACE, CONFIG, steps=3)
    assert file.read_bytes() == good


def test_a_folder_that_cannot_be_used_costs_no_more_than_a_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("OPTUNA_AGNET_CACHE", str(tmp_path / "file" / "below"))
    with pytest.warns(UserWarning, match="set OPTUNA_AGNET_CACHE to a folder that can be written"):
        found = cache.kept(SPACE, CONFIG, {}, lambda: Generator(SPACE, CONFIG))
    assert found.space == SPACE


def test_a_trainer_that_dies_leaves_nothing_and_blocks_nobody(folder):
    def die() -> Generator:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.kept(SPACE, CONFIG, {}, die)
    assert not list(folder.glob("*.safetensors"))
    cache.kept(SPACE, CONFIG, {}, lambda: Generator(SPACE, CONFIG))
    assert len(list(folder.glob("*.safetensors"))) == 1


def test_by_default_it_is_the_users_cache_folder(monkeypatch):
    monkeypatch.delenv("OPTUNA_AGNET_CACHE", raising=False)
    assert cache.cache_folder().name == "optuna-agnet"


@pytest.mark.parametrize("name", ["resnet/v2", 'a:b*c?"<d>|\\', "../up", "long" * 100, "größe 1"])
def test_a_space_may_have_any_name(folder, name):
    space = spaces.EdgeCell(nodes=3, ops=("conv", "pool"))
    space.name = name
    pretraining.pretrained(space, CONFIG, steps=2)
    (file,) = folder.glob("*.safetensors")
    assert not set(file.name) & set('<>:"/\\|?*')
    assert len(file.name.encode()) < 200
