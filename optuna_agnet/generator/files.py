"""Pretrained weights as safetensors files; their metadata say which space, shape and training they come from."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from optuna_agnet.core.arrays import IntArray
from optuna_agnet.core.version import VERSION
from optuna_agnet.generator.network import Generator, GeneratorConfig
from optuna_agnet.spaces.base import SearchSpace

WEIGHTS = Path(__file__).parent / "weights"
_HOLDOUT_PARTS = 1000


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a generator was pretrained: enough to draw the same graphs again."""

    steps: int
    seed: int
    holdout: float
    batch_size: int = 32

    def graphs(self, space: SearchSpace) -> IntArray:
        """The training data (N, D): uniform valid architectures without the held-out ones.

        All of them where nothing else would be left, as may happen in a space of two or three architectures.
        """
        x = space.sample(self.steps * self.batch_size, np.random.default_rng(self.seed))
        held_out = space.keys(x) % np.uint64(_HOLDOUT_PARTS) < self.holdout * _HOLDOUT_PARTS
        kept: IntArray = x if held_out.all() else x[~held_out]
        return kept


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
        "version": VERSION,
    }
    try:
        save_file(tensors, str(path), metadata={"optuna_agnet": json.dumps(about)})
    except (SafetensorError, OSError) as error:
        raise ValueError(f"'{path}' can't be written ({error}): give another path") from None


def load_generator(
    space: SearchSpace, path: str | Path | None = None, *, config: GeneratorConfig | None = None
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


def bundled(space: SearchSpace, config: GeneratorConfig) -> Path | None:
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


def _load(space: SearchSpace, path: Path, config: GeneratorConfig | None) -> Generator:
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
    generator = _shaped(space, path, about.config, shapes_in(path))
    try:
        generator.load_state_dict(read_tensors(path, about.sha256))
    except WrongChecksum as error:
        raise ValueError(f"'{path}' is damaged: {error}; pretrain(space) makes new ones") from None
    generator.provenance = None if about.provenance is None else asdict(about.provenance)
    return generator


def _shaped(
    space: SearchSpace, path: Path, config: GeneratorConfig, shapes: dict[str, list[int]]
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


class WrongChecksum(ValueError):
    """Tensors are not those that were written."""


def shapes_in(path: Path) -> dict[str, list[int]]:
    """The shapes of a file's tensors by name, none of them read."""
    with safe_open(str(path), "pt") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118


def read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """All tensors of a file, whose names and shapes the caller has looked at (`shapes_in`).

    Raises:
        WrongChecksum: Their `checksum` is another one.
    """
    with safe_open(str(path), "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if checksum(tensors) != sha256:
        raise WrongChecksum("its weights don't match their checksum")
    return tensors


def checksum(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of tensors on the CPU, with their names and shapes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + str(tuple(tensors[name].shape)).encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
