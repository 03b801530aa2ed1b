"""Rank correlation of the training-free scores with accuracy, NAS-Bench-201: ``python -m benchmarks.training_free``.

200 random cells (seed 0), test accuracy after 200 epochs. Two kinds of input, 32 images each: scikit-learn's digits
(1 x 8 x 8, standardised) and Gaussian noise (3 x 16 x 16); CIFAR itself is not needed, as the scores see no labels.
One JSON line a cell in benchmarks/results/training_free/; an interrupted command goes on where it stopped.
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
from optuna_agnet.training_free import rank_sum, training_free_scores

OUT = Path(__file__).parent / "results" / "training_free" / "nas_bench_201.jsonl"
TESTS = {"CIFAR-10": "c10_test", "CIFAR-100": "c100_test", "ImageNet16-120": "in16_test"}
# Chen et al. 2021, section 3.1: Kendall's tau on NAS-Bench-201, networks of 3 and 1 channels, batches of the data set.
PUBLISHED = {"NTK condition number": "-0.42", "linear regions": "0.50", "rank sum": "-"}


def batch(kind: str) -> torch.Tensor:
    """32 images, the same in every run."""
    rng = torch.Generator().manual_seed(0)
    if kind == "noise":
        return torch.randn(32, 3, 16, 16, generator=rng)
    digits = torch.as_tensor(load_digits().images, dtype=torch.float32)[:, None]
    digits = (digits - digits.mean()) / digits.std()
    return digits[torch.randperm(len(digits), generator=rng)[:32]]


def measure(cells: pd.Series, kind: str, out: Path) -> pd.DataFrame:
    """The scores of all cells; those in ``out`` are not computed again."""
    done = (
        pd.read_json(out, lines=True) if out.exists() else pd.DataFrame(columns=["arch", "input"])
    )
    known = set(done[done.input == kind].arch)
    space, images = spaces.nas_bench_201(), batch(kind)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a") as lines:
        for text in tqdm([cell for cell in cells if cell not in known], desc=kind):
            start = time.process_time()  # of this process: others share the machine
            scores = training_free_scores(space, space.parse(text), images)
            record = {
                "arch": text,
                "input": kind,
                "ntk_condition_number": scores.ntk_condition_number,
                "linear_regions": round(scores.linear_regions, 2),
                "cpu_seconds": round(time.process_time() - start, 3),
            }
            if np.isinf(record["ntk_condition_number"]):
                record["ntk_condition_number"] = None  # JSON has no infinity
            lines.write(json.dumps(record) + "\n")
            lines.flush()
    table = pd.read_json(out, lines=True)
    return table[(table.input == kind) & table.arch.isin(cells)].fillna(np.inf)


def report(table: pd.DataFrame, accuracy: pd.DataFrame, kind: str) -> list[str]:
    """Lines of a Markdown table."""
    joined = table.merge(accuracy, on="arch")
    columns = {
        "NTK condition number": joined.ntk_condition_number,
        "linear regions": joined.linear_regions,
        "rank sum": -rank_sum(joined.ntk_condition_number, joined.linear_regions),
    }
    rows = []
    for name, values in columns.items():
        each = [joined[test] for test in TESTS.values()]
        taus = [f"{kendalltau(values, y)[0]:+.2f} / {spearmanr(values, y)[0]:+.2f}" for y in each]
        rows.append(f"| {name} | {kind} | {' | '.join(taus)} | {PUBLISHED[name]} |")
    singular = int(np.isinf(joined.ntk_condition_number).sum())
    seconds = f"{joined.cpu_seconds.median():.2f} CPU seconds a cell (median), kernel singular for {singular}"
    return [*rows, f"<!-- {kind}: {len(joined)} cells, {seconds} -->"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--input", default="digits,noise", help="digits, noise or both")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    accuracy = pd.read_csv(
        data_file("nb201/nb201_accuracy.csv.gz"), usecols=["arch", *TESTS.values()]
    )
    chosen = np.random.default_rng(0).permutation(len(accuracy))[: args.cells]
    cells = accuracy.arch.iloc[chosen]
    print(f"| score (Kendall / Spearman) | input | {' | '.join(TESTS)} | TE-NAS, Kendall |")
    print(f"| --- | --- | {'--- | ' * len(TESTS)}--- |")
    for kind in args.input.split(","):
        print("\n".join(report(measure(cells, kind, args.out), accuracy, kind)))


if __name__ == "__main__":
    main()
