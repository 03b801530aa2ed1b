from __future__ import annotations

import ast
import copy

import pytest
import torch
from torch import Tensor, nn

from optuna_agnet import spaces
from optuna_agnet.modules import build_model
from optuna_agnet.modules.darts import DartsCellModule, DartsNetwork, DartsSize
from optuna_agnet.modules.darts_operations import DARTS_OPERATIONS
from optuna_agnet.spaces import DartsCell, EdgeCell, Stack

DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _network(**settings: object) -> DartsNetwork:
    torch.manual_seed(0)
    space = spaces.darts()
    settings = {"channels": 4, "cells_per_stage": 1, **settings}
    model = build_model(space, space.parse(DARTS_V2), **settings)  # type: ignore[arg-type]
    assert isinstance(model, DartsNetwork)
    return model


@pytest.mark.parametrize(
    ("settings", "published"),
    [
        ({"channels": 36, "cells_per_stage": 6}, 3.3e6),  # Table 1: CIFAR-10, 20 cells
        ({"channels": 48, "cells_per_stage": 4, "stem": "imagenet", "num_classes": 1000}, 4.7e6),
    ],
)
def test_parameters_of_darts_v2_agree_with_the_published_count(
    settings: dict[str, object], published: float
) -> None:
    with torch.device("meta"):
        plain, with_head = _network(**settings), _network(**settings, auxiliary=True)
    assert _parameters(plain) == pytest.approx(published, rel=0.02)  # DARTS counts no auxiliary
    extra = _parameters(with_head.auxiliary_head)  # type: ignore[arg-type]
    assert _parameters(with_head) - extra == _parameters(plain)


