from __future__ import annotations

import pytest
import torch

from optuna_agnet.modules.network import NetworkSize, classifier


def test_widths_double_from_stage_to_stage() -> None:
    assert NetworkSize(channels=5, cells_per_stage=1, stages=4).widths == (5, 10, 20, 40)


@pytest.mark.parametrize(
    "name", ["channels", "cells_per_stage", "stages", "num_classes", "in_channels"]
)
@pytest.mark.parametrize("value", [0, -1, 2.0, "3"])
def test_a_size_must_be_a_positive_integer(name: str, value: object) -> None:
    sizes = {"channels": 4, "cells_per_stage": 1, "stages": 2, name: value}
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        NetworkSize(**sizes)  # type: ignore[arg-type]


def test_classifier_averages_over_the_image() -> None:
    head = classifier(3, 2)
    x = torch.randn(4, 3, 5, 5)
    assert torch.allclose(head(x), head[2](x.mean((2, 3))), atol=1e-6)
