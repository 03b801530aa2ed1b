"""`OneOf`: a search space of alternatives."""

from __future__ import annotations

from optuna_agnet.spaces.parts import Sum
from optuna_agnet.spaces.tree import Tree, named_parts


class OneOf(Tree):
    """One of several named alternatives, each with parts of its own.

    As the part ``mixer`` of a network its parameter is ``mixer``, and those of an alternative are
    ``mixer.attention.heads``; the parameters of the other alternatives are not in the trial. On its own, the parameter
    is ``alternative``. Its value is a dict of the one alternative.

    Args:
        **alternatives: Parts as in `Network`; ``Network()`` is an alternative with nothing to choose.

    Raises:
        ValueError: There is no alternative, or as in `Network`.
        TypeError: As in `Network`.

    Example:
        >>> from optuna_agnet.spaces import Network, ordered
        >>> mixer = OneOf(
        ...     attention=Network(heads=ordered(2, 4, 8)), conv=Network(kernel=ordered(3, 5))
        ... )
        >>> space = Network(mixer=mixer)
        >>> space.num_architectures
        5
        >>> space.to_params(space.from_values({"mixer": {"conv": {"kernel": 5}}}))
        {'mixer': 'conv', 'mixer.conv.kernel': 5}
    """

    def __init__(self, /, **alternatives: object) -> None:
        if not alternatives:
            raise ValueError(
                "OneOf() has no alternative: name at least one, such as"
                " OneOf(conv=Network(kernel=ordered(3, 5)), identity=Network())"
            )
        super().__init__("one_of", Sum(named_parts("OneOf", alternatives)))
