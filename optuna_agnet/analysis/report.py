"""What a study did, as Markdown and HTML: `report(study, space)`.

The module is not called ``report`` because a submodule of that name would hide the function `optuna_agnet.report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from optuna_agnet.analysis.figures.architecture import architecture_svg
from optuna_agnet.analysis.figures.curves import plot_curves
from optuna_agnet.analysis.figures.drift import plot_operation_drift
from optuna_agnet.analysis.figures.model import plot_latent_space, plot_surrogate_calibration
from optuna_agnet.analysis.figures.trials import (
    plot_feasibility,
    plot_latency_accuracy,
    plot_search_progress,
)
from optuna_agnet.analysis.figures.values import is_maximized, value_name
from optuna_agnet.analysis.history import (
    SearchHistory,
    search_history,
)
from optuna_agnet.analysis.model_sections import (
    SAMPLES,
    generator_section,
    scores_sections,
    surrogate_section,
)
from optuna_agnet.analysis.report_page import Report, Section
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study.attributes import SECONDS, SOURCE, VERSION, stopped_because
from optuna_agnet.study.continuations import superseded
from optuna_agnet.study.sampler import AGNetSampler
from optuna_agnet.study.trials import (
    best_architectures,
    constraint_names,
    constraints_of,
    is_feasible,
)

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go
    from optuna.trial import FrozenTrial

_SHOWN_BEST = 5
_BEST = "Best feasible architecture"
_NO_FIGURES = Section(
    "Figures", note="Missing: they need plotly, pip install 'optuna-agnet[plot]'."
)


def report(
    study: optuna.Study, space: SearchSpace, *, history: SearchHistory | None = None
) -> Report:
    """What a study did: queries, best feasible architecture, surrogate, generator, sources, duplicates, overhead.

    Args:
        study: The study.
        space: What it searched.
        history: From `search_history`, where the search's seed and config are not the study's sampler's; a study
            loaded from a storage has them nowhere, and its rounds are then those of seed 0 and the default config.

    Raises:
        ValueError: The study's parameters don't fit the space, or no trial is complete.

    Example:
        >>> import optuna
        >>> from optuna_agnet import AGNetSampler, spaces
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> space = spaces.nas_bench_201()
        >>> study = optuna.create_study(direction="maximize", sampler=AGNetSampler(space, seed=0))
        >>> study.optimize(lambda trial: str(space.suggest(trial)).count("conv_3x3"), n_trials=20)
        >>> print(report(study, space).markdown.splitlines()[2])
        ## Queries
    """
    history = history or search_history(study, space)
    trials = [
        trial for trial in study.get_trials(deepcopy=False) if space.is_complete(trial.params)
    ]
    best = best_architectures(study, space)
    samples = [r.sample(SAMPLES) for r in history.rounds] if _generated(history, trials) else []
    sections = (
        _queries(study, trials),
        _best(study, space, best),
        _sources(study, trials),
        *scores_sections(study, history),
        surrogate_section(study, history),
        generator_section(history, space, isinstance(study.sampler, AGNetSampler), samples),
        _duplicates(trials, space, history, samples),
        _time(trials),
    )
    title = f"Study {study.study_name}"
    figures = _figures(study, space, history, generated=bool(samples))
    return Report(title, sections if figures else (*sections, _NO_FIGURES), figures)


def _generated(history: SearchHistory, trials: Sequence[FrozenTrial]) -> bool:
    """Whether a generator has taken part: not in a random start. To pretrain one just to show it would take time."""
    proposed = any(trial.system_attrs.get(SOURCE) == "generator" for trial in trials)
    parts = history.search.parts
    informed = parts.scores is not None or len(parts.prior_observations) > 0
    return history.has_generator and (proposed or informed or len(history.sizes) > 1)


def _queries(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Section:
    counts = Counter(trial.state for trial in trials)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    rows = [(state.name.lower(), str(counts[state])) for state in TrialState if counts[state]]
    every = study.get_trials(deepcopy=False)
    if len(every) > len(trials):  # enqueued, or ended before it was given one
        rows.append(("without an architecture", str(len(every) - len(trials))))
    names = constraint_names(every)
    if names:
        kept = sum(is_feasible(trial, names) for trial in complete)
        rows.append(("complete and feasible", f"{kept} ({kept / max(1, len(complete)):.0%})"))
        unknown = sum(map(is_feasible, complete)) - kept
        if unknown:
            rows.append(("complete, a constraint unknown", str(unknown)))
        for name in names:
            known = [constraints_of(t)[name] for t in complete if name in constraints_of(t)]
            broken = sum(value > 0 for value in known)
            rows.append((f"constraint {name} broken", f"{broken} of {len(known)}"))
    rows += _stopped(trials)
    goals = ", ".join(
        f"{'maximize' if is_maximized(study, k) else 'minimize'} {value_name(study, k)}"
        for k in range(len(study.directions))
    )
    return Section("Queries", ("trials", ""), tuple(rows), f"Objectives: {goals}.")


def _stopped(trials: Sequence[FrozenTrial]) -> list[tuple[str, str]]:
    """Steps that pruning saved: what pruned trials had left of a median whole training's, unless another went on."""
    gone_on = superseded(trials)
    reported = [t for t in trials if t.intermediate_values and t.number not in gone_on]
    whole = [max(t.intermediate_values) for t in reported if t.state == TrialState.COMPLETE]
    stopped = [max(t.intermediate_values) for t in reported if t.state == TrialState.PRUNED]
    if not whole or not stopped:
        return []
    length = median(whole)
    saved = sum(max(length - step, 0) for step in stopped)
    total = sum(whole) + length * len(stopped)
    by_model = sum(stopped_because(trial) is not None for trial in reported)
    rows = [("steps saved by pruning", f"{saved:.0f} of {total:.0f} ({saved / max(total, 1):.0%})")]
    return [*rows, ("stopped by AGNetPruner", str(by_model))] if by_model else rows


