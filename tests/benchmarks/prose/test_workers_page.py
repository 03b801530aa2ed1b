"""Sentences of docs/workers.md, and of CHANGELOG.md where it says the same."""

from __future__ import annotations

from sentences import says

from benchmarks import records


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


def test_what_reports_give_back_to_eight_workers() -> None:
    page = (records.RESULTS / "reporting.md").read_text().partition("less agnet-ended")[2]
    (row,) = [line for line in page.splitlines() if line.startswith("| darts | 8 |")]
    at_48, at_64 = (cell.split(" ± ")[0].lstrip("+") for cell in row.strip("| ").split(" | ")[-2:])
    says(f"give back {at_48} after 48 trials and {at_64} after 64", "docs/workers.md")
