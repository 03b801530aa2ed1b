"""Names that became better: old spellings work for one minor version, and say so."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def warn_of_old_name(old: str, new: str) -> None:
    """Tell whoever calls the caller's caller that a name has changed."""
    warnings.warn(
        f"'{old}' is now called '{new}'; the old name works until version 0.3",
        DeprecationWarning,
        stacklevel=3,
    )


def accepts_old_names(**names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function take keyword arguments under their old names.

    Args:
        **names: The new name of each old one.

    Example:
        >>> @accepts_old_names(colour="color")
        ... def paint(color="red"):
        ...     return color
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     print(paint(colour="blue"), caught[0].message)
        blue 'colour' is now called 'color'; the old name works until version 0.3
    """

    def wrap(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def renamed(*args: P.args, **kwargs: P.kwargs) -> T:
            given: dict[str, Any] = kwargs
            for old in names.keys() & given.keys():
                warn_of_old_name(old, names[old])
                if names[old] in given:
                    raise TypeError(f"'{old}' and '{names[old]}' are the same argument: give one")
                given[names[old]] = given.pop(old)
            return function(*args, **kwargs)

        return renamed

    return wrap


def accepts_moved_names(into: str, kind: type[Any]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function take keyword arguments that are fields of one of its arguments now.

    Args:
        into: The argument.
        kind: Its type, a dataclass with a default for every field.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Ink:
        ...     color: str = "black"
        >>> @accepts_moved_names("ink", Ink)
        ... def paint(ink=Ink()):
        ...     return ink
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     print(paint(color="blue"), caught[0].message)
        Ink(color='blue') 'color' is now called 'ink.color'; the old name works until version 0.3
    """
    names = {field.name for field in fields(kind)}

    def wrap(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def moved(*args: P.args, **kwargs: P.kwargs) -> T:
            given: dict[str, Any] = kwargs
            found = {name: given.pop(name) for name in names & given.keys()}
            for name in sorted(found):
                warn_of_old_name(name, f"{into}.{name}")
            if found:
                given[into] = replace(given.get(into, kind()), **found)
            return function(*args, **kwargs)

        return moved

    return wrap


def old_names_of(values: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """Stored values with new names where they have old ones; no warning, as nobody can change what is stored."""
    return {names.get(name, name): value for name, value in values.items()}
