"""Numbers in sentences are those of the committed lines: each is computed here and looked for in the text."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks import (
    ask,
    curves,
    generator_pays,
    joint_aims,
    long,
    pruning_table,
    records,
    reproduce,
    scaling,
    tables,
    throughput,
)
from benchmarks.markdown import at, paired, spread, value
from benchmarks.methods import pruners
from benchmarks.paper_tables import bests, limited_runs, published
from benchmarks.problems import fcnet, nb201, trainings
from benchmarks.records import Record
from benchmarks.run import rounded
from benchmarks.tables import difference
from optuna_agnet import AGNetConfig
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.search.model import training_sizes
from optuna_agnet.study.pruner import _share
from optuna_agnet.surrogate.curves import rungs, steps_until_next

ROOT = Path(__file__).parents[2]
NB201 = ("nb201-c10", "nb201-c100", "nb201-in16")
JOINT = "hw-edgegpu-4-joint"
NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
PAPER = ("agnet-paper", "agnet-paper Joint=1")


@functools.cache
def text(page: str) -> str:
    """With single blanks, so that a sentence may be broken anywhere."""
    return " ".join((ROOT / page).read_text().split())


@functools.cache
def runs(problem: str, method: str) -> Sequence[Record]:
    (found,) = curves.load(problem)
    return found.methods[method]


def says(sentence: str, page: str = "benchmarks/README.md") -> None:
    assert sentence in text(page), f"{page} should say: {sentence}"


def below(problem: str, method: str, queries: int) -> str:
    """How much the default has more than a variant of it, as the text says what is missing."""
    default = {run.seed: run for run in runs(problem, "agnet")}
    pairs = [(default[run.seed], run) for run in runs(problem, method) if run.seed in default]
    return difference(pairs, queries).lstrip("+")


def means(problem: str, method: str, queries: int, score=value) -> float:
    return float(np.mean(at(runs(problem, method), queries, score)))


def ends(problem: str, method: str, queries: int) -> str:
    return spread(at(runs(problem, method), queries, value), len(runs(problem, method)))


def found_by(queries: int) -> int:
    every = (run for problem in NB201 for run in runs(problem, "agnet"))
    return sum(curves.queries_to_optimum(run) <= queries for run in every)


def test_how_often_the_best_cell_is_found() -> None:
    searches = sum(len(runs(problem, "agnet")) for problem in NB201)
    says(f"found the best cell of NAS-Bench-201 in {found_by(192)} of {searches} searches")
    says(f"(`benchmarks.misses`, {searches - found_by(96)} of {searches} searches)")
    assert found_by(192) == searches
    says(f"in all of {searches} searches, thirty on each", "docs/faq.md")
    says(f"and within 96 trials in {found_by(96)} of them", "docs/faq.md")


def test_when_the_default_passes_local_search_on_darts_cells() -> None:
    goal = means("nb301", "local-search", 192)
    passed = [int(np.argmax(curves.best(run) > goal)) + 1 for run in runs("nb301", "agnet")]
    says(
        f"what local search has after 192 queries after {np.median(passed):g} (median of {len(passed)})"
    )


def test_what_each_part_is_worth() -> None:
    mlp = [below(problem, "agnet-mlp", 48) for problem in NB201]
    says(f"costs {mlp[0]}, {mlp[1]} and {mlp[2]} points on the three sets after 48 queries")
    says(f"without it {below('nb301', 'agnet-no-generator', 96)} points are missing after 96")
    lso = [below("nb301", "agnet-no-lso", n) for n in (96, 48)]
    says(f"without weighted retraining {lso[0]} ({lso[1]} after 48)")
    rounds = [below(p, "agnet-batch16", 96) for p in ("nb301", *NB201[1:])]
    says(f"{rounds[0]} points are missing there after 96, and {rounds[1]} and {rounds[2]} on CIFAR")


def test_warm_starts_and_noise() -> None:
    warm = [ends("nb201-in16", "agnet-warm", 48), means("nb201-in16", "agnet-warm", 32)]
    says(f"ImageNet16-120 is at {warm[0]} after 48 queries and at {warm[1]:.2f} after 32")
    says(f"where a cold start is at {means('nb201-in16', 'agnet', 96):.2f} after 96")
    says(f"nothing in the end ({means('nb201-in16', 'agnet-misled', 96):.2f} at 96")
    noisy = {
        method: [means(f"{p}-noisy", method, 192, curves.test_of_best) for p in NB201]
        for method in ("agnet", "tpe")
    }
    ours, theirs = ([f"{v:.2f}" for v in noisy[method]] for method in ("agnet", "tpe"))
    says(f"is, by the mean over training runs, at {ours[0]}, {ours[1]} and {ours[2]} on the three")
    says(f"TPE's at {theirs[0]}, {theirs[1]} and {theirs[2]} (ten seeds)")
    best = {m: [means(f"{p}-noisy", m, 96) for p in NB201] for m in ("agnet", "gp")}
    assert np.all(np.array(best["agnet"]) > best["gp"])


def test_fronts_and_turns() -> None:
    fronts = {
        method: [
            100 * means(name, method, 192, curves.front_share)
            for name in tables.names("pareto-")
            if (records.RESULTS / f"{name}.jsonl").exists()
        ]
        for method in ("agnet", "tpe")
    }
    says(f"is {min(fronts['agnet']):.1f} to {max(fronts['agnet']):.1f} % of the exact one's on the")
    says(f"TPE's {min(fronts['tpe']):.1f} to {max(fronts['tpe']):.1f} % (five seeds)")
    joint = [found["agnet Joint=1"] for found in limited_runs().values()]
    missing = [searches[0].optimum - bests(searches) for searches in joint]
    found, near = sum(m.min() < 1e-9 for m in missing), sum(m.mean() <= 0.2 for m in missing)
    says(
        f"the best of {len(joint[0])} seeds has {found} of the {len(joint)} optima (the paper's best of"
        f" ten: 9), and the mean is within 0.2 points in {near}"
    )
    turns = ends("nb301", "agnet-paper-turns", 192)
    gaps = [
        means("nb301", "agnet-paper-turns", 192) - means("nb301", other, 192)
        for other in ("random", "local-search")
    ]
    says(f"has {turns} after 192 queries, {gaps[0]:.2f} above random search and {-gaps[1]:.2f} bel")


def test_recurrent_cells() -> None:
    says(f"`agnet` ends at {ends('nbnlp', 'agnet', 304)}, local search at ")
    (found,) = curves.load("nbnlp")
    others = [
        means("nbnlp", name, 304)
        for name in found.methods
        if not name.startswith(("agnet", "local"))
    ]
    says(
        f"local search at {ends('nbnlp', 'local-search', 304)}, the other baselines between"
        f" {min(others):.2f} and {max(others):.2f}"
    )
    paper = [ends("nbnlp", "agnet-paper", 304), means("nbnlp", "agnet-paper-xgb", 304)]
    says(f"is at {paper[0]} and with XGBoost at {paper[1]:.2f} (three seeds each)")
    says(f"between random search ({means('nbnlp', 'random', 304):.2f}) and the baselines")


def test_what_is_missing_with_many_decisions() -> None:
    """As shares of what local search misses."""
    for problem, where in (
        ("chain40", "are missing where neighbouring layers act together"),
        ("chain40-additive", "where effects add up"),
        ("chain40-sparse", "where only a quarter of the layers matters"),
        ("chain40-skewed", "where a fifth has a ruinous choice"),
        ("chain20", "with 20 layers"),
    ):
        shares = [
            (100 - means(problem, "agnet", n)) / (100 - means(problem, "local-search", n))
            for n in (96, 192)
        ]
        says(f"{shares[0]:.2f} and {shares[1]:.2f} {where} (`{problem}`)")


def test_pruning_at_equal_epochs() -> None:
    """A pruner against none, after the epochs of 48 trainings, on the seeds that both have."""
    found = pruning_table.grouped(
        [
            row
            for row in records.rows(records.RESULTS / "pruning.jsonl")
            if (row["trainings"], row["charge"]) == (48, trainings.RUNG)
        ]
    )
    gains = []
    for dataset, pruner in product(nb201.DATASETS, ("median", "hyperband", "agnet")):
        runs = [{run["seed"]: run for run in found[dataset, "agnet", p]} for p in (pruner, "none")]
        seeds = sorted(runs[0].keys() & runs[1].keys())
        gains.append(np.subtract(*(pruning_table.best_at([r[s] for s in seeds], 48) for r in runs)))
    means = np.array([gain.mean() for gain in gains])
    errors = np.array([gain.std(ddof=1) / len(gain) ** 0.5 for gain in gains])
    says(f"{means.min():.2f} to {means.max():.2f} points better in the end in all nine")
    says(f"by more than two standard errors in {int((means > 2 * errors).sum())}")


def pruned(dataset: str) -> dict[tuple[str, str, str], list[pruning_table.Row]]:
    """Searches of a data set with the epochs of 48 trainings."""
    rows = records.rows(records.RESULTS / "pruning.jsonl")
    return pruning_table.grouped(
        [r for r in rows if (r["dataset"], r["trainings"]) == (dataset, 48)]
    )


def test_what_the_pruner_brings_on_darts_cells() -> None:
    """Beside other pruners, on the seeds that both have."""
    found = pruned("darts")
    rivals = [*product(("agnet",), ("none", "median", "percentile", "hyperband", "halving"))]
    rivals += product(("tpe",), ("none", "median", "hyperband"))
    for (sampler, rival), spent in product(rivals, (24, 48)):
        both = found["darts", sampler, "agnet"], found["darts", sampler, rival]
        gains = pruning_table.gains(*both, spent)
        assert gains.mean() > 0
        close = (sampler, rival) in product(("agnet",), ("hyperband", "halving"))
        assert not close or within_two_errors(gains)
    says(
        "ahead of all others in this table, with AG-Net of Hyperband and successive halving by no more than two"
        " standard errors",
        "docs/pruning.md",
    )
    ours = found["darts", "agnet", "agnet"]
    for rival in ("hyperband", "halving"):
        assert pruning_table.gains(ours, found["darts", "agnet", rival], 6).mean() < 0
    says("after the epochs of six Hyperband and successive halving are ahead", "docs/pruning.md")
    continuing = found["darts", "agnet", pruners.CONTINUING]
    assert abs(pruning_table.gains(continuing, ours, 48).mean()) < 0.05
    says("`continue_stopped` adds little, and takes nothing away", "docs/pruning.md")


def within_two_errors(gains: FloatArray) -> bool:
    return bool(abs(gains.mean()) <= 2 * gains.std(ddof=1) / len(gains) ** 0.5)


def test_pruners_end_alike_on_nas_bench_201() -> None:
    for dataset, rival in product(nb201.DATASETS, ("median", "hyperband")):
        found = pruned(dataset)
        both = (found[dataset, "agnet", pruner] for pruner in ("agnet", rival))
        assert within_two_errors(pruning_table.gains(*both, 48))
    says("all pruners end alike", "docs/pruning.md")


def test_the_pruner_brings_nothing_on_mlps() -> None:
    found = pruned("mlp-vehicle")
    gains = pruning_table.gains(*(found["mlp-vehicle", "agnet", p] for p in ("agnet", "none")), 48)
    assert within_two_errors(gains)
    says(f"it is level with no pruner ({len(gains)} seeds)", "docs/pruning.md")


def test_what_is_lost_beside_tpe() -> None:
    runs = pruned("in16")["in16", "tpe", "agnet"]
    lost = sum(run["lost"] for run in runs)
    expected = sum(run["expected"] for run in runs)
    assert lost > expected + 2 * expected**0.5  # no accident
    every = pruning_table.lost(runs)[1]
    says(
        f"it stopped {every} new bests there, by its own chances {expected:.0f} were expected",
        "docs/pruning.md",
    )


def test_what_stopping_costs() -> None:
    """On DARTS cells: how much of the best percent was stopped."""
    runs = [
        run
        for run in records.rows(records.RESULTS / "pruning.jsonl")
        if (run["dataset"], run["sampler"], run["trainings"]) == ("darts", "agnet", 48)
    ]
    ours = [run for run in runs if run["pruner"] == "agnet"]
    assert all(run["best_stopped"] <= run["best"][-1][1] for run in ours)
    says("ahead of the best that was found: on DARTS cells never.", "docs/pruning.md")
    best_percent = pruning_table.lost(ours)[0]
    says(f"{best_percent} trainings of the best percent of random", "docs/pruning.md")


def test_how_the_least_chance_grows_on_darts_cells() -> None:
    steps = rungs([dict.fromkeys(range(1, 99), 0.0)])
    waits = steps_until_next(steps)[:-1]  # the last report is the objective
    shares = [f"{_share(rung, waits):.1f}" for rung in range(1, len(steps))]
    *first, last = map(str, steps[:-1])
    says(f"rungs at {', '.join(first)} and {last} of 98 epochs", "docs/pruning.md")
    says(f"that is {', '.join(shares[:-1])} and {shares[-1]} times", "docs/pruning.md")


def test_the_pruner_was_chosen_on_other_seeds_than_those_it_is_shown_on() -> None:
    chosen, shown = (
        records.rows(records.RESULTS / f"{name}.jsonl") for name in ("pruning-choice", "pruning")
    )
    assert min(run["seed"] for run in chosen) >= 100
    assert {run["dataset"] for run in chosen} == {"darts", "c10"}
    assert max(run["seed"] for run in shown) < 10
    says("was chosen with seeds that no other table shows", "docs/pruning.md")


def test_what_half_the_least_chance_brings_on_nas_bench_201() -> None:
    found = pruning_table.grouped(
        [
            row
            for row in records.rows(records.RESULTS / "pruning.jsonl")
            if (row["sampler"], row["trainings"]) == ("agnet", 48)
        ]
    )
    shares = {}
    for pruner in (pruners.NORMAL, pruners.CAREFUL):
        runs = [run for d in nb201.DATASETS for run in found[d, "agnet", pruner]]
        lost = sum(run["lost"] for run in runs)
        shares[pruner] = lost / (lost + sum(len(run["best"]) for run in runs))
    assert 0.4 < shares[pruners.CAREFUL] / shares[pruners.NORMAL] < 0.6
    for dataset in nb201.DATASETS:
        ends = [pruning_table.best_at(found[dataset, "agnet", p], 48) for p in shares]
        gain = np.subtract(ends[1], ends[0])
        assert gain.mean() <= 2 * gain.std(ddof=1) / len(gain) ** 0.5
    says("stops about half as many there, and finds nothing better", "docs/pruning.md")


def test_the_first_page_says_from_when_on_the_default_leads() -> None:
    says("ahead of every sampler that could be run beside it from 24 trials on", "README.md")
    for problem in tables.IN_README:
        (found,) = curves.load(problem)
        one_by_one = [name for name in found.methods if "-ask" not in name]
        rivals = [name for name in one_by_one if not name.startswith("agnet")]
        for queries in (24, 32, 48, 96):
            best = max(means(problem, name, queries) for name in rivals)
            assert means(problem, "agnet", queries) > best


def test_what_a_new_worker_costs() -> None:
    """docs/workers.md has the PostgreSQL rows of the measured table, as columns."""
    lines = (records.RESULTS / "growth.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| postgresql")]
    columns = {name: [row[k] for row in rows] for name, k in (("n", 1), ("with", 3), ("new", 5))}
    says(f"| results so far | {' | '.join(columns['n'])} |", "docs/workers.md")
    says(f"| first ask, s | {' | '.join(columns['new'])} |", "docs/workers.md")
    says(f"| each one after that, ms | {' | '.join(columns['with'])} |", "docs/workers.md")


def test_what_one_more_worker_of_a_machine_and_a_trial_cost() -> None:
    grown = records.rows(records.RESULTS / "growth.jsonl")
    second = {r["trials"]: r["second_s"] for r in grown if r["storage"] == "journal"}
    says(f"needs {second[2000]} s with 2,000 results, and {second[10000]} s", "docs/workers.md")
    counted = records.rows(records.RESULTS / "throughput.jsonl")
    sql = {(r["state"], r["round"]): r["sql"] for r in counted if r.get("others") == 0}
    now, due, random = sql["now", False], sql["now", True], sql["Optuna's RandomSampler", False]
    says(f"on PostgreSQL {now} SQL statements", "docs/workers.md")
    says(f"`RandomSampler` needs {random} as well", "docs/workers.md")
    says(f"takes {now} SQL statements instead of {sql['before', False]}", "CHANGELOG.md")
    says(f"and {due} instead of {sql['before', True]} when a round", "CHANGELOG.md")


def test_what_the_bound_of_the_gaussian_process_costs() -> None:
    rows = records.rows(records.RESULTS / "long.jsonl")
    gains = {}
    for problem in long.PROBLEMS:
        bounded, whole = (
            [r for r in rows if (r["problem"], r["bound"]) == (problem, bound)]
            for bound in long.BOUNDS
        )
        assert len(bounded) == len(whole) == 1  # "one seed each"
        assert len({*long.best(bounded[0]), *long.best(whole[0])}) == 1  # "there by the 400th"
        assert abs(long.top(whole[0]) - long.top(bounded[0])) <= 0.01
        gains[problem] = long.later(whole[0]) - long.later(bounded[0])
    says(f"by {gains['nb301']:.2f} and {gains['nb101']:.2f} points", "docs/how.md")


def test_the_papers_algorithm_under_the_limits_of_table_5() -> None:
    every, ours, theirs = limited_runs(), PAPER, {}
    done = sum(len(found.get(name, [])) for found in every.values() for name in ours)
    wanted = [job for job in reproduce.jobs(reproduce.limits()) if job.method == "agnet-paper"]
    says(f"`agnet-paper` has {done} of {len(wanted)} runs", "docs/reproduce.md")
    both = {limit: found for limit, found in every.items() if set(ours) <= found.keys()}
    missing = {
        name: np.mean([r[name][0].optimum - bests(r[name]).mean() for r in both.values()])
        for name in ours
    }
    paper = {(r["device"], int(r["limit"]), r["method"]): r for r in published(5)}
    for name in ("Joint=0", "Joint=1"):
        gaps = [
            float(paper[(*limit, "Optimum")]["best"]) - float(paper[(*limit, name)]["mean"])
            for limit in both
        ]
        theirs[name] = np.mean(gaps)
    few = [min(len(r[name]) for r in both.values()) for name in ours]
    says(
        f"Under the {len(both)} limits that `agnet-paper` has in both settings it misses"
        f" {missing['agnet-paper']:.2f} points (Joint=0, {few[0]} seeds) and"
        f" {missing['agnet-paper Joint=1']:.2f} (Joint=1, {few[1]}) on average; published are"
        f" {theirs['Joint=0']:.2f} and {theirs['Joint=1']:.2f} under these, over ten seeds."
    )


def test_what_a_mistake_changed_in_the_papers_searches() -> None:
    """Those that were made again train together, which their lines say."""
    gains, seeds = [], set()
    for problem in NB201:
        lines = list(records.read(records.RESULTS / f"{problem}.jsonl"))
        lines = [line for line in lines if line.method == "agnet-paper"]
        again = {line.seed: line for line in lines if "together" in (line.machine or {})}
        before = {line.seed: line for line in lines if line.machine is None}
        gains.append(difference([(again[seed], before[seed]) for seed in sorted(again)], 192))
        seeds.add(len(again))
    (count,) = seeds
    says(f"the {count} searches on each set that were made again differ by {gains[0]}, {gains[1]}")
    says(f" and {gains[2]} points after 192 queries")
    every = [r for found in limited_runs().values() for n in PAPER for r in found.get(n, ())]
    assert all("together" in (r.machine or {}) for r in every)
    says(f"except the {len(every)} runs of `agnet-paper` under the limits of Table 5")
    lines = records.longest(records.read(records.RESULTS / "nb101.jsonl")).values()
    mended = {r.method for r in lines if "together" in (r.machine or {})}
    assert mended == {"agnet-paper", "agnet-paper-no-lso"}
    assert not {r.method for r in lines if r.machine is None} & mended
    says("on `nb101`, `agnet-paper` and `agnet-paper-no-lso`, which were made again")


def test_what_table_4s_search_found_on_digits() -> None:
    rows = records.rows(records.RESULTS / "table4.jsonl")
    found = {kind: [r for r in rows if r["search"] == kind] for kind in {r["search"] for r in rows}}
    both, random = found.pop("both cells at once"), found.pop("random")
    assert not found  # "was not run to its end"
    assert len(both) == len(random) == 3
    says(f"of {both[0]['queries']} pairs of DARTS cells that were scored without training")
    mean = [np.mean([row["accuracy"] for row in own]) for own in (both, random)]
    says(f"is at {mean[0]:.2f} % after training, three random pairs are at {mean[1]:.2f}.")


def test_where_there_are_few_seeds() -> None:
    def seeds(problem: str, *methods: str) -> set[int]:
        return {len(runs(problem, method)) for method in methods}

    (turns,) = seeds("nb301", "agnet-paper-xgb-turns", "agnet-paper-xgb-ranking-turns")
    (recurrent,) = seeds("nbnlp", "agnet-paper")
    (both,) = seeds("nb301", "agnet-paper")
    joint, fronts = (
        min(count for path in records.RESULTS.glob(name) for count in seeds(path.stem, "agnet"))
        for name in ("*-joint.jsonl", "pareto-*.jsonl")
    )
    says(
        f"XGBoost's variants in turns have {turns} seeds, `agnet-paper` on `nbnlp` {recurrent} and"
        f" with both DARTS cells {both}, Joint=1 {joint}, the fronts at least {fronts}"
    )
    (few,) = seeds("nbnlp", "dngo", "weaknas", "nsga2")
    says(f"`dngo`, `weaknas`, `nsga2` on `nbnlp` {few}.")
    (found,) = curves.load("nbnlp")
    assert "agnet-paper-xgb-ranking" not in found.methods  # "Not run"


def test_on_how_many_of_the_fcnet_tables_the_default_is_first() -> None:
    """By the ranks of the table that is written from the committed lines; ties count."""
    section = (ROOT / "benchmarks/README.md").read_text().split("#### fcnet: median rank")[1]
    rows = [line.strip("| ").split(" | ") for line in section.split("\n\n")[1].splitlines()]
    head, found = rows[0], [row for row in rows[2:] if "no order" not in row[1]]
    first = {}
    for queries in (32, 64, 96):
        column = head.index(f"@{queries}")
        ranks = {(row[0], row[1]): int(row[column].split()[0]) for row in found}
        data = {name for name, _ in ranks}
        first[queries] = sum(
            ranks[name, "agnet"] == min(rank for key, rank in ranks.items() if key[0] == name)
            for name in data
        )
        assert len(data) == 4
    names = {1: "one", 2: "two", 3: "three", 4: "all"}
    says(
        f"It is first on {names[first[32]]} of the four tables at 32 queries, on"
        f" {names[first[64]]} at 64, on {names[first[96]]} at 96"
    )


def fcnet_logs(rival: str, queries: int) -> tuple[float, float]:
    """Mean logarithm of ours beside a rival's on all four tables, and its error: of ranks, or losses without order."""
    logs = []
    for dataset in fcnet.DATASETS:
        table = np.sort([rounded(loss) for loss in fcnet.losses(dataset).ravel()])
        without = rival == "no order"
        theirs = runs(f"fcnet-{dataset}{'-unordered' * without}", "agnet" if without else rival)
        best = {run.seed: curves.best(run)[queries - 1] for run in theirs}
        for run in runs(f"fcnet-{dataset}", "agnet"):
            pair = np.array([curves.best(run)[queries - 1], best[run.seed]])
            pair = pair if without else 1 + np.searchsorted(table, pair)
            logs.append(np.log(pair[0] / pair[1]))
    assert len(logs) == 40
    return float(np.mean(logs)), float(np.std(logs, ddof=1) / len(logs) ** 0.5)