def test_reduction_cells_stand_at_one_and_two_thirds() -> None:
    for cells_per_stage, layers in ((6, 20), (4, 14)):
        with torch.device("meta"):
            model = _network(cells_per_stage=cells_per_stage)
        strided = [
            any(getattr(part, "stride", 1) in (2, (2, 2)) for part in cell.operations.modules())  # type: ignore[union-attr]
            for cell in model.cells
        ]
        assert [i for i, found in enumerate(strided) if found] == [layers // 3, 2 * layers // 3]
        assert len(model.cells) == layers


def test_a_cell_agrees_with_a_naive_twin() -> None:
    torch.manual_seed(0)
    space = DartsCell(nodes=3)
    before, x = torch.randn(2, 3, 7, 6), torch.randn(2, 5, 7, 6)
    for seed in range(10):
        arch = space.random_architecture(seed)
        cell = DartsCellModule(space, arch, DARTS_OPERATIONS, (3, 5), 4, reduction=True).eval()
        genotype = ast.literal_eval(str(arch))  # pairs (operation, source)
        values = [cell.preprocess[0](before), cell.preprocess[1](x)]
        for node in range(3):
            total = torch.zeros(2, 4, 4, 3)
            for k in (0, 1):
                source = genotype[2 * node + k][1]
                total += cell.operations[f"node_{node + 2}_op_{k}"](values[source])
            values.append(total)
        assert torch.allclose(cell(before, x), torch.cat(values[2:], 1), atol=1e-5)


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
@pytest.mark.parametrize("side", [32, 33])
def test_both_stems_run_on_even_and_odd_sizes(stem: str, side: int) -> None:
    model = _network(stem=stem, num_classes=7, in_channels=1)
    images = torch.randn(3, 1, side, side)
    assert model(images).shape == (3, 7)
    assert model.stem[0](images).shape[-1] == (side if stem == "cifar" else -(-side // 4))


def test_random_cells_train_and_every_parameter_gets_a_gradient() -> None:
    space = spaces.darts()
    torch.manual_seed(0)
    for seed in range(10):
        model = build_model(
            space,
            space.random_architecture(seed),
            channels=2,
            cells_per_stage=1,
            auxiliary=True,
        )
        logits, extra = model(torch.randn(4, 3, 8, 8))
        (logits.sum() + extra.sum()).backward()
        # The last cell's unused inputs have none: DARTS builds their projections too.
        missing = [name for name, p in model.named_parameters() if p.grad is None]
        assert all("preprocess" in name for name in missing), missing


def test_the_auxiliary_classifier_speaks_in_training_alone() -> None:
    model = _network(auxiliary=True)
    images = torch.randn(4, 3, 16, 16)
    logits, extra = model.train()(images)
    assert logits.shape == extra.shape == (4, 10)
    assert isinstance(model.eval()(images), Tensor)
    assert isinstance(_network().train()(images), Tensor)


def test_the_auxiliary_classifier_reads_the_last_reduction_cell() -> None:
    model = _network(auxiliary=True)
    seen: list[Tensor] = []
    model.cells[3].register_forward_hook(lambda m, i, out: seen.append(out))
    assert model.auxiliary_head is not None
    model.auxiliary_head.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    model(torch.randn(4, 3, 16, 16))
    assert seen[0] is seen[1]


def test_drop_path_keeps_the_mean_and_drops_whole_images() -> None:
    space = DartsCell(nodes=1, ops=("max_pool_3x3", "skip_connect"))
    pool, skip = (
        "[('max_pool_3x3', 0), ('max_pool_3x3', 1)]",
        "[('skip_connect', 0), ('skip_connect', 1)]",
    )
    torch.manual_seed(0)
    x = torch.rand(4000, 2, 2, 2)

    def outputs(text: str, drop_path: float) -> Tensor:
        torch.manual_seed(1)
        cell = DartsCellModule(space, space.parse(text), DARTS_OPERATIONS, (2, 2), 2)
        with torch.no_grad():
            result: Tensor = cell(x, x, drop_path)
        return result

    kept, dropped = outputs(pool, 0.0), outputs(pool, 0.3)
    both_gone = (dropped == 0).all((1, 2, 3)).double().mean()
    assert both_gone == pytest.approx(0.3**2, abs=0.02)
    assert float(dropped.mean()) == pytest.approx(float(kept.mean()), rel=0.02)
    assert torch.equal(outputs(skip, 0.3), outputs(skip, 0.0))  # skip connections stay


def test_drop_path_is_off_in_evaluation_and_can_be_changed() -> None:
    model = _network(drop_path=0.5)
    images = torch.randn(4, 3, 16, 16)
    torch.manual_seed(0)
    dropped = model.train()(images)
    model.drop_path = 0.0
    assert not torch.equal(dropped, copy.deepcopy(model)(images))
    model.eval()
    plain = model(images)
    model.drop_path = 0.5
    assert torch.equal(model(images), plain)


def test_a_single_cell_takes_both_parts() -> None:
    space = DartsCell(nodes=2)
    stack = Stack(normal=space, reduce=space)
    arch = space.random_architecture(0)
    torch.manual_seed(0)
    one = build_model(space, arch, channels=4, cells_per_stage=1)
    torch.manual_seed(0)
    two = build_model(stack, stack.join(normal=arch, reduce=arch), channels=4, cells_per_stage=1)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(one.eval()(x), two.eval()(x))


def test_own_operations_take_a_stride() -> None:
    space = Stack(
        normal=DartsCell(nodes=1, ops=("wide", "skip_connect")), reduce=DartsCell(nodes=1)
    )
    arch = space.parse(
        "Genotype(normal=[('wide', 0), ('wide', 1)], reduce=[('max_pool_3x3', 0), ('skip_connect', 1)])"
    )
    ops = {"wide": lambda c_in, c_out, stride: nn.Conv2d(c_in, c_out, 7, stride, 3)}
    model = build_model(space, arch, ops=ops, channels=4, cells_per_stage=1)
    assert model(torch.randn(2, 3, 8, 8)).shape == (2, 10)
    with pytest.raises(ValueError, match="unknown operation 'wide'"):
        build_model(space, arch)


def test_a_builder_that_takes_no_stride_is_named() -> None:
    space = DartsCell(nodes=1, ops=("flat", "skip_connect"))
    ops = {"flat": lambda c_in, c_out: nn.Conv2d(c_in, c_out, 1)}
    with pytest.raises(TypeError, match=r"'flat' is called with \(c_in, c_out, stride\)"):
        build_model(space, space.parse("[('flat', 0), ('skip_connect', 1)]"), ops=ops)


def test_an_operation_without_its_stride_is_named() -> None:
    space = DartsCell(nodes=1, ops=("flat", "skip_connect"))
    arch = space.parse("[('flat', 0), ('skip_connect', 1)]")
    ops = {"flat": lambda c_in, c_out, stride: nn.Conv2d(c_in, c_out, 1)}
    with pytest.raises(ValueError, match=r"'flat' turned shape.*divide height and width"):
        build_model(space, arch, ops=ops, channels=4, cells_per_stage=1)


def test_other_stacks_are_refused_with_the_way_out() -> None:
    cell = EdgeCell(nodes=3, ops=("none", "skip_connect"))
    for space in (Stack(one=cell, two=cell), Stack(normal=DartsCell(), other=DartsCell())):
        with pytest.raises(ValueError, match=r"'normal' and 'reduce'.*split"):
            build_model(space, space.random_architecture(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"drop_path": 1.0}, "drop_path=1.0"),
        ({"stem": "mnist"}, "stem='mnist' must be 'cifar' or 'imagenet'"),
        ({"auxiliary": True, "stages": 1}, "stages=2 or more"),
        ({"stem": "imagenet", "channels": 1}, "too few"),
        ({"channels": 0}, "channels=0"),
    ],
)
def test_sizes_without_meaning_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _network(**settings)


def test_settings_of_another_kind_are_refused(nb201: EdgeCell) -> None:
    with pytest.raises(ValueError, match=r"auxiliary=True has no meaning.*channels, cells_per"):
        build_model(nb201, nb201.random_architecture(0), auxiliary=True)


def test_widths_double_from_stage_to_stage() -> None:
    assert DartsSize(channels=3, cells_per_stage=1, stages=3).widths == (3, 6, 12)
