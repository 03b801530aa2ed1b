"""Curves: rungs and readings, links beside those learned one by one, the chain beside a joint process."""

import math

import numpy as np
import pytest
from scipy import stats

from optuna_agnet.surrogate.curves import CurveModel, Forecast, read, rungs
from optuna_agnet.surrogate.innovations import Innovation, Whitened


def near(n, seed):
    """A kernel matrix (n, n) with 1 on its diagonal."""
    points = np.random.default_rng(seed).normal(size=(n, 2))
    return np.exp(-np.square(points[:, None] - points[None]).sum(2))


def study(n, seed, levels=4):
    """Curves (n, levels) whose innovations similar trainings share, and what they have in common."""
    rng = np.random.default_rng(seed)
    k = near(n, seed)
    shared = np.linalg.cholesky(k + 1e-9 * np.eye(n)) @ rng.normal(size=(n, levels))
    values = [shared[:, 0]]
    for level in range(1, levels):
        values.append(0.8 * values[-1] + 0.5 * shared[:, level] + 0.1 * rng.normal(size=n))
    return np.stack(values, 1), k


def test_rungs_are_reported_steps_and_double():
    assert rungs([dict.fromkeys(range(100), 1.0)]).tolist() == [0, 1, 3, 7, 15, 31, 63, 99]
    assert rungs([{1000 * k: 1.0 for k in range(1, 11)}]).tolist() == [1000, 3000, 7000, 10000]
    assert rungs([{12: 0.5}]).tolist() == [12]


def test_a_training_of_another_length_moves_no_rung():
    usual = [dict.fromkeys(range(1, 21), 1.0)] * 4
    odd = [dict.fromkeys(range(5, 400), 1.0)]
    assert rungs(usual + odd).tolist() == rungs(usual).tolist()


