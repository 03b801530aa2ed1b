import json
import re
import time

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from optuna_agnet import load_generator, pretrain, spaces
from optuna_agnet.core.progress import LOGGER
from optuna_agnet.generator import GeneratorConfig, generator_report, pretraining, save_generator
from optuna_agnet.generator.files import WEIGHTS, Provenance
from optuna_agnet.generator.pretraining import first_use_steps, pretrained
from optuna_agnet.spaces import Network, Repeat, ordered

SMALL = spaces.NodeCell(max_nodes=5, max_edges=6, ops=("a", "b"))
NB101, NB201 = spaces.nas_bench_101(), spaces.nas_bench_201()


@pytest.fixture(scope="module")
def generator():
    return pretrain(SMALL, steps=60, progress=False)


@pytest.mark.parametrize(
    ("space", "config", "validity"),
    [
        (NB201, GeneratorConfig(), 0.999),
        (NB201, GeneratorConfig.paper(), 0.95),
        (NB101, GeneratorConfig(), 0.717),  # the paper's, Table 12
        (NB101, GeneratorConfig.paper(), 0.70),  # a little under the paper's 0.717
        (spaces.darts(), GeneratorConfig(), 1.0),  # the paper's: 0.4227, of one cell
        (spaces.fbnet(), GeneratorConfig(), 1.0),
    ],
)
def test_bundled_generators_make_valid_graphs(space, config, validity):
    report = generator_report(load_generator(space, config=config), 10_000)
    assert report.validity >= validity
    assert 0.3 < report.unique_graphs <= report.uniqueness <= report.unique_drawings <= 1
    if space is NB101:
        assert report.unique_drawings >= 0.979  # the paper's, Table 12
    assert 0 < report.novelty <= 1


@pytest.mark.parametrize(
    ("nodes", "validity"),
    [(12, 0.33), pytest.param(24, 0.29, marks=pytest.mark.slow)],  # the paper's: 0.5795
)
def test_bundled_generators_make_valid_recurrent_cells(nodes, validity):
    generator = load_generator(spaces.nas_bench_nlp(nodes))
    generator.provenance = None  # drawing all its training data again takes a minute
    report = generator_report(generator, 2000)
    assert report.validity >= validity
    assert report.unique_graphs > 0.85


def test_bundled_files_are_small():
    files = list(WEIGHTS.glob("*.safetensors"))
    assert len(files) == 8
    assert all(file.stat().st_size < 1_000_000 for file in files)


def distinct(generator):
    report = generator_report(generator, 2000)
    return report.validity * report.uniqueness


def test_pretraining_makes_more_distinct_valid_graphs_and_is_repeatable(generator):
    assert distinct(generator) > 2 * distinct(pretrain(SMALL, steps=1, progress=False))
    again = pretrain(SMALL, steps=60, progress=False)
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_held_out_architectures_are_never_seen():
    graphs = Provenance(200, 0, 0.1).graphs(NB201)
    keys = NB201.keys(graphs)
    assert (keys % np.uint64(1000) >= 100).all()
    every = NB201.keys(NB201.enumerate())
    held_out = (every % np.uint64(1000) < 100).mean()
    assert 0.05 < held_out < 0.2


def test_weights_survive_a_file(generator, tmp_path):
    save_generator(generator, tmp_path / "g.safetensors")
    loaded = load_generator(SMALL, tmp_path / "g.safetensors")
    z = torch.zeros(3, generator.config.latent)
    assert torch.equal(loaded(z).flat(), generator(z).flat())
    assert generator_report(loaded, 500) == generator_report(generator, 500)


def tampered(path):
    with safe_open(str(path), "pt") as file:
        about, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    next(iter(tensors.values())).view(-1)[0] += 1
    save_file(tensors, str(path), metadata=about)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def foreign(path):
    save_file({"x": torch.zeros(2)}, str(path))


def no_file(path):
    path.unlink()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (tampered, "checksum"),
        (truncated, "damaged"),
        (foreign, "no generator file"),
        (no_file, "does not exist"),
    ],
)
def test_bad_files_are_refused(generator, tmp_path, harm, message):
    path = tmp_path / "g.safetensors"
    save_generator(generator, path)
    harm(path)
    with pytest.raises(ValueError, match=message):
        load_generator(SMALL, path)


def test_another_space_is_refused(generator, tmp_path):
    save_generator(generator, tmp_path / "g.safetensors")
    with pytest.raises(ValueError, match="another space"):
        load_generator(NB201, tmp_path / "g.safetensors")
    with pytest.raises(ValueError, match=re.escape("pretrain(space)")):
        load_generator(SMALL)


def test_bundled_weights_are_found_by_fingerprint_not_by_name(tmp_path):
    twin = spaces.EdgeCell(nodes=4, ops=NB201.ops, name="mine")
    assert load_generator(twin).config == GeneratorConfig()
    other = spaces.EdgeCell(nodes=4, ops=NB201.ops[::-1], name="nas_bench_201")
    with pytest.raises(ValueError, match="no bundled"):
        load_generator(other)


