"""The baselines: laws of ask and tell, their parts against naive twins, and searches that beat random ones."""

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch

from benchmarks.methods import bananas, bayesian_optimization, local_search, weaknas
from benchmarks.methods import regularized_evolution as evolution
from benchmarks.methods.networks import NetworkConfig, Networks
from benchmarks.methods.rounds import mutate
from benchmarks.problems import load
from benchmarks.problems.base import Outcomes, Problem
from optuna_agnet import spaces
from optuna_agnet.search import SpaceExhausted

METHODS = {
    **local_search.METHODS,
    **evolution.METHODS,
    **bayesian_optimization.METHODS,
    **bananas.METHODS,
    **weaknas.METHODS,
}
MODELS = ("dngo", "bananas", "bananas-onehot", "weaknas")
TINY = spaces.EdgeCell(nodes=3, ops=("none", "skip", "conv", "pool"))  # 64 rows
NODES = spaces.NodeCell(max_nodes=5, max_edges=6, ops=("conv", "pool", "skip"))


def value(x):
    """(B, D) -> (B,): additive, with some noise that is fixed by the row."""
    weights = np.cos(np.arange(x.shape[1]))
    return x @ weights + 0.1 * np.sin(7.0 * (x @ np.arange(1, x.shape[1] + 1)))


def problem(space, sign=1.0, constrained=False):
    def evaluate(x):
        latency = x.sum(1, keepdims=True) - 4.0 if constrained else np.empty((len(x), 0))
        return Outcomes(sign * value(x)[:, None], latency, np.full(len(x), np.nan))

    return Problem(
        "made up",
        space,
        evaluate,
        data="none",
        directions=("maximize" if sign > 0 else "minimize",),
        constraint_names=("latency",) if constrained else (),
    )


def searched(name, problem, queries, seed=0):
    """The rows (Q, D) of a search, and their outcomes."""
    method, rows = METHODS[name](problem, seed), []
    for _ in range(queries):
        arch = method.ask()
        rows.append(problem.space.choices([arch])[0])
        outcome = problem.evaluate(rows[-1][None])
        constraints = dict(zip(problem.constraint_names, outcome.constraints[0], strict=True))
        method.tell(arch, outcome.values[0].tolist(), constraints)
    return np.array(rows), problem.evaluate(np.array(rows))


@pytest.fixture
def quick(monkeypatch):
    """Networks that are hardly trained, for laws that have nothing to do with their quality."""
    for module in (bananas, bayesian_optimization):
        monkeypatch.setattr(module, "NETWORK", replace(module.NETWORK, epochs=3))
    monkeypatch.setattr(weaknas, "_EPOCHS", 3)
    monkeypatch.setattr(weaknas, "_POOL", 200)


# -- laws ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", METHODS)
def test_every_row_of_a_small_space_is_proposed_once_and_then_it_says_so(name):
    rows, _ = searched(name, problem(TINY), 64)
    assert len(np.unique(rows, axis=0)) == 64
    with pytest.raises(SpaceExhausted, match="no new architecture is left"):
        searched(name, problem(TINY), 65)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", METHODS)
def test_rows_are_valid_and_new_where_not_all_decisions_are_valid(name):
    rows, _ = searched(name, problem(NODES), 60)
    assert NODES.is_valid(rows).all()
    assert (NODES.repair(rows) == rows).all()
    assert len(np.unique(rows, axis=0)) == 60


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", METHODS)
def test_a_seed_decides_and_minimising_is_maximising_the_negative(name):
    first, _ = searched(name, problem(TINY), 45)
    again, _ = searched(name, problem(TINY), 45)
    negative, _ = searched(name, problem(TINY, sign=-1.0), 45)
    other, _ = searched(name, problem(TINY), 45, seed=1)
    assert (first == again).all()
    assert (first == negative).all()
    assert (first != other).any()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", METHODS)
def test_failed_evaluations_are_not_proposed_again_and_teach_nothing(name):
    method, seen = METHODS[name](problem(TINY), 0), set()
    for query in range(64):
        arch = method.ask()
        seen.add(arch)
        method.tell(arch, None if query % 2 else [float(query)])
    assert len(seen) == 64
    assert len(method.y) == 32
    with pytest.raises(SpaceExhausted):
        method.ask()


