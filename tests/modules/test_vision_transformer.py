"""Vision transformers: published sizes, attention beside a naive one, and what is refused."""

import pytest
import torch

from optuna_agnet import build_model, spaces
from optuna_agnet.modules.vision_transformer import TransformerBlock
from optuna_agnet.spaces import Network, Repeat, ordered

IMAGENET = {"num_classes": 1000, "image_size": 224, "patch_size": 16}
BASE = spaces.vision_transformer((528, 576, 624), (8, 9, 10), (3.0, 3.5, 4.0), 14, 16)
AUTOFORMER_BASE = {
    "width": 576,
    "blocks": [
        {"heads": heads, "ratio": ratio}
        for heads, ratio in zip(
            (10, 10, 10, 8, 10, 9, 8, 8, 9, 8, 10, 10, 9, 10),
            (3.5, 3.5, 3.5, 4.0, 3.0, 3.0, 3.5, 3.5, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0),
            strict=True,
        )
    ],
}


def parameters(space, values, **size):
    return sum(
        p.numel() for p in build_model(space, space.from_values(values), **size).parameters()
    )


@pytest.mark.parametrize(
    ("width", "heads", "count"), [(192, 3, 5_717_416), (384, 6, 22_050_664), (768, 12, 86_567_656)]
)
def test_deits_networks_have_their_published_sizes(width, heads, count):
    space = spaces.vision_transformer((width,), (heads,), (4.0,), 12, 12)
    values = {"width": width, "blocks": [{"heads": heads, "ratio": 4.0}] * 12}
    assert parameters(space, values, **IMAGENET) == count


def test_autoformers_base_network_has_the_54_million_parameters_that_the_paper_says():
    assert parameters(BASE, AUTOFORMER_BASE, **IMAGENET) // 10**6 == 54


def test_attention_is_softmax_of_scaled_products():
    block, x = TransformerBlock(24, heads=2, ratio=2.0), torch.randn(3, 5, 24)
    query, key, value = block.query_key_value(x).split(2 * 64, dim=2)
    mixed = []
    for head in range(2):
        q, k, v = (part[..., 64 * head : 64 * head + 64] for part in (query, key, value))
        mixed.append(torch.softmax(q @ k.mT / 64**0.5, 2) @ v)
    torch.testing.assert_close(block._attention(x), torch.cat(mixed, 2))


@pytest.mark.parametrize("seed", range(3))
def test_random_networks_run_and_every_parameter_gets_a_gradient(seed):
    space = spaces.vision_transformer((16, 32), (1, 2), (1.0, 2.0), 1, 3)
    model = build_model(space, space.random_architecture(seed), in_channels=1, image_size=8)
    logits = model(torch.rand(4, 1, 8, 8))
    assert logits.shape == (4, 10)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_patches_must_fill_the_image():
    space = spaces.vision_transformer()
    with pytest.raises(ValueError, match="image_size=30 must be a multiple of patch_size=4"):
        build_model(space, space.random_architecture(0), image_size=30)


def test_other_networks_are_the_users_to_build():
    space = Network(width=ordered(8, 16), blocks=Repeat(Network(heads=ordered(1, 2)), 1, 2))
    with pytest.raises(ValueError, match=r"MyNetwork\(\*\*space\.values\(arch\)\)"):
        build_model(space, space.random_architecture(0))
