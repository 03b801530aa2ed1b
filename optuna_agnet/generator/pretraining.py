"""Query-free pretraining, pretrained weights in files, and what a generator can do (Table 12).

Weights are safetensors files; their metadata say which space, shape and training they come from.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from dataclasses import asdict, astuple, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

import optuna_agnet
from optuna_agnet.generator.network import Generator, GeneratorConfig, sample_graphs
from optuna_agnet.generator.training import Trainer, TrainingConfig, TrainingData
from optuna_agnet.spaces.base import CellSpace, IntArray
from optuna_agnet.torch_state import own_torch

WEIGHTS = Path(__file__).parent / "weights"
_HOLDOUT_PARTS = 1000
_BATCH = 32
_FIRST_USE_STEPS = 600  # of a search that is given no generator
_TICKS = 10
_LAST_RATE = 0.02  # of the first learning rate


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a generator was pretrained: enough to draw the same graphs again."""

    steps: int
    seed: int
    holdout: float
    batch_size: int = _BATCH

    def graphs(self, space: CellSpace) -> IntArray:
        """The training data (N, D): uniform valid architectures without the held-out ones.

        All of them where nothing else would be left, as may happen in a space of two or three architectures.
        """
        x = space.sample(self.steps * self.batch_size, np.random.default_rng(self.seed))
        held_out = space.keys(x) % np.uint64(_HOLDOUT_PARTS) < self.holdout * _HOLDOUT_PARTS
        kept: IntArray = x if held_out.all() else x[~held_out]
        return kept


