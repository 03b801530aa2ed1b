"""Scores of untrained networks beside published tables of them: ``python -m benchmarks.proxies``.

Random cells (seed 0) of NAS-Bench-201 that NAS-Bench-Suite-Zero has scored on CIFAR-10 batches (`nb201_zc`): the rank
correlation of a score with validation accuracy, ours and the table's. The images here are noise with the spectrum of
photographs (amplitude 1 / frequency), as no score needs what CIFAR-10 shows; on white noise NASWOT agrees a little less
with accuracy. Networks are small (`SMALL`), the published ones have 16 channels and 5 cells a stage. Then DARTS cells
with the accuracy that NAS-Bench-301's surrogate gives them, and chains of layers, for the seconds.

One JSON line an architecture in benchmarks/results/training_free/, and the tables in proxies.md; an interrupted command
goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.problems.base import data_file
from benchmarks.training_free import darts
from optuna_agnet import Architecture, build_model, spaces
from optuna_agnet.hardware import count_flops, count_parameters
from optuna_agnet.search.scores import architectures_of
from optuna_agnet.spaces import SearchSpace
from optuna_agnet.training_free import (
    gradient_norm,
    jacobian_score,
    naswot,
    quick_scores,
    synflow,
    zen_score,
)

OUT = Path(__file__).parent / "results" / "training_free"
SEARCHED = OUT / "naswot-darts.jsonl"
SCORES: dict[str, Callable[[nn.Module, Tensor], float]] = {
    "naswot": naswot,
    "jacobian_score": jacobian_score,
    "synflow": synflow,
    "gradient_norm": gradient_norm,
    "zen_score": zen_score,
    "parameters": lambda model, images: count_parameters(model),
    "flops": lambda model, images: count_flops(model, (1, *images.shape[1:])),
}
TABLE = {
    "naswot": "nwot_c10",
    "jacobian_score": "jacov_c10",
    "synflow": "synflow_c10",
    "gradient_norm": "grad_norm_c10",
    "zen_score": "zen_c10",
    "parameters": "params_c10",
    "flops": "flops_c10",
}
ACCURACY = {"c10_val_nb201": "CIFAR-10", "c100_val_nb201": "CIFAR-100"}
SMALL = {"nas_bench_201": {"channels": 8, "cells_per_stage": 3}, "darts": {"channels": 8}}
DRAWS = 8  # of the weights; the mean score is taken: of three, jacobian_score has .94 of the table's correlation


def photo_noise(count: int = 32, side: int = 16) -> Tensor:
    """Noise (B, 3, side, side) with the spectrum of photographs, standardised."""
    rng = torch.Generator().manual_seed(0)
    frequency = torch.fft.fftfreq(side) * side
    radius = torch.hypot(frequency[:, None], frequency).clamp_min(1)
    images = torch.fft.ifft2(
        torch.fft.fft2(torch.randn(count, 3, side, side, generator=rng)) / radius
    ).real
    return (images - images.mean()) / images.std()


def scored_cells() -> pd.DataFrame:
    """Cells of NAS-Bench-201 with the table's scores and accuracies."""
    table = pd.read_csv(
        data_file("nb201_zc/nb201_zc_proxies.csv.gz"), usecols=["arch", *TABLE.values()]
    )
    accuracy = pd.read_csv(data_file("nb201/nb201_accuracy.csv.gz"), usecols=["arch", *ACCURACY])
    return table.merge(accuracy, on="arch")


def score(space: SearchSpace, images: Tensor, text: str) -> dict[str, float]:
    """Mean scores of an architecture, and the CPU seconds of one draw behind each name."""
    found: dict[str, float] = {}
    for name in SCORES:
        values, start = [], time.process_time()  # of this process: others share the machine
        for draw in range(1 if name in ("parameters", "flops") else DRAWS):
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(draw)
                model = build_model(
                    space, space.parse(text), in_channels=3, **SMALL.get(space.name, {})
                )
            values.append(SCORES[name](model, images))
        found[name] = float(np.mean(values))
        found[f"{name} s"] = round((time.process_time() - start) / len(values), 4)
    return found


