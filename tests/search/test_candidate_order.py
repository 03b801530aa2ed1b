"""What candidates have to improve on: results that are known to keep the constraints."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from optuna_agnet import AGNet, AGNetConfig, spaces
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.ranking import RANKINGS
from optuna_agnet.search import (
    Acquisition,
    Candidates,
    ExpectedImprovement,
    Observations,
    Prediction,
    Surrogate,
)
from optuna_agnet.search.candidate_order import CandidateOrder
from optuna_agnet.surrogate.gaussian_process import GaussianProcess

SPACE = spaces.nas_bench_201()
X = SPACE.sample(4, np.random.default_rng(0))
Y = np.array([[9.0], [1.0], [2.0], [8.0]])
NAN = np.nan


class Told(Surrogate):
    """Says of results what they are, and guesses margins of what was not measured."""

    feasibility_threshold = np.array([0.0, 5.0])

    def __init__(self, fitted: FloatArray, guess: FloatArray) -> None:
        self.fitted, self.guess = fitted, guess

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        mean = np.column_stack([np.zeros(len(candidates.x)), 5.0 + self.guess])
        return mean, np.ones_like(mean)


def known(constraints: list[float], guess: list[float]) -> list[float]:
    """The incumbents of four results; a constraint is kept where it is at most 0, a guess where it is positive."""
    observed = Observations(X, Y, np.array(constraints)[:, None], ("latency",))
    surrogate = Told(observed.outcomes, np.array(guess))
    return CandidateOrder(surrogate, ExpectedImprovement(), observed).known.ravel().tolist()


class Sure(Surrogate):
    """Predicts the first decision and nothing beside it: no uncertainty at all."""

    def fit(self, x: IntArray, y: FloatArray, rank: FloatArray) -> None:
        self.fitted, self.feasibility_threshold = y, np.zeros(y.shape[1])

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        mean = candidates.x[:, :1].astype(float)
        return mean, np.zeros_like(mean)


def fitted(surrogate: Surrogate, acquisition: Acquisition | None = None) -> CandidateOrder:
    observed = Observations(X, Y - Y.max() + 2.5, np.empty((4, 0)), ())  # the best one is 2.5
    surrogate.fit(X, observed.outcomes, np.arange(4.0))
    return CandidateOrder(surrogate, acquisition or ExpectedImprovement(), observed)


@pytest.mark.filterwarnings("error")
def test_a_surrogate_that_is_sure_has_its_order() -> None:
    x = SPACE.sample(50, np.random.default_rng(1))
    rows, _ = fitted(Sure()).best_first(Candidates(x), np.random.default_rng(0))
    better = (x[:, 0] > 2.5).sum()
    assert 0 < better < len(x)
    ordered = x[rows, 0]
    assert (np.diff(ordered[:better]) <= 0).all()
    assert (ordered[better:] < 2.5).all()


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda x: (np.zeros(len(x)), np.ones(len(x))), r"\[\(6,\), \(6,\)\].*\(6, 1\)"),
        (lambda x: (np.zeros((len(x), 2)), np.ones((len(x), 2))), r"\(6, 2\).*\(6, 1\)"),
        (lambda x: np.zeros((len(x), 1)), "ndarray.*a mean and a standard deviation"),
        (lambda x: (np.zeros((1, 1)), np.ones((1, 1))), r"\(1, 1\).*a row a candidate"),
    ],
)
def test_predictions_of_another_shape_are_named(predict: object, message: str) -> None:
    class Own(Sure):
        def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
            return predict(candidates.x)  # type: ignore[operator, no-any-return]

    x = SPACE.sample(6, np.random.default_rng(1))
    with pytest.raises(ValueError, match=rf"Own\.predict gave .*{message}"):
        fitted(Own()).best_first(Candidates(x), np.random.default_rng(0))


def test_a_surrogate_that_leaves_out_what_it_said_of_the_results_is_named() -> None:
    class Own(Sure):
        def fit(self, x: IntArray, y: FloatArray, rank: FloatArray) -> None:
            self.feasibility_threshold = np.zeros(1)

    with pytest.raises(TypeError, match="Own has no 'fitted' after fit"):
        fitted(Own()).best_first(Candidates(X), np.random.default_rng(0))


@pytest.mark.parametrize("answer", [[], [0], [0.5] * 4, [[0, 1, 2, 3]]])
def test_an_acquisition_that_gives_no_row_numbers_is_named(answer: list[float]) -> None:
    class Own:
        def order(self, predicted: Prediction, rng: np.random.Generator) -> IntArray:
            return np.array(answer)

    with pytest.raises(ValueError, match=r"Own\.order gave .* for 4 candidates.*argsort"):
        fitted(Sure(), Own()).best_first(Candidates(X), np.random.default_rng(0))


def test_incumbents_keep_the_constraint_for_certain() -> None:
    assert known([NAN, -1.0, 0.0, 1.0], [9.0, 9.0, 9.0, 9.0]) == [1.0, 2.0]


def test_where_all_that_was_measured_breaks_the_constraint_the_process_leaves_no_incumbent() -> (
    None
):
    constraints = np.array([[NAN], [2.0], [3.0], [NAN]])
    observed = Observations(X, Y, constraints, ("latency",))
    process = GaussianProcess(SPACE)
    process.fit(X, observed.outcomes, observed.ranks(RANKINGS["pareto"]))
    order = CandidateOrder(process, ExpectedImprovement(), observed)
    assert order.known.tolist() == []


def test_predicted_margins_stand_in_where_none_is_known_to_keep_the_constraint() -> None:
    assert known([NAN, NAN, NAN, NAN], [-0.1, 0.1, -0.1, 0.0]) == [1.0, 8.0]
    assert known([NAN, 1.0, NAN, NAN], [-0.1, 0.1, -0.1, 0.0]) == [8.0]


def test_a_constraint_that_is_broken_is_broken_whatever_is_predicted_of_another_one() -> None:
    constraints = np.array([[NAN, -1.0], [NAN, 1.0], [1.0, NAN], [-1.0, NAN]])
    observed = Observations(X, Y, constraints, ("a", "b"))
    surrogate = Told(observed.outcomes, np.full(4, 9.0))
    surrogate.feasibility_threshold = np.array([0.0, 5.0, -50.0])
    surrogate.predict = lambda _: (np.tile([0.0, 9.0, 9.0], (4, 1)), np.ones((4, 3)))  # type: ignore[method-assign]
    order = CandidateOrder(surrogate, ExpectedImprovement(), observed)
    assert order.known.ravel().tolist() == [9.0, 8.0]


def test_a_result_that_the_surrogate_left_out_is_no_incumbent() -> None:
    observed = Observations(X, Y, np.full((4, 1), -1.0), ("latency",))
    fitted = observed.outcomes.copy()
    fitted[0] = NAN
    order = CandidateOrder(Told(fitted, np.zeros(4)), ExpectedImprovement(), observed)
    assert order.known.ravel().tolist() == [1.0, 2.0, 8.0]


class Noting:
    """Expected improvement that keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[Prediction] = []

    def order(self, predicted: Prediction, rng: np.random.Generator) -> IntArray:
        self.given.append(predicted)
        return ExpectedImprovement().order(predicted, rng)


