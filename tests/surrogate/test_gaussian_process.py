import numpy as np
import pytest
import torch

from optuna_agnet import spaces
from optuna_agnet.surrogate.base import Candidates
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.surrogate.hyperparameters import best_kernels
from optuna_agnet.surrogate.kernel import KernelParams, featurize
from optuna_agnet.surrogate.targets import RANKS, VALUES, normal_scores, zero_score

SPACES = [spaces.nas_bench_201(), spaces.nas_bench_101()]


def data(space, n=60, seed=0):
    x = np.unique(space.sample(n, np.random.default_rng(seed)), axis=0)
    x = x[np.random.default_rng(1).permutation(len(x))]
    return x, (x == 1).sum(1) - 0.5 * (x[:, 0] == 0)


@pytest.mark.parametrize("space", SPACES)
def test_it_ranks_unseen_architectures(space):
    x, y = data(space, 160)
    gp = GaussianProcess(space)
    gp.fit(x[:100], y[:100, None], -y[:100])
    mean, std = (column[:, 0] for column in gp.predict(Candidates(x[100:])))
    ranks = np.argsort(np.argsort(mean)), np.argsort(np.argsort(y[100:]))
    assert np.corrcoef(*ranks)[0, 1] > 0.5
    assert (std > 0).all()


@pytest.mark.parametrize("space", SPACES)
def test_prediction_equals_the_textbook_formula(space):
    x, y = data(space, 40)
    gp = GaussianProcess(space)
    gp.fit(x[:30], y[:30, None], -y[:30])

    (fitted,) = gp.kernels

    def kernel(a, b):
        hamming = np.array([[(p != q).mean() for q in b] for p in a])
        counts = [featurize(space, rows).counts for rows in (a, b)]
        tanimoto = np.array(
            [[p @ q / (p @ p + q @ q - p @ q) for q in counts[1]] for p in counts[0]]
        )
        return fitted.mix * np.exp(-hamming / fitted.scale) + (1 - fitted.mix) * tanimoto

    target = normal_scores(y[:30])
    center = target.mean()
    gram = kernel(x[:30], x[:30]) + (fitted.noise + 1e-8) * np.eye(30)
    cross = kernel(x[:30], x[30:])
    solved = np.linalg.solve(gram, target - center)
    scale = (target - center) @ solved / 30
    variance = scale * (1 - (cross * np.linalg.solve(gram, cross)).sum(0))
    mean, std = (column[:, 0] for column in gp.predict(Candidates(x[30:])))
    np.testing.assert_allclose(mean, center + cross.T @ solved, atol=1e-4)
    np.testing.assert_allclose(std, np.sqrt(variance), atol=1e-3)


def test_only_the_order_of_values_matters():
    space = SPACES[0]
    x, y = data(space)
    first, second = GaussianProcess(space), GaussianProcess(space)
    first.fit(x, y[:, None], -y)
    second.fit(x, np.exp(3 * y)[:, None], -y)
    np.testing.assert_array_equal(first.predict(Candidates(x))[0], second.predict(Candidates(x))[0])


def test_infinite_values_are_ranked():
    scores = normal_scores(np.array([-np.inf, 1.0, 2.0, np.inf, np.inf]))
    assert np.isfinite(scores).all()
    assert scores[3] == scores[4] == scores.max()
    assert scores[0] == scores.min()


def test_hyperparameters_depend_on_the_data_alone():
    space = SPACES[0]
    x, y = data(space)
    steps, once = GaussianProcess(space), GaussianProcess(space)
    for n in range(10, 50):
        steps.fit(x[:n], y[:n, None], -y[:n])
    once.fit(x[:49], y[:49, None], -y[:49])
    assert steps.kernels == once.kernels
    np.testing.assert_array_equal(steps.predict(Candidates(x))[0], once.predict(Candidates(x))[0])


def test_hyperparameters_are_fitted_to_the_results():
    """To a multiple of eight of them; smooth and rough values get other kernels."""
    space = SPACES[0]
    x, y = data(space, 60)
    noise = np.random.default_rng(3).normal(size=len(x))
    fitted = []
    for values in (y, noise):
        gp = GaussianProcess(space)
        gp.fit(x[:45], values[:45, None], -values[:45])
        features = featurize(space, x[:40])
        target = torch.from_numpy(normal_scores(values[:40]))[:, None]
        nothing = torch.empty(40, 1, 0, dtype=torch.float64)
        found = best_kernels(features.distances(features), target, nothing)
        assert gp.kernels == [kernel for kernel, _ in found]
        fitted += gp.kernels
    assert len({*fitted, KernelParams()}) == 3


