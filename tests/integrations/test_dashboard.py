"""optuna-dashboard shows the cell, the figures and the best feasible trial, in a real browser where there is one.

Screenshots are kept in the folder ``OPTUNA_AGNET_ARTIFACTS``, or else in pytest's temporary one.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import TrialState

from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.dashboard import Dashboard
from optuna_agnet.generator.network import Generator
from optuna_agnet.spaces import Network, OneOf, Repeat, ordered
from optuna_agnet.study.trials import best_trials

optuna_dashboard = pytest.importorskip("optuna_dashboard", reason="needs optuna-dashboard")
pytest.importorskip("plotly")

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = spaces.nas_bench_201()
QUICK = AGNetConfig(n_startup=4, retrain_every=4, samples_per_attempt=(64,), pool_size=32)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def objective(trial: optuna.Trial) -> float:
    nodes = SPACE.suggest(trial).nodes
    excess = nodes.count("nor_conv_3x3") - 2.5
    if hasattr(trial, "set_constraint"):
        trial.set_constraint("latency_ms", excess)
    else:
        trial.storage.set_trial_system_attr(trial._trial_id, "constraints", [excess])
    if trial.number == 5:
        raise optuna.TrialPruned
    return nodes.count("nor_conv_3x3") + 0.1 * nodes.count("nor_conv_1x1") + 0.001 * trial.number


def run(folder: Path, n: int) -> optuna.Study:
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/study.db",
        study_name="cells",
        direction="maximize",
        sampler=AGNetSampler(SPACE, seed=0, config=QUICK, generator=Generator(SPACE)),
        load_if_exists=True,
    )
    dashboard = Dashboard(SPACE, folder / "artifacts", every=14)
    study.optimize(dashboard.objective(objective), n, callbacks=[dashboard])
    return study


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[optuna.Study, Path]:
    folder = tmp_path_factory.mktemp("dashboard")
    return run(folder, 14), folder


Published = tuple[optuna.Study, Path]


def test_every_trial_has_its_cell_and_the_same_few_attributes(published: Published) -> None:
    study, _ = published
    name = "latency_ms" if hasattr(optuna.Trial, "set_constraint") else "0"
    for trial in study.trials:
        attrs = trial.user_attrs
        assert attrs["architecture"] == str(SPACE.from_params(trial.params))
        assert attrs["agnet.source"] == trial.system_attrs["agnet:source"]
        assert attrs["feasible"] == (attrs[f"constraint.{name}"] <= 0)
        assert len(attrs) == 5
        (meta,) = get_all_artifact_meta(trial, storage=study._storage)
        assert meta.mimetype == "image/svg+xml"
    assert study.trials[5].state == TrialState.PRUNED  # published all the same


def study_attrs(study: optuna.Study) -> dict[str, object]:
    return study._storage.get_study_system_attrs(study._study_id)


def test_study_attributes_are_small_and_do_not_grow_with_trials(published: Published) -> None:
    study, _ = published
    attrs = study_attrs(study)
    sizes: dict[str, int] = {}
    for key, value in attrs.items():
        assert len(str(value)) <= 2045
        if key.startswith("dashboard:plot_data:"):
            figure = key.split(":")[2]
            sizes[figure] = sizes.get(figure, 0) + len(str(value))
    assert len(sizes) == 6
    assert max(sizes.values()) < 100_000
    ids = [f":{trial._trial_id}:" for trial in study.trials]
    assert not any(part in key for key in attrs for part in ids)


def test_the_note_names_the_best_feasible_trial_and_shows_its_cell(published: Published) -> None:
    study, _ = published
    best = best_trials(study)[0]
    assert best.number != study.trials[0].number
    assert study.user_attrs["best feasible"].startswith(f"trial {best.number}: ")
    note = optuna_dashboard.get_note(study)
    assert f"| trial | {best.number} |" in note
    (meta,) = get_all_artifact_meta(best, storage=study._storage)
    assert f"/artifacts/{study._study_id}/{best._trial_id}/{meta.artifact_id})" in note
    unlimited = max((t for t in study.trials if t.value is not None), key=lambda t: t.value)
    assert unlimited.number != best.number  # the dashboard's own "Best Trial"


def test_whole_networks_are_shown(tmp_path: Path) -> None:
    block = Network(mixer=OneOf(attention=ordered(2, 4), conv=ordered(3, 5)), ratio=ordered(2, 3))
    space = Network(width=ordered(16, 32, 64), blocks=Repeat(block, 1, 4))
    sampler = AGNetSampler(space, seed=0, config=QUICK, generator=Generator(space))
    study = optuna.create_study(
        storage=f"sqlite:///{tmp_path}/study.db", direction="maximize", sampler=sampler
    )

    def blocks(trial: optuna.Trial) -> float:
        values = space.values(space.suggest(trial))
        return len(values["blocks"]) - values["width"] / 64

    dashboard = Dashboard(space, tmp_path / "artifacts", every=9)
    study.optimize(dashboard.objective(blocks), 9, callbacks=[dashboard])
    for trial in study.trials:
        (meta,) = get_all_artifact_meta(trial, storage=study._storage)
        assert "blocks.mixer" in (tmp_path / "artifacts" / meta.artifact_id).read_text()
    note = optuna_dashboard.get_note(study)
    assert str(space.from_params(study.best_params)) in note
    plots = {k.split(":")[2] for k in study_attrs(study) if k.startswith("dashboard:plot_data:")}
    assert len(plots) >= 4


def test_names_in_the_note_are_text(tmp_path: Path) -> None:
    space = spaces.EdgeCell(nodes=2, ops=("<script>x</script>", "`<b>"))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.set_metric_names(["<img/src=x>|"])
    for _ in range(4):
        trial = study.ask()
        space.suggest(trial)
        trial.storage.set_trial_system_attr(trial._trial_id, "constraints:<b>", -1.0)
        study.tell(trial, float("`" not in trial.params["op_0_1"]))
    note = Dashboard(space, tmp_path)._note(study)
    assert "| &lt;img/src=x>\\| | 0 |" in note
    assert "| constraint &lt;b> | -1 |" in note
    cell = note.splitlines()[-1]
    assert (cell[0], cell[-1], cell.count("`")) == ("`", "`", 2)


def test_without_a_feasible_or_complete_trial_it_says_so(tmp_path: Path) -> None:
    dashboard = Dashboard(SPACE, tmp_path)
    study = optuna.create_study()
    dashboard.publish_study(study)
    assert study_attrs(study) == {}
    trial = study.ask()
    SPACE.suggest(trial)
    trial.storage.set_trial_system_attr(trial._trial_id, "constraints", [1.0])
    dashboard.publish_trial(trial)
    study.tell(trial, 1.0)
    assert "None yet" in dashboard._note(study)
    early = study.ask()
    dashboard.publish_trial(early)  # without an architecture
    assert early.user_attrs == {}
    with pytest.raises(ValueError, match="every=0"):
        Dashboard(SPACE, tmp_path, every=0)


def test_a_search_without_a_generator_has_the_other_figures(tmp_path: Path) -> None:
    space = spaces.Chain([("conv", "pool", "skip")] * 34)
    study = optuna.create_study(direction="maximize", sampler=AGNetSampler(space, seed=0))
    for number in range(4):
        params = space.to_params(space.random_architecture(number))
        distributions = space.distributions()
        study.add_trial(
            optuna.create_trial(value=1.0 * number, params=params, distributions=distributions)
        )
    Dashboard(space, tmp_path).publish_study(study)
    assert any("progress" in key for key in study_attrs(study))
    assert not any("latent" in key for key in study_attrs(study))


def test_the_best_architecture_is_shown_where_a_better_trial_has_none(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    cell = SPACE.suggest(trial)
    study.tell(trial, 1.0)
    study.add_trial(optuna.create_trial(value=2.0))  # somebody's baseline
    dashboard = Dashboard(SPACE, tmp_path)
    assert f"`{cell}`" in dashboard._note(study)
    assert dashboard._best(study) == "trial 0: 1"


def test_pictures_are_the_same_under_every_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = spaces.EdgeCell(nodes=2, ops=("größer", "kleiner"))
    study = optuna.create_study()
    trial = study.ask(space.distributions())
    write = Path.write_text
    monkeypatch.setattr(  # a locale that has no "ö"
        Path, "write_text", lambda self, text, encoding="ascii": write(self, text, encoding)
    )
    Dashboard(space, tmp_path).publish_trial(trial)
    assert len(get_all_artifact_meta(trial)) == 1


@pytest.mark.parametrize("package", ["optuna_dashboard", "plotly"])
def test_a_missing_package_is_named_before_the_search(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs {package}: pip install .*\[dashboard\]"):
        Dashboard(SPACE, tmp_path / "artifacts")
    assert not (tmp_path / "artifacts").exists()


def test_what_can_not_be_shown_warns_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **named: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("optuna_agnet.dashboard.upload_artifact", full)
    monkeypatch.setattr(optuna_dashboard, "save_note", full)
    dashboard = Dashboard(SPACE, tmp_path, every=1)
    study = optuna.create_study()
    with pytest.warns(UserWarning, match="no space left on device") as caught:
        study.optimize(dashboard.objective(objective), 2, callbacks=[dashboard])
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 2
    assert {
        str(w.message).split(" was not")[0] for w in caught if "dashboard" in str(w.message)
    } == {
        *(f"the dashboard's part of trial {k}" for k in range(2)),
        f"the dashboard's part of study '{study.study_name}'",
    }


# -- in a browser ------------------------------------------------------------------------------------------------------


class _Server(ThreadingMixIn, WSGIServer):
    """A browser opens connections that it may not use; one thread would wait on them."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(published: Published) -> Iterator[str]:
    study, folder = published
    store = FileSystemArtifactStore(str(folder / "artifacts"))
    app = optuna_dashboard.wsgi(study._storage, artifact_store=store)
    server = make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/dashboard/studies/{study._study_id}"
    server.shutdown()
    thread.join()


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": 1500, "height": 1000},
            color_scheme=getattr(request, "param", "light"),
        )
        page.set_default_timeout(180_000)
        errors: list[str] = []
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "response", lambda r: errors.append(f"{r.status} {r.url}") if r.status >= 400 else None
        )
        yield page
        browser.close()
    assert errors == []


