"""Seeds: what is random follows from a search's seed and from what it is drawn for."""

from __future__ import annotations

import hashlib
from enum import IntEnum
from functools import lru_cache

import numpy as np


class Stream(IntEnum):
    """What a seed's randomness is drawn for; a search with these numbers can be repeated, so none ever changes."""

    TRAINING_ROUND = 1
    PROPOSAL = 2
    SHARED_POOL = 3
    REPEAT = 4
    CELL_SCHEDULE = 5
    PRIOR_ROUND = 6
    PRIOR_CHECK = 7
    PRETRAINED_CHECK = 8
    HYPERPARAMETERS = 9
    SCORES = 11
    START = 12


def check_seed(seed: object) -> int:
    """A seed as Python's integer, which JSON can hold.

    Raises:
        ValueError: It is no integer, or negative.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed={seed!r} must be an integer of at least 0")
    return int(seed)


@lru_cache(maxsize=4096)
def number_of(text: str) -> int:
    """A number of 64 bits that stands for a text, in every process the same."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def seed_from(*parts: int) -> int:
    """A seed that depends on all parts."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
