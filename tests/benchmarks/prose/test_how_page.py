"""Sentences of docs/how.md."""

from __future__ import annotations

from sentences import says

from benchmarks import long, records


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