def measure(
    texts: Iterable[str], out: Path, scores_of: Callable[[str], dict[str, float]]
) -> pd.DataFrame:
    """The scores of all architectures; those in ``out`` are not computed again."""
    lines = out.read_text().splitlines() if out.exists() else []
    known = {record["arch"]: record for record in map(json.loads, lines)}
    texts = list(texts)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a") as file:
        for text in tqdm([text for text in texts if text not in known], desc=out.stem):
            known[text] = {"arch": text, **scores_of(text)}
            file.write(json.dumps(known[text]) + "\n")
            file.flush()
    return pd.DataFrame([known[text] for text in texts])


def searched() -> dict[str, float]:
    """NASWOT, as `quick_scores` has it, of the DARTS cells that a search with scores asks for, by text."""
    space = spaces.darts()

    def build(architecture: Architecture) -> nn.Module:
        return build_model(space, architecture, in_channels=3, channels=8, cells_per_stage=1)

    naswot_of = quick_scores(build, photo_noise())["naswot"]
    texts = [str(architecture) for architecture in space.architectures(architectures_of(space))]
    found = measure(texts, SEARCHED, lambda text: {"naswot": naswot_of(space.parse(text))})
    return dict(zip(found.arch, found.naswot, strict=True))


def beside_table(found: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Lines of a Markdown table: Spearman's correlation with accuracy, ours and the table's, and with each other."""
    joined = found.merge(table, on="arch")
    lines = []
    for name, column in TABLE.items():
        cells = []
        for accuracy in ACCURACY:
            ours = spearmanr(joined[name], joined[accuracy])[0]
            theirs = spearmanr(joined[column], joined[accuracy])[0]
            cells.append(f"{ours:+.2f} / {theirs:+.2f} ({ours / theirs:.2f})")
        alike = spearmanr(joined[name], joined[column])[0]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {alike:+.2f} | {joined[f'{name} s'].median():.3f} |"
        )
    return lines


def agreement(scores: pd.Series, accuracy: pd.Series) -> str:
    """Spearman's correlation; nothing for so few that it says little."""
    return f"{spearmanr(scores, accuracy)[0]:+.2f}" if len(scores) >= 20 else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument(
        "--cells", type=int, default=120, help="of NAS-Bench-201; one in 24 as many of the others"
    )
    args = parser.parse_args()
    table, genotypes, chain = scored_cells(), darts(), spaces.fbnet()

    def some(texts: pd.Series, count: int) -> list[str]:
        return texts.iloc[np.random.default_rng(0).permutation(len(texts))[:count]].tolist()

    few = max(2, args.cells // 24)
    chains = [str(chain.random_architecture(seed=seed)) for seed in range(few)]

    def measured(space: SearchSpace, texts: Iterable[str]) -> pd.DataFrame:
        out = args.out / f"proxies-{space.name}.jsonl"
        return measure(texts, out, partial(score, space, photo_noise()))

    cells = measured(spaces.nas_bench_201(), some(table.arch, args.cells))
    darts_cells = measured(spaces.darts(), some(genotypes.arch, few))
    layers = measured(chain, chains)
    joined = darts_cells.merge(genotypes, on="arch")
    text = [
        "# Scores of untrained networks beside published tables",
        "",
        "Made by `python -m benchmarks.proxies`.",
        f"\nScores are means over {DRAWS} draws of the weights, CPU seconds are of one.",
        f"\n{len(cells)} cells of NAS-Bench-201: Spearman's correlation with accuracy here / of NAS-Bench-Suite-Zero's"
        " table (their ratio)",
        f"\n| score | {' | '.join(ACCURACY.values())} | with the table's | CPU seconds |",
        f"| --- | {'--- | ' * len(ACCURACY)}--- | --- |",
        *beside_table(cells, table),
        f"\n{len(joined)} DARTS cells, Spearman's correlation with NAS-Bench-301's accuracy; CPU seconds of these and"
        f" of {len(layers)} chains of FBNet layers",
        "\n| score | NAS-Bench-301 | DARTS, CPU seconds | FBNet, CPU seconds |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {agreement(joined[name], joined['NAS-Bench-301'])} |"
            f" {darts_cells[f'{name} s'].median():.3f} | {layers[f'{name} s'].median():.3f} |"
            for name in SCORES
        ),
    ]
    print("\n".join(text))
    (args.out / "proxies.md").write_text("\n".join([*text, ""]))


if __name__ == "__main__":
    main()