def test_by_how_much_the_default_is_ahead_on_fcnet() -> None:
    factors = {}
    for rival in ("tpe-indices", "gp-indices"):
        found = {queries: fcnet_logs(rival, queries) for queries in (32, 64, 96)}
        first, *later = (f"{np.exp(-mean):.1f}" for mean, _ in found.values())
        factors[rival] = f"{first}, {' and '.join(later)}"
        for queries, (mean, error) in found.items():
            assert (-mean < 2 * error) == (queries == 32)
    says(f"of `tpe-indices` by factors of {factors['tpe-indices']} at 32, 64 and 96, and than that")
    says(f"of `gp-indices` by {factors['gp-indices']}, at 32 by less than twice the standard error")
    order = ["{:.2f} ± {:.2f}".format(*fcnet_logs("no order", n)) for n in (16, 32, 64)]
    says("the loss is {} at 16, {} at 32 and {} at 64 with it".format(*order))


def test_where_the_gp_sampler_is_ahead_with_hyperparameters_beside_the_architecture() -> None:
    """What is missing after 96 trials of ours and of Optuna's GP sampler, on the seeds that both have."""
    found, fewest = joint_aims.Searches(records.rows(records.RESULTS / "joint.jsonl")), []
    for kind in ("independent", "dependent", "noisy"):
        ours, theirs = found.pair(f"joint-nb201-{kind}", "agnet", "gp", 96)
        lead = ours - theirs
        error = lead.std(ddof=1) / len(lead) ** 0.5
        assert (lead.mean() > error) == (kind == "noisy")
        fewest.append(len(lead))
    says(
        "it is level after 96 trials, and ahead where results are noisy (`benchmarks/results/joint.md`,"
        f" {NUMBERS[min(fewest)]} seeds or more)",
        "docs/faq.md",
    )