def test_a_pretrained_copy_can_be_trained_without_changing_the_next():
    first = pretrained(NB201, GeneratorConfig())
    with torch.no_grad():
        first.add_node[2].bias.add_(1)
    second = pretrained(NB201, GeneratorConfig())
    assert not torch.equal(first.add_node[2].bias, second.add_node[2].bias)


@pytest.mark.parametrize("arguments", [{"steps": 0}, {"seed": -1}, {"holdout": 1.0}])
def test_bad_numbers_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        pretrain(SMALL, progress=False, **arguments)


def test_metadata_is_plain_json():
    with safe_open(str(WEIGHTS / "nas_bench_201-fast.safetensors"), "pt") as file:
        about = json.loads(file.metadata()["optuna_agnet"])
    assert about["space"] == NB201.fingerprint
    assert about["provenance"]["holdout"] == 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("space", "validity"), [(NB201, 0.95), (NB101, 0.717)])
def test_pretraining_takes_less_than_two_minutes(space, validity):
    start = time.process_time()  # CPU seconds: other work on the machine must not fail it
    generator = pretrain(space, seed=1, progress=False)
    assert time.process_time() - start < 120
    assert generator_report(generator, 10_000).validity >= validity


def network_of(blocks):
    """A network of 1 + 3 * ``blocks`` decisions."""
    block = Network(kernel=ordered(3, 5, 7), ratio=ordered(3, 4, 6), act=("relu", "gelu"))
    return Network(blocks=Repeat(block, 2, blocks))


def test_the_larger_a_network_the_fewer_steps_its_first_use_takes():
    nodes = [network_of(blocks).num_nodes for blocks in (3, 13, 30)]
    steps = [first_use_steps(network_of(blocks)) for blocks in (3, 13, 30)]
    assert steps[0] == 600 > steps[1] > steps[2] > 50
    assert all(n * k <= 12_000 for n, k in zip(nodes, steps, strict=True))


@pytest.mark.slow
def test_the_first_use_of_forty_decisions_takes_less_than_half_a_minute(tmp_path, monkeypatch):
    monkeypatch.setenv("OPTUNA_AGNET_CACHE", str(tmp_path))
    space = network_of(13)
    assert len(space.decisions) == 40
    start = time.process_time()  # CPU seconds: other work on the machine must not fail it
    generator = pretrained(space, GeneratorConfig())
    assert time.process_time() - start < 30
    assert generator_report(generator, 1000).validity == 1


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": None},
        {"config": {"latent": "16"}},
        {"config": {"depth": 3}},
        {"provenance": {"steps": 3}},
        {"space": ...},
        {"provenance": ...},
    ],
)
def test_damaged_metadata_are_refused(generator, tmp_path, change):
    path = tmp_path / "g.safetensors"
    save_generator(generator, path)
    with safe_open(str(path), "pt") as file:
        about = json.loads(file.metadata()["optuna_agnet"]) | change
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about = {name: value for name, value in about.items() if value is not ...}
    save_file(tensors, str(path), metadata={"optuna_agnet": json.dumps(about)})
    with pytest.raises(ValueError, match=r"g\.safetensors.*damaged"):
        load_generator(SMALL, path)


def test_another_shape_is_refused(generator, tmp_path):
    path = tmp_path / "g.safetensors"
    save_generator(generator, path)
    assert load_generator(SMALL, path, config=GeneratorConfig()).config == GeneratorConfig()
    with pytest.raises(ValueError, match="another shape"):
        load_generator(SMALL, path, config=GeneratorConfig.paper())


def test_a_file_that_cannot_be_written_is_named(generator, tmp_path):
    with pytest.raises(ValueError, match=r"none.*can't be written"):
        save_generator(generator, tmp_path / "none" / "g.safetensors")


def test_a_space_is_never_held_out_as_a_whole():
    graphs = Provenance(5, 0, 0.999).graphs(spaces.EdgeCell(nodes=3, ops=("a", "b")))
    assert len(graphs) == 5 * 32


def test_the_papers_form_keeps_the_checkpoint_with_the_highest_validity(monkeypatch):
    validities, states = iter([0.1, 0.3, 0.2]), []

    def scripted(generator, n, rng):
        states.append({name: tensor.clone() for name, tensor in generator.state_dict().items()})
        return next(validities)

    monkeypatch.setattr(pretraining, "_TICKS", 3)
    monkeypatch.setattr(pretraining, "valid_share", scripted)
    kept = pretrain(SMALL, config=GeneratorConfig.paper(), steps=3, progress=False).state_dict()
    assert all(torch.equal(kept[name], states[1][name]) for name in kept)
    assert any(not torch.equal(kept[name], states[2][name]) for name in kept)


def test_torchs_global_generator_is_left_alone():
    before = torch.get_rng_state()
    generator_report(pretrain(SMALL, steps=3, progress=False), 10)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_first_use_is_short_and_says_so(monkeypatch):
    said = []
    monkeypatch.setattr(LOGGER, "info", lambda text, *values: said.append(text % values))
    generator = pretrained(spaces.EdgeCell(nodes=2, ops=("x", "y")), GeneratorConfig())
    assert generator.provenance["steps"] == 600
    assert "pretraining edge_cell: 600 steps" in said[0]
