import numpy as np
import pytest

from benchmarks import curves, records


def naive_best(run):
    """The same as a loop: best value and its position after each query."""
    best, where = None, []
    for q in range(run.budget):
        numbers = [column[q] for column in run.values]
        limits = [column[q] for column in run.constraints.values()]
        ok = None not in numbers and all(v is not None and v <= 0 for v in limits)
        if ok and (best is None or numbers[0] > run.values[0][best]):
            best = q
        where.append(best)
    return where


@pytest.mark.parametrize("seed", range(20))
def test_the_best_so_far_is_that_of_a_loop(record, seed):
    rng = np.random.default_rng(seed)

    def column(low, high):
        numbers = rng.integers(low, high, 12).tolist()
        return [None if rng.random() < 0.2 else float(n) for n in numbers]

    run = record(
        budget=12,
        directions=["maximize", "minimize"],
        values=[column(0, 6), column(0, 6)],
        constraints={"latency": column(-2, 3)},
        test=rng.random(12).tolist(),
    )
    where = naive_best(run)
    expected = [np.nan if k is None else run.values[0][k] for k in where]
    np.testing.assert_array_equal(curves.best(run), expected)
    tests = [np.nan if k is None else run.test[k] for k in where]
    np.testing.assert_array_equal([curves.test_of_best(run, n + 1) for n in range(12)], tests)


def test_a_minimised_objective(record):
    run = record(directions=["minimize"], values=[[2.0, 3.0, 1.0, 5.0]], optimum=1.0)
    assert curves.best(run).tolist() == [2, 2, 1, 1]
    assert curves.queries_to_optimum(run) == 3


def test_the_optimum_is_counted_from_one_and_need_not_be_found_or_known(record):
    assert curves.queries_to_optimum(record()) == 2
    assert curves.queries_to_optimum(record(optimum=3.5)) == np.inf
    assert np.isnan(curves.queries_to_optimum(record(optimum=None)))


def test_the_best_test_value_is_unknown_where_one_is(record):
    assert curves.best_test(record(), 4) == 4.0
    assert curves.best_test(record(), 2) == 2.5
    assert np.isnan(curves.best_test(record(test=[1.5, None, 4.0, 3.5]), 4))
    limited = record(constraints={"a": [0.0, -1.0, 0.1, 1.0]})
    assert curves.best_test(limited, 4) == 2.5  # the others break the limit


def test_the_share_of_a_front(record):
    """Boxes by hand: (3, 1) and (4, 2) dominate 3 * 3 + 1 * 2 of the exact front's 22, up to (0, 4)."""
    run = record(
        directions=["maximize", "minimize"],
        values=[[3.0, 4.0, 5.0, None], [1.0, 2.0, 9.0, 1.0]],
        reference=[0.0, 4.0],
        optimum=22.0,
    )
    assert curves.front_share(run, 1) == pytest.approx(9 / 22)
    assert curves.front_share(run, 4) == pytest.approx(11 / 22)
    with pytest.raises(ValueError, match="no reference point"):
        curves.front_share(record(), 4)


def test_versions_of_the_data_are_kept_apart(tmp_path, record):
    for data, seed in (("b", 1), ("a", 1), ("a", 0)):
        records.append(tmp_path / "nb201-c100.jsonl", record(data=data, seed=seed))
    found = curves.load("nb201-c100", tmp_path)
    assert [(r.data, [run.seed for run in r.methods["random"]]) for r in found] == [
        ("a", [0, 1]),
        ("b", [1]),
    ]