def test_hyperparameters_alone_and_beside_a_small_network() -> None:
    """The logarithm of ours beside theirs: ranks on HPOBench-MLP and on FCNet, tables and seeds that both have."""
    best: dict[tuple[str, str], dict[tuple[str, int], list[float]]] = {}
    for row in records.rows(records.RESULTS / "joint.jsonl"):
        family = row["problem"].split("-")[1]
        best.setdefault((family, row["method"]), {})[row["problem"], row["seed"]] = row["best"]

    def lead(family: str, method: str, rival: str, queries: int) -> tuple[float, float]:
        ours, theirs = best[family, method], best[family, rival]
        common = sorted(ours.keys() & theirs.keys())
        logs = np.log([[runs[k][queries - 1] for k in common] for runs in (ours, theirs)])
        ahead = logs[1] - logs[0]
        return ahead.mean(), ahead.std(ddof=1) / len(common) ** 0.5

    for queries, rival in product((32, 64), ("tpe", "gp")):
        mean, error = lead("mlp", "alone", rival, queries)
        assert -error < mean < 2 * error, (queries, rival)
    factors: dict[str, list[str]] = {"alone": [], "agnet": []}
    for method, rival in product(factors, ("tpe", "gp")):
        mean, error = lead("fcnet", method, rival, 64)
        assert mean > 1.5 * error
        factors[method].append(f"{np.exp(mean):.0f}")
    mean, error = lead("fcnet", "alone", "agnet", 64)
    assert abs(mean) < error
    says(
        "it is level with both after 32 and 64 trials (`benchmarks/results/joint.md`, five seeds)",
        "docs/faq.md",
    )
    says(
        f"the ranks of this one after 64 trials are better than theirs by factors of {' and '.join(factors['agnet'])}",
        "docs/faq.md",
    )
    says(
        "On the four of FCNet its ranks after 64 trials are better than theirs by factors of"
        f" {' and '.join(factors['alone'])}, and no worse than with the network as a space",
        "docs/faq.md",
    )


