"""The order in which results are learned, agreed on by all workers of a study, so that they train the same generator.

Results reach workers in different orders, and clocks of machines differ. The first worker that comes to a round stores
what it takes the round to be (`training_rounds`); the others follow, and so does whoever joins or resumes later.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from optuna.study import Study

from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.search import AGNetConfig
from optuna_agnet.search.model import training_sizes
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study import training_rounds
from optuna_agnet.study.attributes import set_study_attribute, study_attributes
from optuna_agnet.study.finished_trials import FinishedTrials
from optuna_agnet.study.known_trials import KnownTrials

_LOOKS = 20  # at the study's manifests, while others write theirs
_UNKNOWN = 64  # trials named in manifests and lacking in a list, at most; a damaged one may name any number


class TrainingOrder:
    """Keeps results in the order of the study's manifests.

    Args:
        space: What is searched.
        config: Of the search whose rounds are agreed on.
        writes: Whether manifests that are missing are written.
        warn: Tells of damaged ones.
    """

    def __init__(
        self, space: SearchSpace, config: AGNetConfig, writes: bool, warn: WarnOnce
    ) -> None:
        self._space, self._config, self._writes, self._warn = space, config, writes, warn
        self._synced = 0  # rounds of training whose trials are agreed on

    def is_due(self, finished: FinishedTrials) -> bool:
        """Whether a round of training begins whose trials are not agreed on yet."""
        return self._num_rounds(finished) > self._synced

    def _num_rounds(self, finished: FinishedTrials) -> int:
        return len(training_sizes(len(finished.observations.x), self._config))

    def sync(self, study: Study, trials: KnownTrials, finished: FinishedTrials) -> None:
        """Bring results into the order of the study's manifests, and write those that are missing."""
        for _ in range(_LOOKS):
            stored = study_attributes(study)
            self._look_up(study, stored, trials, finished)
            missing = self._apply(stored, finished)
            if not missing or not self._writes:
                return
            for name, text in missing.items():
                set_study_attribute(study, name, text)

    def _look_up(
        self,
        study: Study,
        stored: Mapping[str, object],
        trials: KnownTrials,
        finished: FinishedTrials,
    ) -> None:
        """Learn of all trials that the manifests name: whoever wrote them had seen them finished."""
        unknown = list(itertools.islice(self._unknown(stored, finished), _UNKNOWN))
        if unknown:
            trials.update(study)
            trials.look_up(study, unknown)
            finished.learn(trials.news)

    def _unknown(self, stored: Mapping[str, object], finished: FinishedTrials) -> Iterator[int]:
        """Numbers that manifests name, of trials that are not known to be finished."""
        for name in self._names(stored):
            for run in training_rounds.runs(stored[name]) or ():
                yield from (number for number in run if number not in finished.trials)

    def _apply(self, stored: Mapping[str, object], finished: FinishedTrials) -> dict[str, str]:
        """Take over what is agreed on; manifests by name for the rounds that are left."""
        order: list[int] = []
        free, ignored = set(finished.trials), False
        names = list(self._names(stored))
        for name in names:
            numbers = training_rounds.parse(stored[name], free)
            if numbers is None:
                ignored = True
                self._warn_of_damage(name, stored[name])
                break
            order += numbers
            free.difference_update(numbers)
        if order != list(finished.trials)[: len(order)]:
            finished.reorder(order + [n for n in finished.trials if n in free])
        self._synced = self._num_rounds(finished)
        return {} if ignored else self._missing(finished, len(names), len(order))

    def _warn_of_damage(self, name: str, text: object) -> None:
        self._warn(
            "manifest",
            f"the manifest '{name}' of this study, {str(text)[:80]!r}, is damaged, or was written for"
            " other trials or by another version: it is ignored, and so are later ones. Workers may train their"
            " generators in different orders, and no result is lost",
        )

    def _missing(self, finished: FinishedTrials, version: int, start: int) -> dict[str, str]:
        """Manifests of the rounds from ``version`` on; those before it take the first ``start`` finished."""
        ends = [1 + place for place in finished.observed()]
        found, numbers = {}, list(finished.trials)
        sizes = training_sizes(len(ends), self._config)
        for later, size in enumerate(sizes[version:], version):
            end = max(start, ends[size - 1])
            found[self._name(later)] = training_rounds.manifest(numbers[start:end])
            start = end
        return found

    def _names(self, stored: Mapping[str, object]) -> Iterator[str]:
        """Of the manifests that there are, in the order of their rounds."""
        return itertools.takewhile(stored.__contains__, map(self._name, itertools.count()))

    def _name(self, version: int) -> str:
        return training_rounds.key(self._space, self._config, version)
