from __future__ import annotations

import io
import os
import pickle
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from optuna.artifacts import FileSystemArtifactStore

from optuna_agnet import AGNet, AGNetConfig, AGNetSampler, spaces
from optuna_agnet.generator import checkpoints
from optuna_agnet.generator.checkpoints import Checkpoints, MachineStore
from optuna_agnet.generator.training import Trainer

SPACE = spaces.nas_bench_201()
CONFIGS = [AGNetConfig(), AGNetConfig.paper()]
NAMES = ["default", "paper"]


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each round of training."""
    done: list[int] = []
    train = Trainer.round

    def counted(self: Trainer, *args: object) -> None:
        done.append(len(done))
        train(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "round", counted)
    return done


def observations(
    folder: Path | None,
    config: AGNetConfig | None = None,
    results: int = 40,
    seed: int = 0,
    store: Checkpoints | None = None,
) -> AGNet:
    """A search that was told random results, with checkpoints in a folder or elsewhere."""
    if folder is not None:
        store = Checkpoints(FileSystemArtifactStore(str(folder)))
    search = AGNet(SPACE, seed=seed, config=config, checkpoints=store)
    rng = np.random.default_rng(0)
    for arch in SPACE.architectures(SPACE.sample(60, rng))[:results]:
        search.tell(arch, rng.normal())
    return search


def asked(search: AGNet) -> list[str]:
    return [str(arch) for arch in search.ask(3)]


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_who_joins_trains_nothing_and_proposes_the_same(
    tmp_path: Path, rounds: list[int], config: AGNetConfig
) -> None:
    expected = asked(observations(None, config))
    trained = len(rounds)
    assert asked(observations(tmp_path, config)) == expected
    assert len(rounds) == 2 * trained > 2
    joined = observations(tmp_path, config)
    assert asked(joined) == expected
    assert len(rounds) == 2 * trained
    assert joined.model.version == trained


def test_only_what_is_new_is_trained_and_the_rest_goes_on_as_before(
    tmp_path: Path, rounds: list[int]
) -> None:
    observations(tmp_path, results=40).ask()
    rounds.clear()
    found = asked(observations(tmp_path, results=56))
    assert len(rounds) == 4  # Adam's state is taken over too, or the next line would fail
    assert found == asked(observations(None, results=56))


def test_other_seeds_results_and_configs_share_nothing(tmp_path: Path, rounds: list[int]) -> None:
    observations(tmp_path).ask()
    trained = len(rounds)
    others: list[Callable[[], AGNet]] = [
        lambda: observations(tmp_path, seed=1),
        lambda: observations(tmp_path, AGNetConfig(weight_factor=0.1)),
    ]
    for other in others:
        rounds.clear()
        other().ask()
        assert len(rounds) == trained


def test_two_files_a_worker(tmp_path: Path) -> None:
    search = observations(tmp_path)
    for _ in range(3):  # rounds of training
        for arch in search.ask(4):
            search.tell(arch, 1.0)
    assert len(list(tmp_path.iterdir())) == 2
    assert all(file.stat().st_size < 2**20 for file in tmp_path.iterdir())


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)


def retype(file: Path) -> None:
    Checkpoints(FileSystemArtifactStore(str(file.parent))).save(
        file.name.removeprefix("agnet-"), {"parameter.0": torch.ones(2)}
    )


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "other shapes": retype,
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:1000]),
    "empty": lambda file: file.write_bytes(b""),
    "oversized": lambda file: file.write_bytes(file.read_bytes() + b"\0" * 2**20),
    "a pickle": lambda file: file.write_bytes(pickle.dumps({"parameter.0": 1})),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_are_refused_with_one_warning(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    observations(tmp_path).ask()
    for file in list(tmp_path.iterdir()):
        damage(file)
    with pytest.warns(UserWarning, match="trains its own instead") as found:
        assert asked(observations(tmp_path)) == asked(observations(None))
    # a library that is imported meanwhile may have warnings of its own
    assert ["trains its own instead" in str(w.message) for w in found].count(True) == 1


class Broken:
    """A store whose server is gone."""

    def open_reader(self, artifact_id: str) -> object:
        raise ConnectionError("no route to host")

    write = remove = open_reader


def test_a_store_that_is_gone_costs_one_warning() -> None:
    search = observations(None, store=Checkpoints(Broken()))  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="no route to host") as found:
        assert asked(search) == asked(observations(None))
    assert len(found) == 1


def test_a_sampler_shares_through_the_store(tmp_path: Path, rounds: list[int]) -> None:
    def sampler() -> AGNetSampler:
        return AGNetSampler(SPACE, seed=0, artifact_store=FileSystemArtifactStore(str(tmp_path)))

    def objective(trial: optuna.Trial) -> float:
        return str(SPACE.suggest(trial)).count("conv_3x3")

    study = optuna.create_study(direction="maximize", sampler=sampler())
    study.optimize(objective, n_trials=34)
    assert len(rounds) == 5
    for later in (sampler(), pickle.loads(pickle.dumps(sampler()))):
        study.sampler = later
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            study.optimize(objective, n_trials=1)
    assert len(rounds) == 5


# -- workers of one machine --------------------------------------------------------------------------------------------


def objective(trial: optuna.Trial) -> float:
    return str(SPACE.suggest(trial)).count("conv_3x3")


def study_in(url: str | None, **arguments: object) -> optuna.Study:
    sampler = AGNetSampler(SPACE, seed=0, **arguments)  # type: ignore[arg-type]
    return optuna.create_study(
        storage=url, study_name="s", load_if_exists=True, direction="maximize", sampler=sampler
    )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the workers of a machine share generators."""
    monkeypatch.setenv("OPTUNA_AGNET_CACHE", str(tmp_path))
    return tmp_path / "rounds"


