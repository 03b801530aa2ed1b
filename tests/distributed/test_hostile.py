"""Random spaces, histories that no sensible study has, names and files that were made to do harm."""

from __future__ import annotations

import html
import json
import re
import struct
import tracemalloc
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import crew
import numpy as np
import optuna
import pytest
import torch
from crew import Sampler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from safetensors.torch import save_file

from optuna_agnet import load_generator, report, spaces
from optuna_agnet.generator import save_generator
from optuna_agnet.generator.network import Generator
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study.attributes import CLAIM, set_constraint
from optuna_agnet.study.storage_view import StudyState

OPS = ("none", "skip", "conv", "pool")

# -- spaces and histories ----------------------------------------------------------------------------------------------


@st.composite
def random_space(draw: st.DrawFn) -> SearchSpace:
    ops = OPS[: draw(st.integers(2, 4))]
    kind = draw(st.sampled_from(["edges", "nodes", "chain", "stack"]))
    if kind == "edges":
        return spaces.EdgeCell(nodes=draw(st.integers(2, 4)), ops=ops)
    if kind == "chain":
        return spaces.Chain(
            draw(st.lists(st.sampled_from([OPS[1:3], OPS[1:]]), min_size=1, max_size=6))
        )
    if kind == "stack":
        return spaces.Stack(
            normal=spaces.EdgeCell(nodes=3, ops=ops), tail=spaces.Chain(layers=[OPS[1:]])
        )
    nodes = draw(st.integers(3, 5))
    return spaces.NodeCell(max_nodes=nodes, max_edges=draw(st.integers(nodes - 1, 9)), ops=ops)


NUMBERS = st.floats(allow_nan=False) | st.sampled_from([1e308, -1e308, 5e-324, float("inf")])


@st.composite
def random_trial(
    draw: st.DrawFn, space: SearchSpace, sane: bool, objectives: int = 1
) -> optuna.trial.FrozenTrial:
    """A trial with some of the space's parameters, perhaps renamed or with other choices, and foreign ones."""
    params: dict[str, Any] = {}
    distributions: dict[str, Any] = {}
    for decision in space.decisions:
        fate = draw(
            st.sampled_from(["whole"] * 12 + ["missing", "renamed"] + ["other"] * (not sane))
        )
        choices = decision.choices + (("mystery",) if fate == "other" else ())
        if fate != "missing":
            name = decision.name + ("_old" if fate == "renamed" else "")
            params[name] = draw(st.sampled_from(choices))
            distributions[name] = CategoricalDistribution(choices)
    if draw(st.booleans()):
        params["lr"], distributions["lr"] = draw(st.floats(0, 1)), FloatDistribution(0, 1)
    state = draw(st.sampled_from([TrialState.COMPLETE] * 4 + list(TrialState)))
    attrs = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "constraints": st.lists(NUMBERS, max_size=3),
                "constraints:latency_ms": NUMBERS,
                CLAIM: st.text(max_size=8) | st.just(json.dumps([0] * len(space.decisions))),
            },
        )
    )
    return create_trial(
        state=state,
        values=[draw(NUMBERS) for _ in range(objectives)] if state == TrialState.COMPLETE else None,
        params=params,
        distributions=distributions,
        system_attrs=attrs,
    )


def study_of(
    space: SearchSpace, trials: list[optuna.trial.FrozenTrial], *more: str
) -> optuna.Study:
    study = optuna.create_study(directions=["maximize", *more], sampler=Sampler(space=space))
    study.add_trials(trials)
    return study


def beside(space: SearchSpace, study: optuna.Study) -> bool:
    """Whether all finished trials had a parameter that is none of the space: pairs are new then, not architectures."""
    common = optuna.search_space.intersection_search_space(study.trials)
    return not common.keys() <= {decision.name for decision in space.decisions}


