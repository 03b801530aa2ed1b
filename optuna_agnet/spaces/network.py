"""`Network`: a search space of several named parts."""

from __future__ import annotations

from optuna_agnet.spaces.parts import Product
from optuna_agnet.spaces.tree import Tree, named_parts


class Network(Tree):
    """A whole network: several named parts, all of which are chosen.

    A part is a tuple of choices, `ordered` numbers, another `Network`, an `OneOf`, a `Repeat`, or a cell such as
    `EdgeCell`. Nested names are joined by dots: ``blocks.0.kernel``.

    Args:
        **parts: The parts by name. None at all is a part with nothing to choose, for an alternative of `OneOf`.

    Raises:
        ValueError: A name is no identifier, or a tuple of choices is empty or repeats one.
        TypeError: A part is no space, no tuple and not `ordered`.

    Example:
        >>> from optuna_agnet.spaces import Repeat, ordered
        >>> block = Network(kernel=ordered(3, 5, 7), activation=("relu", "gelu"))
        >>> space = Network(width=ordered(16, 32, 64), blocks=Repeat(block, 1, 3))
        >>> space.num_architectures
        774
        >>> arch = space.from_values({"width": 32, "blocks": [{"kernel": 3, "activation": "gelu"}]})
        >>> space.to_params(arch)
        {'width': 32, 'blocks.depth': 1, 'blocks.0.kernel': 3, 'blocks.0.activation': 'gelu'}
        >>> space.values(arch)["blocks"]
        [{'kernel': 3, 'activation': 'gelu'}]
    """

    def __init__(self, /, **parts: object) -> None:
        super().__init__("network", Product(named_parts("Network", parts)))