SCORED = ("agnet", "agnet+synflow", "agnet+synflow+naswot+zen")
LIES = {
    "noise": "noise",
    "synflow of half of the cells": "synflow-half",
    "negated synflow": "synflow-negated",
    "negated parameters": "parameters-negated",
    "the three negated": "synflow+naswot+zen-negated",
}


def row_of_scores(problem: str, name: str) -> str:
    best = [f"{means(problem, method, 20):.2f}" for method in SCORED]
    found = [optima(problem, method, 48) for method in SCORED]
    return f"| {name} | {', '.join(best)} | {', '.join(found)} |"


def what_lies_change(queries: int) -> str:
    """On CIFAR-100, each with the seeds that go so far; nothing of lies where none does."""
    changes = {what: gain("nb201-c100", f"agnet+{lie}", queries) for what, lie in LIES.items()}
    known = [len(at(runs("nb201-c100", f"agnet+{lie}"), queries, value)) for lie in LIES.values()]
    fewest = min(filter(None, known))
    listed = ", ".join(f"{what} {change}" for what, change in changes.items() if change)
    return f"{listed} ({fewest} seeds or more)"


def test_what_scores_are_worth() -> None:
    """With a score that fits, with three, and with scores that mislead: docs/scores.md."""
    for problem, name in zip(NB201, ("CIFAR-10", "CIFAR-100", "ImageNet16-120"), strict=True):
        says(row_of_scores(problem, name), "docs/scores.md")
    says(f"seeds): {what_lies_change(24)}. At 96", "docs/scores.md")
    says(f"At 96 trials {what_lies_change(96)}.", "docs/scores.md")
    for problem in NB201:  # three that are alike: "behind synflow alone"
        assert means(problem, "agnet+scores", 20) < means(problem, "agnet+synflow", 20)
    early, late = (gain("nb201-in16", SCORED[-1], n) for n in (96, 192))
    says(f"on ImageNet16-120 they change {early} points at 96 and {late} at 192", "docs/scores.md")
    early, late = (gain("nb301", "agnet+naswot", n) for n in (16, 48))
    says(f"our own NASWOT changes {early} points at 16 trials and {late} at 48", "docs/scores.md")


