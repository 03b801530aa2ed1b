"""What the package says while it works: its logger, and a bar where somebody watches.

What a user must act on is a warning; what is good to know goes to the logger ``optuna_agnet``.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OPTUNA = logging.getLogger("optuna")  # by name: nothing below the samplers imports Optuna

LOGGER = logging.getLogger("optuna_agnet")
"""Speaks as loudly as ``optuna.logging.set_verbosity`` says, through Optuna's handler, until it is given its own."""
LOGGER.parent = _OPTUNA  # where a logger without a level and handlers of its own takes them from


def _wanted() -> bool:
    """Whether information is wanted; where neither Optuna nor the user has said, it is."""
    return (LOGGER.level or _OPTUNA.level or logging.INFO) <= logging.INFO


@contextmanager
def progress_bar(total: int, title: str, unit: str, show: bool = True) -> Iterator[Any]:
    """A bar of `tqdm.auto` in a terminal or a notebook; elsewhere, as in a log file, a line when it begins and ends.

    There is neither where Optuna's verbosity, or the logger's own level, is above INFO. ``TQDM_DISABLE`` turns bars
    into lines too.

    Args:
        total: Steps until it is full.
        title: What is being done.
        unit: Name of a step.
        show: Whether to show anything at all.

    Yields:
        The bar; call ``bar.update()`` after a step and ``bar.set_postfix_str(text)`` for what is known so far.

    Example:
        >>> with progress_bar(3, "counting", "number", show=False) as bar:
        ...     for _ in range(3):
        ...         bar.update()
    """
    import tqdm.auto

    watched = sys.stderr.isatty() or tqdm.auto.notebook_tqdm is not tqdm.std.tqdm
    hidden = not (show and watched and _wanted()) or bool(os.environ.get("TQDM_DISABLE"))
    said, start = show and hidden, time.monotonic()
    if said:
        LOGGER.info("%s: %d %ss, begins", title, total, unit)
    with tqdm.auto.tqdm(total=total, desc=title, unit=unit, disable=hidden) as bar:
        yield bar
    if said:
        seconds = time.monotonic() - start
        LOGGER.info("%s: %d %ss in %.1f s", title, total, unit, seconds)
