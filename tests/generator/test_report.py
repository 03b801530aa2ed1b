"""Shares of what a generator makes, beside counts of another kind."""

import numpy as np
import pytest
import torch

from optuna_agnet import load_generator, spaces
from optuna_agnet.generator import GeneratorConfig, generator_report
from optuna_agnet.generator.files import Provenance
from optuna_agnet.generator.network import sample_graphs
from optuna_agnet.generator.report import drawings
from optuna_agnet.spaces.graphs import Graphs

NB101 = spaces.nas_bench_101()


def picture(types, edges):
    """Nodes up to the first output behind the input, and the edges among them, of one graph."""
    size = next((i for i, t in enumerate(types) if i and t == 0), len(types) - 1)
    pairs = [(s, t) for t in range(1, len(types)) for s in range(t)]
    there = frozenset(p for p, edge in zip(pairs, edges, strict=True) if edge and max(p) <= size)
    return tuple(types[:size]), there


def test_drawings_are_told_apart_by_what_is_drawn_before_the_output():
    rng = np.random.default_rng(0)
    graphs = Graphs(rng.integers(3, size=(3000, 4)), rng.random((3000, 6)) < 0.5)
    pictures = [picture(t, e) for t, e in zip(graphs.types.tolist(), graphs.edges, strict=True)]
    codes = drawings(graphs)
    pairs = set(zip(pictures, codes, strict=True))
    assert 100 < len(pairs) == len(set(pictures)) == len(set(codes))


@pytest.mark.parametrize("config", [GeneratorConfig(), GeneratorConfig.paper()])
def test_shares_are_those_of_the_samples(config):
    generator = load_generator(NB101, config=config)
    report = generator_report(generator, 500, seed=3)
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        graphs = sample_graphs(generator(generator.latents(500, rng)), rng)
    x, valid = NB101.decode(graphs)
    cells = [str(arch) for arch in NB101.architectures(x[valid])]
    pictures = [picture(t, e) for t, e in zip(graphs.types.tolist(), graphs.edges, strict=True)]
    pictures = [p for p, keep in zip(pictures, valid, strict=True) if keep]
    seen = NB101.encode(Provenance(**generator.provenance).graphs(NB101))
    seen = {picture(t, e) for t, e in zip(seen.types.tolist(), seen.edges, strict=True)}
    assert report.validity == valid.mean()
    assert report.uniqueness == report.unique_graphs == len(set(cells)) / len(cells)
    assert report.unique_drawings == len(set(pictures)) / len(pictures)
    assert report.new_drawings == np.mean([p not in seen for p in pictures])


def test_where_training_is_unknown_so_is_novelty():
    generator = load_generator(NB101)
    generator.provenance = None
    report = generator_report(generator, 50)
    assert report.novelty is report.new_drawings is None
    assert "novelty unknown" in str(report)