def evaluated(space: SearchSpace, study: optuna.Study) -> set[bytes]:
    snapshot = StudyState(space, study, max_failures=2).read(study, -1)
    rows = np.concatenate([snapshot.observations.x, snapshot.pending, snapshot.excluded])
    return {row.tobytes() for row in rows}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_history_of_any_space(data: st.DataObject) -> None:
    space = data.draw(random_space())
    more = data.draw(st.lists(st.sampled_from(["maximize", "minimize"]), max_size=1))
    trials = data.draw(st.lists(random_trial(space, True, 1 + len(more)), max_size=14))
    study = study_of(space, trials, *more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        waiting = sum(trial.state == TrialState.WAITING for trial in trials)
        for _ in range(waiting):  # their parameters are what they were enqueued with
            study.tell(study.ask(), state=TrialState.FAIL)  # and free again after one failure
        taken = evaluated(space, study)
        arch = space.suggest(study.ask())
    assert space.from_params(space.to_params(arch)) == arch
    row = space.choices([arch])[0]
    exhausted = len(taken) >= len(space.enumerate())
    assert row.tobytes() not in taken or exhausted or beside(space, study)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_other_choices_under_the_same_name_are_named(data: st.DataObject) -> None:
    space = spaces.EdgeCell(nodes=4, ops=OPS)
    trials = data.draw(st.lists(random_trial(space, sane=False), max_size=4))
    finished = [trial for trial in trials if trial.state.is_finished()]
    expected = space.distributions()
    wrong = {n for t in finished for n, d in t.distributions.items() if expected.get(n, d) != d}
    study = study_of(space, finished)
    if not wrong:
        space.suggest(study.ask())
        return
    with pytest.raises(ValueError, match="recorded the parameter") as raised:
        space.suggest(study.ask())
    assert any(f"'{name}'" in str(raised.value) for name in wrong)


def test_thousands_of_failures() -> None:
    space = spaces.EdgeCell(nodes=4, ops=OPS)
    rows = space.sample(1000, np.random.default_rng(0))
    distributions = space.distributions()
    study = study_of(
        space,
        [
            create_trial(
                state=TrialState.FAIL, params=space.row_to_params(row), distributions=distributions
            )
            for row in np.concatenate([rows, rows])
        ],
    )
    taken = evaluated(space, study)
    assert len(taken) > 500
    for _ in range(3):
        trial = study.ask()
        assert space.choices([space.suggest(trial)])[0].tobytes() not in taken
        study.tell(trial, state=TrialState.FAIL)


# -- names -------------------------------------------------------------------------------------------------------------

EVIL = (
    "<script>alert(1)</script>",
    "');DROP/**/TABLE/**/trials;--",
    '"onload="x',
    "${7*7}%s{0}\\",
    "零",
)


@pytest.mark.parametrize("storage", ["sqlite", "postgresql", "mysql", "journal"])
def test_names_that_would_break_html_or_sql(
    storage: str, name: str, request: pytest.FixtureRequest
) -> None:
    space = spaces.EdgeCell(nodes=3, ops=EVIL)
    study = crew.new_study(
        request.getfixturevalue(storage), f"{name}{EVIL[1]}{EVIL[0]}", sampler=Sampler(space=space)
    )
    study.optimize(lambda trial: len(str(space.suggest(trial))), n_trials=6)
    again = optuna.load_study(study_name=study.study_name, storage=study._storage)
    assert {value for t in again.trials for value in t.params.values()} <= set(EVIL)
    assert len({tuple(t.params.values()) for t in again.trials}) == 6


class Tags(HTMLParser):
    """Every tag of a page with the names of its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def finished(names: tuple[str, ...]) -> tuple[SearchSpace, optuna.Study]:
    """A study whose operations, objective, constraint and own name are the given ones."""
    space = spaces.EdgeCell(nodes=3, ops=names)
    study = optuna.create_study(
        study_name=names[0], direction="maximize", sampler=Sampler(space=space)
    )
    study.set_metric_names([names[1]])
    for value in range(14):
        trial = study.ask()
        space.suggest(trial)
        set_constraint(study, trial, names[2], value - 9.0)
        study.tell(trial, value)
    return space, study


def test_a_report_shows_names_as_text() -> None:
    letters = tuple(letter * len(name) for letter, name in zip("abcde", EVIL, strict=True))
    evil, harmless = (report(study, space) for space, study in map(finished, (EVIL, letters)))
    assert Tags(evil.html).found == Tags(harmless.html).found
    text = html.unescape(re.sub(r"<[^>]*>", "", evil.html))
    assert all(name in text for name in EVIL[:3])
    assert not re.search(r"<[a-z/!]", evil.markdown, re.IGNORECASE)
    title, *_ = evil.markdown.splitlines()
    assert html.unescape(title) == f"# Study {EVIL[0]}"


# -- files -------------------------------------------------------------------------------------------------------------


def header(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def write(path: Path, head: dict[str, Any], body: bytes) -> None:
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def about(head: dict[str, Any], **config: int) -> dict[str, Any]:
    metadata = json.loads(head["__metadata__"]["optuna_agnet"])
    metadata["config"].update(config)
    return {**head, "__metadata__": {"optuna_agnet": json.dumps(metadata)}}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:])


def claims_more_than_it_holds(path: Path) -> None:
    head, body = header(path)
    name = next(key for key in head if key != "__metadata__")
    head[name]["shape"] = [2**20, 2**20]
    write(path, head, body)


def pickled(path: Path) -> None:
    torch.save({"x": torch.zeros(2)}, path)


def zeros(path: Path) -> None:
    """One gibibyte that takes no space on the disk."""
    with path.open("wb") as file:
        file.truncate(2**30)


def other_tensors(path: Path) -> None:
    """A gibibyte of weights in a file that is well made in every other way."""
    head, body = header(path)
    start = max(entry["data_offsets"][1] for key, entry in head.items() if key != "__metadata__")
    head["extra"] = {"dtype": "F32", "shape": [2**28], "data_offsets": [start, start + 2**30]}
    write(path, head, body)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + 2**30)


def huge_config(path: Path) -> None:
    head, body = header(path)
    write(path, about(head, latent=10**9, width=10**6), body)


def deep_config(path: Path) -> None:
    head, body = header(path)
    write(path, about(head, layers=10**9), body)


def negative_config(path: Path) -> None:
    head, body = header(path)
    write(path, about(head, width=-4), body)


def another_version(path: Path) -> None:
    head, _ = header(path)
    save_file({"weight": torch.zeros(64, 64)}, str(path), metadata=head["__metadata__"])


HARM = (
    *(cut, longer, huge_header, claims_more_than_it_holds, pickled, zeros),
    *(other_tensors, huge_config, deep_config, negative_config, another_version),
)


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_weights_that_are_not_ours_are_refused_before_anything_is_allocated(
    harm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = spaces.EdgeCell(nodes=4, ops=OPS)
    path = tmp_path / "weights.safetensors"
    save_generator(Generator(space), path)
    harm(path)
    monkeypatch.setattr(torch, "empty", _small(torch.empty))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"weights\.safetensors"):
        load_generator(space, path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24


def _small(empty: Any) -> Any:
    def allocate(*size: Any, **arguments: Any) -> torch.Tensor:
        assert np.prod(np.array(size[0] if isinstance(size[0], tuple) else size)) < 2**20
        return empty(*size, **arguments)

    return allocate
