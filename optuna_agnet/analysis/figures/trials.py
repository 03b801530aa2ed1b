"""Figures of a study's trials: progress, latency against accuracy, feasibility."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from optuna_agnet.analysis.figures.style import ACCENT, GREY, SOURCES, plotly, titled
from optuna_agnet.analysis.figures.values import (
    complete_trials,
    is_maximized,
    source_of,
    value_name,
    worth_showing,
)
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.study.trials import constraint_names, constraints_of, is_feasible

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go
    from optuna.trial import FrozenTrial

    from optuna_agnet.analysis.history import SearchHistory
    from optuna_agnet.core.arrays import FloatArray
    from optuna_agnet.spaces.base import SearchSpace


def plot_search_progress(study: optuna.Study, *, objective: int = 0) -> go.Figure:
    """Every trial's value, coloured by where its architecture came from, and the best feasible one so far.

    Pruned trials are where they were left, at the value that they reported last. The value axis leaves out hopeless
    trials, so that the best ones can be told apart; a double click shows all.

    Args:
        study: The study.
        objective: Which one, where there are several.

    Raises:
        ImportError: plotly is missing (``pip install 'optuna-agnet[plot]'``).
        ValueError: There is no complete trial or no such objective.

    Example:
        >>> import optuna
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> study = optuna.create_study()
        >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
        >>> [trace.name for trace in plot_search_progress(study).data]
        ['other', 'best feasible']
    """
    go = plotly("plot_search_progress").graph_objects
    trials = complete_trials(study, objective)
    values = np.array([trial.values[objective] for trial in trials])
    names = constraint_names(study.get_trials(deepcopy=False))
    feasible = np.array([is_feasible(trial, names) for trial in trials])
    figure = go.Figure()
    figure.add_traces(_by_source(trials, values, feasible))
    if (~feasible).any():
        figure.add_trace(_infeasible(trials, [t.number for t in trials], values, ~feasible, names))
    figure.add_traces(_pruned(study, objective))
    if feasible.any():
        figure.add_trace(_best_so_far(study, trials, values, feasible, objective))
    figure.update_xaxes(title="Trial")
    figure.update_yaxes(
        title=value_name(study, objective), range=worth_showing(study, values, objective)
    )
    return titled(figure, "Search progress")


def _violations(trial: FrozenTrial, names: Sequence[str]) -> str:
    found = constraints_of(trial)
    broken = [f"{name}: {value:+.4g}" for name, value in found.items() if value > 0]
    return ", ".join([*broken, *(f"{name}: unknown" for name in names if name not in found)])


def _by_source(
    trials: list[FrozenTrial], values: FloatArray, feasible: np.ndarray
) -> list[go.Scatter]:
    go = plotly("plot_search_progress").graph_objects
    sources = np.array([source_of(trial) for trial in trials])
    traces = []
    for source, color in SOURCES.items():
        rows = np.flatnonzero((sources == source) & feasible)
        if len(rows):
            traces.append(
                go.Scatter(
                    x=[trials[k].number for k in rows],
                    y=values[rows],
                    mode="markers",
                    name=source,
                    marker={"color": color, "size": 8, "opacity": 0.85},
                    hovertemplate="trial %{x}: %{y:.6g}<extra>" + source + "</extra>",
                )
            )
    return traces


def _pruned(study: optuna.Study, objective: int) -> list[go.Scatter]:
    """What pruned trials reported last; Optuna prunes with one objective only."""
    from optuna.trial import TrialState

    go = plotly("plot_search_progress").graph_objects
    states = (TrialState.PRUNED,)
    reported = [t for t in study.get_trials(deepcopy=False, states=states) if t.intermediate_values]
    if objective or not reported:
        return []
    steps = [max(trial.intermediate_values) for trial in reported]
    return [
        go.Scatter(
            x=[trial.number for trial in reported],
            y=[t.intermediate_values[step] for t, step in zip(reported, steps, strict=True)],
            mode="markers",
            name="pruned",
            marker={"color": GREY, "size": 7, "symbol": "triangle-down-open"},
            text=[f"pruned at step {step}" for step in steps],
            hovertemplate="trial %{x}: %{y:.6g}<br>%{text}<extra></extra>",
        )
    ]


def _infeasible(
    trials: list[FrozenTrial],
    x: Sequence[float],
    y: FloatArray,
    rows: np.ndarray,
    names: Sequence[str],
) -> go.Scatter:
    """Trials that break a constraint, or never set one that others have."""
    go = plotly("a figure").graph_objects
    chosen = np.flatnonzero(rows)
    return go.Scatter(
        x=np.asarray(x)[chosen],
        y=y[chosen],
        mode="markers",
        name="infeasible",
        marker={
            "color": GREY,
            "size": 7,
            "symbol": "x-thin",
            "line": {"width": 1.5, "color": GREY},
        },
        text=[_violations(trials[k], names) for k in chosen],
        hovertemplate="%{y:.6g}<br>%{text}<extra>infeasible</extra>",
    )


def _best_so_far(
    study: optuna.Study,
    trials: list[FrozenTrial],
    values: FloatArray,
    feasible: np.ndarray,
    objective: int,
) -> go.Scatter:
    go = plotly("plot_search_progress").graph_objects
    sign = 1.0 if is_maximized(study, objective) else -1.0
    best = sign * np.maximum.accumulate(np.where(feasible, sign * values, -np.inf))
    known = np.isfinite(best)
    return go.Scatter(
        x=np.array([trial.number for trial in trials])[known],
        y=best[known],
        mode="lines",
        name="best feasible",
        line={"color": ACCENT, "width": 2.5, "shape": "hv"},
        hovertemplate="best after trial %{x}: %{y:.6g}<extra></extra>",
    )


# -- hardware --------------------------------------------------------------------------------------------------------


def plot_latency_accuracy(
    study: optuna.Study,
    latency: str | Callable[[FrozenTrial], float] | None = None,
    *,
    limits: Sequence[float] = (),
    objective: int = 0,
    latency_name: str | None = None,
) -> go.Figure:
    """Accuracy against latency: all trials, those that break a limit, and the front of the feasible ones.

    Args:
        study: The study.
        latency: What the horizontal axis is, smaller being better: a constraint's or user attribute's name, or a
            function of a trial. Default: the second objective, or else the first constraint. A constraint is shown
            as stored, as what exceeds its limit, and its limit is then 0.
        limits: Limits to draw, in the units of ``latency``.
        objective: The vertical axis.
        latency_name: Title of the horizontal axis.

    Raises:
        ImportError: plotly is missing (``pip install 'optuna-agnet[plot]'``).
        ValueError: There is no complete trial, or nothing that could be the latency.

    Example:
        >>> import optuna
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> study = optuna.create_study(directions=["maximize", "minimize"])
        >>> def objective(trial):
        ...     x = trial.suggest_float("x", 0, 1)
        ...     return x, x**2
        >>> study.optimize(objective, n_trials=5)
        >>> [trace.name for trace in plot_latency_accuracy(study).data]
        ['feasible', 'front']
    """
    go = plotly("plot_latency_accuracy").graph_objects
    trials = complete_trials(study, objective)
    read, name, drawn = _latency(study, trials, latency)
    x = np.array([read(trial) for trial in trials], dtype=np.float64)
    y = np.array([trial.values[objective] for trial in trials])
    trials = [trial for trial, known in zip(trials, np.isfinite(x), strict=True) if known]
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    names = constraint_names(study.get_trials(deepcopy=False))
    feasible = np.array([is_feasible(trial, names) for trial in trials], dtype=bool)
    figure = go.Figure()
    if (~feasible).any():
        figure.add_trace(_infeasible(trials, x.tolist(), y, ~feasible, names))
    if feasible.any():
        figure.add_trace(_feasible_points(trials, x, y, feasible))
        figure.add_trace(_front(x[feasible], y[feasible], is_maximized(study, objective)))
    for limit in (*limits, *drawn):
        figure.add_vline(
            x=limit,
            line={"color": GREY, "dash": "dash", "width": 1.5},
            annotation={"text": "limit"},
        )
    name = latency_name or name
    figure.update_xaxes(title=name)
    figure.update_yaxes(
        title=value_name(study, objective), range=worth_showing(study, y, objective)
    )
    return titled(figure, f"{value_name(study, objective)} against {name}")


def _latency(
    study: optuna.Study,
    trials: list[FrozenTrial],
    latency: str | Callable[[FrozenTrial], float] | None,
) -> tuple[Callable[[FrozenTrial], float], str, tuple[float, ...]]:
    """How it is read, what it is called, and limits that are known."""
    if callable(latency):
        return latency, "latency", ()
    if latency is None and len(study.directions) > 1:
        return (lambda trial: trial.values[1]), value_name(study, 1), ()
    names = list(constraint_names(trials))
    if latency is None and names:
        latency = names[0]
    if latency in names:
        chosen = str(latency)
        return (
            lambda trial: constraints_of(trial).get(chosen, np.nan),
            f"{chosen} above its limit",
            (0.0,),
        )
    attrs = sorted({name for trial in trials for name in trial.user_attrs})
    if latency in attrs:
        chosen = str(latency)
        return (lambda trial: float(trial.user_attrs.get(chosen, np.nan))), chosen, ()
    raise ValueError(
        f"latency={latency!r}: give a constraint ({names or 'this study has none'}), a user attribute"
        f" ({attrs or 'none'}), or a function of a trial"
    )


def _feasible_points(
    trials: list[FrozenTrial], x: FloatArray, y: FloatArray, rows: np.ndarray
) -> go.Scatter:
    go = plotly("plot_latency_accuracy").graph_objects
    return go.Scatter(
        x=x[rows],
        y=y[rows],
        mode="markers",
        name="feasible",
        text=[trial.number for trial, kept in zip(trials, rows, strict=True) if kept],
        marker={"size": 8, "color": SOURCES["generator"], "opacity": 0.85},
        hovertemplate="trial %{text}: %{y:.6g} at %{x:.6g}<extra></extra>",
    )


def _front(x: FloatArray, y: FloatArray, maximize: bool) -> go.Scatter:
    """Points that no other one beats in both, joined by steps."""
    go = plotly("plot_latency_accuracy").graph_objects
    good = y if maximize else -y
    order = np.lexsort((-good, x))
    before = np.concatenate([[-np.inf], np.maximum.accumulate(good[order])[:-1]])
    kept = order[good[order] > before]
    return go.Scatter(
        x=x[kept],
        y=y[kept],
        mode="lines+markers",
        name="front",
        line={"color": ACCENT, "width": 2.5, "shape": "hv"},
        marker={"size": 5},
        hoverinfo="skip",
    )


def plot_feasibility(
    study: optuna.Study,
    space: SearchSpace,
    feasible: Callable[[Architecture], bool] | None = None,
    *,
    samples: int = 200,
    history: SearchHistory | None = None,
) -> go.Figure:
    """Share of feasible architectures round by round (Fig. 4, right): among the evaluated and the generated ones.

    Args:
        study: The study.
        space: What it searched.
        feasible: Whether an architecture keeps the limits, from a table or a formula. Without it there is no curve
            for the generated ones, as their constraints are unknown.
        samples: Graphs drawn from the generator after each round.
        history: From `search_history`, where the search's seed and config are not the study's sampler's, or to train
            the rounds only once for several figures.

    Raises:
        ImportError: plotly is missing (``pip install 'optuna-agnet[plot]'``).
        ValueError: The study's parameters don't fit the space, or no trial is complete.
    """
    from optuna_agnet.analysis.history import search_history

    go = plotly("plot_feasibility").graph_objects
    history = history or search_history(study, space)
    kept = history.observations.kept
    starts = history.sizes
    ends = [*starts[1:], len(kept)]
    blocks = [(a, b) for a, b in zip(starts, ends, strict=True) if b > a]
    figure = go.Figure()
    if feasible is not None and history.has_generator:
        rates = [_feasible_share(r.sample(samples)[0], space, feasible) for r in history.rounds]
        figure.add_trace(_share_trace(starts, rates, "generated", SOURCES["generator"]))
    selected = [float(kept[a:b].mean()) for a, b in blocks]
    figure.add_trace(_share_trace([a for a, _ in blocks], selected, "evaluated", ACCENT))
    figure.update_xaxes(title="results that the generator was trained on")
    figure.update_yaxes(title="feasible", range=[-0.03, 1.03], tickformat=".0%")
    return titled(figure, "Feasible architectures, round by round")


def _feasible_share(
    x: np.ndarray, space: SearchSpace, feasible: Callable[[Architecture], bool]
) -> float:
    rows, counts = np.unique(x, axis=0, return_counts=True)
    kept = np.array([feasible(arch) for arch in space.architectures(rows)], dtype=bool)
    return float(counts[kept].sum() / max(1, counts.sum()))


def _share_trace(x: Sequence[int], share: Sequence[float], name: str, color: str) -> go.Scatter:
    go = plotly("plot_feasibility").graph_objects
    return go.Scatter(
        x=list(x),
        y=list(share),
        name=name,
        mode="lines+markers",
        line={"color": color, "width": 2.5},
        marker={"size": 7},
        hovertemplate="%{y:.0%} after %{x} results<extra>" + name + "</extra>",
    )


# -- what a trial says -------------------------------------------------------------------------------------------------
