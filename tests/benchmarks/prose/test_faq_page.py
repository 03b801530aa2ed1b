"""Sentences of docs/faq.md."""

from __future__ import annotations

from itertools import product

import numpy as np
from sentences import says

from benchmarks import joint_aims, records

NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def test_where_the_gp_sampler_is_ahead_with_hyperparameters_beside_the_architecture() -> None:
    """What is missing after 96 trials of ours and of Optuna's GP sampler, on the seeds that both have."""
    found, fewest = joint_aims.Searches(records.rows(records.RESULTS / "joint.jsonl")), []
    for kind in ("independent", "dependent", "noisy"):
        ours, theirs = found.pair(f"joint-nb201-{kind}", "agnet", "gp", 96)
        lead = ours - theirs
        error = lead.std(ddof=1) / len(lead) ** 0.5
        assert abs(lead.mean()) < error, kind
        fewest.append(len(lead))
    says(
        "it is level after 96 trials, with noisy results or without (`benchmarks/results/joint.md`,"
        f" {NUMBERS[min(fewest)]} seeds)",
        "docs/faq.md",
    )


def test_real_trainings_with_hyperparameters() -> None:
    """Errors in per cent, on the seeds that all have."""
    found = joint_aims.Searches(records.rows(records.RESULTS / "joint.jsonl"))
    early = {name: found.of("joint-digits", name, 24) for name in ("agnet", "tpe", "gp")}
    assert {len(errors) for errors in early.values()} == {10}
    ours, tpe, gp = (f"{errors.mean():.1f}" for errors in early.values())
    says(
        f"after 24 trials the validation error is {ours} %, {tpe} with TPE and {gp} with the GP sampler,"
        " and after 40 all three are level (ten seeds)",
        "docs/faq.md",
    )
    for rival in ("tpe", "gp"):
        pair = found.pair("joint-digits", "agnet", rival, 40)
        lead = pair[0] - pair[1]
        assert abs(lead.mean()) < lead.std(ddof=1) / len(lead) ** 0.5


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

    for queries, rival in ((32, "tpe"), (32, "gp"), (64, "tpe")):
        mean, error = lead("mlp", "alone", rival, queries)
        assert -error < mean < 2 * error, (queries, rival)
    mean, error = lead("mlp", "alone", "gp", 64)
    assert mean > 2 * error
    says(
        "it is level with both after 32 trials; after 64 it is level with TPE, and its ranks are better than the GP"
        f" sampler's by a factor of {np.exp(mean):.1f} (`benchmarks/results/joint.md`, ten seeds)",
        "docs/faq.md",
    )
    factors: dict[str, list[str]] = {"alone": [], "agnet": []}
    for method, rival in product(factors, ("tpe", "gp")):
        mean, error = lead("fcnet", method, rival, 64)
        assert mean > 1.5 * error
        factors[method].append(f"{np.exp(mean):.0f}")
    mean, error = lead("fcnet", "alone", "agnet", 64)
    assert abs(mean) < error
    says(
        f"the ranks of this one after 64 trials are better than theirs by factors of {' and '.join(factors['agnet'])}",
        "docs/faq.md",
    )
    says(
        "On the four of FCNet its ranks after 64 trials are better than theirs by factors of"
        f" {' and '.join(factors['alone'])}, and no worse than with the network as a space",
        "docs/faq.md",
    )