def test_readings_interpolate_over_log_step_and_never_extrapolate():
    found = read([{1: 0.0, 7: 1.0}], np.array([0, 1, 3, 7, 8]), 1.0)[0]
    assert np.isnan(found[[0, 4]]).all()
    assert found[1:4] == pytest.approx(
        [0.0, 0.5, 1.0]
    )  # 4 is half-way from 2 to 8 by its logarithm
    assert np.isnan(read([{}], np.array([1, 2]), 1.0)).all()
    assert read([{}, {1: 0.0}], np.array([], dtype=np.int64), 1.0).shape == (2, 0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_nan_is_worse_than_any_number(sign):
    bad, worst = read([{1: -sign * 1e9}, {1: math.nan}], np.array([1]), sign)[:, 0]
    assert worst < bad


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_reports_at_the_steps_are_read_as_they_are(sign):
    """To the last bit what interpolation finds there, whatever else was reported, in whatever order."""
    rng = np.random.default_rng(0)
    steps, odd = np.array([1, 3, 7, 15]), [math.nan, math.inf, -math.inf, 1e305, 0.0]
    for _ in range(200):
        at = rng.permutation(20)[: rng.integers(1, 20)]
        values = np.where(rng.random(len(at)) < 0.8, rng.normal(size=len(at)), rng.choice(odd))
        curve = dict(zip(at.tolist(), values.tolist(), strict=True))
        order = sorted(curve)
        known = np.array([sign * curve[step] for step in order])
        known[np.isnan(known)] = -1e300
        twin = np.interp(np.log1p(steps), np.log1p(order), known.clip(-1e300, 1e300))
        twin[(steps < order[0]) | (steps > order[-1])] = np.nan
        assert read([curve], steps, sign).tobytes() == twin.tobytes()


def test_the_chain_is_a_joint_normal():
    """The twin samples every innovation and runs the chain forwards."""
    values, k = study(30, seed=2)
    model = CurveModel(values[:29], k[:29, :29])
    forecast = model.forecast(values[29, :1], k[:29, 29])
    rng, (centers, widths) = np.random.default_rng(0), np.array(model._scales).T
    runs = np.zeros((40_000, 4))
    runs[:, 0] = (values[29, 0] - centers[0]) / widths[0]
    for level in range(1, 4):
        innovation, rows = model._learned[level - 1]
        lags = list(range(level - 1, max(level - 3, -1), -1))
        middle = np.array([1.0, *runs[:, lags].mean(0)])
        mean, variance = innovation.predict(k[:29, 29][rows, None], middle[None])
        slopes = innovation.coefficients[1:]
        runs[:, level] = mean + (runs[:, lags] - middle[1:]) @ slopes
        runs[:, level] += np.sqrt(variance) * rng.normal(size=len(runs))
    runs = centers + widths * runs
    assert runs.mean(0) == pytest.approx(forecast.mean, abs=0.02)
    assert runs.std(0) == pytest.approx(forecast.std, abs=0.02)


@pytest.mark.parametrize("late", [False, True])
def test_links_learned_together_are_those_learned_one_by_one(late):
    """Trainings in any order, stopped anywhere; some have begun late, so that they have no first links."""
    rng = np.random.default_rng(7)
    values, k = study(40, seed=7, levels=6)
    for row, reached in enumerate(rng.integers(1, 7, size=40)):
        values[row, reached:] = np.nan
    if late:
        values[::5, : rng.integers(1, 3)] = np.nan
    model = CurveModel(values, k)
    z = np.stack([s.apply(v) for s, v in zip(model._scales, values.T, strict=True)], 1)
    for level, (link, rows) in enumerate(model._learned, start=1):
        lags = list(range(level - 1, max(level - 3, -1), -1))
        own = np.flatnonzero(~np.isnan(z[:, [level, *lags]]).any(1))
        assert sorted(rows) == own.tolist()
        x = np.column_stack([np.ones(len(own)), z[own][:, lags], z[own, level]])
        alone = Innovation(Whitened.of(k[np.ix_(own, own)], x), range(1 + len(lags)), -1)
        assert (link.noise, link.freedom) == (alone.noise, alone.freedom)
        assert link.variance == pytest.approx(alone.variance, rel=1e-9)
        cross, inputs = rng.random((40, 3)), rng.normal(size=(3, 1 + len(lags)))
        inputs[:, 0] = 1
        found, twin = link.predict(cross[rows], inputs), alone.predict(cross[own], inputs)
        assert np.stack(found) == pytest.approx(np.stack(twin), rel=1e-9, abs=1e-9)


def test_forecasts_together_are_those_one_by_one():
    values, k = study(40, seed=8)
    model = CurveModel(values[:30], k[:30, :30])
    together = model.forecasts(values[30:, :2], k[:30, 30:])
    for row, found in enumerate(together, start=30):
        alone = model.forecast(values[row, :2], k[:30, row])
        assert found.mean == pytest.approx(alone.mean, rel=1e-9)
        assert found.std == pytest.approx(alone.std, rel=1e-9)
        assert found.chance(0.5) == pytest.approx(alone.chance(0.5), abs=1e-9)


def test_few_whole_trainings_leave_more_to_chance():
    """The chance is Student's, and its freedom that of the whole trainings beyond the last line's coefficients."""
    values, k = study(60, seed=9)
    values[40:, -1] = np.nan  # forty whole ones
    assert CurveModel(values, k).forecast(values[0, :1], k[0]).freedom == 40 - 3
    assert CurveModel(values[:3], k[:3, :3]).forecast(values[4, :1], k[:3, 4]).freedom == 1
    mean, std = np.array([0.0]), np.array([2.0])
    few, many = (Forecast(mean, std, freedom).chance(6.0) for freedom in (3, 10**6))
    assert few == pytest.approx(stats.t.sf(3.0, 3))
    assert many == pytest.approx(stats.norm.sf(3.0), rel=1e-3)


def test_what_was_reported_is_certain_and_more_of_it_makes_surer():
    values, k = study(40, seed=3)
    model = CurveModel(values[:39], k[:39, :39])
    stds = []
    for known in (1, 2, 3):
        forecast = model.forecast(values[39, :known], k[:39, 39])
        assert forecast.mean[:known] == pytest.approx(values[39, :known])
        assert (forecast.std[:known] == 0).all()
        assert (forecast.std[known:] > 0).all()
        stds.append(forecast.std[-1])
    assert stds == sorted(stds, reverse=True)


def test_similar_architectures_say_where_a_curve_goes():
    errors = {"known": [], "unknown": []}
    for seed in range(5):
        values, k = study(60, seed)
        for row in range(50, 60):
            for name, matrix in (("known", k), ("unknown", np.eye(60))):
                model = CurveModel(values[:50], matrix[:50, :50])
                found = model.forecast(values[row, :2], matrix[:50, row])
                errors[name].append((found.mean[-1] - values[row, -1]) ** 2)
    assert np.mean(errors["known"]) < 0.8 * np.mean(errors["unknown"])


def test_stopped_trainings_teach_the_rungs_that_they_reached():
    errors = {"with": [], "without": []}
    for seed in range(8):
        values, k = study(60, seed)
        values[10:50, 2:] = np.nan  # ten whole ones
        for name, rows in (("with", np.arange(50)), ("without", np.arange(10))):
            model = CurveModel(values[rows], k[np.ix_(rows, rows)])
            for row in range(50, 60):
                found = model.forecast(values[row, :1], k[rows, row])
                errors[name].append((found.mean[1] - values[row, 1]) ** 2)
        assert [len(rows) for _, rows in model._learned] == [10, 10, 10]
    assert np.mean(errors["with"]) < 0.8 * np.mean(errors["without"])


def test_forecasts_follow_units():
    values, k = study(20, seed=5)
    plain = CurveModel(values[:19], k[:19, :19]).forecast(values[19, :2], k[:19, 19])
    scaled = CurveModel(1e3 * values[:19] + 7, k[:19, :19])
    forecast = scaled.forecast(1e3 * values[19, :2] + 7, k[:19, 19])
    assert forecast.mean == pytest.approx(1e3 * plain.mean + 7)
    assert forecast.std == pytest.approx(1e3 * plain.std)
    assert forecast.chance(1e3 * 0.2 + 7) == pytest.approx(plain.chance(0.2))


def test_forecasts_follow_units_where_most_have_reached_the_best_value():
    values, k = study(20, seed=5)
    best = np.quantile(values[:19], 0.3, axis=0)
    values = np.minimum(values, best)
    values[3] = -50.0  # a failed one, which tells nothing about the scale
    low = values[:, :2].min(1).argsort()[1]
    rest = np.delete(np.arange(20), low)

    def forecast(unit):
        model = CurveModel(unit * values[rest], k[np.ix_(rest, rest)])
        return model.forecast(unit * values[low, :2], k[rest, low])

    plain = forecast(1.0)
    for unit in (2.0**30, 2.0**-30):
        assert forecast(unit).mean == pytest.approx(unit * plain.mean)
        assert forecast(unit).std == pytest.approx(unit * plain.std)


def test_huge_values_are_no_error_and_foretell_the_same():
    values, k = study(20, seed=5)
    unit = 2.0**980  # its square is no number

    def forecast(unit):
        model = CurveModel(unit * values[:19], k[:19, :19])
        return model.forecast(unit * values[19, :2], k[:19, 19])

    assert forecast(unit).chance(0.2 * unit) == forecast(1.0).chance(0.2)
    with np.errstate(all="raise"):
        assert forecast(1.0).chance(-1.7e308) == 1.0


def test_failed_trainings_spoil_no_scale():
    values, k = study(20, seed=6)
    spoilt = values.copy()
    spoilt[3] = -1e300
    model = CurveModel(spoilt[:19], k[:19, :19])
    forecast = model.forecast(values[19, :2], k[:19, 19])
    assert np.isfinite(forecast.mean).all()
    assert forecast.mean[-1] == pytest.approx(values[19, -1], abs=4 * forecast.std[-1])


def test_equal_values_are_no_error():
    model = CurveModel(np.ones((6, 3)), np.eye(6))
    forecast = model.forecast(np.ones(1), np.zeros(6))
    assert forecast.mean[-1] == pytest.approx(1.0, abs=0.1)
    assert 0 < forecast.chance(1.0) < 1