@pytest.mark.parametrize("constraints", [{}, {"latency": 1.0}, {"latency": -1.0}])
def test_a_search_does_not_measure_improvements_from_what_may_break_its_constraint(
    constraints: dict[str, float],
) -> None:
    noting = Noting()
    search = AGNet(SPACE, seed=0, config=AGNetConfig(n_startup=8), acquisition=noting)
    for arch in SPACE.architectures(SPACE.sample(10, np.random.default_rng(1))):
        search.tell(arch, str(arch).count("skip"), {"latency": -1.0})
    search.tell(SPACE.architectures(SPACE.sample(1, np.random.default_rng(2)))[0], 99, constraints)
    search.ask()
    (said,) = noting.given
    assert len(said.known) == (11 if constraints == {"latency": -1.0} else 10)


def of_two_objectives(
    values: FloatArray, said: FloatArray, acquisition: Acquisition | None = None
) -> CandidateOrder:
    x = SPACE.sample(len(values), np.random.default_rng(0))
    observed = Observations(x, values, np.empty((len(values), 0)), ())
    told = Told(said, np.zeros(len(values)))
    told.feasibility_threshold = np.zeros(2)
    return CandidateOrder(told, acquisition or ExpectedImprovement(), observed)


def worth(values: FloatArray, said: FloatArray) -> list[float]:
    found = of_two_objectives(values, said).worth
    assert found is not None
    return found.tolist()


