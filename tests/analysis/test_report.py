"""The report says what the study's trials say, in both forms."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

import optuna_agnet
from optuna_agnet import AGNet, AGNetConfig, AGNetSampler, spaces
from optuna_agnet.analysis.history import search_history
from optuna_agnet.analysis.report import report
from optuna_agnet.analysis.report_page import Report, Section
from optuna_agnet.generator.network import Generator

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv", "pool"))
QUICK = AGNetConfig(n_startup=4, retrain_every=4, samples_per_attempt=(64,), pool_size=32)


def run(n: int = 14, direction: str = "maximize", limit: float | None = None) -> optuna.Study:
    sampler = AGNetSampler(SPACE, seed=0, config=QUICK, generator=Generator(SPACE))
    study = optuna.create_study(study_name="cells|x", direction=direction, sampler=sampler)
    for k in range(n):
        trial = study.ask()
        nodes = SPACE.suggest(trial).nodes
        if limit is not None:
            trial.storage.set_trial_system_attr(
                trial._trial_id, "constraints", [nodes.count("pool") - limit]
            )
        if k == 5:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, nodes.count("conv") + 0.01 * k)
    return study


@pytest.fixture(scope="module")
def limited() -> tuple[optuna.Study, Report]:
    study = run(limit=1.5)
    return study, report(study, SPACE)


def section(result: Report, title: str) -> Section:
    return next(section for section in result.sections if section.title == title)


def table(result: Report, title: str) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in section(result, title).rows}


def feasible(trial: optuna.trial.FrozenTrial) -> bool:
    return SPACE.from_params(trial.params).nodes.count("pool") <= 1


def test_no_trial_is_missing_from_the_count() -> None:
    study = run()
    for _ in range(2):
        study.ask()  # killed before it suggests anything
    study.enqueue_trial({})
    SPACE.suggest(study.ask())  # takes the enqueued one, and runs
    queries = table(report(study, SPACE), "Queries")
    assert queries["running"] == ("1",)
    assert queries["without an architecture"] == ("2",)
    assert "without an architecture" not in table(report(run(), SPACE), "Queries")


def test_queries_and_best_feasible_architecture(limited: tuple[optuna.Study, Report]) -> None:
    study, result = limited
    complete = [t for t in study.trials if t.state == TrialState.COMPLETE]
    kept = [t for t in complete if feasible(t)]
    queries = table(result, "Queries")
    assert queries["complete"] == (str(len(complete)),)
    assert queries["fail"] == ("1",)
    assert queries["complete and feasible"][0].startswith(f"{len(kept)} (")
    assert queries["constraint 0 broken"] == (f"{len(complete) - len(kept)} of {len(complete)}",)
    best = max(kept, key=lambda t: t.value)
    shown = table(result, "Best feasible architecture")
    assert shown["trial"] == (str(best.number),)
    assert shown["architecture"] == (str(SPACE.from_params(best.params)),)
    assert {f"parameter {name}" for name in best.params} <= shown.keys()
    assert shown["proposed by"][0] in ("startup", "generator", "neighbors", "random")


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_sources_count_proposals_and_new_bests(direction: str) -> None:
    study = run(direction=direction)
    sign = 1 if direction == "maximize" else -1
    best, won = -np.inf, {}
    for t in study.trials:
        if t.value is not None and sign * t.value > best:
            best = sign * t.value
            won[t.system_attrs["agnet:source"]] = won.get(t.system_attrs["agnet:source"], 0) + 1
    shown = table(report(study, SPACE), "Where architectures came from")
    assert sum(int(row[0]) for row in shown.values()) == 13
    assert {source: int(row[1]) for source, row in shown.items() if row[1] != "0"} == won


def test_the_samplers_share_of_the_time_is_shown(limited: tuple[optuna.Study, Report]) -> None:
    study, found = limited
    seconds = [trial.system_attrs["agnet:seconds"] for trial in study.trials]
    rows = dict(next(s for s in found.sections if s.title == "Time").rows)
    assert float(rows["slowest proposal"].split()[0]) == pytest.approx(max(seconds), rel=0.01)
    assert rows["all proposals"].endswith("% of the trials' time")


def test_generator_and_surrogate_have_a_row_a_round(limited: tuple[optuna.Study, Report]) -> None:
    _, result = limited
    generator = table(result, "Generator")
    assert list(generator) == ["pretrained", *(f"after {k} results" for k in (4, 8, 12))]
    assert generator["pretrained"][2] == "0.0%"
    assert {row[0] for row in generator.values()} == {"100.0%"}  # an EdgeCell has no invalid graph
    surrogate = table(result, "Surrogate")
    assert list(surrogate) == ["4", "8", "12", "all rounds"]
    assert all(-1 <= float(tau) <= 1 for _, tau in surrogate.values() if tau != "-")


def test_another_surrogate_of_the_search_is_named() -> None:
    study = run(6)
    config = AGNetConfig(n_startup=4, retrain_every=4, surrogate="mlp", acquisition="mean")
    search = AGNet(SPACE, config=config, generator=Generator(SPACE))
    result = report(study, SPACE, history=search_history(study, SPACE, search))
    assert "the search used the surrogate 'mlp'" in section(result, "Surrogate").note


def test_several_objectives_have_a_column_each() -> None:
    sampler = AGNetSampler(SPACE, seed=0, config=QUICK, generator=Generator(SPACE))
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[int, int]:
        nodes = SPACE.suggest(trial).nodes
        return nodes.count("conv"), nodes.count("pool")

    study.optimize(objective, n_trials=9)
    result = report(study, SPACE)
    surrogate = section(result, "Surrogate")
    assert surrogate.header[2:] == ("Kendall tau, Objective 0", "Kendall tau, Objective 1")
    assert {len(row) for row in surrogate.rows} == {4}
    assert {"Objective 0", "Objective 1"} <= table(result, "Best feasible architecture").keys()
    assert "latency" in result.figures


def test_duplicates_are_counted_by_decisions_and_by_graph() -> None:
    space = spaces.EdgeCell(nodes=3, ops=("none", "conv", "pool"))
    study = optuna.create_study(study_name="twins")
    for text in (
        "|conv~0|+|none~0|pool~1|",
        "|conv~0|+|none~0|pool~1|",
        "|none~0|+|conv~0|none~1|",
    ):
        study.enqueue_trial(space.to_params(space.parse(text)))
    study.optimize(lambda trial: len(str(space.suggest(trial))), n_trials=3)
    search = AGNet(space, ["minimize"], generator=Generator(space))
    result = report(study, space, history=search_history(study, space, search))
    assert list(table(result, "Duplicates").values()) == [("3",), ("2",), ("2",)]
    assert table(result, "Best feasible architecture")["proposed by"] == (
        "another sampler or by hand",
    )


def test_duplicates_avoided_are_the_samples_that_earlier_trials_had(
    limited: tuple[optuna.Study, Report],
) -> None:
    study, result = limited
    rounds = search_history(study, SPACE).rounds
    generated = [t for t in study.trials if t.system_attrs["agnet:source"] == "generator"]
    expected = 0.0
    for trial in generated:
        earlier = {SPACE.from_params(t.params).key for t in study.trials[: trial.number]}
        x, _ = rounds[trial.system_attrs["agnet:version"]].sample(500)
        drawn = [arch.key in earlier for arch in SPACE.architectures(x)]
        expected += sum(drawn) / len(drawn)
    shown = table(result, "Duplicates")["duplicates avoided"][0]
    assert shown == f"about {expected:.1f} of {len(generated)}"
    assert expected > 0.2


def test_no_duplicate_is_avoided_where_they_are_allowed() -> None:
    config = AGNetConfig(
        n_startup=4, retrain_every=4, samples_per_attempt=(64,), pool_size=32, allow_duplicates=True
    )
    sampler = AGNetSampler(SPACE, seed=0, config=config, generator=Generator(SPACE))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: SPACE.suggest(trial).nodes.count("conv"), n_trials=8)
    assert "duplicates avoided" not in table(report(study, SPACE), "Duplicates")


def test_markdown_tables_are_whole_and_the_picture_is_in_it(
    limited: tuple[optuna.Study, Report], tmp_path: Path
) -> None:
    _, result = limited
    lines = result.markdown.splitlines()
    assert lines[0] == "# Study cells\\|x"
    for first, second in pairwise(lines):
        if first.startswith("| ") and second.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", first)) == len(re.findall(r"(?<!\\)\|", second))
    data = re.search(r"\(data:image/svg\+xml;base64,(.+)\)", result.markdown)
    assert data is not None
    picture = section(result, "Best feasible architecture").picture
    assert picture.startswith("<svg")
    assert base64.b64decode(data[1]).decode() == picture
    result.save(tmp_path / "study.md")
    assert "](study-0.svg)" in (tmp_path / "study.md").read_text()
    assert (tmp_path / "study-0.svg").read_text() == picture
    assert "![" not in str(result)
    with pytest.raises(ValueError, match=r"study.txt' must end in .html or .md"):
        result.save(tmp_path / "study.txt")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "path", "rect", "line", "circle", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("path", "rect", "line", "circle"):
            return
        assert self.open.pop() == tag


def test_html_is_whole_and_needs_no_network(limited: tuple[optuna.Study, Report]) -> None:
    pytest.importorskip("plotly")
    _, result = limited
    assert list(result.figures) == [
        *("progress", "latency", "feasibility", "latent space", "operations", "surrogate")
    ]
    tags = _Tags()
    tags.feed(result.html)
    assert tags.open == []
    assert tags.links == []
    assert result.html.count("Plotly.newPlot") >= 6
    assert "cells|x" in result.html


def test_the_page_is_light_or_dark_and_leaves_the_figures_as_they_are(
    limited: tuple[optuna.Study, Report],
) -> None:
    pytest.importorskip("plotly")
    _, result = limited
    before = result.figures["progress"].to_json()
    page = result.html
    assert "prefers-color-scheme: dark" in page
    assert page.count('"paper_bgcolor":"rgba(0, 0, 0, 0)"') == len(result.figures)
    assert result.figures["progress"].to_json() == before


def test_without_a_feasible_trial_and_without_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("plotly", "plotly.graph_objects", "plotly.subplots"):
        monkeypatch.setitem(sys.modules, name, None)
    result = report(run(6, limit=-99), SPACE)
    assert result.figures == {}
    assert section(result, "Best feasible architecture").picture == ""
    assert "None: no complete trial keeps all constraints" in result.markdown
    assert "<script" not in result.html
    assert "pip install 'optuna-agnet[plot]'" in section(result, "Figures").note


def test_a_trial_whose_constraint_is_unknown_is_named_and_not_the_best() -> None:
    study = run(6, limit=1.5)
    trial = study.ask()
    SPACE.suggest(trial)
    study.tell(trial, 99.0)
    with pytest.warns(UserWarning, match=r"1 complete trials \(6\)"):
        result = report(study, SPACE)
    assert table(result, "Best feasible architecture")["trial"] != ("6",)
    queries = table(result, "Queries")
    assert queries["complete, a constraint unknown"] == ("1",)
    measured = [t for t in study.trials[:6] if t.value is not None]
    kept = sum(t.system_attrs["constraints"][0] <= 0 for t in measured)
    assert queries["complete and feasible"][0].startswith(f"{kept} ")


def test_the_best_architecture_is_shown_where_a_better_trial_has_none() -> None:
    study = run(3)
    study.add_trial(optuna.create_trial(value=99.0))  # somebody's baseline
    best = table(report(study, SPACE), "Best feasible architecture")
    assert best["trial"] == (str(np.argmax([trial.value for trial in study.trials[:3]])),)


def test_the_public_name_is_the_function_also_after_the_module_was_imported() -> None:
    code = (
        "import optuna_agnet.analysis.report, optuna_agnet; from optuna_agnet import report;"
        "assert callable(report) and optuna_agnet.report is report"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert optuna_agnet.report is report
