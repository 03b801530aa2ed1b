"""How much of what the paper's form of the generator makes is a DARTS cell: ``python -m benchmarks.darts_cell``.

The paper's 42 % are counted after folding: of all that the operations of a node read, the two likeliest sources are
kept, so a sample is read as the nearest cell and fails only where a node has no two sources (docs/released_code.md,
sec. 4). Here a cell is valid when it is one to the letter. Both are counted, of the paper's form and of graphs whose
nodes and edges are drawn one by one, as often as cells have them: what is left of a generator that ignores its latent
vector.

Letters: B graphs, n nodes, E edges.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.markdown import markdown, write
from optuna_agnet.core.arrays import BoolArray
from optuna_agnet.generator import Generator, GeneratorConfig, load_generator
from optuna_agnet.generator.network import sample_graphs
from optuna_agnet.generator.pretraining import pretrained
from optuna_agnet.spaces import DartsCell
from optuna_agnet.spaces.graphs import Graphs, to_adjacency

PAGE = Path(__file__).parents[1] / "docs" / "spaces.md"
SAMPLES = 20_000
STEPS = 40_000


def folded(space: DartsCell, graphs: Graphs) -> BoolArray:
    """(B,): whether every node reads two sources or more, by any of its operations; other edges don't matter."""
    number = 2 + np.repeat(
        np.arange(space.nodes), 3
    )  # of the node that operations and sums belong to
    owner = np.array([0, 1, *number])
    adjacency = to_adjacency(graphs.edges, space.num_nodes)[:, :-1, :-1]  # the output reads all
    valid = np.ones(len(adjacency), dtype=bool)
    for node in range(2, space.nodes + 2):
        into = adjacency[:, :, owner == node].any(2)  # (B, n - 1)
        reads = np.stack([into[:, owner == source].any(1) for source in range(node)])
        valid &= reads.sum(0) >= 2
    return valid


def shares(space: DartsCell, graphs: Graphs) -> list[str]:
    """Valid as the authors read them, and to the letter, in percent."""
    _, valid = space.decode(graphs)
    return [f"{100 * found.mean():.2f}" for found in (folded(space, graphs), valid)]


@torch.no_grad()
def made(generator: Generator) -> Graphs:
    rng = torch.Generator().manual_seed(0)
    return sample_graphs(generator(generator.latents(SAMPLES, rng)), rng)


def independent(space: DartsCell) -> Graphs:
    """Each node and each edge as often as in random cells, without regard to the others."""
    rng = np.random.default_rng(0)
    cells = space.encode(space.sample(SAMPLES, rng))
    types = rng.permuted(cells.types, axis=0)
    return Graphs(types, rng.permuted(cells.edges, axis=0))


def table(space: DartsCell, *generators: Generator) -> Iterator[str]:
    rows = [["nodes and edges drawn one by one", *shares(space, independent(space))]]
    for generator in generators:
        steps = int((generator.provenance or {"steps": 0})["steps"])
        rows.append([f"the paper's form, {steps:,} steps", *shares(space, made(generator))])
    head = [f"valid of {SAMPLES:,} samples, %", "as the authors read them", "to the letter"]
    yield from markdown(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", type=Path, help="by default it is pretrained: half an hour")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    arguments = parser.parse_args()
    space, shape = DartsCell(), GeneratorConfig.paper()
    generator = (
        load_generator(space, arguments.weights, config=shape)
        if arguments.weights
        else pretrained(space, shape, steps=STEPS)
    )
    text = "\n".join(table(space, generator))
    if arguments.write:
        write(text, PAGE, "darts_cell")
    print(text)


if __name__ == "__main__":
    main()
