"""What spaces refuse, and what they say about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optuna_agnet.core.architecture import INPUT, OUTPUT, Architecture
from optuna_agnet.core.validation import check_type
from optuna_agnet.spaces.decision import Decision

if TYPE_CHECKING:
    import optuna

    from optuna_agnet.spaces.rows import Rows


def check_architecture(architecture: object) -> None:
    """Refuse what is no architecture, with a TypeError that says how to make one."""
    example = "space.parse(text) of its text, or space.from_params(trial.params)"
    check_type("architecture", architecture, Architecture, example)


def check_operations(ops: Sequence[str]) -> tuple[str, ...]:
    """Operation names as a tuple.

    Raises:
        ValueError: There are none, one is empty, reserved or no string, or one is given twice.
    """
    if isinstance(ops, (str, set, frozenset)) or not ops:  # a set has no order to count on
        raise ValueError(
            f"ops={ops!r}: give a sequence of at least one operation name, e.g. ops=('conv', 'pool')"
        )
    for op in ops:
        if not isinstance(op, str) or not op or op in (INPUT, OUTPUT) or set(op) & set("|+~, \n"):
            raise ValueError(
                f"operation {op!r} must be a non-empty string without blanks and without any of | + ~ ,"
                f" and neither '{INPUT}' nor '{OUTPUT}'; numbers are parts of a Network, such as"
                " Network(width=ordered(16, 32))"
            )
    twice = sorted({op for op in ops if list(ops).count(op) > 1})
    if twice:
        raise ValueError(f"operations {twice} are given more than once: names must be unique")
    return tuple(ops)


def advice_on(trial: optuna.Trial, decision: Decision) -> str:
    """What to do about a decision that a trial can't take; nothing where the reason is not one of these."""
    name, choices = decision.name, decision.choices
    trials = trial.study.get_trials(deepcopy=False) if hasattr(trial, "study") else []
    own = [frozen for frozen in trials if frozen.number == trial.number]
    given = own[0].system_attrs.get("fixed_params", {}) if own else {}  # what it was enqueued with
    if name in given and given[name] not in choices:
        return (
            f". The trial was given {given[name]!r}, which is none of {list(choices)}: enqueue what the"
            " space knows, such as study.enqueue_trial(space.to_params(architecture))"
        )
    known = [t.distributions[name] for t in trials if name in t.distributions]
    if any(getattr(other, "choices", None) != choices for other in known):
        return (
            ". Where another parameter of the study has this name, rename that one; search two spaces at once as cells"
            " of a Stack; and give a changed space a new study"
        )
    return ""


def check_decides(space: Rows) -> None:
    """Refuse a space in which nothing is decided, as a `Network()` is that got no parts by mistake.

    Raises:
        ValueError: The space has no decisions.
    """
    if not space.decisions:
        raise ValueError(
            f"the space {space!r} leaves nothing to choose: give it parts, such as Network(width=(16, 32)); for"
            " hyperparameters alone, leave the space out: AGNetSampler()"
        )
