"""The paper's numbers agree with each other, as far as the paper repeats them."""

import csv

import pytest

from benchmarks import methods, paper_tables
from benchmarks.problems import hwnas

ALL = (1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12)
OPTIMA = {"nb101": 95.06, "nb201-c10": 91.61, "nb201-c100": 73.49, "nb201-in16": 46.77}


def means(table):
    """(method, problem, queries) to (validation, test); "" is no number."""
    return {
        (row["method"], row["problem"], row["queries"]): (
            float(row["val"] or "nan"),
            float(row.get("test") or "nan"),
        )
        for row in paper_tables.published(table)
    }


@pytest.mark.parametrize("table", ALL)
def test_all_rows_are_complete(table):
    with (paper_tables.PAPER / f"table{table}.csv").open() as file:
        lines = list(csv.reader(file))
    assert len({len(line) for line in lines}) == 1
    assert len({tuple(line[:5]) for line in lines}) == len(lines)


@pytest.mark.parametrize(("short", "detailed"), [(1, (8,)), (2, (9,)), (3, (10, 11))])
def test_short_and_detailed_tables_agree(short, detailed):
    found = {key: value for table in detailed for key, value in means(table).items()}
    other = means(short)
    different = {
        key for key in found.keys() | other.keys() if repr(found.get(key)) != repr(other.get(key))
    }
    printed_twice = {("Optimum", "nb201-in16", "")}  # 46.77 and 46.73
    assert different == (printed_twice if short == 2 else set())


@pytest.mark.parametrize("table", [8, 9, 6, 7])
def test_accuracies_are_below_the_optimum_and_deviations_small(table):
    for row in paper_tables.published(table):
        if row["val"]:
            optimum = OPTIMA[row["problem"]]
            assert optimum - 5.2 < float(row["val"]) <= optimum
        if row["test"]:
            assert 44 < float(row["test"]) < 95
        for column in ("val_sd", "test_sd"):
            assert 0 <= float(row.get(column) or 0) < 2.5


def test_the_same_run_reads_the_same_in_tables_6_and_8_and_9():
    whole = {**means(8), **means(9)}
    for key, found in means(6).items():
        if key[0] == "AG-Net":
            assert whole[key] == found


def test_table_5_has_the_limits_of_our_problems_and_keeps_them():
    rows = paper_tables.published(5)
    limits = {
        (device, limit, setting)
        for device, numbers in hwnas.LIMITS.items()
        for limit in numbers
        for setting in ("Joint=0", "Joint=1", "Random", "Optimum")
    }
    assert {(row["device"], int(row["limit"]), row["method"]) for row in rows} == limits
    assert len(rows) == len(limits) == 80
    optimum = {
        (row["device"], row["limit"]): float(row["best"])
        for row in rows
        if row["method"] == "Optimum"
    }
    for row in rows:
        assert float(row["latency"]) <= float(row["limit"])
        assert float(row["best"]) <= optimum[row["device"], row["limit"]]
        if row["method"] != "Optimum":
            assert float(row["mean"]) <= float(row["best"])
            assert 0 < float(row["feasible"]) <= 1


def test_the_optimum_is_found_in_the_fifteen_of_twenty_tasks_that_the_paper_counts():
    best = {}
    for row in paper_tables.published(5):
        best.setdefault((row["device"], row["limit"]), {})[row["method"]] = row["best"]
    found = [row for row in best.values() if row["Optimum"] in (row["Joint=0"], row["Joint=1"])]
    assert (len(found), len(best)) == (15, 20)


def test_every_method_that_stands_beside_the_papers_exists():
    rows = [row for table in ALL for row in paper_tables.published(table)]
    assert {name for row in rows for name in row.get("here", "").split()} <= set(methods.METHODS)


def test_every_method_without_one_of_ours_says_why():
    rows = [row for table in ALL for row in paper_tables.published(table) if "here" in row]
    without = {row["method"] for row in rows if not row["here"]} - {"Optimum"}
    assert without == set(paper_tables.PUBLISHED_ONLY)
