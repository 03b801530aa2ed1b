"""What a generator can do (Table 12)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from optuna_agnet.core.arrays import BoolArray
from optuna_agnet.generator.files import Provenance
from optuna_agnet.generator.network import Generator, sample_graphs
from optuna_agnet.spaces.graphs import Graphs, edge_endpoints

_OUTPUT = 0  # type of the output, of every space


@dataclass(frozen=True, slots=True)
class GeneratorReport:
    """Generator abilities (Table 12), shares of 0 to 1.

    An architecture can be drawn in many ways: with other nodes that lead nowhere, with its nodes in another order. The
    paper counts drawings, of NAS-Bench-101 at least (docs/released_code.md, sec. 4); a search wants architectures.

    Args:
        samples: Graphs drawn from z ~ N(0, 1).
        validity: Share of valid ones.
        uniqueness: Different architectures among the valid ones.
        unique_graphs: The same, with isomorphic ones counted once.
        novelty: Valid ones that pretraining never saw, isomorphic ones included; None where that is not known.
        unique_drawings: Different graphs as they were drawn among the valid ones: what Table 12 has.
        new_drawings: Valid ones that pretraining never saw as they were drawn; None where that is not known.
    """

    samples: int
    validity: float
    uniqueness: float
    unique_graphs: float
    novelty: float | None
    unique_drawings: float
    new_drawings: float | None

    def __str__(self) -> str:
        novelty = "unknown" if self.novelty is None else f"{self.novelty:.2%}"
        return (
            f"{self.samples:,} samples: validity {self.validity:.2%}, uniqueness {self.uniqueness:.2%}"
            f" (up to isomorphism {self.unique_graphs:.2%}, as drawn {self.unique_drawings:.2%}), novelty {novelty}"
        )


@torch.no_grad()
def generator_report(
    generator: Generator, samples: int = 10_000, *, seed: int = 0
) -> GeneratorReport:
    """Validity, uniqueness and novelty of a generator's samples (Table 12)."""
    if samples < 1:
        raise ValueError(f"samples={samples} must be at least 1")
    rng, space = torch.Generator().manual_seed(seed), generator.space
    graphs = sample_graphs(generator(generator.latents(samples, rng)), rng)
    x, valid = space.decode(graphs)
    x, keys = x[valid], space.keys(x[valid])
    drawn = drawings(Graphs(graphs.types[valid], graphs.edges[valid]))
    novelty = new = None
    if generator.provenance is not None and len(x):
        seen = Provenance(**generator.provenance).graphs(space)  # type: ignore[arg-type]
        novelty = float((~np.isin(keys, space.keys(seen))).mean())
        known = set(drawings(space.encode(seen)))
        new = float(np.mean([drawing not in known for drawing in drawn]))
    count = max(1, len(x))
    return GeneratorReport(
        samples,
        float(valid.mean()),
        len(np.unique(x, axis=0)) / count,
        len(np.unique(keys)) / count,
        novelty,
        len(set(drawn)) / count,
        new,
    )


def drawings(graphs: Graphs) -> list[bytes]:
    """What tells graphs (B,) apart as they are drawn: all nodes up to the first output, and all edges among them."""
    n = graphs.types.shape[1]
    is_output = graphs.types == _OUTPUT
    is_output[:, 0], is_output[:, -1] = False, True  # the last node always is one
    end = is_output.argmax(1)[:, None]
    kept: BoolArray = np.arange(n) < end
    sources, targets = edge_endpoints(n)
    there = kept[:, sources] & (targets <= end)
    rows = np.concatenate([np.where(kept, graphs.types, _OUTPUT), graphs.edges & there], 1)
    return [row.tobytes() for row in rows.astype(np.uint16)]
