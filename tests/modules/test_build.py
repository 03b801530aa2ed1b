from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optuna_agnet import spaces
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules import NetworkSize, Skeleton, build_model, skeleton_of
from optuna_agnet.spaces import EdgeCell, NodeCell, SearchSpace

DEAD = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def _small(space: SearchSpace, arch: Architecture, **more: int) -> nn.Module:
    sizes = {"in_channels": 1, "channels": 4, "cells_per_stage": 1, "stages": 2, **more}
    return build_model(space, arch, **sizes)  # type: ignore[arg-type]


def _train_once(model: nn.Module, images: Tensor) -> Tensor:
    loss = nn.functional.cross_entropy(model.train()(images), torch.arange(len(images)))
    loss.backward()  # type: ignore[no-untyped-call]
    return loss


def test_200_random_cells_run_on_digits(space: SearchSpace, images: Tensor) -> None:
    for arch in space.architectures(space.sample(200, np.random.default_rng(0))):
        model = _small(space, arch, stages=3)
        logits = model(images)
        assert logits.shape == (4, 10), str(arch)
        assert logits.isfinite().all(), str(arch)


def test_every_parameter_gets_a_finite_gradient(space: SearchSpace, images: Tensor) -> None:
    for arch in space.architectures(space.sample(20, np.random.default_rng(1))):
        model = _small(space, arch)
        assert _train_once(model, images).isfinite()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_disconnected_output_trains_and_ignores_the_image(
    nb201: EdgeCell, images: Tensor
) -> None:
    model = _small(nb201, nb201.parse(DEAD), stages=1)
    assert _train_once(model, images).isfinite()
    logits = model.eval()(images)
    assert torch.allclose(logits, logits[:1].expand_as(logits))


