"""Generators that were pretrained on first use, kept on disk for the next process of this machine.

Where: OPTUNA_AGNET_CACHE, or the user's cache folder (``~/.cache/optuna-agnet`` on Linux). Workers that start together
wait for the one that trains; a file appears whole or not at all. Where the folder can't be used, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

from optuna_agnet.core.progress import LOGGER
from optuna_agnet.core.version import VERSION
from optuna_agnet.generator.files import load_generator, save_generator
from optuna_agnet.generator.network import Generator, GeneratorConfig
from optuna_agnet.spaces.base import SearchSpace

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')  # in file names, on one system or another
_LONGEST = 60  # characters of a space's name, which may be anything


def cache_folder() -> Path:
    """Where generators are kept."""
    return Path(os.environ.get("OPTUNA_AGNET_CACHE") or user_cache_path("optuna-agnet"))


def kept(
    space: SearchSpace,
    config: GeneratorConfig,
    training: dict[str, int],
    pretrain: Callable[[], Generator],
) -> Generator:
    """The generator of an earlier process, or else one that is pretrained now and kept.

    Args:
        space: Whose graphs it makes.
        config: Its shape.
        training: What else it depends on, such as its seed and number of steps.
        pretrain: Makes one.
    """
    path = cache_folder() / f"{_name(space, config, training)}.safetensors"
    with ExitStack() as stack:
        usable = _lock(path, stack)
        with suppress(ValueError):  # missing, damaged, or of another form
            return load_generator(space, path, config=config)
        generator = pretrain()
        if usable:
            _keep(generator, path)
    return generator


def _name(space: SearchSpace, config: GeneratorConfig, training: dict[str, int]) -> str:
    about: list[Any] = [VERSION, space.fingerprint, asdict(config), training]
    if config.layers:  # files of before were trained with transposed gradients
        about.append("2026-11-29")
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return f"{_FORBIDDEN.sub('_', space.name)[:_LONGEST]}-{digest[:24]}"


def _lock(path: Path, stack: ExitStack) -> bool:
    """Wait until no other process makes this file; False where the folder can't be used."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stack.enter_context(FileLock(path.with_suffix(".lock")))
    except (OSError, NotImplementedError) as error:
        _warn_of_not_keeping(path, error)
        return False
    return True


def _keep(generator: Generator, path: Path) -> None:
    whole = path.with_suffix(f".{os.getpid()}.part")
    try:
        save_generator(generator, whole)
        whole.replace(path)
    except (OSError, ValueError) as error:
        _warn_of_not_keeping(path, error)
    else:
        LOGGER.info("the generator of '%s' is kept in %s", generator.space.name, path)


def _warn_of_not_keeping(path: Path, error: Exception) -> None:
    warnings.warn(
        f"pretrained generators can't be kept in {path.parent} ({error}), so every process pretrains"
        " anew; set OPTUNA_AGNET_CACHE to a folder that can be written",
        UserWarning,
        stacklevel=2,
    )
