"""Manifests: which trials each round of training learns from, as text in the study (`TrainingOrder` keeps to them)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence

import numpy as np

from optuna_agnet.search.config import STARTUP, AGNetConfig
from optuna_agnet.spaces.base import SearchSpace

SCHEMA = 1
_RANGES = re.compile(r"([0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*)?")


def key(space: SearchSpace, config: AGNetConfig, version: int) -> str:
    """The name of a round's manifest; samplers whose rounds have other sizes or another space don't meet in it."""
    schedule = (config.n_startup or STARTUP, config.retrain_every, config.retrain_growth)
    about = json.dumps([space.fingerprint, *schedule])
    return f"agnet:{hashlib.sha256(about.encode()).hexdigest()[:8]}:round:{version}"


def manifest(numbers: Sequence[int]) -> str:
    """The manifest of a round that learns from trials with these numbers, in this order.

    Example:
        >>> manifest([3, 4, 5, 9, 7])
        '{"schema": 1, "trials": "3-5,9,7"}'
    """
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    runs = [run.tolist() for run in np.split(np.asarray(numbers), breaks) if len(run)]
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return json.dumps({"schema": SCHEMA, "trials": ",".join(texts)})


def parse(text: object, known: Collection[int]) -> list[int] | None:
    """The numbers of a manifest; None where it is torn, of another schema, or names trials that are not ``known``.

    Example:
        >>> parse('{"schema": 1, "trials": "3-5,9,7"}', range(10))
        [3, 4, 5, 9, 7]
        >>> parse('{"schema": 1, "trials": "0-999999999"}', range(10)) is None
        True
    """
    found = runs(text)
    if found is None or sum(map(len, found)) > len(known):
        return None
    numbers = [number for run in found for number in run]
    return numbers if len(set(numbers)) == len(numbers) and set(numbers) <= set(known) else None


def runs(text: object) -> list[range] | None:
    """The numbers of a manifest as ranges, whatever they are; None where it is torn or of another schema.

    Example:
        >>> runs('{"schema": 1, "trials": "3-5,9"}')
        [range(3, 6), range(9, 10)]
    """
    try:
        about = json.loads(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, RecursionError):
        return None
    if not isinstance(about, dict) or about.get("schema") != SCHEMA:
        return None
    trials = about.get("trials")
    if not isinstance(trials, str) or not _RANGES.fullmatch(trials):
        return None
    ends = [[int(end) for end in run.split("-")] for run in trials.split(",") if run]
    return [range(run[0], run[-1] + 1) for run in ends]
