"""Sentences of benchmarks/README.md; those on several at once have a file of their own."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
from sentences import NB201, PAPER, ROOT, means, runs, says

from benchmarks import ask, curves, joint_aims, pruning_table, records, tables
from benchmarks.markdown import at, spread, value
from benchmarks.paper_tables import bests, limited_runs
from benchmarks.problems import fcnet, nb201, trainings
from benchmarks.run import rounded
from benchmarks.tables import difference


def below(problem: str, method: str, queries: int) -> str:
    """How much the default has more than a variant of it, as the text says what is missing."""
    default = {run.seed: run for run in runs(problem, "agnet")}
    pairs = [(default[run.seed], run) for run in runs(problem, method) if run.seed in default]
    return difference(pairs, queries).lstrip("+")


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
    trees, ranking = (means("nbnlp", f"agnet-paper-{name}", 304) for name in ("xgb", "xgb-ranking"))
    says(
        f"is at {ends('nbnlp', 'agnet-paper', 304)}, with XGBoost at {trees:.2f} and with ranking,"
        f" too, at {ranking:.2f} (three seeds each)"
    )
    random = means("nbnlp", "random", 304)
    says(f"among the baselines and ahead of random search ({random:.2f})")
    assert all(min(others) < loss < random for loss in (trees, ranking))


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


def test_functions_that_nothing_was_tuned_on() -> None:
    """What TPE has missing beside what ours has, on the same ten seeds."""
    found = joint_aims.Searches(records.rows(records.RESULTS / "joint.jsonl"))

    def behind(problem: str, rival: str, queries: int) -> tuple[float, float]:
        ours, theirs = found.pair(f"joint-drawn-{problem}", "agnet", rival, queries)
        assert len(ours) == 10
        more = theirs - ours
        return float(more.mean()), float(more.std(ddof=1) / len(more) ** 0.5)

    def more(problem: str) -> str:
        leads = (behind(problem, "tpe", queries) for queries in (24, 48, 96))
        return " / ".join(f"{mean:.1f} ± {error:.1f}" for mean, error in leads)

    says(f"trials TPE has {more('mlp')} % more missing on `mlp`, and {more('blocks')} on")
    says(f"is level on `blocks`, {more('blocks-noisy')}, and rather ahead")
    says(f"than behind on `mlp`, {more('mlp-noisy')}. Random")
    for problem in ("mlp", "blocks", "mlp-noisy", "blocks-noisy"):
        assert all(behind(problem, "random", queries)[0] > 0 for queries in (48, 96))


def test_all_that_retrains_the_papers_generator_was_made_again_after_a_mistake() -> None:
    """Together, which lines say, or alone with the commit below."""

    def retrains(method: str) -> bool:
        return method.startswith("agnet-paper") or (
            method.startswith("latent") and method.endswith("-lso")
        )

    every = [r for found in limited_runs().values() for n in PAPER for r in found.get(n, ())]
    for problem in (*NB201, "nb101", "nb301", "nbnlp"):
        lines = records.longest(records.read(records.RESULTS / f"{problem}.jsonl")).values()
        every += [r for r in lines if retrains(r.method)]
    machines = [r.machine or {} for r in every]
    assert all(
        "together" in m or (m.get("commit") or "").rstrip("+") == "818cce14756d" for m in machines
    )
    says("the rows whose names begin with `agnet-paper`, and those of the latent space that end")


def test_what_table_4s_search_found_on_digits() -> None:
    rows = records.rows(records.RESULTS / "table4.jsonl")
    found = {kind: [r for r in rows if r["search"] == kind] for kind in {r["search"] for r in rows}}
    kinds = [found.pop(kind) for kind in ("both cells at once", "random", "one after the other")]
    assert not found
    assert {len(rows) for rows in kinds} == {3}
    both, random, turns = (np.mean([row["accuracy"] for row in own]) for own in kinds)
    says(f"of {kinds[0][0]['queries']} pairs of DARTS cells that were scored without training")
    says(f"is at {both:.2f} % after training, three random pairs are at {random:.2f}. One cell")
    says(f"{kinds[2][0]['queries']} were scored, and the one that was found is at {turns:.2f}. So")


def test_where_there_are_few_seeds() -> None:
    def seeds(problem: str, *methods: str) -> set[int]:
        return {len(runs(problem, method)) for method in methods}

    of_darts = ("", "-turns", "-xgb-turns", "-xgb-ranking-turns")
    (cells,) = seeds("nb301", *(f"agnet-paper{name}" for name in of_darts))
    (recurrent,) = seeds("nbnlp", "agnet-paper", "agnet-paper-xgb", "agnet-paper-xgb-ranking")
    joint, fronts = (
        min(count for path in records.RESULTS.glob(name) for count in seeds(path.stem, "agnet"))
        for name in ("*-joint.jsonl", "pareto-*.jsonl")
    )
    (few,) = seeds("nbnlp", "dngo", "weaknas", "nsga2", "bananas-onehot")
    says(
        f"its two variants with XGBoost have {recurrent} seeds on `nbnlp`, `dngo`, `weaknas`,"
        f" `nsga2` and `bananas-onehot` there {few}, `gp` three under"
    )
    says(
        f"Joint=1 has {joint}, the fronts at least {fronts}, the paper's searches of DARTS cells"
        f" {cells}. Runs"
    )


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
