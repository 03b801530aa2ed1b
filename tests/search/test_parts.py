"""Own surrogates, sources of candidates and acquisitions, and what does not fit."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from optuna_agnet import AGNet, AGNetConfig, AGNetSampler, spaces
from optuna_agnet.search import (
    Candidates,
    ExpectedImprovement,
    GeneratorSource,
    NeighborSource,
    RandomSource,
    Surrogate,
)

SPACE = spaces.nas_bench_201()
QUICK = AGNetConfig(n_startup=4)


def value(arch: object) -> int:
    return str(arch).count("nor_conv_3x3")


class Counts(Surrogate):
    """Knows the answer: how often the best operation is there."""

    def fit(self, x, y, rank):
        self.feasibility_threshold = np.zeros(y.shape[1])
        self.fitted = y
        self.pending = 0

    def condition_on_pending(self, x):
        self.pending = len(x)

    def predict(self, candidates):
        best = SPACE.decisions[0].choices.index("nor_conv_3x3")
        mean = (candidates.x == best).sum(1)[:, None].astype(float)
        return mean, np.full_like(mean, 0.1)


class Everything:
    """All architectures, in their order."""

    name = "everything"

    def candidates(self, request):
        x = SPACE.enumerate()
        return Candidates(x[request.allowed.new(x)])


class Nothing:
    name = "nothing"

    def candidates(self, request):
        return None


class Last:
    """The last candidate first."""

    def order(self, predicted, rng):
        return np.arange(len(predicted.mean))[::-1]


def search(**parts) -> AGNet:
    made = AGNet(SPACE, seed=0, config=QUICK, **parts)
    for _ in range(4):
        arch = made.ask()
        made.tell(arch, value(arch))
    return made


def test_a_surrogate_of_ones_own_decides():
    best = value(search(surrogate=Counts(), candidate_sources=[Everything()]).ask())
    assert best == 6


def test_a_surrogate_of_ones_own_is_told_what_is_pending():
    surrogate = Counts()
    made = search(surrogate=surrogate)
    made.ask()
    assert surrogate.pending == 0
    made.ask(2)
    assert surrogate.pending == 2


def test_a_surrogate_may_leave_out_what_is_pending():
    class Flat(Surrogate):
        def fit(self, x, y, rank):
            self.feasibility_threshold, self.fitted = np.zeros(1), y

        def predict(self, candidates):
            shape = len(candidates.x), 1
            return np.zeros(shape), np.ones(shape)

    assert len(set(map(str, search(surrogate=Flat()).ask(3)))) == 3


def test_an_acquisition_of_ones_own_decides():
    made = search(candidate_sources=[Everything()], acquisition=Last())
    last = SPACE.architectures(SPACE.enumerate()[-1:])[0]
    assert made.ask() == last


def test_sources_take_turns_and_give_proposals_their_name():
    sampler = AGNetSampler(
        SPACE, seed=0, config=QUICK, candidate_sources=[Everything(), RandomSource(), Nothing()]
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: value(SPACE.suggest(trial)), n_trials=7)
    found = [trial.system_attrs["agnet:source"] for trial in study.trials]
    assert found == ["startup"] * 4 + ["random", "random", "everything"]


def test_parts_given_as_objects_propose_what_their_names_do():
    by_name = search()
    parts = {
        "candidate_sources": [GeneratorSource((512,), False)] * 3 + [NeighborSource()],
        "acquisition": ExpectedImprovement(),
    }
    by_object = search(**parts)
    for _ in range(6):
        one, other = by_name.ask(), by_object.ask()
        assert one == other
        by_name.tell(one, value(one))
        by_object.tell(other, value(other))


@pytest.mark.parametrize("cautious", [True, False])
def test_caution_can_be_fixed(cautious):
    assert search(acquisition=ExpectedImprovement(cautious)).ask()


@pytest.mark.parametrize("owner", [AGNet, AGNetSampler])
@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({"surrogate": object()}, TypeError, "surrogate=.*condition_on_pending"),
        ({"acquisition": object()}, TypeError, r"acquisition=.*order\("),
        ({"candidate_sources": []}, ValueError, "at least one source"),
        ({"candidate_sources": Everything()}, TypeError, "must be a sequence"),
        ({"candidate_sources": ["neighbors"]}, TypeError, r"contains 'neighbors'.*candidates\("),
    ],
)
def test_what_does_not_fit_is_refused_at_the_door(owner, parts, error, message):
    with pytest.raises(error, match=message):
        owner(SPACE, **parts)
