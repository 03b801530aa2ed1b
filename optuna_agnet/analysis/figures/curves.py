"""What trainings reported on their way, and why some were stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_agnet.analysis.figures.style import ACCENT, GREY, SOURCES, plotly, titled
from optuna_agnet.analysis.figures.values import value_name
from optuna_agnet.study.attributes import StoppedBecause, foretold_to_fail

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go
    from optuna.trial import FrozenTrial

_STATES = {  # those shown, in the order in which they are drawn
    TrialState.PRUNED: ("stopped", GREY),
    TrialState.FAIL: ("failed", SOURCES["repeat"]),
    TrialState.COMPLETE: ("whole", SOURCES["generator"]),
    TrialState.RUNNING: ("running", SOURCES["random"]),
}


def plot_curves(study: optuna.Study) -> go.Figure:
    """Reported values by step, and where `AGNetPruner` expected the trainings that it stopped to end.

    An expected end stands at the last step of the longest training, with two standard deviations to both sides. Its
    text says when the training was stopped, what it would have had to reach, and how probable that was.

    Args:
        study: The study.

    Raises:
        ImportError: plotly is missing (``pip install 'optuna-agnet[plot]'``).
        ValueError: No trial reported a value.

    Example:
        >>> import optuna
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> study = optuna.create_study()
        >>> study.add_trial(optuna.create_trial(value=0.5, intermediate_values={1: 0.9, 2: 0.5}))
        >>> [trace.name for trace in plot_curves(study).data]
        ['whole']
    """
    go = plotly("plot_curves").graph_objects
    trials = [t for t in study.get_trials(deepcopy=False) if t.intermediate_values]
    if not trials:
        raise ValueError(
            f"no trial of the study '{study.study_name}' reported a value on its way: call trial.report(value, step)"
        )
    figure = go.Figure()
    for state, (name, color) in _STATES.items():
        chosen = [trial for trial in trials if trial.state == state]
        if chosen:
            figure.add_trace(_lines(chosen, name, color))
    reasons = foretold_to_fail(trials)
    if reasons:
        figure.add_trace(_expected_ends(reasons, max(max(t.intermediate_values) for t in trials)))
    figure.update_xaxes(title="Step")
    figure.update_yaxes(title=value_name(study, 0))
    return titled(figure, "Learning curves")


def _lines(trials: Sequence[FrozenTrial], name: str, color: str) -> go.Scatter:
    """All curves as one trace, with a gap behind each."""
    go = plotly("plot_curves").graph_objects
    points: list[tuple[int | None, float | None, str]] = []
    for trial in trials:
        reported = sorted(trial.intermediate_values.items())
        points += [(step, value, f"trial {trial.number}") for step, value in reported]
        points.append((None, None, ""))
    x, y, text = zip(*points, strict=True)
    return go.Scatter(
        x=x,
        y=y,
        text=text,
        mode="lines+markers",
        name=name,
        opacity=0.7,
        line={"color": color, "width": 1.2},
        marker={"color": color, "size": 3},
        hovertemplate="%{text}, step %{x}: %{y:.6g}<extra>" + name + "</extra>",
    )


def _expected_ends(reasons: Mapping[int, StoppedBecause], last: int) -> go.Scatter:
    go = plotly("plot_curves").graph_objects
    text = [
        f"trial {number}, stopped at step {why.step}: {why.mean:.6g} ± {why.std:.3g} expected,"
        f"<br>{why.goal:.6g} needed, probability {why.chance:.2g}"
        for number, why in reasons.items()
    ]
    return go.Scatter(
        x=[last] * len(reasons),
        y=[why.mean for why in reasons.values()],
        error_y={
            "array": [2 * why.std for why in reasons.values()],
            "color": ACCENT,
            "thickness": 0.8,
        },
        text=text,
        mode="markers",
        name="expected end of a stopped one",
        marker={"color": ACCENT, "size": 6, "symbol": "diamond", "opacity": 0.7},
        hovertemplate="%{text}<extra></extra>",
    )