def keep(page: object, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("OPTUNA_AGNET_ARTIFACTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"dashboard-{name}.png", full_page=True)  # type: ignore[attr-defined]


def natural_width(page: object, selector: str) -> int:
    image = page.locator(selector).first  # type: ignore[attr-defined]
    image.wait_for()
    return int(
        image.evaluate(
            "image => image.decode().then(() => image.naturalWidth, () => image.naturalWidth)"
        )
    )


@pytest.mark.slow
def test_the_trial_page_shows_the_cell(
    page: object, address: str, published: Published, tmp_path: Path
) -> None:
    study, _ = published
    number = best_trials(study)[0].number
    page.goto(f"{address}/trials?numbers={number}")  # type: ignore[attr-defined]
    assert natural_width(page, "img[src*='/artifacts/']") == 300
    for text in ("agnet.source", str(SPACE.from_params(study.trials[number].params)), "feasible"):
        page.get_by_text(text).first.wait_for()  # type: ignore[attr-defined]
    keep(page, "trial", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_the_study_page_shows_the_figures(
    page: object, address: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page.goto(address)  # type: ignore[attr-defined]
    plots = page.locator("[id^='user-defined-plot:agnet.'] .main-svg")  # type: ignore[attr-defined]
    plots.first.wait_for()
    page.wait_for_function(  # type: ignore[attr-defined]
        "document.querySelectorAll(\"[id^='user-defined-plot:agnet.'] .plot-container\").length === 6"
    )
    page.get_by_text("best feasible").first.wait_for()  # type: ignore[attr-defined]
    keep(page, f"study-{request.node.callspec.params['page']}", tmp_path)


@pytest.mark.slow
def test_the_note_shows_the_best_feasible_cell(page: object, address: str, tmp_path: Path) -> None:
    page.goto(f"{address}/note")  # type: ignore[attr-defined]
    page.get_by_text("Best feasible").first.wait_for()  # type: ignore[attr-defined]
    assert natural_width(page, "img[alt='best feasible cell']") == 300
    keep(page, "note", tmp_path)