@pytest.mark.parametrize("space", SPACES)
def test_what_was_computed_before_leaves_no_trace(space):
    """The memory of matrices is used again: larger and smaller fits, several outcomes, gaps, pending ones."""
    x, y = data(space)
    both = np.stack([y, y[::-1]], 1)
    both[3:9, 1] = np.nan

    def found(gp, n):
        gp.fit(x[:n], both[:n], -both[:n, 0])
        alone = gp.predict(Candidates(x))
        gp.condition_on_pending(x[n : n + 5])
        return np.stack([*alone, *gp.predict(Candidates(x))])

    used = GaussianProcess(space)
    for n in (20, 40, 24, 40, 12):
        np.testing.assert_array_equal(found(used, n), found(GaussianProcess(space), n))


def test_memory_does_not_grow_with_the_number_of_fits():
    x, y = data(SPACES[0])
    gp = GaussianProcess(SPACES[0])

    def held():
        rooms = [gp._buffers, *gp._outcome_buffers.values()]
        return [matrix.data_ptr() for buffers in rooms for matrix in buffers._held.values()]

    gp.fit(x[:40], y[:40, None], -y[:40])
    gp.predict(Candidates(x))
    before = held()
    for n in range(20, 40):
        gp.fit(x[:n], y[:n, None], -y[:n])
        gp.predict(Candidates(x[:n]))
    assert held() == before


def test_the_most_probable_kernel_of_the_grid_is_chosen():
    x, y = data(SPACES[0], 40)
    features = featurize(SPACES[0], x)
    distances = features.distances(features)
    hamming, tanimoto, _ = distances
    target = torch.from_numpy(normal_scores(y))

    def log_probability(kernel):
        around = torch.distributions.Normal(0.0, torch.tensor([1.0, 1.5, 1.5]))
        odds = kernel.mix / (1 - kernel.mix)
        prior = around.log_prob(
            torch.tensor([kernel.scale / 0.4, odds, kernel.noise / 0.02]).log()
        ).sum()
        gram = kernel.mix * torch.exp(-hamming / kernel.scale) + (1 - kernel.mix) * tanimoto
        gram += (kernel.noise + 1e-8) * torch.eye(len(x))
        centered = target - target.mean()
        scale = centered @ torch.linalg.solve(gram, centered) / len(x)
        normal = torch.distributions.MultivariateNormal(target.mean().expand(len(x)), scale * gram)
        return float(normal.log_prob(target) + prior)

    nothing = torch.empty(len(x), 1, 0, dtype=torch.float64)
    ((chosen, _),) = best_kernels(distances, target[:, None], nothing)
    for other in (
        KernelParams(0.1, 0.95, 0.2),
        KernelParams(0.4, 0.5, 0.05),
        KernelParams(1.6, 0.3, 0.001),
        KernelParams(0.8, 0.7, 0.01),
    ):
        assert log_probability(chosen) >= log_probability(other) - 1e-6


def test_the_probability_of_a_kernel_compares_targets():
    """Its difference between two targets is that of their log likelihoods."""
    space = SPACES[0]
    x, y = data(space, 30)
    distances = featurize(space, x).distances(featurize(space, x))
    targets = torch.from_numpy(np.stack([normal_scores(y), normal_scores(-(y**2))], 1))
    nothing = torch.empty(len(x), 2, 0, dtype=torch.float64)
    found = best_kernels(distances, targets, nothing)

    def log_likelihood(kernel, target):
        gram = kernel.mix * torch.exp(-distances.hamming / kernel.scale)
        gram += (1 - kernel.mix) * distances.tanimoto
        gram += (kernel.noise + 1e-8) * torch.eye(len(x))
        centered = target - target.mean()
        scale = centered @ torch.linalg.solve(gram, centered) / len(x)
        normal = torch.distributions.MultivariateNormal(target.mean().expand(len(x)), scale * gram)
        around = torch.distributions.Normal(0.0, torch.tensor([1.0, 1.5, 1.5]))
        odds = torch.tensor(
            [kernel.scale / 0.4, kernel.mix / (1 - kernel.mix), kernel.noise / 0.02]
        )
        return float(normal.log_prob(target) + around.log_prob(odds.log()).sum())

    (first, p), (second, q) = found
    expected = log_likelihood(first, targets[:, 0]) - log_likelihood(second, targets[:, 1])
    assert p - q == pytest.approx(expected, abs=1e-6)


CHAIN = spaces.Chain([tuple("abcd")] * 20)