def test_a_start_without_scores_misses_its_goal() -> None:
    """What 24 queries have without scores was to be there after 16."""

    def listed(method: str, queries: int) -> str:
        first, second, third = (f"{means(problem, method, queries):.2f}" for problem in NB201)
        return f"{first}, {second} and {third}"

    for problem in NB201:
        late = means(problem, "agnet", 24)
        assert means(problem, "agnet", 16) < late < means(problem, SCORED[-1], 16)
    says(
        f"the default is at {listed('agnet', 16)} on the three sets after 16 queries, not at the"
        f" {listed('agnet', 24)} that it has after 24: **missed**"
    )
    says(f"With synflow, NASWOT and Zen-score it is at {listed(SCORED[-1], 16)} after 16")
    says("Without scores no start that was tried is better than a random one", "docs/scores.md")


def optima(problem: str, method: str, queries: int) -> str:
    """In how many searches that go so far the best cell was found by then."""
    long_enough = [run for run in runs(problem, method) if run.budget >= queries]
    found = sum(curves.queries_to_optimum(run) <= queries for run in long_enough)
    return f"{found} of {len(long_enough)}"


def gain(problem: str, method: str, queries: int) -> str:
    """What a method has more than the default of the same seeds, as a mean and its standard error."""
    default = {run.seed: run for run in runs(problem, "agnet")}
    pairs = [(run, default[run.seed]) for run in runs(problem, method) if run.seed in default]
    return difference(pairs, queries)