def test_what_a_method_can_not_do_is_said():
    two = replace(problem(TINY), directions=("maximize", "minimize"))
    with pytest.raises(ValueError, match="LocalSearch has one objective, 'made up' has 2"):
        METHODS["local-search"](two, 0)
    with pytest.raises(ValueError, match=r"Bananas takes no constraints.*local-search-1"):
        METHODS["bananas"](problem(TINY, constrained=True), 0)
    chain = spaces.EdgeCell(nodes=2, ops=[f"op{k}" for k in range(500)])
    with pytest.raises(ValueError, match="too long for a path encoding of 400 columns"):
        METHODS["bananas"](problem(chain), 0)
    assert METHODS["bananas-onehot"](problem(chain), 0).encode(np.array([[7]])).argmax() == 7
    method = METHODS["local-search"](problem(TINY), 0)
    with pytest.raises(ValueError, match="one finite value, or None"):
        method.tell(method.ask(), [float("nan")])


# -- local search and evolution --------------------------------------------------------------------------------------


def naive_local_search(problem, rows):
    """Whether each of ``rows`` after the first is a neighbour of the architecture in line (setting a), as a list."""
    y, searched, fits = value(rows), [], []
    center, line = None, []
    for query in range(1, len(rows)):
        while not line or (center is not None and y[query - 1] > y[center]):
            center = max(set(range(query)) - set(searched), key=lambda i: y[i])
            searched.append(center)
            known = {tuple(row) for row in rows[:query]}
            line = [
                n for n in map(tuple, problem.space.neighbors(rows[[center]])) if n not in known
            ]
            if line:
                break
        fits.append(tuple(rows[query]) in line)
        line = [n for n in line if n != tuple(rows[query])]
    return fits


def test_local_search_goes_on_around_the_best_that_was_not_searched():
    made_up = problem(spaces.nas_bench_201())
    rows, _ = searched("local-search-1", made_up, 80)
    assert all(naive_local_search(made_up, rows))


def test_local_search_starts_again_at_a_local_optimum():
    made_up = problem(spaces.nas_bench_201())
    method, optimum = METHODS["local-search"](made_up, 0), None
    for _ in range(150):
        arch = method.ask()
        row = made_up.space.choices([arch])
        method.tell(arch, value(row))
        if method._start and optimum is None:
            optimum = method.x[: method._start][value(method.x[: method._start]).argmax()]
    assert optimum is not None
    around = made_up.space.neighbors(optimum[None])
    assert value(around).max() < value(optimum[None])[0]


@pytest.mark.parametrize("name", ["local-search-1", "local-search-16"])
def test_local_search_stays_with_feasible_architectures_once_it_knows_one(name):
    limited = problem(spaces.nas_bench_201(), constrained=True)
    for seed in range(5):
        rows, outcomes = searched(name, limited, 120, seed)
        feasible = (outcomes.constraints <= 0).all(1)
        assert feasible.any()
        method = METHODS[name](limited, seed)
        for row, y, c in zip(rows, outcomes.values, outcomes.constraints, strict=True):
            arch = method.ask()
            assert (limited.space.choices([arch])[0] == row).all()
            method.tell(arch, y.tolist(), {"latency": float(c[0])})
        known = int(feasible.argmax())
        assert feasible[method._center]
        assert all(feasible[i] or i < max(known, method.n_init) for i in method._searched)


def test_evolution_has_children_of_the_young_only():
    made_up = problem(spaces.nas_bench_201())
    rows, _ = searched("regularized-evolution", made_up, 120)
    for query in range(30, 120):
        distance = (rows[query - 30 : query] != rows[query]).sum(1)
        assert distance.min() == 1
    assert value(rows[90:]).mean() > value(rows[:30]).mean() + value(rows[:30]).std()


# -- models ----------------------------------------------------------------------------------------------------------


def naive_paths(space, x):
    """Sequences of operations from input to output, a set an architecture, by listing node subsets."""
    found, n = [], space.num_nodes
    for arch in space.architectures(x):
        edges, last, paths = set(arch.edges), len(arch.nodes) - 1, set()
        for size in range(n - 1):
            for inner in combinations(range(1, last), size):
                path = (0, *inner, last)
                if all(pair in edges for pair in pairwise(path)):
                    paths.add(tuple(space.ops.index(arch.nodes[i]) for i in inner))
        found.append(paths)
    return found


