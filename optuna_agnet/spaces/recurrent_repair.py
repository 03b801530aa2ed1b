"""What decisions about a recurrent cell stand for: reading, pruning and repair.

Letters: B cells in a batch, N nodes, S = 4 + N sources: x, three previous states, the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optuna_agnet.core.arrays import BoolArray, IntArray

BLEND = "blend"
OPERATIONS = {
    "linear_2": ("linear", 2),
    "linear_3": ("linear", 3),
    BLEND: (BLEND, 3),
    "elementwise_prod": ("elementwise_prod", 2),
    "elementwise_sum": ("elementwise_sum", 2),
    "activation_tanh": ("activation_tanh", 1),
    "activation_sigm": ("activation_sigm", 1),
    "activation_leaky_relu": ("activation_leaky_relu", 1),
}
"""Choices of a node: the recipe's operation and its number of inputs. A linear node takes two or three."""
STATES = 3
"""Most hidden states."""
ARITY = np.array([0, *(inputs for _, inputs in OPERATIONS.values())])
LINEAR, BLEND_CODE = (1, 2), 3  # choices of an operation; 0 is none
FIRST_NODE = 1 + STATES  # graph nodes and sources are x, the previous states, the nodes, ...


@dataclass
class Cells:
    """Decisions (B, D) taken apart; inputs and states are numbers of sources."""

    states: IntArray  # (B,) how many
    ops: IntArray  # (B, N) choices, 0 for none
    inputs: IntArray  # (B, N, 3)
    outputs: IntArray  # (B, STATES) nodes of the new states

    @property
    def used(self) -> BoolArray:
        """(B, N, 3): which inputs count."""
        return np.arange(3) < ARITY[self.ops][:, :, None]

    def reads(self) -> BoolArray:
        """(B, N, S): whether a node reads a source."""
        b, i, k = np.nonzero(self.used)
        reads = np.zeros((*self.ops.shape, FIRST_NODE + self.ops.shape[1]), dtype=bool)
        reads[b, i, self.inputs[b, i, k]] = True
        return reads

    def live(self, reads: BoolArray) -> BoolArray:
        """(B, N): which nodes a new state depends on."""
        live = np.zeros(self.ops.shape, dtype=bool)
        b, j = np.nonzero(np.arange(STATES) < self.states[:, None])
        live[b, self.outputs[b, j] - FIRST_NODE] = True
        for i in range(self.ops.shape[1] - 1, 0, -1):
            live |= live[:, i, None] & reads[:, i, FIRST_NODE:]
        return live


def resolved(given: Cells, sound: BoolArray | None = None) -> tuple[Cells, BoolArray]:
    """Cells of live nodes that read what they can read, and which (B,) are valid: no live node needed repair.

    Args:
        given: Any cells; they are not changed.
        sound: (B, N), nodes that need no repair so far; all by default.
    """
    cells, fits, valid = _readable(given)
    fits &= True if sound is None else sound
    while True:
        reads = cells.reads()
        live = cells.live(reads)
        read = np.any(reads & live[:, :, None], axis=1)[:, :FIRST_NODE]
        blind = ~np.all(read[:, :2], axis=1)  # to the input or its own output
        idle = ~read[:, 2:] & (np.arange(1, STATES) < cells.states[:, None])
        idles = np.any(idle, axis=1)
        if not (blind | idles).any():
            cells.ops = np.where(live, cells.ops, 0)
            return cells, valid & (fits | ~live).all(1)
        valid &= ~blind
        rows, first = np.flatnonzero(blind), live.argmax(1)[blind]
        cells.ops[rows, first] = LINEAR[0]
        cells.inputs[rows, first, :2] = 0, 1
        _drop_state(cells, ~blind & idles, idle.argmax(1) + 1)


def _readable(given: Cells) -> tuple[Cells, BoolArray, BoolArray]:
    """Cells whose inputs and states exist; which nodes (B, N) and which cells' states (B,) needed no repair for it."""
    off = given.ops == 0
    lacking = np.maximum(given.states - (~off).sum(1), 0)
    extra = off & (off.cumsum(1) <= lacking[:, None])
    ops, inputs, outputs = np.where(extra, LINEAR[0], given.ops), given.inputs.copy(), []
    fits, valid = ~extra, lacking == 0
    exists = np.concatenate(
        [np.arange(FIRST_NODE) <= given.states[:, None], ops > 0], 1
    )  # (B, S); source j is state j - 1, and x always exists
    for i in range(ops.shape[1]):
        free = exists[:, : FIRST_NODE + i].copy()
        free[:, 0] = np.isin(ops[:, i], LINEAR)
        few = free.sum(1) < ARITY[ops[:, i]]
        ops[few, i], free[few, 0] = LINEAR[0], True
        fits[:, i] &= ~few
        for k in range(3):
            used = k < ARITY[ops[:, i]]
            inputs[:, i, k], same = _next_free(inputs[:, i, k], free, used)
            fits[:, i] &= same
    free = exists & (np.arange(exists.shape[1]) >= FIRST_NODE)
    for j in range(STATES):
        node, same = _next_free(given.outputs[:, j], free, j < given.states)
        outputs.append(np.where(j < given.states, node, FIRST_NODE))
        valid &= same
    return Cells(given.states.copy(), ops, inputs, np.stack(outputs, 1)), fits, valid


def _next_free(wanted: IntArray, free: BoolArray, used: BoolArray) -> tuple[IntArray, BoolArray]:
    """The wanted source (B,) or the next free one behind it, and whether it was the wanted one.

    What is taken is marked in ``free`` (B, S); rows that are not ``used`` (B,) take nothing.
    """
    size = free.shape[1]
    distance = np.where(free, (np.arange(size) - wanted[:, None]) % size, size)
    found = np.where(used, distance.argmin(1), wanted)
    free[np.flatnonzero(used), found[used]] = False
    return found, ~used | (found == wanted)


def _drop_state(cells: Cells, rows: BoolArray, state: IntArray) -> None:
    """Take out one state (B,) of some rows and number the later ones anew, in place."""
    later = rows[:, None] & (np.arange(STATES) >= state[:, None])
    cells.outputs = np.where(later, np.roll(cells.outputs, -1, 1), cells.outputs)
    cells.states = cells.states - rows
    source = cells.inputs
    shift = rows[:, None, None] & (source > 1 + state[:, None, None]) & (source < FIRST_NODE)
    cells.inputs = source - shift