def test_a_step_is_worth_what_values_rise_by_at_their_best() -> None:
    """By hand: 0 to 39 rise by 4 over the best five; the middle half spans 19.5; ranks in normal scores."""
    values, said = np.arange(40.0), np.random.default_rng(0).permutation(40.0 * np.arange(40))
    both = worth(np.stack([values, 7 * values - 3], 1), np.stack([said, 2 * said], 1))
    steps = NormalDist().inv_cdf(39.5 / 40) - NormalDist().inv_cdf(35.5 / 40)
    expected = 4 / 19.5 / steps / said.std()
    np.testing.assert_allclose(both, [expected, expected / 2])


def test_a_step_is_worth_nothing_where_the_best_values_are_alike() -> None:
    said = np.linspace(0, 1, 40)
    alike, none = np.minimum(np.arange(40.0), 20), np.zeros(40)
    assert worth(np.stack([alike, none], 1), np.stack([said, said], 1)) == [0, 0]


def test_infinite_and_unknown_values_tell_no_worth() -> None:
    values, said = np.arange(40.0), np.linspace(0, 1, 40)
    odd, unsaid = values.copy(), said.copy()
    odd[[3, 39]], unsaid[38] = [-np.inf, np.inf], np.nan
    known = np.isfinite(odd) & np.isfinite(unsaid)
    with_odd = worth(np.stack([odd, odd], 1), np.stack([unsaid, unsaid], 1))
    without = worth(np.stack([values[known]] * 2, 1), np.stack([said[known]] * 2, 1))
    assert with_odd == without
    assert worth(np.full((3, 2), np.inf), np.full((3, 2), 1.0)) == [0, 0]


@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_there_are_have_a_worth() -> None:
    values, said = 1.5e308 * np.linspace(-1, 1, 40), np.linspace(0, 1, 40)
    expected = worth(np.stack([np.linspace(-1, 1, 40)] * 2, 1), np.stack([said] * 2, 1))
    np.testing.assert_allclose(worth(np.stack([values] * 2, 1), np.stack([said] * 2, 1)), expected)


class Seen:
    """Keeps what it is asked to order."""

    def order(self, predicted: Prediction, rng: np.random.Generator) -> IntArray:
        self.predicted = predicted
        return np.arange(len(predicted.mean))


def test_an_acquisition_is_told_what_several_objectives_are_worth() -> None:
    acquisition, values = Seen(), np.stack([np.arange(40.0)] * 2, 1)
    order = of_two_objectives(values, values, acquisition)
    x = SPACE.sample(40, np.random.default_rng(1))
    _, first = order.best_first(Candidates(x), np.random.default_rng(0))
    order.best_first(Candidates(x), np.random.default_rng(0), first)
    assert order.worth is not None
    assert (order.worth > 0).all()
    np.testing.assert_array_equal(acquisition.predicted.worth, order.worth)
    assert len(acquisition.predicted.mean) == 80


def test_one_objective_needs_no_worth() -> None:
    assert fitted(Sure()).worth is None


def test_the_acquisition_is_told_the_noise_of_a_process_that_knows_it() -> None:
    process = GaussianProcess(SPACE)
    order = fitted(process)
    _, predicted = order.best_first(Candidates(X), np.random.default_rng(0))
    assert predicted.noise is not None
    np.testing.assert_array_equal(predicted.noise, process.noise)
    _, unknown = fitted(Sure()).best_first(Candidates(X), np.random.default_rng(0))
    assert unknown.noise is None
