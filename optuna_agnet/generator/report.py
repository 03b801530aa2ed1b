"""What a generator can do (Table 12)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from optuna_agnet.generator.files import Provenance
from optuna_agnet.generator.network import Generator


@dataclass(frozen=True, slots=True)
class GeneratorReport:
    """Generator abilities (Table 12), shares of 0 to 1.

    Args:
        samples: Graphs drawn from z ~ N(0, 1).
        validity: Share of valid ones.
        uniqueness: Different architectures among the valid ones.
        unique_graphs: The same, with isomorphic ones counted once.
        novelty: Valid ones that pretraining never saw, isomorphic ones included; None where that is not known.
    """

    samples: int
    validity: float
    uniqueness: float
    unique_graphs: float
    novelty: float | None

    def __str__(self) -> str:
        novelty = "unknown" if self.novelty is None else f"{self.novelty:.2%}"
        return (
            f"{self.samples:,} samples: validity {self.validity:.2%}, uniqueness {self.uniqueness:.2%}"
            f" (up to isomorphism {self.unique_graphs:.2%}), novelty {novelty}"
        )


def generator_report(
    generator: Generator, samples: int = 10_000, *, seed: int = 0
) -> GeneratorReport:
    """Validity, uniqueness and novelty of a generator's samples (Table 12)."""
    if samples < 1:
        raise ValueError(f"samples={samples} must be at least 1")
    _, x, valid = generator.sample(samples, torch.Generator().manual_seed(seed))
    x, keys = x[valid], generator.space.keys(x[valid])
    novelty = None
    if generator.provenance is not None and len(x):
        seen = generator.space.keys(Provenance(**generator.provenance).graphs(generator.space))  # type: ignore[arg-type]
        novelty = float((~np.isin(keys, seen)).mean())
    count = max(1, len(x))
    return GeneratorReport(
        samples,
        float(valid.mean()),
        len(np.unique(x, axis=0)) / count,
        len(np.unique(keys)) / count,
        novelty,
    )