def chosen_for(y, x, targets=(VALUES, RANKS)):
    gp = GaussianProcess(CHAIN, targets=targets)
    gp.fit(x, y[:, None], np.argsort(np.argsort(-y)))
    return gp.chosen[0]


def searched(seed):
    """Architectures as a search leaves them, better and better; effects add up."""
    rng = np.random.default_rng(seed)
    worth, x = rng.normal(size=(20, 4)), CHAIN.sample(16, rng)
    for _ in range(80):
        best = x[np.argsort(-_sum(worth, x))[:4]]
        child = best[[rng.integers(4)]].copy()
        for column in rng.choice(20, 2, replace=False):
            child[0, column] = rng.integers(4)
        x = np.concatenate([x, child])
    return x, _sum(worth, x)


def _sum(worth, x):
    return worth[np.arange(20), x].sum(1)


@pytest.mark.parametrize("seed", range(3))
def test_values_are_targets_where_effects_add_up_and_ranks_where_few_dominate(seed):
    x, y = searched(seed)
    assert chosen_for(y, x) is VALUES
    for ruined in (1, 5):  # as when training diverges
        spoiled = np.where(np.arange(len(y)) % 96 < ruined, y - 1e6, y)
        assert chosen_for(spoiled, x) is RANKS
    assert chosen_for(np.exp(9 * y / y.std()), x) is RANKS
    assert chosen_for(y, x, targets=(RANKS,)) is RANKS


@pytest.mark.parametrize("seed", range(3))
def test_where_ranks_come_first_values_are_chosen_by_odds_of_20_to_1(seed):
    x, y = searched(seed)
    assert chosen_for(y, x, targets=(RANKS, VALUES)) is VALUES
    assert chosen_for(np.exp(3 * y / y.std()), x, targets=(RANKS, VALUES)) is RANKS


def test_few_results_say_nothing_of_their_scale():
    x, y = searched(0)
    for first, second in ((VALUES, RANKS), (RANKS, VALUES)):
        assert chosen_for(y[:8], x[:8], targets=(first, second)) is first


def test_predictions_of_values_are_those_values_in_their_units():
    x, y = searched(1)
    gp = GaussianProcess(CHAIN, targets=(VALUES,))
    gp.fit(x, y[:, None], np.argsort(np.argsort(-y)))
    told = (y - y.mean()) / y.std()
    assert np.abs(gp.fitted[:, 0] - told).max() < 0.5
    assert gp.feasibility_threshold[0] == pytest.approx(-y.mean() / y.std())
    other = GaussianProcess(CHAIN, targets=(VALUES,))
    other.fit(x, 5 + 7 * y[:, None], np.argsort(np.argsort(-y)))
    np.testing.assert_allclose(gp.fitted, other.fitted, atol=1e-6)


def test_cells_without_a_live_node_are_alike():
    empty = np.zeros((2, 6), dtype=np.int64)  # "none" on every edge
    other = np.full((1, 6), 3)
    features = featurize(SPACES[0], np.concatenate([empty, other]))
    expected = [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    np.testing.assert_array_equal(features.distances(features).tanimoto, expected)


def test_one_result_leaves_the_kernel_where_the_prior_is():
    x, _ = data(SPACES[0], 1)
    features = featurize(SPACES[0], x)
    nothing = torch.empty(1, 1, 0, dtype=torch.float64)
    ((chosen, _),) = best_kernels(features.distances(features), torch.zeros(1, 1).double(), nothing)
    assert (chosen.scale, chosen.mix) == (0.4, 0.5)


def test_pending_architectures_lower_uncertainty_but_not_the_incumbent():
    space = SPACES[0]
    x, y = data(space)
    gp = GaussianProcess(space)
    gp.fit(x[:30], y[:30, None], -y[:30])
    mean, std = gp.predict(Candidates(x[30:40]))
    incumbent = gp.fitted.max()
    gp.condition_on_pending(x[30:35])
    later, less = gp.predict(Candidates(x[30:40]))
    np.testing.assert_allclose(later, mean, atol=1e-2)
    assert (less[:5] < std[:5]).all()
    assert gp.fitted.max() == incumbent


def test_the_training_set_is_bounded_and_keeps_the_best():
    space = SPACES[0]
    x, y = data(space, 300)
    gp = GaussianProcess(space, max_points=50)
    gp.fit(x, y[:, None], -y)
    assert (~np.isnan(gp.fitted)).sum() == 50
    assert not np.isnan(gp.fitted[y.argmax()])
    assert np.isfinite(gp.predict(Candidates(x))[0]).all()


def test_constant_values_are_no_problem():
    space = SPACES[0]
    x, _ = data(space)
    gp = GaussianProcess(space)
    gp.fit(x, np.ones((len(x), 1)), np.zeros(len(x)))
    mean, std = gp.predict(Candidates(x))
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()


def two_quantities():
    x, y = data(SPACES[0])
    return x, np.stack([y, (x == 2).sum(1) - 1.5], 1)


def test_quantities_are_learned_apart():
    x, y = two_quantities()
    both, second = GaussianProcess(SPACES[0]), GaussianProcess(SPACES[0])
    both.fit(x, y, -y[:, 0])
    second.fit(x, y[:, 1:], -y[:, 0])
    together, alone = both.predict(Candidates(x)), second.predict(Candidates(x))
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a[:, 1:], b)
    both.condition_on_pending(x[:3])
    second.condition_on_pending(x[:3])
    np.testing.assert_allclose(
        both.predict(Candidates(x))[1][:, 1:], second.predict(Candidates(x))[1]
    )


