"""Warnings that are worth saying once."""

from __future__ import annotations

import warnings


class WarnOnce:
    """Warns once a topic.

    Args:
        stacklevel: Whose line is named: 2 for whoever warns, 3 for whoever called that.

    Example:
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     warn = WarnOnce()
        ...     for trial in range(3):
        ...         warn("late", f"trial {trial} is late")
        >>> [str(warning.message) for warning in caught]
        ['trial 0 is late']
    """

    def __init__(self, stacklevel: int = 3) -> None:
        self._stacklevel = stacklevel
        self._said: set[str] = set()

    def __call__(self, topic: str, message: str) -> None:
        """Warn, unless something was said of the topic before."""
        if topic not in self._said:
            self._said.add(topic)
            warnings.warn(message, UserWarning, stacklevel=self._stacklevel)
