"""Run searches on real tables: ``python -m benchmarks.run --problem nb201-c100 --method agnet,tpe --seeds 0:10``.

One JSON line a run in benchmarks/results/; a finished run is not run again unless asked (--again).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process a core

import numpy as np
import optuna
from tqdm import tqdm

from benchmarks.problems import nb201
from optuna_agnet import AGNet, AGNetConfig

RESULTS = Path(__file__).parent / "results"
PROBLEMS = {f"nb201-{name}": name for name in ("c10", "c100", "in16")}
Ask = Callable[[], tuple[object, np.ndarray]]
Tell = Callable[[object, float], None]


def agnet(problem: nb201.Problem, seed: int, config: AGNetConfig) -> tuple[Ask, Tell]:
    search = AGNet(problem.space, seed=seed, config=config)

    def ask() -> tuple[object, np.ndarray]:
        arch = search.ask()
        return arch, problem.space.choices([arch])[0]

    return ask, lambda arch, value: search.tell(arch, value)


def optuna_sampler(
    problem: nb201.Problem, sampler: optuna.samplers.BaseSampler
) -> tuple[Ask, Tell]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def ask() -> tuple[object, np.ndarray]:
        trial = study.ask()
        return trial, problem.space.choices([problem.space.suggest(trial)])[0]

    return ask, lambda trial, value: study.tell(trial, value)


METHODS: dict[str, Callable[[nb201.Problem, int], tuple[Ask, Tell]]] = {
    "agnet": lambda p, s: agnet(p, s, AGNetConfig(dedup="encoding")),
    "agnet-paper": lambda p, s: agnet(p, s, AGNetConfig.paper(dedup="encoding")),
    "tpe": lambda p, s: optuna_sampler(p, optuna.samplers.TPESampler(multivariate=True, seed=s)),
    "random": lambda p, s: optuna_sampler(p, optuna.samplers.RandomSampler(seed=s)),
}


def run(job: tuple[str, str, int, int]) -> dict:
    problem_name, method, seed, budget = job
    problem = nb201.load(PROBLEMS[problem_name])
    ask, tell = METHODS[method](problem, seed)
    rows, values, seconds = [], [], []
    for _ in range(budget):
        start = time.perf_counter()
        token, row = ask()
        asked = time.perf_counter()
        value = problem(row)
        told = time.perf_counter()
        tell(token, value)
        seconds.append(round(asked - start + time.perf_counter() - told, 5))
        rows.append(row)
        values.append(round(value, 4))
    best = [int(np.argmax(values[: n + 1])) for n in range(budget)]
    return {
        "problem": problem_name,
        "method": method,
        "seed": seed,
        "budget": budget,
        "versions": {"optuna": optuna.__version__, "numpy": np.__version__},
        "optimum": round(problem.optimum, 4),
        "values": values,
        "test": {n: problem.test_value(rows[best[n - 1]]) for n in (48, 96, 192) if n <= budget},
        "seconds": seconds,
    }


def numbers(text: str) -> list[int]:
    start, _, stop = text.partition(":")
    return list(range(int(start), int(stop))) if stop else [int(start)]


def finished(path: Path) -> set[tuple[str, str, int, int]]:
    done = set()
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], start=1):
        try:
            result = json.loads(line)
            done.add((result["problem"], result["method"], result["seed"], result["budget"]))
        except (ValueError, KeyError) as error:
            raise SystemExit(
                f"{path}:{number} is no result line ({error}): mend or remove it"
            ) from None
    return done


def names(text: str, known: dict, what: str) -> list[str]:
    chosen = text.split(",")
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise SystemExit(f"unknown {what} {unknown}; known: {', '.join(known)}")
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--problem", default="nb201-c100", help=f"one or more of {', '.join(PROBLEMS)}"
    )
    parser.add_argument(
        "--method", default=",".join(METHODS), help=f"one or more of {', '.join(METHODS)}"
    )
    parser.add_argument("--seeds", default="0:10", help="first:last+1")
    parser.add_argument(
        "--budget", type=int, default=192, help="evaluations a search (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=RESULTS / "nb201.jsonl", help="file that results are added to"
    )
    parser.add_argument("--again", action="store_true", help="also run what is there already")
    arguments = parser.parse_args()
    done = set() if arguments.again else finished(arguments.out)
    jobs = [
        (problem, method, seed, arguments.budget)
        for problem in names(arguments.problem, PROBLEMS, "problem")
        for method in names(arguments.method, METHODS, "method")
        for seed in numbers(arguments.seeds)
    ]
    jobs = [job for job in jobs if job not in done]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.jobs) as pool, arguments.out.open("a") as out:
        for result in tqdm(pool.map(run, jobs), total=len(jobs), unit="search"):
            out.write(json.dumps(result) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