@pytest.mark.parametrize(
    ("space", "columns"),
    [(spaces.nas_bench_201(), 156), (spaces.nas_bench_101(), 364), (NODES, 40)],
    ids=["nb201", "nb101", "nodes"],
)
def test_path_encoding_lists_the_paths(space, columns):
    x, base = space.sample(40, np.random.default_rng(0)), len(space.ops)
    encoding = bananas.path_encoding(space, x)
    assert encoding.shape == (40, columns)
    for row, paths in zip(encoding, naive_paths(space, x), strict=True):
        places = {
            sum(base**k for k in range(len(p))) + int(np.dot(p, base ** np.arange(len(p))[::-1]))
            for p in paths
        }
        assert set(np.flatnonzero(row)) == places
    shorter = bananas.path_encoding(space, x, columns - 1)
    assert shorter.shape[1] < columns
    assert (shorter == encoding[:, : shorter.shape[1]]).all()


def test_an_ensemble_of_one_is_an_ordinary_network():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 5)), rng.normal(size=30)
    config = NetworkConfig(1, (7, 6), torch.tanh, "l2", epochs=0, batch_size=30, lr=0.01)
    start = Networks(config, x, y, np.random.default_rng(1))
    layers = [torch.nn.Linear(5, 7), torch.nn.Linear(7, 6), torch.nn.Linear(6, 1)]
    for layer, weight in zip(layers, start._weights, strict=True):
        layer.weight.data, layer.bias.data = weight.data[0].T.clone(), torch.zeros_like(layer.bias)
    twin = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1], torch.nn.Tanh(), layers[2])
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        error = twin(torch.from_numpy(x).float())[:, 0] - torch.from_numpy(y).float()
        (error**2).mean().backward()
        optimizer.step()
    trained = Networks(replace(config, epochs=40), x, y, np.random.default_rng(1))
    expected = twin(torch.from_numpy(x).float())[:, 0].detach().numpy()
    np.testing.assert_allclose(trained.predict(x)[0], expected, atol=1e-4)
    hidden = twin[:4](torch.from_numpy(x).float()).detach().numpy()
    np.testing.assert_allclose(trained.features(x)[0], hidden, atol=1e-4)


def test_members_of_an_ensemble_differ_and_do_not_disturb_each_other():
    x, y = np.eye(12), np.arange(12.0) / 12
    config = NetworkConfig(4, (16,), torch.relu, "l1", epochs=60, batch_size=5, lr=0.02)
    predicted = Networks(config, x, y, np.random.default_rng(0)).predict(x)
    assert predicted.std(0).min() > 0
    assert np.abs(predicted - y).mean(1).max() < 0.1


@pytest.mark.parametrize("name", MODELS)
def test_a_model_proposes_the_better_part_of_its_candidates(name):
    made_up = problem(spaces.nas_bench_201())
    method, rng = METHODS[name](made_up, 0), np.random.default_rng(0)
    for arch in made_up.space.architectures(made_up.space.sample(60, rng)):
        method.tell(arch, value(made_up.space.choices([arch])))
    pool = made_up.space.enumerate() if name == "weaknas" else method.mutants(100)
    proposed = np.concatenate([method.propose() for _ in range(2)])
    assert value(proposed).mean() > value(pool).mean() + 0.5 * value(pool).std()


def test_mutants_have_two_changes_on_average():
    space, rng = spaces.nas_bench_201(), np.random.default_rng(0)
    x = space.sample(4000, rng)
    changes = (mutate(space, x, rng) != x).sum(1)
    assert changes.mean() == pytest.approx(2, abs=0.1)
    assert space.one_hot(x[:3]).sum(1).tolist() == [6, 6, 6]


# -- searches --------------------------------------------------------------------------------------------------------


def real_problem(name):
    try:
        return load(name)
    except (FileNotFoundError, ImportError) as error:
        pytest.skip(str(error))


def best(name, problem, queries, seeds):
    return np.mean([searched(name, problem, queries, s)[1].values.max() for s in seeds])


def random_best(problem, queries, seeds):
    found = []
    for seed in seeds:
        x = problem.space.sample(queries, np.random.default_rng(seed))
        found.append(problem.evaluate(x).values.max())
    return np.mean(found)


@pytest.mark.parametrize("name", [n for n in METHODS if n not in MODELS])
def test_it_beats_random_search_on_the_real_table(name):
    table = real_problem("nb201-c100")
    assert best(name, table, 96, range(8)) > random_best(table, 96, range(40)) + 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_model_beats_random_search_on_the_real_table(name):
    table = real_problem("nb201-c100")
    assert best(name, table, 96, range(3)) > random_best(table, 96, range(40)) + 0.5