def test_where_the_generator_pays() -> None:
    for compared in generator_pays.COMPARED:
        pair = generator_pays.load(compared.name)
        if pair is None:
            continue
        gain = pair.gain(96, compared.relative)
        limit = 2 * gain.std(ddof=1) / len(gain) ** 0.5
        if compared.name == "nb301":
            assert gain.mean() > limit
            says(f"cost {paired(gain).lstrip('+')} points on two DARTS cells after 96", "README.md")
            assert len(gain) == 10
        elif compared.name == "blocks40":
            assert gain.mean() < -limit
            ahead = f"{paired(-gain).lstrip('+')} % of the optimum"
            says(f"mutants, the default there, are ahead by {ahead}", "README.md")
            says(f"and costs {ahead} with 10 to 40 layers and")
        elif compared.name == "chain40":
            assert gain.mean() < -limit
            says(f"{paired(-gain).lstrip('+')} % with 40 after 96 queries")
        else:  # mutants cost nothing measurable
            assert gain.mean() <= limit, compared.title


def at_once_less_one(problem: str, method: str, queries: int) -> list[float]:
    default = {run.seed: run for run in runs(problem, "agnet")}
    found = runs(problem, method)
    return [value(run, queries) - value(default[run.seed], queries) for run in found]


def test_what_several_at_once_lose_and_what_was_aimed_at() -> None:
    eight = [-np.mean(at_once_less_one("nb301", "agnet-ask8", n)) for n in (48, 64)]
    sixteen = -np.mean(at_once_less_one("nb301", "agnet-ask16", 64))
    assert min(eight) > 0.05  # "more than we aimed at"
    assert sixteen > 0.10
    early, late = (f"{less:.2f}" for less in eight)
    says(f"8 by {early} at 48 and {late} at 64 trials, where we aimed at 0.05")
    says(f"and 16 by {sixteen:.2f} at 64, where we aimed at 0.10")
    says(f"who lose {early} after 48 trials and {late} after 64", "docs/workers.md")
    says(f"with 16 after 64 trials, who lose {sixteen:.2f}.", "docs/workers.md")
    one, four, more = (
        f"{means('nb301', name, 12 * size):.2f}"
        for name, size in (("agnet", 1), ("agnet-ask4", 4), ("agnet-ask8", 8))
    )
    says(f"on DARTS cells one has {one}, four {four} and eight {more}", "docs/workers.md")


