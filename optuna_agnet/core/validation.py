"""Arguments that are refused at the door."""

from __future__ import annotations

import numpy as np


def check_type(name: str, value: object, kind: type, example: str) -> None:
    """Raise a TypeError that names an argument of another type, and how to come by the right one."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}={value!r} is no {kind.__name__}: give one, such as {example}")


def check_count(name: str, value: int, least: int) -> int:
    """``value`` as it is.

    Raises:
        ValueError: It is no integer of at least ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}={value!r} must be an integer of at least {least}")
    return int(value)
