"""What a search is made of: the arguments of `AGNet`, `Proposer` and the sampler, checked, as one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna_agnet.core.ranking import check_directions
from optuna_agnet.core.seeds import check_seed
from optuna_agnet.core.validation import check_type
from optuna_agnet.generator.checkpoints import Checkpoints
from optuna_agnet.generator.network import Generator
from optuna_agnet.search.acquisition import Acquisition
from optuna_agnet.search.candidates import CandidateSource
from optuna_agnet.search.cell_schedule import check_turns
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.known_constraints import KnownConstraint
from optuna_agnet.search.observations import Observations
from optuna_agnet.search.prior_observations import check_prior_observations
from optuna_agnet.search.scores import ScoreTable
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.checks import check_decides
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.surrogate.base import Surrogate
from optuna_agnet.torch_settings import check_device

NOT_IN_JSON = (
    "generator",
    "known_constraints",
    "surrogate",
    "candidate_sources",
    "acquisition",
    "prior_observations",
)
"""Parts that a stored search can only name."""


@dataclass(frozen=True, eq=False)
class SearchParts:
    """All that decides what a search proposes, besides its results. Arguments and errors are those of `AGNet`.

    Args:
        space: What is searched.
        directions: One of "maximize" and "minimize" an objective.
        seed: Of all that is random.
        config: Of the search.
        generator: A pretrained one of the space; None: the bundled one, or one that is pretrained on first use.
        known_constraints: Functions of an architecture, at most 0 where it may be proposed, by name.
        surrogate: One of the user's own, in the place of that of the config ...
        candidate_sources: ... and these as well ...
        acquisition: ... and this.
        prior_observations: Results of other searches.
        checkpoints: Where trained generators are shared.
        scores: Gives their table when the first proposal asks for it.
        hyperparameters: Of those that are searched together with the architecture.

    Example:
        >>> from optuna_agnet import spaces
        >>> parts = SearchParts(spaces.nas_bench_201(), ["minimize"], seed=3)
        >>> parts.directions, parts.config.surrogate, parts.prior_observations
        (('minimize',), 'gp', ())
    """

    space: SearchSpace
    directions: Sequence[str] = ("maximize",)
    seed: int = 0
    config: AGNetConfig = field(default_factory=AGNetConfig)
    generator: Generator | None = None
    known_constraints: Mapping[str, KnownConstraint] | None = None
    surrogate: Surrogate | None = None
    candidate_sources: Sequence[CandidateSource] | None = None
    acquisition: Acquisition | None = None
    prior_observations: Sequence[Observations] = ()
    checkpoints: Checkpoints | None = None
    scores: Callable[[], ScoreTable] | None = None
    hyperparameters: Hyperparameters = NONE

    def __post_init__(self) -> None:
        check_type("space", self.space, SearchSpace, "spaces.nas_bench_201()")
        check_decides(self.space)
        check_type("config", self.config, AGNetConfig, "AGNetConfig(n_startup=8)")
        check_device(self.config.device)
        object.__setattr__(self, "seed", check_seed(self.seed))
        object.__setattr__(self, "directions", check_directions(self.directions))
        _check_generator(self.generator, self.space)
        check_turns(self.space, self.config)
        _check_own_parts(self.surrogate, self.acquisition)
        self._check_what_the_surrogate_reads()
        prior = check_prior_observations(
            self.space, self.directions, self.prior_observations, self.hyperparameters
        )
        object.__setattr__(self, "prior_observations", prior)

    def _check_what_the_surrogate_reads(self) -> None:
        another = self.surrogate or (self.config.surrogate if self.config.surrogate != "gp" else "")
        for name, also in (("prior_observations", " (a sampler's source_studies)"), ("scores", "")):
            if getattr(self, name) and another:
                raise ValueError(
                    f"{name}{also} need surrogate='gp', not {another!r}, which learns nothing from them: leave them out"
                    " or leave the surrogate at its default"
                )
        if self.scores and self.space.num_combinations == 1:
            raise ValueError(
                f"scores compare architectures, and {self.space!r} has only one: give the space that is searched, or"
                " leave out the scores where there are hyperparameters alone"
            )
        if len(self.hyperparameters) and not self.reads_hyperparameters:
            raise ValueError(
                f"hyperparameters={list(self.hyperparameters.names)} need surrogate='gp' and proposals that are made"
                " one by one (paper_options.round_size=1, training.alpha=0), or a surrogate of your own with"
                " reads_hyperparameters = True"
            )

    @property
    def reads_hyperparameters(self) -> bool:
        """Whether the model can take account of hyperparameters beside the architecture."""
        return reads_hyperparameters(self.config, self.surrogate)

    @property
    def not_in_json(self) -> dict[str, object]:
        """The parts that no JSON can hold, by name."""
        return {name: getattr(self, name) for name in NOT_IN_JSON}


def config_or_default(config: AGNetConfig | None) -> AGNetConfig:
    """What None stands for."""
    return AGNetConfig() if config is None else config


def reads_hyperparameters(config: AGNetConfig, surrogate: Surrogate | None) -> bool:
    """Whether the model of such a search can take account of hyperparameters beside the architecture."""
    if config.paper_options.round_size > 1 or config.training.alpha:
        return False
    if surrogate is not None:
        return bool(getattr(surrogate, "reads_hyperparameters", False))
    return config.surrogate == "gp"


def check_hyperparameters(
    space: SearchSpace, given: Mapping[str, Any] | Hyperparameters | None
) -> Hyperparameters:
    """The hyperparameters of a search, none of which has the name of a decision.

    Raises:
        TypeError: They are no mapping, or one is no distribution.
        ValueError: A name is taken.
    """
    if given is None or isinstance(given, Hyperparameters):
        return given or NONE
    if not isinstance(given, Mapping):
        raise TypeError(
            f"hyperparameters={given!r} must be Optuna's distributions by name, such as"
            " {'lr': FloatDistribution(1e-4, 1e-1, log=True)}"
        )
    taken = sorted({d.name for d in space.decisions} & set(given))
    if taken:
        raise ValueError(
            f"hyperparameters {taken} have names of decisions of {space!r}: rename them"
        )
    return Hyperparameters.of(given)


def _check_generator(generator: Generator | None, space: SearchSpace) -> None:
    if generator is None:
        return
    check_type("generator", generator, Generator, "pretrain(space)")
    if generator.space != space:
        raise ValueError(
            f"the generator was made for {generator.space!r}, the search is in {space!r}: make one for it,"
            " pretrain(space), or leave it out"
        )


def _check_own_parts(surrogate: object, acquisition: object) -> None:
    if isinstance(surrogate, type):
        raise TypeError(f"surrogate={surrogate.__name__} is a class: give one of its objects")
    methods = ("fit", "predict", "condition_on_pending")
    if surrogate is not None and not all(callable(getattr(surrogate, m, None)) for m in methods):
        raise TypeError(
            f"surrogate={surrogate!r} lacks one of the methods {', '.join(methods)}: make it a subclass of"
            " optuna_agnet.search.Surrogate"
        )
    if acquisition is not None and not isinstance(acquisition, Acquisition):
        raise TypeError(
            f"acquisition={acquisition!r} has no method order(predicted, rng), see optuna_agnet.search.Acquisition"
        )