def _best(study: optuna.Study, space: SearchSpace, best: Sequence[FrozenTrial]) -> Section:
    if not best:
        return Section(_BEST, note="None: no complete trial keeps all constraints.")
    first = best[0]
    rows = [("trial", str(first.number)), ("architecture", str(space.from_params(first.params)))]
    rows += [(value_name(study, k), f"{value:.6g}") for k, value in enumerate(first.values)]
    rows += [(f"constraint {n}", f"{value:+.4g}") for n, value in constraints_of(first).items()]
    rows.append(("proposed by", str(first.system_attrs.get(SOURCE, "another sampler or by hand"))))
    rows += [(f"parameter {name}", str(value)) for name, value in first.params.items()]
    note = ""
    if len(best) > 1:
        shown = ", ".join(str(trial.number) for trial in best[:_SHOWN_BEST])
        more = ", ..." if len(best) > _SHOWN_BEST else ""
        note = f"{len(best)} trials are equally good or on the front: {shown}{more}. This is the first of them."
    picture = architecture_svg(space.from_params(first.params), width=900, ops=space.ops)
    return Section(_BEST, ("", ""), tuple(rows), note, picture)


def _sources(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Section:
    """How often each source proposed, and how often it found something better than all before."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    ordered = sorted(complete, key=lambda t: (t.datetime_complete or datetime.min, t.number))
    sign = 1.0 if is_maximized(study) else -1.0
    proposed: Counter[str] = Counter()
    won: Counter[str] = Counter()
    values: dict[str, list[float]] = {}
    best, names = -np.inf, constraint_names(study.get_trials(deepcopy=False))
    for trial in ordered:
        source = str(trial.system_attrs.get(SOURCE, "other"))
        proposed[source] += 1
        values.setdefault(source, []).append(trial.values[0])
        if is_feasible(trial, names) and sign * trial.values[0] > best:
            best = sign * trial.values[0]
            won[source] += 1
    rows = tuple(
        (source, str(count), str(won[source]), f"{median(values[source]):.6g}")
        for source, count in proposed.most_common()
    )
    note = "New best: a feasible trial better in the first objective than all before it."
    return Section(
        "Where architectures came from",
        ("source", "trials", "new best", "median value"),
        rows,
        note,
    )


def _duplicates(
    trials: Sequence[FrozenTrial],
    space: SearchSpace,
    history: SearchHistory,
    samples: Sequence[tuple[IntArray, float]],
) -> Section:
    """What was evaluated twice, and what would have been if nothing known were filtered out."""
    finished = [trial for trial in trials if trial.state.is_finished()]
    x, _ = space.params_to_rows(trial.params for trial in finished)
    x = space.repair(x)
    keys = space.keys(x)
    rows = [
        ("finished trials", str(len(x))),
        ("different decisions", str(len(np.unique(x, axis=0)))),
        ("different graphs", str(len(np.unique(keys)))),
    ]
    note = "Isomorphic graphs count once as graphs."
    generated = [t for t in trials if t.system_attrs.get(SOURCE) == "generator"]
    if generated and samples and not history.search.config.allow_duplicates:
        numbers = zip(keys.tolist(), (t.number for t in finished), strict=True)
        first = dict(sorted(numbers, key=lambda pair: -pair[1]))  # the earliest trial of each graph
        seen = [
            np.array([first.get(key, np.inf) for key in space.keys(x).tolist()]) for x, _ in samples
        ]
        rounds = [min(int(t.system_attrs[VERSION]), len(seen) - 1) for t in generated]
        avoided = sum(
            (seen[r] < t.number).mean()
            for r, t in zip(rounds, generated, strict=True)
            if len(seen[r])
        )
        rows.append(("duplicates avoided", f"about {avoided:.1f} of {len(generated)}"))
        note += (
            " Avoided: how many of the generator's proposals would have been evaluated before, had its samples been"
            " taken as they come."
        )
    return Section("Duplicates", ("", ""), tuple(rows), note)


def _time(trials: Sequence[FrozenTrial]) -> Section:
    """Trials' own time, gaps in which none ran, and what proposals took."""
    spans = sorted(
        (t.datetime_start, t.datetime_complete)
        for t in trials
        if t.datetime_start is not None and t.datetime_complete is not None
    )
    if not spans:
        return Section("Time", note="No finished trial carries timestamps.")
    total = max(end for _, end in spans) - spans[0][0]
    lengths = [(end - start).total_seconds() for start, end in spans]
    idle, latest = timedelta(), spans[0][1]
    for start, end in spans[1:]:
        idle += max(timedelta(), start - latest)
        latest = max(latest, end)
    rows = [
        ("from first start to last end", _seconds(total.total_seconds())),
        ("median trial", _seconds(median(lengths))),
        ("fastest trial", _seconds(min(lengths))),
        ("no trial running", _seconds(idle.total_seconds())),
    ]
    proposals = [t.system_attrs[SECONDS] for t in trials if SECONDS in t.system_attrs]
    if proposals:
        share = sum(proposals) / sum(lengths) if sum(lengths) else 0.0
        rows += [
            ("median proposal", _seconds(median(proposals))),
            ("slowest proposal", _seconds(max(proposals))),
            ("all proposals", f"{_seconds(sum(proposals))}, {share:.1%} of the trials' time"),
        ]
    note = "Optuna proposes inside a trial, at its first suggest call: a trial's time contains its proposal."
    return Section("Time", ("", ""), tuple(rows), note)


def _seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return str(timedelta(seconds=round(seconds)))


def _figures(
    study: optuna.Study, space: SearchSpace, history: SearchHistory, *, generated: bool
) -> dict[str, go.Figure]:
    try:
        figures = {"progress": plot_search_progress(study)}
    except ImportError:
        return {}
    if history.observations.names or len(study.directions) > 1:
        figures["latency"] = plot_latency_accuracy(study)
    if history.observations.names:
        figures["feasibility"] = plot_feasibility(study, space, history=history)
    if any(trial.intermediate_values for trial in study.get_trials(deepcopy=False)):
        figures["curves"] = plot_curves(study)
    if generated:
        figures["latent space"] = plot_latent_space(study, space, history=history)
        figures["operations"] = plot_operation_drift(study, space, history=history)
    if history.judgements():
        figures["surrogate"] = plot_surrogate_calibration(study, space, history=history)
    return figures