def test_workers_of_one_machine_train_a_round_once_unasked(
    tmp_path: Path, machine: Path, rounds: list[int]
) -> None:
    alone = study_in(None)
    alone.optimize(objective, n_trials=26)
    assert len(rounds) == 3
    assert not machine.exists()  # nobody to share with
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study_in(url).optimize(objective, n_trials=17)
    for _ in range(9):  # each trial by a worker that has just joined
        study_in(url).optimize(objective, n_trials=1)
    assert len(rounds) == 2 * 3
    assert [t.params for t in study_in(url).trials] == [t.params for t in alone.trials]


def test_a_store_of_ones_own_comes_first(tmp_path: Path, machine: Path) -> None:
    store = FileSystemArtifactStore(str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study_in(url, artifact_store=store).optimize(objective, n_trials=18)
    assert list((tmp_path / "own").iterdir())
    assert not machine.exists()


def test_a_folder_that_cannot_be_used_is_no_reason_to_complain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("OPTUNA_AGNET_CACHE", str(tmp_path / "file"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study_in(f"sqlite:///{tmp_path / 'study.db'}").optimize(objective, n_trials=18)


def test_who_asks_while_another_trains_waits_for_it(machine: Path, rounds: list[int]) -> None:
    searches = [observations(None, store=Checkpoints(MachineStore())) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(asked, searches))
    assert len(rounds) == 7  # of 40 results
    assert found == [asked(observations(None))] * 4


def test_nobody_waits_for_ever(
    machine: Path, rounds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_PATIENCE", 0.01)
    search = observations(None, store=Checkpoints(MachineStore()))
    with MachineStore().turn(search.model._name(b"")):  # and hangs
        search.ask()
    assert len(rounds) == 7


def test_the_oldest_files_make_room(machine: Path) -> None:
    store = MachineStore(most_bytes=250)
    for number in range(4):
        store.write(f"{number}", io.BytesIO(bytes(100)))
        for age, file in enumerate(sorted(machine.iterdir(), reverse=True)):
            os.utime(file, (1000 - age, 1000 - age))
    assert [file.name[0] for file in sorted(machine.iterdir())] == ["2", "3"]
    assert store.open_reader("3").read() == bytes(100)
    store.remove("3")
    store.remove("3")
    with pytest.raises(FileNotFoundError):
        store.open_reader("3")


def test_no_store() -> None:
    with pytest.raises(TypeError, match="artifact_store='folder' has no open_reader"):
        AGNetSampler(SPACE, artifact_store="folder")  # type: ignore[arg-type]