@own_torch()
def pretrain(
    space: CellSpace,
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
        progress: Whether to show a bar.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> from optuna_agnet import spaces
        >>> generator = pretrain(spaces.EdgeCell(nodes=3, ops=("a", "b")), steps=20, progress=False)
        >>> generator_report(generator, 100).validity
        1.0
    """
    if steps < 1 or seed < 0 or not 0 <= holdout < 1:
        raise ValueError(
            f"steps={steps}, seed={seed}, holdout={holdout}: must be >= 1, >= 0 and in [0, 1)"
        )
    generator = Generator(space, config, seed=seed)
    trainer = Trainer(generator, _training(generator.config))
    provenance = Provenance(steps, seed, holdout)
    graphs = provenance.graphs(space)
    data = TrainingData.of(space.encode(graphs), generator.device)
    rows = torch.arange(steps * _BATCH).remainder(len(graphs)).view(steps, _BATCH)
    rng = torch.Generator().manual_seed(seed)
    title = f"pretraining {space.name}"
    with tqdm(total=steps, desc=title, unit="step", disable=not progress) as bar:
        watch = _Watch(trainer, steps, rng, bar)
        trainer.fit(data, rows, rng, watch)
    watch.finish()
    generator.provenance = asdict(provenance)
    return generator


class _Watch:
    """What follows each step: the learning rate of the next one, the bar, and which checkpoint is kept."""

    def __init__(self, trainer: Trainer, steps: int, rng: torch.Generator, bar: tqdm) -> None:
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


@torch.no_grad()
def _sampled(generator: Generator, n: int, rng: torch.Generator) -> tuple[IntArray, np.ndarray]:
    return generator.space.decode(sample_graphs(generator(generator.latents(n, rng)), rng))


def valid_share(generator: Generator, n: int, rng: torch.Generator) -> float:
    """How many of n samples are valid."""
    return float(_sampled(generator, n, rng)[1].mean())


# -- files -------------------------------------------------------------------------------------------------------------


def save_generator(generator: Generator, path: str | Path) -> None:
    """Weights and metadata as a safetensors file.

    Raises:
        ValueError: The file can't be written.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in generator.state_dict().items()}
    about = {
        "space": generator.space.fingerprint,
        "config": asdict(generator.config),
        "provenance": generator.provenance,
        "sha256": checksum(tensors),
        "version": optuna_agnet.__version__,
    }
    try:
        save_file(tensors, str(path), metadata={"optuna_agnet": json.dumps(about)})
    except (SafetensorError, OSError) as error:
        raise ValueError(f"'{path}' can't be written ({error}): give another path") from None


def load_generator(
    space: CellSpace, path: str | Path | None = None, *, config: GeneratorConfig | None = None
) -> Generator:
    """A pretrained generator, from a file or from those that come with the package.

    Args:
        space: The space it must be for.
        path: A file of `save_generator`; None takes the bundled one that fits space and config.
        config: The shape it must have; by default the faster form of the bundled ones, or whatever a file holds.

    Raises:
        ValueError: No file fits, it is damaged, or it belongs to another space or shape.

    Example:
        >>> from optuna_agnet import spaces
        >>> load_generator(spaces.nas_bench_201()).config.latent
        16
    """
    if path is not None:
        return _load(space, Path(path), config)
    wanted = config or GeneratorConfig()
    file = bundled(space, wanted)
    if file is None:
        raise ValueError(
            f"no bundled generator fits {space!r} with {wanted}: make one with pretrain(space)"
        )
    return _load(space, file, wanted)


def bundled(space: CellSpace, config: GeneratorConfig) -> Path | None:
    """The file of the pretrained generator of this shape that comes with the package; None where there is none."""
    for file in sorted(WEIGHTS.glob("*.safetensors")):
        about = _read(file)
        if (about.space, about.config) == (space.fingerprint, config):
            return file
    return None


@dataclass(frozen=True, slots=True)
class _Metadata:
    space: str
    config: GeneratorConfig
    provenance: Provenance | None
    sha256: str

    @classmethod
    def parse(cls, text: str) -> _Metadata:
        about = json.loads(text)
        config = GeneratorConfig(**about["config"])
        given = about["provenance"]
        provenance = None if given is None else Provenance(**given)
        numbers = astuple(config) + (() if provenance is None else astuple(provenance))
        if not all(isinstance(number, (int, float)) for number in numbers):
            raise ValueError(f"no numbers: {numbers}")
        return cls(about["space"], config, provenance, about["sha256"])


def _read(path: Path) -> _Metadata:
    try:
        with safe_open(str(path), "pt") as file:
            return _Metadata.parse(file.metadata()["optuna_agnet"])
    except FileNotFoundError:
        raise ValueError(
            f"'{path}' does not exist; save_generator(generator, path) makes such a file"
        ) from None
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise ValueError(
            f"'{path}' is no generator file or is damaged ({error}); pretrain(space) makes a new one"
        ) from None


def _load(space: CellSpace, path: Path, config: GeneratorConfig | None) -> Generator:
    about = _read(path)
    if about.space != space.fingerprint:
        raise ValueError(
            f"'{path}' was trained for another space than {space!r}; pretrain(space) makes one for it"
        )
    if config not in (None, about.config):
        raise ValueError(
            f"'{path}' holds a generator of another shape, {about.config}, than {config};"
            " leave config out or make one with pretrain(space, config=...)"
        )
    with safe_open(str(path), "pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        generator = _shaped(space, path, about.config, shapes)
        tensors = {name: file.get_tensor(name) for name in shapes}
    if about.sha256 != checksum(tensors):
        raise ValueError(
            f"'{path}' is damaged: its weights don't match their checksum; pretrain(space) makes new ones"
        )
    generator.load_state_dict(tensors)
    generator.provenance = None if about.provenance is None else asdict(about.provenance)
    return generator


def _shaped(
    space: CellSpace, path: Path, config: GeneratorConfig, shapes: dict[str, list[int]]
) -> Generator:
    """A generator of the config, no larger than the file: its numbers are believed only where the weights are there."""
    held = sum(math.prod(shape) for shape in shapes.values())
    if 0 < max(config.latent, config.width) * config.width <= held and config.layers <= len(shapes):
        generator = Generator(space, config)
        if shapes == {name: list(weight.shape) for name, weight in generator.state_dict().items()}:
            return generator
    raise ValueError(
        f"'{path}' does not hold this version's generator with {config}: its {held:,} numbers have other shapes;"
        " pretrain(space) makes a new one"
    )


def checksum(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of tensors on the CPU, with their names and shapes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + str(tuple(tensors[name].shape)).encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


@lru_cache(maxsize=8)
def _pretrained(space: CellSpace, config: GeneratorConfig, seed: int, steps: int) -> Generator:
    if bundled(space, config) is not None:
        return load_generator(space, config=config)
    return pretrain(space, config=config, steps=steps, seed=seed)


def pretrained(
    space: CellSpace, config: GeneratorConfig, seed: int = 0, steps: int = _FIRST_USE_STEPS
) -> Generator:
    """A pretrained generator of one's own: the bundled one, or else one that is pretrained now and kept for later."""
    return copy.deepcopy(_pretrained(space, config, seed, steps))


# -- what it can do --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GeneratorReport:
    """Generator abilities (Table 12), shares of 0 to 1.

    Args:
        samples: Graphs drawn from z ~ N(0, 1).
        validity: Share of valid ones.
        uniqueness: Different architectures among the valid ones.
        unique_graphs: The same, with isomorphic ones counted once.
        novelty: Valid ones that pretraining never saw, isomorphic ones included; None where that is not known.
    """

    samples: int
    validity: float
    uniqueness: float
    unique_graphs: float
    novelty: float | None

    def __str__(self) -> str:
        novelty = "unknown" if self.novelty is None else f"{self.novelty:.2%}"
        return (
            f"{self.samples:,} samples: validity {self.validity:.2%}, uniqueness {self.uniqueness:.2%}"
            f" (up to isomorphism {self.unique_graphs:.2%}), novelty {novelty}"
        )


def generator_report(
    generator: Generator, samples: int = 10_000, *, seed: int = 0
) -> GeneratorReport:
    """Validity, uniqueness and novelty of a generator's samples (Table 12)."""
    if samples < 1:
        raise ValueError(f"samples={samples} must be at least 1")
    x, valid = _sampled(generator, samples, torch.Generator().manual_seed(seed))
    x, keys = x[valid], generator.space.keys(x[valid])
    novelty = None
    if generator.provenance is not None and len(x):
        seen = generator.space.keys(Provenance(**generator.provenance).graphs(generator.space))  # type: ignore[arg-type]
        novelty = float((~np.isin(keys, seen)).mean())
    count = max(1, len(x))
    return GeneratorReport(
        samples,
        float(valid.mean()),
        len(np.unique(x, axis=0)) / count,
        len(np.unique(keys)) / count,
        novelty,
    )
