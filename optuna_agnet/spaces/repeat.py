"""`Repeat`: a search space of sequences whose length is a choice."""

from __future__ import annotations

from optuna_agnet.core.validation import check_count
from optuna_agnet.spaces.parts import Series
from optuna_agnet.spaces.tree import Tree, as_part


class Repeat(Tree):
    """A part several times, one after the other; how many times is a choice, and each time has choices of its own.

    As the part ``blocks`` of a network its parameters are ``blocks.depth``, then ``blocks.0``, ``blocks.1``, ... and
    what is in them; those of blocks beyond the depth are not in the trial. Its value is a list.

    Args:
        part: As in `Network`.
        least: The smallest depth, 0 or more.
        most: The largest depth.

    Raises:
        ValueError: ``least`` or ``most`` is negative or no integer, ``most`` is 0, or ``least`` is more than ``most``.
        TypeError: ``part`` is no space, no tuple and not `ordered`.

    Example:
        >>> from optuna_agnet.spaces import Network, ordered
        >>> space = Network(widths=Repeat(ordered(16, 32, 64), 1, 4))
        >>> space.num_architectures
        120
        >>> space.to_params(space.from_values({"widths": [16, 32]}))
        {'widths.depth': 2, 'widths.0': 16, 'widths.1': 32}
    """

    def __init__(self, part: object, least: int, most: int) -> None:
        least, most = check_count("least", least, 0), check_count("most", most, 1)
        if least > most:
            raise ValueError(f"least={least} must be at most most={most}")
        super().__init__("repeat", Series(as_part("part", part), least, most))