def test_training_and_evaluation_mode(space: SearchSpace, images: Tensor) -> None:
    model = _small(space, space.random_architecture(0))
    model.train()(images)
    model.eval()
    together = model(images)
    alone = torch.cat([model(image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(("side", "in_channels"), [(8, 3), (7, 1), (5, 1), (32, 3)])
def test_sizes_are_arguments(space: SearchSpace, side: int, in_channels: int) -> None:
    model = _small(
        space, space.random_architecture(1), in_channels=in_channels, num_classes=7, stages=3
    )
    assert model(torch.zeros(2, in_channels, side, side)).shape == (2, 7)
    convolutions = [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert convolutions[0] == 4


def test_the_same_torch_seed_gives_the_same_weights(space: SearchSpace, images: Tensor) -> None:
    arch = space.random_architecture(2)
    outputs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        outputs.append(_small(space, arch).eval()(images))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_state_dict_round_trip(space: SearchSpace, images: Tensor) -> None:
    arch = space.random_architecture(3)
    model, other = _small(space, arch), _small(space, arch)
    _train_once(model, images)
    other.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(images), other.eval()(images))


def test_models_can_be_copied(space: SearchSpace, images: Tensor) -> None:
    model = _small(space, space.random_architecture(4)).eval()
    assert torch.equal(copy.deepcopy(model)(images), model(images))


def test_own_space_with_own_operations(images: Tensor) -> None:
    ops = {
        "depthwise": lambda c_in, c_out: nn.Conv2d(c_in, c_out, 3, padding=1, groups=c_in),
        "gate": lambda c_in, c_out: nn.Sequential(nn.Conv2d(c_in, c_out, 1), nn.Sigmoid()),
    }
    names = ("skip_connect", *ops)
    for space in (EdgeCell(nodes=3, ops=names), NodeCell(max_nodes=5, max_edges=6, ops=names)):
        for arch in space.architectures(space.sample(20, np.random.default_rng(0))):
            model = build_model(space, arch, ops=ops, in_channels=1, channels=4, cells_per_stage=1)
            assert model(images).shape == (4, 10)


def test_own_builders_replace_built_in_operations(nb201: EdgeCell) -> None:
    arch = nb201.parse(DEAD.replace("none~0", "nor_conv_3x3~0"))
    model = build_model(nb201, arch, ops={"nor_conv_3x3": lambda i, o: nn.Softplus()}, stages=1)
    assert sum(isinstance(m, nn.Softplus) for m in model.modules()) == 15
    assert sum(isinstance(m, nn.Conv2d) for m in model.modules()) == 1


def test_an_unknown_operation_is_refused_whatever_the_cell() -> None:
    space = EdgeCell(nodes=3, ops=("none", "swish"))
    with pytest.raises(ValueError, match=r"'swish'.*nor_conv_3x3.*ops=\{'swish'"):
        build_model(space, space.parse("|none~0|+|none~0|none~1|"))


def test_an_operation_of_wrong_shape_is_named() -> None:
    space = EdgeCell(nodes=2, ops=("none", "narrow"))
    narrow = {"narrow": lambda c_in, c_out: nn.Conv2d(c_in, 1, 1)}
    with pytest.raises(ValueError, match="'narrow' turned shape"):
        build_model(space, space.parse("|narrow~0|"), ops=narrow, in_channels=1)


@pytest.mark.parametrize("name", ["nas_bench_201", "nas_bench_101", "darts", "fbnet"])
def test_vectors_are_refused_with_the_way_out(name: str) -> None:
    space = getattr(spaces, name)()
    model = build_model(space, space.random_architecture(0), channels=4)
    for wrong in (torch.zeros(4, 16), torch.zeros(4, 3, 16)):
        with pytest.raises(ValueError, match=r"takes images .* shape \(4, .*docs/build.md"):
            model(wrong)


def test_an_architecture_of_another_space_is_refused(nb201: EdgeCell, nb101: NodeCell) -> None:
    with pytest.raises(ValueError, match="no architecture of the space"):
        build_model(nb201, nb101.random_architecture(0))
    with pytest.raises(ValueError, match="no architecture of the space"):
        build_model(nb101, nb201.random_architecture(0))


def test_a_cell_with_too_many_edges_is_refused(nb101: NodeCell) -> None:
    pairs = tuple((i, j) for j in range(5) for i in range(j))
    arch = Architecture(("input", *["maxpool3x3"] * 3, "output"), pairs)
    with pytest.raises(ValueError, match="no valid architecture"):
        build_model(nb101, arch)


def test_dead_nodes_and_the_order_of_edges_do_not_matter(nb101: NodeCell) -> None:
    written = Architecture(
        ("input", "maxpool3x3", "maxpool3x3", "output"), ((1, 3), (0, 1), (0, 2))
    )
    model = build_model(nb101, written, channels=4)
    assert [name for name, _ in model.get_submodule("cells.0.operations").named_children()] == [
        "vertex_1"
    ]


def test_sizes_must_be_positive(space: SearchSpace) -> None:
    for name in ("channels", "cells_per_stage", "stages", "num_classes", "in_channels"):
        with pytest.raises(ValueError, match=f"{name}=0"):
            build_model(space, space.random_architecture(0), **{name: 0})  # type: ignore[arg-type]


def test_a_new_kind_of_space_registers_its_skeleton() -> None:
    class Ring(EdgeCell):
        pass

    ring = Ring(nodes=2, ops=("none", "skip_connect"))
    arch = ring.parse("|none~0|")
    assert isinstance(build_model(ring, arch), nn.Sequential)  # an EdgeCell like any other

    @skeleton_of.register(Ring)
    def _(space: Ring) -> Skeleton:
        size = NetworkSize(channels=3, cells_per_stage=1, stages=1)
        return Skeleton(lambda *parts: nn.Linear(parts[3].channels, 2), size)

    model = build_model(ring, arch, channels=5)
    assert isinstance(model, nn.Linear)
    assert model.in_features == 5


def test_a_space_without_skeleton_is_refused(nb201: EdgeCell) -> None:
    with pytest.raises(ValueError, match=r"no network for 'darts'.*EdgeCell"):
        build_model("darts", nb201.random_architecture(0))  # type: ignore[arg-type]
