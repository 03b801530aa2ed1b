"""Rank correlation of the training-free scores with accuracy: ``python -m benchmarks.training_free``.

Random cells (seed 0): 200 of NAS-Bench-201 with test accuracy after 200 epochs, and 40 of 725 DARTS cells with the
accuracy that NAS-Bench-301's surrogate gives them. Two kinds of input, 32 images each: scikit-learn's digits
(1 x 8 x 8, standardised) and Gaussian noise (3 x 8 x 8); CIFAR itself is not needed, as the scores see no labels.
One JSON line a cell in benchmarks/results/training_free/, and the tables in its README.md; an interrupted command goes
on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
from scipy.stats import kendalltau, spearmanr
from sklearn.datasets import load_digits
from tqdm import tqdm

from benchmarks.problems.base import data_file
from optuna_agnet import spaces
from optuna_agnet.spaces import SearchSpace
from optuna_agnet.training_free import rank_sum, training_free_scores

OUT = Path(__file__).parent / "results" / "training_free"
TESTS = {"CIFAR-10": "c10_test", "CIFAR-100": "c100_test", "ImageNet16-120": "in16_test"}
# Chen et al. 2021 (arXiv:2102.11535), figures 1, 3 and 9: Kendall's tau with test accuracy over NAS-Bench-201, networks
# of 3 and 1 channels, batches of the data set. The sum of ranks has the other sign there, as low is good.
PUBLISHED = {"NTK condition number": "-0.42", "linear regions": "+0.50", "rank sum": "+0.64"}


def batch(kind: str) -> torch.Tensor:
    """32 images, the same in every run."""
    rng = torch.Generator().manual_seed(0)
    if kind == "noise":
        return torch.randn(32, 3, 8, 8, generator=rng)
    digits = torch.as_tensor(load_digits().images, dtype=torch.float32)[:, None]
    digits = (digits - digits.mean()) / digits.std()
    return digits[torch.randperm(len(digits), generator=rng)[:32]]


def nas_bench_201() -> pd.DataFrame:
    """Cells and a column of accuracies a data set."""
    table = pd.read_csv(data_file("nb201/nb201_accuracy.csv.gz"), usecols=["arch", *TESTS.values()])
    return table.rename(columns={column: name for name, column in TESTS.items()})


def darts() -> pd.DataFrame:
    """As `nas_bench_201`."""
    table = pd.read_csv(data_file("nb301/nb301_naslib_725.csv.gz"))

    def cell(text: str) -> str:  # "0:OP 1:OP ..."
        pairs = [pair.split(":") for pair in text.split()]
        return str([(op, int(source)) for source, op in pairs])

    texts = [
        f"Genotype(normal={cell(normal)}, reduce={cell(reduce)})"
        for normal, reduce in zip(table.normal, table.reduce, strict=True)
    ]
    return pd.DataFrame({"arch": texts, "NAS-Bench-301": table.nb301_val_acc})


def measure(space: SearchSpace, cells: pd.Series, kind: str, out: Path) -> pd.DataFrame:
    """The scores of all cells; those in ``out`` are not computed again."""
    done = (
        pd.read_json(out, lines=True) if out.exists() else pd.DataFrame(columns=["arch", "input"])
    )
    known = set(done[done.input == kind].arch)
    images = batch(kind)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a") as lines:
        for text in tqdm(
            [cell for cell in cells if cell not in known], desc=f"{space.name}, {kind}"
        ):
            start = time.process_time()  # of this process: others share the machine
            scores = training_free_scores(space, space.parse(text), images)
            condition = scores.ntk_condition_number
            record = {
                "arch": text,
                "input": kind,
                "ntk_condition_number": None
                if np.isinf(condition)
                else condition,  # no inf in JSON
                "linear_regions": round(scores.linear_regions, 2),
                "cpu_seconds": round(time.process_time() - start, 3),
            }
            lines.write(json.dumps(record) + "\n")
            lines.flush()
    table = pd.read_json(out, lines=True)
    return table[(table.input == kind) & table.arch.isin(cells)].fillna(np.inf)


def report(scores: pd.DataFrame, accuracy: pd.DataFrame, kind: str) -> list[str]:
    """Lines of a Markdown table: a score, its correlations and what is published."""
    joined = scores.merge(accuracy, on="arch")
    columns = {
        "NTK condition number": joined.ntk_condition_number,
        "linear regions": joined.linear_regions,
        "rank sum": -rank_sum(joined.ntk_condition_number, joined.linear_regions),
    }
    rows = []
    for name, values in columns.items():
        each = [joined[column] for column in accuracy.columns.drop("arch")]
        taus = [f"{kendalltau(values, y)[0]:+.2f} / {spearmanr(values, y)[0]:+.2f}" for y in each]
        rows.append(f"| {name} | {kind} | {' | '.join(taus)} | {PUBLISHED[name]} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--cells", type=int, help="default: 200 of NAS-Bench-201, 40 DARTS cells")
    args = parser.parse_args()
    runs = [
        (spaces.nas_bench_201(), nas_bench_201(), 200, ("digits", "noise")),
        (spaces.darts(), darts(), 40, ("digits",)),
    ]
    text = [
        "# Training-free scores and accuracy",
        "",
        "Made by `python -m benchmarks.training_free`.",
    ]
    for space, accuracy, count, kinds in runs:
        chosen = np.random.default_rng(0).permutation(len(accuracy))[: args.cells or count]
        columns = accuracy.columns.drop("arch")
        lines, seconds = [], []
        for kind in kinds:
            scores = measure(
                space, accuracy.arch.iloc[chosen], kind, args.out / f"{space.name}.jsonl"
            )
            lines += report(scores, accuracy, kind)
            seconds.append(f"{kind} {scores.cpu_seconds.median():.2f}")
        text += [
            f"\n{space.name}, {len(chosen)} cells; Kendall / Spearman",
            f"\n| score | input | {' | '.join(columns)} | TE-NAS on NAS-Bench-201, Kendall |",
            f"| --- | --- | {'--- | ' * len(columns)}--- |",
            *lines,
            f"\nCPU seconds a cell (median): {', '.join(seconds)}",
        ]
    print("\n".join(text))
    (args.out / "README.md").write_text("\n".join([*text, ""]))


if __name__ == "__main__":
    main()