def one_at_a_time_there_after(queries: int, method: str) -> int:
    """Trials after which one at a time is, in the mean of the same seeds, where several at once are after so many."""
    found = runs("nb301", method)
    default = {run.seed: curves.best(run)[:queries] for run in runs("nb301", "agnet")}
    one = np.mean([default[run.seed] for run in found], 0)
    return int(np.argmax(one >= means("nb301", method, queries))) + 1


def test_how_many_trials_earlier_one_at_a_time_is_where_several_at_once_are() -> None:
    eight, sixteen = (
        [one_at_a_time_there_after(n, f"agnet-ask{size}") for n in (48, 64)] for size in (8, 16)
    )
    after = "after 48 and 64, eight are where one at a time is after {} and {}, {} where it is after {} and {}"
    says(after.replace(",", "", 1).format(*eight, "16", *sixteen))
    says(after.format(*eight, "and 16", *sixteen), "docs/workers.md")


def tried_for_eight(name: str) -> dict[int, dict[str, float]]:
    """The best after some numbers of trials, by seed, in rounds of eight on DARTS cells with the generator."""
    lines = records.rows(records.RESULTS / "at_once_tried.jsonl")
    asked = {"problem": "nb301", "candidates": "generator", "at_once": 8, "workers": "rounds"}
    return {r["seed"]: r["best"] for r in lines if r.items() >= {**asked, "tried": name}.items()}


def test_what_the_age_of_the_generator_costs_eight_at_once() -> None:
    default = tried_for_eight("the default of then")
    for name, queries, sentence in (
        ("one by one, the generator as old", 32, "is ahead of eight by {} at 32"),
        ("one by one, the generator as old", 48, "and by {} at 48; a generator that knew"),
        ("generator knows pending values", 48, "would bring eight {} there"),
        ("generator trained on believed values too", 48, "believes of them it brings {}"),
        ("neighbours once four are pending", 48, "once four are pending bring {}"),
        ("twice the steps of training a round", 48, "steps of training a round {}."),
    ):
        found = tried_for_eight(name)
        assert len(found) in (4, 5)  # "four or five searches"
        best = [(run[str(queries)], default[seed][str(queries)]) for seed, run in found.items()]
        says(sentence.format(paired(np.array([one - other for one, other in best]))))


def test_what_was_aimed_at_for_the_cost_of_workers_and_missed() -> None:
    counted = records.rows(records.RESULTS / "throughput.jsonl")
    (eight,) = [r for r in counted if r["state"] == "now" and r.get("workers") == 8]
    share = eight["cpu_ms"] / (eight["cpu_ms"] + 1000 * throughput.WAIT)
    assert share > 0.12
    says(f"it is {share:.1%} had each a core".replace("%", " %"))
    says(f"would take {share:.1%} of their time".replace("%", " %"), "docs/workers.md")
    scaled = records.rows(records.RESULTS / "scaling.jsonl")
    fastest = max((r for r in scaled if r["workers"] == 8 and "machine" in r), key=scaling.rate)
    says(f"{100 * fastest['sampler_share']:.1f} % as it was in the run")
    grown = {(r["storage"], r["trials"]): r for r in records.rows(records.RESULTS / "growth.jsonl")}
    alone, beside = grown["postgresql", 2000]["first_s"], grown["journal", 2000]["second_s"]
    assert beside < 1 < alone
    says(f"on its machine it does ({beside} s in a journal file")
    says(f"on a machine where nobody has trained it takes {alone} s")
    rounds = len(training_sizes(2000, AGNetConfig()))
    says(f"most of it {rounds} rounds of training")