def test_unknown_values_are_left_out():
    x, y = two_quantities()
    y[::3, 1] = np.nan
    known = ~np.isnan(y[:, 1])
    with_gaps, without = (
        GaussianProcess(SPACES[0], tune_every=1),
        GaussianProcess(SPACES[0], tune_every=1),
    )
    with_gaps.fit(x, y, -y[:, 0])
    without.fit(x[known], y[known, 1:], -y[known, 0])
    np.testing.assert_allclose(
        with_gaps.predict(Candidates(x))[0][:, 1:], without.predict(Candidates(x))[0]
    )
    np.testing.assert_array_equal(np.isnan(with_gaps.fitted[:, 1]), ~known)


def test_zero_separates_the_signs():
    y = np.array([-3.0, -1.0, 0.0, 4.0, 5.0])
    scores, feasibility_threshold = normal_scores(y), zero_score(y)
    np.testing.assert_array_equal(scores >= feasibility_threshold, y >= 0)
    assert (normal_scores(y[2:]) > zero_score(y[2:])).all()
    assert (normal_scores(y[:2]) < zero_score(y[:2])).all()


def with_source(sign):
    """A process with a source that knows 60 architectures, fitted to 30 others; x of 20 more."""
    space = SPACES[0]
    x, y = data(space, 140)
    y = y + np.random.default_rng(2).normal(size=len(y))  # what neighbours say nothing of
    source = GaussianProcess(space)
    source.fit(x[30:90], sign * y[30:90, None], -y[30:90])
    gp = GaussianProcess(space, priors=[source])
    gp.fit(x[:30], y[:30, None], -y[:30])
    return gp, source, x, y


def test_a_source_is_a_mean_and_a_linear_kernel():
    gp, source, x, y = with_source(1.0)
    (kernel,) = gp.kernels

    def plain(a, b):
        hamming, tanimoto, _ = featurize(SPACES[0], a).distances(featurize(SPACES[0], b))
        near = kernel.mix * torch.exp(-hamming / kernel.scale)
        return (near + (1 - kernel.mix) * tanimoto).numpy()

    known, new = x[:30], x[90:]
    offset, ahead = (source.predict(Candidates(part))[0][:, 0] for part in (known, new))
    offset, ahead = offset - offset.mean(), ahead - offset.mean()
    target = normal_scores(y[:30])
    gram = plain(known, known) + kernel.slack * np.outer(offset, offset)
    gram += (kernel.noise + 1e-8) * np.eye(30)
    cross = plain(known, new) + kernel.slack * np.outer(offset, ahead)
    weights = np.linalg.solve(gram, target - target.mean() - kernel.trust * offset)
    expected = target.mean() + kernel.trust * ahead + cross.T @ weights
    np.testing.assert_allclose(gp.predict(Candidates(new))[0][:, 0], expected, atol=1e-8)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_results_say_how_far_a_source_is_followed(sign):
    """One that is right helps; one that says the contrary is turned around or left out."""
    gp, _, x, y = with_source(sign)
    alone = GaussianProcess(SPACES[0])
    alone.fit(x[:30], y[:30, None], -y[:30])
    new = Candidates(x[90:])
    with_it, without = (np.corrcoef(m.predict(new)[0][:, 0], y[90:])[0, 1] for m in (gp, alone))
    assert with_it > without - 0.05


