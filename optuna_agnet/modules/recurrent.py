"""Language models of recurrent cells, as trained for NAS-Bench-NLP (Klyuchnikov et al. 2020).

Letters: B sequences, T tokens, V words, E size of an embedding, H hidden units of a layer, S states of a cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules.network import Size
from optuna_agnet.modules.operations import OperationBuilder
from optuna_agnet.spaces import RecurrentCell

_FUNCTIONS: Mapping[str, Callable[..., Tensor]] = {
    "blend": lambda gate, one, other: gate * one + (1 - gate) * other,
    "elementwise_prod": torch.mul,
    "elementwise_sum": torch.add,
    "activation_tanh": torch.tanh,
    "activation_sigm": torch.sigmoid,
    "activation_leaky_relu": nn.functional.leaky_relu,
}


@dataclass(frozen=True, slots=True)
class LanguageModelSize(Size):
    """How large a language model is; the defaults are NAS-Bench-NLP's.

    Args:
        vocabulary: V; 10,000 in Penn TreeBank, 33,278 in WikiText-2.
        embedding: E, and the hidden units of the last layer, whose decoder shares the embedding's weights.
        hidden: H of the layers before the last.
        layers: Recurrent layers.
        dropout: Probability in training that an entry of the embedding or of a layer's output is zero.

    Raises:
        ValueError: A count is no positive integer, or ``dropout`` is not in [0, 1).
    """

    vocabulary: int = 10_000
    embedding: int = 400
    hidden: int = 600
    layers: int = 3
    dropout: float = 0.0

    def __post_init__(self) -> None:
        Size.__post_init__(self)  # slots make a new class, which super() does not know
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout!r} must be at least 0 and less than 1")


class RecurrentCellModule(nn.Module):
    """One step of a cell: new states from an input and the previous states.

    Args:
        recipe: ``{node: {"op": operation, "input": [sources]}}`` in topological order, as `RecurrentCell` writes it.
        input_size: Size of the input ``x``.
        hidden: H, the size of every node.

    Example:
        >>> recipe = {
        ...     "i": {"op": "linear", "input": ["x", "h_prev_0"]},
        ...     "h_new_0": {"op": "activation_tanh", "input": ["i"]},
        ... }
        >>> cell = RecurrentCellModule(recipe, input_size=3, hidden=4)
        >>> cell(torch.zeros(2, 3), torch.zeros(1, 2, 4)).shape
        torch.Size([1, 2, 4])
    """

    def __init__(self, recipe: Mapping[str, Mapping[str, object]], input_size: int, hidden: int):
        super().__init__()
        self.hidden = hidden
        self.nodes = [
            (name, str(spec["op"]), [str(source) for source in spec["input"]])  # type: ignore[attr-defined]
            for name, spec in recipe.items()
        ]
        self.states = sum(re.fullmatch(r"h_new_\d", name) is not None for name in recipe)
        # One matrix for all inputs and one bias: the sum of the benchmark's matrices, an input each.
        self.linear = nn.ModuleDict(
            {
                name: nn.Linear(sum(input_size if s == "x" else hidden for s in sources), hidden)
                for name, op, sources in self.nodes
                if op == "linear"
            }
        )

    def forward(self, x: Tensor, states: Tensor) -> Tensor:  # (B, E), (S, B, H) -> (S, B, H)
        """The new states."""
        values = {"x": x, **{f"h_prev_{j}": states[j] for j in range(self.states)}}
        for name, op, sources in self.nodes:
            inputs = [values[source] for source in sources]
            if op == "linear":
                values[name] = self.linear[name](torch.cat(inputs, dim=-1))
            else:
                values[name] = _FUNCTIONS[op](*inputs)
        return torch.stack([values[f"h_new_{j}"] for j in range(self.states)])


class LanguageModel(nn.Module):
    """Embedding, recurrent layers, decoder with the embedding's weights.

    Args:
        recipe: The cell of every layer, see `RecurrentCellModule`.
        size: `LanguageModelSize()` is NAS-Bench-NLP's.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_nlp()
        >>> recipe = json.loads(str(space.random_architecture(0)))
        >>> model = LanguageModel(recipe, LanguageModelSize(vocabulary=50, embedding=8, hidden=12))
        >>> text = torch.zeros(2, 7, dtype=torch.long)
        >>> logits, states = model(text[:, :4])
        >>> logits, states = model(text[:, 4:], states)  # goes on where the first part ended
        >>> logits.shape, len(states)
        (torch.Size([2, 3, 50]), 3)
    """

    def __init__(self, recipe: Mapping[str, Mapping[str, object]], size: LanguageModelSize) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size.vocabulary, size.embedding)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)  # as in the benchmark
        inputs = [size.embedding, *[size.hidden] * (size.layers - 1)]
        outputs = [*inputs[1:], size.embedding]
        self.cells = nn.ModuleList(
            RecurrentCellModule(recipe, c_in, c_out)
            for c_in, c_out in zip(inputs, outputs, strict=True)
        )
        self.decoder = nn.Linear(size.embedding, size.vocabulary)
        self.decoder.weight = self.embedding.weight
        nn.init.zeros_(self.decoder.bias)
        self.dropout = nn.Dropout(size.dropout)

    def forward(
        self,
        tokens: Tensor,  # (B, T) integers
        states: list[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, T, V) of each next token, and the states to go on with, one (S, B, H) a layer.

        Args:
            tokens: (B, T) integers in [0, V).
            states: What a call on the text before gave; None: zeros. Detach them between training steps.
        """
        values = self.dropout(self.embedding(tokens))  # (B, T, E)
        ends = []
        for i, cell in enumerate(self.cells):
            state = values.new_zeros(cell.states, len(tokens), cell.hidden)
            state = state if states is None else states[i]
            steps = []
            for x in values.unbind(1):
                state = cell(x, state)
                steps.append(state[0])
            values = self.dropout(torch.stack(steps, dim=1))
            ends.append(state)
        return self.decoder(values), ends


def language_model(
    space: RecurrentCell,
    arch: Architecture,
    builders: Mapping[str, OperationBuilder],
    size: LanguageModelSize,
) -> LanguageModel:
    """The language model whose layers are all ``arch``.

    Args:
        space: Where ``arch`` comes from.
        arch: The cell.
        builders: None: the operations of recurrent cells are fixed.
        size: `LanguageModelSize()` is NAS-Bench-NLP's.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_nlp()
        >>> model = language_model(space, space.random_architecture(0), {}, LanguageModelSize())
        >>> [cell.hidden for cell in model.cells]
        [600, 600, 400]
    """
    return LanguageModel(json.loads(str(space.canonical(arch))), size)
