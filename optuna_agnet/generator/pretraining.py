"""Query-free pretraining: random valid architectures are reconstructed (Eq. 1), and no evaluation is spent."""

from __future__ import annotations

import copy
from dataclasses import asdict
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from optuna_agnet.core.progress import progress_bar
from optuna_agnet.generator.cache import kept
from optuna_agnet.generator.files import Provenance, bundled, load_generator
from optuna_agnet.generator.network import Generator, GeneratorConfig, valid_share
from optuna_agnet.generator.training import Trainer, TrainingConfig, TrainingData
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.tree import Tree
from optuna_agnet.torch_settings import isolated_torch_settings

_BATCH = 32
_FIRST_USE_STEPS = 600  # of a search that is given no generator
_NODE_STEPS = 12_000  # of a network: times its nodes
_TICKS = 10
_LAST_RATE = 0.02  # of the first learning rate


@isolated_torch_settings()
def pretrain(
    space: SearchSpace,
    *,
    config: GeneratorConfig | None = None,
    steps: int = 2000,
    seed: int = 0,
    holdout: float = 0.1,
    progress: bool = True,
) -> Generator:
    """A generator that makes valid architectures of a space; no evaluation is spent on it.

    Each step reconstructs 32 random valid architectures (Eq. 1). The faster form pairs them with the nearest of 64
    latent vectors, Adam starts at 1e-3 and falls in the second half; the paper's form (``config.layers``) uses
    Table 13 and keeps the checkpoint with the most valid samples.

    Args:
        space: The space.
        config: The generator's shape.
        steps: Gradient steps; 2,000 take half a minute to one and a half on one core.
        seed: Of weights and data.
        holdout: Share of architectures, by key, that it never sees.
        progress: Whether to show a bar, or a line in the log where nobody watches (`optuna_agnet.core.progress`).

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> from optuna_agnet import spaces
        >>> from optuna_agnet.generator import generator_report
        >>> generator = pretrain(spaces.EdgeCell(nodes=3, ops=("a", "b")), steps=20, progress=False)
        >>> generator_report(generator, 100).validity
        1.0
    """
    if steps < 1 or seed < 0 or not 0 <= holdout < 1:
        raise ValueError(
            f"steps={steps}, seed={seed}, holdout={holdout}: must be >= 1, >= 0 and in [0, 1)"
        )
    title = f"pretraining {space.name}"
    with progress_bar(steps, title, "step", progress) as bar:
        generator = Generator(space, config, seed=seed)
        trainer = Trainer(generator, _training(generator.config))
        provenance = Provenance(steps, seed, holdout)
        graphs = provenance.graphs(space)  # seconds, too
        data = TrainingData.of(space.encode(graphs), generator.device)
        rows = torch.arange(steps * _BATCH).remainder(len(graphs)).view(steps, _BATCH)
        rng = torch.Generator().manual_seed(seed)
        watch = _Watch(trainer, steps, rng, bar)
        trainer.fit(data, rows, rng, watch)
    watch.finish()
    generator.provenance = asdict(provenance)
    return generator


class _Watch:
    """What follows each step: the learning rate of the next one, the bar, and which checkpoint is kept."""

    def __init__(self, trainer: Trainer, steps: int, rng: torch.Generator, bar: Any) -> None:
        self.trainer, self.steps, self.rng, self.bar = trainer, steps, rng, bar
        self.keeps_best = trainer.generator.config.layers > 0
        self.best: tuple[float, dict[str, Tensor]] = (-1.0, {})

    def __call__(self, step: int) -> None:
        self.bar.update()
        if not self.keeps_best:
            rate = min(1.0, max(_LAST_RATE, 2 * (1 - step / self.steps)))
            self.trainer.optimizer.learning_rate = self.trainer.config.learning_rate * rate
        if (step + 1) % max(1, self.steps // _TICKS) == 0:
            valid = valid_share(self.trainer.generator, 1000, self.rng)
            self.bar.set_postfix_str(f"valid {valid:.1%}")
            if self.keeps_best and valid >= self.best[0]:  # sec. E.1: the highest validity
                self.best = valid, copy.deepcopy(self.trainer.generator.state_dict())

    def finish(self) -> None:
        if self.best[1]:
            self.trainer.generator.load_state_dict(self.best[1])


def _training(config: GeneratorConfig) -> TrainingConfig:
    if not config.layers:
        return TrainingConfig(batch_size=_BATCH)
    return TrainingConfig(
        batch_size=_BATCH, learning_rate=2e-4, betas=(0.5, 0.999), latents=0
    )  # Table 13


@lru_cache(maxsize=8)
def _pretrained(space: SearchSpace, config: GeneratorConfig, seed: int, steps: int) -> Generator:
    if bundled(space, config) is not None:
        return load_generator(space, config=config)
    make = partial(pretrain, space, config=config, steps=steps, seed=seed)
    return kept(space, config, {"steps": steps, "seed": seed}, make)


def pretrained(
    space: SearchSpace, config: GeneratorConfig, seed: int = 0, steps: int | None = None
) -> Generator:
    """A pretrained generator of one's own: the bundled one, or else one that is pretrained once on this machine."""
    steps = first_use_steps(space) if steps is None else steps
    return copy.deepcopy(_pretrained(space, config, seed, steps))


def first_use_steps(space: SearchSpace) -> int:
    """Fewer for large networks, whose steps take longer and whose samples are all valid anyway."""
    if isinstance(space, Tree) and not space.has_isomorphic:
        return min(_FIRST_USE_STEPS, _NODE_STEPS // space.num_nodes)
    return _FIRST_USE_STEPS