def test_where_the_time_of_an_ask_goes() -> None:
    page = (records.RESULTS / "ask.md").read_text()
    rows = {
        cells[0]: cells[1:]
        for cells in (line.strip("| ").split(" | ") for line in page.splitlines())
    }
    training, samples = (
        [int(cell.rstrip(" %")) for cell in rows[f"generator: {what}"][:3]]  # cells alone
        for what in ("training", "samples")
    )
    both = [sum(shares) for shares in zip(training, samples, strict=True)]
    says(f"{min(both)} to {max(both)} % of it are the generator's training and samples")
    forty = int(rows["an ask, mean"][list(ask.SPACES).index(ask.FORTY)].rstrip(" ms"))
    assert forty < 40
    says(f"On `chain40` an ask takes {forty} ms of processor time")
    firsts = [*rows["a process's first ask, of 16 results"], *re.findall(r"([\d.]+ s) \(", page)]
    assert len(firsts) == len(ask.SPACES) + len(ask.BUNDLED)
    assert all(float(first.rstrip(" s")) < 1 for first in firsts)


def test_where_eight_at_once_are_behind_on_nas_bench_201() -> None:
    seen = {}
    for problem, queries in product(NB201, (48, 64)):
        gains = at_once_less_one(problem, "agnet-ask8", queries)
        if np.mean(gains) < -2 * np.std(gains, ddof=1) / len(gains) ** 0.5:
            seen[problem, queries] = -np.mean(gains)
    ((case, less),) = seen.items()
    assert case == ("nb201-c100", 64)
    says(f"but on CIFAR-100 at 64 ({less:.2f})")


def test_what_reports_give_back_to_eight_workers() -> None:
    page = (records.RESULTS / "reporting.md").read_text().partition("less agnet-ended")[2]
    (row,) = [line for line in page.splitlines() if line.startswith("| darts | 8 |")]
    at_48, at_64 = (cell.split(" ± ")[0].lstrip("+") for cell in row.strip("| ").split(" | ")[-2:])
    says(f"give back {at_48} after 48 trials and {at_64} after 64", "docs/workers.md")


def test_what_is_behind_the_default_when_asked_for_as_many() -> None:
    says("are behind the default on the four sets of cells from 32 on (five seeds and ten)")
    for problem, size, rival in product((*NB201, "nb301"), (8, 16), ("gp", "tpe")):
        found = runs(problem, f"{rival}-ask{size}")
        assert len(found) == {"gp": 5, "tpe": 10}[rival]
        ours = {run.seed: run for run in runs(problem, f"agnet-ask{size}")}
        for queries in (32, 48, 64):
            gains = [value(ours[run.seed], queries) - value(run, queries) for run in found]
            assert np.mean(gains) > 0
    says("Under the limit of a device GPSampler is level with it (three seeds)")
    ours = {run.seed: run for run in runs("hw-edgegpu-4", "agnet-ask8")}
    found = runs("hw-edgegpu-4", "gp-ask8")
    gains = [value(ours[run.seed], 48) - value(run, 48) for run in found]
    assert abs(np.mean(gains)) < 2 * np.std(gains, ddof=1) / len(gains) ** 0.5
    assert len(gains) == 3


def test_where_tpe_is_ahead_in_rounds() -> None:
    def gain(size: int, queries: int) -> FloatArray:
        ours, theirs = (
            {run.seed: value(run, queries) for run in runs(JOINT, f"{name}-ask{size}")}
            for name in ("agnet", "tpe")
        )
        assert len(ours) == len(theirs) == 5
        return np.array([theirs[seed] - best for seed, best in ours.items()])

    eight, sixteen = paired(gain(8, 32)).lstrip("+"), paired(gain(16, 48)).lstrip("+")
    says(f"ahead of the default by {eight} at 32 in rounds of eight, and by {sixteen} at 48")
    for later in (gain(8, 48), gain(8, 64), gain(8, 96), gain(16, 64), gain(16, 96)):
        assert later.mean() < 2 * later.std(ddof=1) / len(later) ** 0.5  # "level or behind"


def test_what_eight_lose_where_durations_depend_on_the_architecture() -> None:
    gains = [
        np.array(at_once_less_one("nb301", "agnet-workers8-convolutions", n)) for n in (48, 64)
    ]
    assert len(gains[0]) == 3
    early, late = (paired(-gain).lstrip("+") for gain in gains)
    says(f"lose {early} on `nb301` at 48, and {late} at 64 (three seeds)")
    random = [np.mean(at_once_less_one("nb301", "agnet-workers8-random", n)) for n in (48, 64)]
    assert all(gain.mean() < other for gain, other in zip(gains, random, strict=True))
    early, late = (f"{-gain.mean():.2f}" for gain in gains)
    says(f"{early} after 48 trials and {late} after 64 (three searches", "docs/workers.md")
