"""Weights of a training come into a network, or the message says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from optuna_agnet import build_model, spaces
from optuna_agnet.modules.export import export_onnx, export_pytorch, load_weights

SPACE = spaces.darts()
ARCH = SPACE.random_architecture(0)


def network(**arguments: object) -> nn.Module:
    size = {"channels": 2, "cells_per_stage": 1, "stages": 2, **arguments}
    return build_model(SPACE, ARCH, **size)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["plain", "model", "state_dict", "safetensors"])
def test_weights_are_those_of_the_training(form: str, tmp_path: Path) -> None:
    trained, other = network(auxiliary=True), network()
    state = trained.state_dict()
    if form == "safetensors":
        save_file(state, tmp_path / "w.safetensors")
        load_weights(other, tmp_path / "w.safetensors")
    else:
        torch.save(state if form == "plain" else {form: state, "epoch": 3}, tmp_path / "w.pt")
        load_weights(other, tmp_path / "w.pt")
    for name, weight in other.state_dict().items():
        assert torch.equal(weight, state[name])
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(other.eval()(images), trained.eval()(images))


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    file = tmp_path / "w.pt"
    more = {**network().state_dict(), "more": torch.zeros(3)}
    for trained, message in (
        (more, r"'more' is of shape \(3,\) there and missing in this one"),
        (network(channels=4), r"'stem.0.0.weight' is of shape \(12, 3, 3, 3\) there and of shape"),
        (network(drop_path=0.1, auxiliary=True, stages=3), r"' is of shape .* there and"),
        (nn.Linear(2, 1), r"'stem.0.0.weight' is missing there and of shape"),
        (nn.Sequential(network()), r"is missing there"),
    ):
        torch.save(trained if isinstance(trained, dict) else trained.state_dict(), file)
        model = network()
        before = {name: weight.clone() for name, weight in model.state_dict().items()}
        with pytest.raises(ValueError, match=message):
            load_weights(model, file)
        assert all(torch.equal(w, before[name]) for name, w in model.state_dict().items())


@pytest.mark.parametrize("export", [export_pytorch, export_onnx])
def test_images_that_the_network_does_not_take_are_named(export: object, tmp_path: Path) -> None:
    file = tmp_path / "net"
    with pytest.raises(ValueError, match=r"no image of .* = \(1, 8, 8\) \(.*channels"):
        export(network(), file, (1, 8, 8))  # type: ignore[operator]
    assert not file.exists()


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this ran",)


def test_files_that_hold_no_weights_are_refused_and_never_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.pt").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    (tmp_path / "empty.pt").touch()
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"epoch": 1}, tmp_path / "epoch.pt")
    torch.save(Payload(), tmp_path / "payload.pt")
    names = (
        "text.pt",
        "text.safetensors",
        "empty.pt",
        "list.pt",
        "epoch.pt",
        "payload.pt",
        "no.pt",
    )
    for name in names:
        with pytest.raises(ValueError, match=name):
            load_weights(network(), tmp_path / name)
    assert "this ran" not in capsys.readouterr().out
