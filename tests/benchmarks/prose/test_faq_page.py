"""Sentences of docs/faq.md."""

from __future__ import annotations

from itertools import product

import numpy as np
from sentences import says

from benchmarks import joint_aims, records

NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def test_where_the_gp_sampler_is_with_hyperparameters_beside_the_architecture() -> None:
    """What is missing of ours and of Optuna's GP sampler, on the seeds that both have, and of TPE."""
    found = joint_aims.Searches(records.rows(records.RESULTS / "joint.jsonl"))
    kinds = [f"joint-nb201-{kind}" for kind in ("dependent", "independent", "noisy")]
    missing: dict[str, list[str]] = {"agnet": [], "gp": []}
    for kind in kinds:
        pair = found.pair(kind, "agnet", "gp", 48)
        for name, values in zip(missing, pair, strict=True):
            assert len(values) == 10
            missing[name].append(f"{values.mean():.0f}")
        tpe = np.subtract(*found.pair(kind, "agnet", "tpe", 48))
        assert tpe.mean() < -2 * tpe.std(ddof=1) / len(tpe) ** 0.5
        late = np.subtract(*found.pair(kind, "agnet", "gp", 96))
        assert abs(late.mean()) < 2 * late.std(ddof=1) / len(late) ** 0.5
    ours, theirs = ("{}, {} and {}".format(*values) for values in missing.values())
    says(f"it misses {ours} % of the way to the best pair after 48", "docs/faq.md")
    says(f"trials, the GP sampler {theirs}; after 96 the two are level within", "docs/faq.md")


def test_real_trainings_with_hyperparameters() -> None:
    """Errors in per cent, on the seeds that all have."""
    found = joint_aims.Searches(records.rows(records.RESULTS / "joint.jsonl"))
    errors = {}
    for name in ("agnet", "tpe", "gp"):
        early, late = (found.of("joint-digits", name, queries) for queries in (24, 40))
        errors[name] = f"{early.mean():.1f}", f"{late.mean():.1f}"
        assert len(early) == len(late) == 20
    for rival, queries in product(("tpe", "gp"), (24, 40)):
        lead = np.subtract(*found.pair("joint-digits", "agnet", rival, queries))
        assert abs(lead.mean()) < 2 * lead.std(ddof=1) / len(lead) ** 0.5
    ours, tpe, gp = errors.values()
    says(
        f"the validation error is {ours[0]} % after 24 trials and {ours[1]} after 40, with TPE"
        f" {' and '.join(tpe)}, with the GP sampler {' and '.join(gp)} (20 seeds)",
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
    found = [lead("mlp", "agnet", rival, 32) for rival in ("tpe", "gp")]
    assert all(mean > 2 * error for mean, error in found)
    tpe, gp = (f"{np.exp(mean):.1f}" for mean, _ in found)
    says(f"with depth and width as the space, after 32 by {tpe} and {gp}.", "docs/faq.md")
    says(
        "On the four of FCNet its ranks after 64 trials are better than theirs by factors of"
        f" {' and '.join(factors['alone'])}, and no worse than with the network as a space",
        "docs/faq.md",
    )
