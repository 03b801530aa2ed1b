"""Scores of a study's architectures in its storage, so that they are computed once for all workers and restarts."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence

from optuna.study import Study

from optuna_agnet.search.scores import PIECE, ScoreTable, piece_key, read_table
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study.attributes import set_study_attribute, study_attributes

_SCORE = "agnet:score:"


class StoredScores(MutableMapping[str, Sequence[float | None]]):
    """The pieces of a study's scores, each a study attribute; what does not look like one is as good as absent.

    Args:
        study: Of the scores.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def __getitem__(self, key: str) -> Sequence[float | None]:
        return self._all()[key]

    def __setitem__(self, key: str, values: Sequence[float | None]) -> None:
        set_study_attribute(self._study, f"{_SCORE}{key}", list(values))

    def __delitem__(self, key: str) -> None:
        raise TypeError("attributes of a study can't be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, list[float | None]]:
        stored = study_attributes(self._study)
        return {
            key.removeprefix(_SCORE): value
            for key, value in stored.items()
            if key.startswith(_SCORE) and _is_piece(value)
        }


def _is_piece(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= PIECE
        and all(v is None or type(v) in (int, float) for v in value)
    )


def scores_of(study: Study, space: SearchSpace) -> ScoreTable:
    """What a study has stored of its scores, under whatever names."""
    store = StoredScores(study)
    names = dict.fromkeys(key.rsplit(":", 1)[0] for key in store if key.endswith(piece_key("", 0)))
    return read_table(space, tuple(sorted(names)), dict(store))
