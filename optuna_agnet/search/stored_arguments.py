"""What a stored search says of the arguments that its state can't hold, and whether they are given again.

Functions, models and results of other searches are no JSON. A search that goes on without them would propose something
else and say nothing: break the limits that it had, or learn with another surrogate.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, TypeAlias

from optuna_agnet.spaces.base import SearchSpace

Described: TypeAlias = Mapping[str, list[str] | int | str]
"""Of each argument that was given: the names of a mapping, the length of a sequence, the class of anything else."""


def described(**arguments: object) -> Described:
    """The arguments that are neither None nor empty, ready for JSON.

    Example:
        >>> described(known_constraints={"latency_ms": len}, surrogate=None, prior_observations=())
        {'known_constraints': ['latency_ms']}
    """
    found: dict[str, list[str] | int | str] = {}
    for name, value in arguments.items():
        if isinstance(value, Mapping) and value:
            found[name] = sorted(value)
        elif isinstance(value, (list, tuple)) and value:
            found[name] = len(value)
        elif value is not None and not isinstance(value, (Mapping, list, tuple)):
            found[name] = type(value).__name__
    return found


def check_state(space: SearchSpace, state: Mapping[str, Any]) -> None:
    """Refuse what no search of this space has stored.

    Raises:
        ValueError: The state is another space's, or incomplete.
    """
    missing = {"space", "directions", "seed", "config", "told", "pending", "asked"} - set(state)
    if missing:
        raise ValueError(f"the state lacks {sorted(missing)}: it is none that state_dict() gave")
    if state["space"] != space.fingerprint:
        raise ValueError(f"the state belongs to another space than {space!r}")


def check_given_again(had: Described | None, given: Described) -> None:
    """Refuse to go on without arguments that a search had; others may be new.

    Args:
        had: `described` of the search that was stored; None where an earlier version stored it without.
        given: `described` of what it is to go on with.

    Raises:
        ValueError: One is missing.
    """
    if had is None:
        if not given:
            warnings.warn(
                "an earlier version stored this state, without saying whether the search had known_constraints,"
                " prior_observations, a generator or a surrogate of its own: if it had, give them again",
                UserWarning,
                stacklevel=4,
            )
        return
    for name, before in had.items():
        again, missing = given.get(name), ""
        if again is None:
            missing = f"{name} ({before}), which are not in its state"
        elif isinstance(before, list) and isinstance(again, list) and set(before) - set(again):
            missing = f"{name}={before}, and {sorted(set(before) - set(again))} is missing"
        elif isinstance(before, int) and before != again:
            missing = f"{before} {name}, not {again}"
        if missing:
            raise ValueError(
                f"the search had {missing}: give the same again, AGNet.from_state_dict(space, state, {name}=...)"
            )
