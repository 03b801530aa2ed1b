"""AG-Net in optuna-dashboard: the cell and key numbers on every trial's page, figures and the best cell on the study's.

What is written, and where: user attributes and one SVG artifact a trial, while the trial runs, because Optuna freezes
finished trials; one note and a handful of figures below 100 kB a study, once every ``every`` trials. Nothing grows with
the number of trials in the study's own attributes, which the dashboard and all workers read as a whole.

optuna-dashboard and plotly are imported when a `Dashboard` is made: ``pip install 'optuna-agnet[dashboard]'``.
"""

from __future__ import annotations

import functools
import importlib
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import optuna
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.analysis.figures.style import on_any_page
from optuna_agnet.analysis.figures.values import value_name
from optuna_agnet.analysis.history import search_history
from optuna_agnet.analysis.report_page import plain
from optuna_agnet.spaces import SearchSpace
from optuna_agnet.study.attributes import SOURCE, VERSION
from optuna_agnet.study.trials import (
    best_architectures,
    constraint_names,
    constraints_of,
    is_feasible,
)
from optuna_agnet.visualization import (
    architecture_svg,
    plot_feasibility,
    plot_latency_accuracy,
    plot_latent_space,
    plot_operation_drift,
    plot_search_progress,
    plot_surrogate_calibration,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["Dashboard"]

Objective: TypeAlias = Callable[[optuna.Trial], float | Sequence[float]]

_PICTURE = 300  # pixels; the dashboard shows it in a card of about 200
_HEIGHT = 450  # of the dashboard's own figures
_MOST_BYTES = 100_000  # of a figure: it is stored in pieces of 2 kB in the study's attributes


@contextmanager
def _warning(what: str) -> Iterator[None]:
    """Turn errors into warnings: nothing that is only shown may end a search."""
    try:
        yield
    except Exception as error:
        warnings.warn(
            f"the dashboard's part of {what} was not written ({type(error).__name__}: {error})",
            UserWarning,
            stacklevel=4,
        )


def _check_installed() -> None:
    for package in ("optuna_dashboard", "plotly"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ImportError(
                f"Dashboard needs {package}: pip install 'optuna-agnet[dashboard]'"
            ) from error


class Dashboard:
    """Publishes a study while it runs.

    Args:
        space: What is searched.
        folder: Where pictures are kept; start the dashboard with ``--artifact-dir FOLDER``.
        every: Trials between two updates of the study's page. With many workers, the one that finishes the trial with
            such a number writes it.

    Raises:
        ImportError: optuna-dashboard or plotly is missing.
        ValueError: ``every`` is below 1.

    Example::

        dashboard = Dashboard(space, "artifacts")
        study.optimize(dashboard.objective(train), n_trials=100, callbacks=[dashboard])
    """

    def __init__(self, space: SearchSpace, folder: str | Path, *, every: int = 16) -> None:
        if every < 1:
            raise ValueError(f"every={every} must be at least 1")
        _check_installed()
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.space, self.every = space, every
        self._store = FileSystemArtifactStore(str(folder))

    def objective(self, objective: Objective) -> Objective:
        """The same objective, which publishes each trial when it is done, also when it fails or is pruned.

        A picture that can't be written warns; the trial's result is not lost for it.
        """

        @functools.wraps(objective)
        def published(trial: optuna.Trial) -> float | Sequence[float]:
            try:
                return objective(trial)
            finally:
                with _warning(f"trial {trial.number}"):
                    self.publish_trial(trial)

        return published

    def publish_trial(self, trial: optuna.Trial) -> None:
        """Cell, source and constraints of a running trial; call it in an ask-and-tell loop before ``study.tell``."""
        if not self.space.is_complete(trial.params):
            return  # it ended before it suggested an architecture
        arch = self.space.from_params(trial.params)
        frozen = trial.storage.get_trial(trial._trial_id)
        trial.set_user_attr("architecture", str(arch))
        trial.set_user_attr("agnet.source", str(frozen.system_attrs.get(SOURCE, "other")))
        trial.set_user_attr("agnet.round", int(frozen.system_attrs.get(VERSION, 0)))
        for name, value in constraints_of(frozen).items():
            trial.set_user_attr(f"constraint.{name}", value)
        if constraints_of(frozen):
            trial.set_user_attr("feasible", is_feasible(frozen))
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "cell.svg"
            svg = architecture_svg(arch, width=_PICTURE, ops=self.space.ops)
            picture.write_text(svg, encoding="utf-8")
            upload_artifact(
                artifact_store=self._store,
                file_path=str(picture),
                study_or_trial=trial,
                mimetype="image/svg+xml",
            )

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Update the study's page every ``every`` trials; a callback of ``study.optimize``."""
        if (trial.number + 1) % self.every == 0:
            with _warning(f"study '{study.study_name}'"):
                self.publish_study(study)

    def publish_study(self, study: optuna.Study) -> None:
        """Note and figures of the study's page; nothing before the first complete trial."""
        if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return
        from optuna_dashboard import save_note, save_plotly_graph_object

        save_note(study, self._note(study))
        study.set_user_attr("best feasible", self._best(study))
        for name, figure in self._figures(study).items():
            on_any_page(figure).update_layout(height=_HEIGHT, width=None, autosize=True)
            if len(figure.to_json()) < _MOST_BYTES:
                save_plotly_graph_object(study, figure, graph_object_id=f"agnet.{name}")

    def _figures(self, study: optuna.Study) -> dict[str, go.Figure]:
        history = search_history(study, self.space)
        figures = {"progress": plot_search_progress(study)}
        if history.observations.names:
            figures["feasibility"] = plot_feasibility(study, self.space, history=history)
        if history.observations.names or len(study.directions) > 1:
            figures["latency"] = plot_latency_accuracy(study)
        if history.has_generator:
            figures["latent-space"] = plot_latent_space(study, self.space, history=history)
            figures["operations"] = plot_operation_drift(
                study, self.space, most_choices=0, history=history
            )
        if history.judgements():
            figures["surrogate"] = plot_surrogate_calibration(study, self.space, history=history)
        return figures

    def _best(self, study: optuna.Study) -> str:
        """One line, for the study's user attributes: the dashboard's own "Best Trial" ignores constraints."""
        best = best_architectures(study, self.space)
        if not best:
            return "none yet"
        return f"trial {best[0].number}: {', '.join(f'{value:.6g}' for value in best[0].values)}"

    def _note(self, study: optuna.Study) -> str:
        best = best_architectures(study, self.space)
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        limits = constraint_names(study.get_trials(deepcopy=False))
        feasible = sum(is_feasible(trial, limits) for trial in trials)
        lines = [
            f"{len(trials)} complete trials, {feasible} feasible.",
            "",
            "### Best feasible",
            "",
        ]
        if not best:
            return "\n".join([*lines, "None yet: no trial is known to keep all constraints."])
        first = best[0]
        names = [value_name(study, k) for k in range(len(study.directions))]
        rows = [("trial", str(first.number))]
        rows += [(name, f"{value:.6g}") for name, value in zip(names, first.values, strict=True)]
        rows += [(f"constraint {n}", f"{value:+.4g}") for n, value in constraints_of(first).items()]
        lines += ["| | |", "| --- | --- |", *(f"| {plain(a)} | {b} |" for a, b in rows), ""]
        cell = str(self.space.from_params(first.params)).replace("`", "'")  # would end the code
        lines.append(f"`{cell}`")
        return "\n".join([*lines, "", *self._picture(study, first)])

    def _picture(self, study: optuna.Study, trial: FrozenTrial) -> list[str]:
        found = get_all_artifact_meta(trial, storage=study._storage)
        if not found:  # published by somebody else, or not at all
            return []
        path = f"/artifacts/{study._study_id}/{trial._trial_id}/{found[-1].artifact_id}"
        return [f"![best feasible cell]({path})"]