def with_scores(signs, results=30):
    """As `with_source`, with scores that say so much of the values, one each; a constraint's margin beside them."""
    x = SPACES[0].sample(120, np.random.default_rng(0))
    y = (x == 3).sum(1) + 0.5 * (x[:, 3] == 1)
    noise = np.random.default_rng(1)
    scores = [GaussianProcess(SPACES[0]) for _ in signs]
    for sign, score in zip(signs, scores, strict=True):
        said = sign * y[30:90] + (0 if sign else noise.normal(size=60))
        score.fit(x[30:90], said[:, None], -said)
    gp = GaussianProcess(SPACES[0], scores=scores)
    gp.fit(x[:results], np.stack([y, -y], 1)[:results], -y[:results])
    return gp, scores, x, y


def test_scores_are_evenly_spread_regressors_of_every_outcome():
    gp, scores, x, y = with_scores((1.0, -1.0))
    known, new = x[:30], x[90:]
    raw = [[score.predict(Candidates(part))[0][:, 0] for score in scores] for part in (known, new)]
    # 3^(1/2) (2 Phi(g) - 1) has a standard deviation of 1 where g is normal
    offset, ahead = (
        3**0.5 * (2 * torch.special.ndtr(torch.tensor(np.array(g))).T.numpy() - 1) for g in raw
    )
    np.testing.assert_allclose(gp.score_means(new), ahead, atol=1e-8)
    offset, ahead = offset - offset.mean(0), ahead - offset.mean(0)
    for column, (kernel, lean) in enumerate(zip(gp.kernels, ([0.5, 0.5], [0, 0]), strict=True)):

        def plain(a, b, kernel=kernel):
            hamming, tanimoto, _ = featurize(SPACES[0], a).distances(featurize(SPACES[0], b))
            near = kernel.mix * torch.exp(-hamming / kernel.scale)
            return (near + (1 - kernel.mix) * tanimoto).numpy()

        mean = kernel.trust * np.array(lean)
        target = normal_scores(np.stack([y, -y], 1)[:30, column])
        gram = plain(known, known) + kernel.slack * offset @ offset.T
        gram += (kernel.noise + 1e-8) * np.eye(30)
        alpha = np.linalg.solve(gram, target - target.mean() - offset @ mean)
        cross = plain(known, new) + kernel.slack * offset @ ahead.T
        expected = target.mean() + ahead @ mean + cross.T @ alpha
        np.testing.assert_allclose(gp.predict(Candidates(new))[0][:, column], expected, atol=1e-8)
        weights = mean + kernel.slack * offset.T @ alpha
        np.testing.assert_allclose(gp.score_weights()[column], weights, atol=1e-8)


def test_scores_beside_prior_studies_are_not_taken_for_right_beforehand():
    _, source, x, y = with_source(1.0)
    _, (score,), *_ = with_scores((1.0,))
    gp = GaussianProcess(SPACES[0], priors=[source], scores=[score])
    gp.fit(x[:0], y[:0, None], y[:0])
    assert gp.score_weights().tolist() == [[0.0]]
    alone = GaussianProcess(SPACES[0], scores=[score, score])
    alone.fit(x[:0], np.empty((0, 2)), y[:0])
    assert alone.score_weights().tolist() == [[0.5, 0.5], [0.0, 0.0]]


def test_scores_are_asked_anew_after_every_one_of_the_first_results():
    _, (score,), x, _ = with_scores((1.0,))
    gp = GaussianProcess(SPACES[0], scores=[score])
    order = np.argsort(gp.score_means(x)[:, 0])
    rows = order[[-1, 0, -2, 1, -3, 2]]
    against = np.array([0.0, 1.0, 0.1, 0.9, 0.2, 0.8])
    followed = []
    for n in range(1, 7):
        gp.fit(x[rows[:n]], against[:n, None], -against[:n])
        followed.append(float(gp.score_weights()[0, 0]))
    assert followed[0] > 0  # taken for right ...
    assert followed[1] <= 0  # ... until the second result, and not until the eighth
    assert followed[-1] < -0.1  # what is always wrong is turned around


def test_noise_is_that_of_results_in_units_of_the_targets():
    rng = np.random.default_rng(0)
    x = np.repeat(SPACES[0].sample(25, rng), 4, axis=0)
    exact, found = (x == 3).sum(1).astype(float), []
    for scale in (0.0, 0.4):
        y = exact + scale * rng.normal(size=len(x))
        process = GaussianProcess(SPACES[0], targets=(VALUES,))
        process.fit(x, y[:, None], rank=-y)
        found.append(float(process.noise[0] * y.std()))
    assert found[0] < 0.1
    assert 0.3 < found[1] < 0.5
