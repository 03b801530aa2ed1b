"""What a report says of the model behind a search: its scores, its surrogate, its generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optuna_agnet.analysis.figures.values import value_name
from optuna_agnet.analysis.history import (
    OutOfSamplePredictions,
    SearchHistory,
    joint_history,
    kendall_tau,
)
from optuna_agnet.analysis.report_page import Section
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.search import AGNetConfig
from optuna_agnet.search.model import Model
from optuna_agnet.search.scores import ScoreTable
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study.stored_scores import scores_of
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.torch_settings import isolated_torch_settings

if TYPE_CHECKING:
    import optuna

SAMPLES = 500
"""Of the generator, a round."""


def scores_sections(study: optuna.Study, history: SearchHistory) -> list[Section]:
    """What came of the scores that cost no trial; nothing for a study without them."""
    stored = scores_of(study, history.space)
    table = stored.only(stored.telling)
    if not len(table):
        return []
    history = joint_history(study, history)
    observations, process = history.observations, _scored(history, table)
    said, weights = process.score_means(observations.x), process.score_weights()
    rows, objectives = [], range(len(study.directions))
    for s, name in enumerate(table.names):
        row = [name, f"{int((~np.isnan(table.values[:, s])).sum())} of {len(table.x)}"]
        for k in objectives:
            known = ~np.isnan(observations.y[:, k])
            tau = kendall_tau(said[known, s], observations.y[known, k])
            row += [_tau(tau), f"{weights[k, s]:+.2f}"]
        rows.append(tuple(row))
    names = [value_name(study, k) for k in objectives]
    header = [text for name in names for text in (f"Kendall tau, {name}", f"weight, {name}")]
    note = (
        "Kendall's rank correlation of what a score says, interpolated, with how good the results are. Weight: how far"
        " the search follows it, in standard deviations; 0 is not at all, negative says that less is better."
    )
    if lost := sorted({*stored.names} - {*table.names}):
        note += f" Of no use: {', '.join(lost)}."
    return [Section("Scores", ("score", "architectures scored", *header), tuple(rows), note)]


@isolated_torch_settings()
def _scored(history: SearchHistory, table: ScoreTable) -> GaussianProcess:
    """The process with these scores as the search has it, fitted to all results."""
    parts, observations = history.search.parts, history.observations
    # the study's sampler may have another surrogate now than when it was given the scores
    if parts.surrogate is not None or parts.config.surrogate != "gp":
        parts = replace(parts, surrogate=None, config=AGNetConfig())
    model = Model(parts, None, table)
    model.advance(observations)
    model.fit(observations, history.search.ranks(observations))
    assert isinstance(model.surrogate, GaussianProcess)
    return model.surrogate


def surrogate_section(study: optuna.Study, history: SearchHistory) -> Section:
    """How well the surrogate predicted results that it did not know, round by round."""
    title, objectives = "Surrogate", range(len(study.directions))
    judged = [history.judgements(objective) for objective in objectives]
    if not judged[0]:
        return Section(title, note="No result came after its first fit.")
    rows = [
        (
            str(j.observations),
            str(len(j.mean)),
            *(_tau(by_objective[k].tau) for by_objective in judged),
        )
        for k, j in enumerate(judged[0])
    ]
    count = sum(len(j.mean) for j in judged[0])
    rows.append(("all rounds", str(count), *(_tau(_mean_tau(by)) for by in judged)))
    note = (
        "Kendall's rank correlation of predictions and results that were not known yet. Most of those were proposed"
        " because the surrogate liked them; among such close ones it is lower than among random architectures."
    )
    used = history.search.config.surrogate
    if used != "gp":
        note += f" Judged by the default Gaussian process; the search used the surrogate '{used}'."
    taus = [f"Kendall tau, {value_name(study, k)}" for k in objectives]
    return Section(title, ("results known", "next results", *taus), tuple(rows), note)


def _mean_tau(judged: Sequence[OutOfSamplePredictions]) -> float:
    """Over the rounds, each weighted by its results."""
    known = [j for j in judged if not np.isnan(j.tau)]
    if not known:
        return float("nan")
    return float(np.average([j.tau for j in known], weights=[len(j.mean) for j in known]))


def _tau(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:+.2f}"


def generator_section(
    history: SearchHistory,
    space: SearchSpace,
    known: bool,
    samples: Sequence[tuple[IntArray, float]],
) -> Section:
    """What the generator makes after each round of training.

    Args:
        history: Of the search.
        space: What is searched.
        known: Whether the history is that of the study's own sampler.
        samples: Of each round, architectures (B, D) and the share of samples that were valid; none where the generator
            has not taken part yet.
    """
    if not history.has_generator:
        return Section("Generator", note="None took part: the space has many decisions.")
    if not samples:
        return Section("Generator", note="It has not taken part yet: the random start goes on.")
    rows = []
    for r, (x, valid) in zip(history.rounds, samples, strict=True):
        keys = space.keys(x)
        evaluated = (
            space.keys(history.observations.x[: r.observations]) if r.observations else keys[:0]
        )
        rows.append(
            (
                f"after {r.observations} results" if r.observations else "pretrained",
                f"{valid:.1%}",
                f"{len(np.unique(keys)) / max(1, len(keys)):.1%}",
                f"{float(np.isin(keys, evaluated).mean()) if len(keys) else 0:.1%}",
            )
        )
    note = (
        f"{SAMPLES} samples of z ~ N(0, 1) a round. Samples that were evaluated before are filtered out unless"
        f" duplicates are allowed. The rounds were trained again on the study's results, with seed"
        f" {history.search.seed}"
    )
    note += "." if known else "; a storage does not keep the search's own seed and config."
    header = ("generator", "valid", "different graphs", "evaluated before")
    return Section("Generator", header, tuple(rows), note)
