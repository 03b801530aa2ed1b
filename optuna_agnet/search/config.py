"""AGNetConfig: everything that can be chosen about a search, with two presets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from importlib.util import find_spec
from typing import Any, Literal, get_args

from optuna_agnet.core.deprecation import (
    accepts_moved_names,
    accepts_old_names,
    old_names_of,
    warn_of_old_name,
)
from optuna_agnet.core.ranking import RANKINGS
from optuna_agnet.core.validation import check_type
from optuna_agnet.generator.network import GeneratorConfig
from optuna_agnet.generator.training import TrainingConfig
from optuna_agnet.torch_settings import check_device_name

Source = Literal["generator", "mutants", "neighbors", "random"]


_PACKAGES = {"gnn": "torch_geometric", "xgboost": "xgboost"}
"""What surrogates need, each an extra of the surrogate's name."""
_WITH_UNCERTAINTY = ("gp", "gnn")
STARTUP = 16
"""Random architectures, Alg. 1, l. 2; and results that the first round of generator training has."""
_RENAMED = {
    "sources": "candidate_sources",
    "draws": "samples_per_attempt",
    "turns": "cell_schedule",
}


@dataclass(frozen=True, slots=True)
class PaperOptions:
    """What the paper's algorithm needs and no other: `AGNetConfig.paper` sets and takes them.

    Args:
        round_size: Proposals that share one model and one pool of candidates; 1 refits the surrogate for each.
        learn_from: Only the first so many results train the generator; None: all. The paper's "without LSO" as released
            learns from the 16 of the startup (docs/released_code.md, sec. 6).
        uniform_latents: Whether candidates come from z ~ U[-3, 3] (Alg. 1, l. 15) instead of N(0, 1).
        ranking: The order of architectures by objectives and constraints: "pareto" (feasible first, then by fronts)
            or "sum" (the paper's sum of ranks with a penalty).

    Raises:
        ValueError: A number is out of range or the ranking unknown.

    Example:
        >>> AGNetConfig.paper(learn_from=16).paper_options
        PaperOptions(round_size=16, learn_from=16, uniform_latents=True, ranking='sum')
    """

    round_size: int = 1
    learn_from: int | None = None
    uniform_latents: bool = False
    ranking: Literal["pareto", "sum"] = "pareto"

    def __post_init__(self) -> None:
        _check_counts(round_size=self.round_size, learn_from=self.learn_from)
        _check_choice("ranking", self.ranking, RANKINGS)


@dataclass(frozen=True, slots=True)
class AGNetConfig:
    """Settings of `AGNet` and `AGNetSampler`. ``AGNetConfig()`` is the recommended default.

    Args:
        n_startup: Random architectures before the first model (Alg. 1, l. 2: 16). None leaves it to what is searched:
            16, or less where little is to be learned or hyperparameters are searched, too, down to 8
            (`random_starts`). Where several are evaluated at once, those without a result yet are counted as soon as
            they are no more than the others; what failed for good counts once there is a result. The generator is first
            trained with so many results, or with 16.
        retrain_every: Results between two rounds of generator training ...
        retrain_growth: ... and at least this share of all results.
        generator: Its shape.
        training: A round of its training.
        weight_factor: k of Eq. 3; infinity weighs all architectures alike (the paper's "without LSO", as described).
        candidate_sources: Where candidates come from, one source a proposal, in turn. Never mixed in one pool: expected
            improvement would always prefer the neighbours. None leaves it to the space: three turns to the generator
            and one to the neighbours, or all of them to mutants where decisions are many (`generator_suits`).
        samples_per_attempt: Generator samples of one attempt after the other, until there are ``pool_size`` new ones.
        pool_size: Most candidates of a pool.
        surrogate: "gp" (exact, on true encodings), "gnn" (an ensemble of graph neural networks, on the graphs),
            "xgboost" (trees, on true encodings) or "mlp" (the paper's, on the generator's raw output). "gnn" and
            "xgboost" are extras of the package. ``training.alpha`` is its share of the generator's training: the MLP is
            trained end to end with it, the others teach it their ranking (`surrogate.ranking_loss`).
        acquisition: "ei", expected improvement (of the hypervolume, or the ends of the front, with several objectives)
            over the best posterior means among candidates that are probably feasible; or "mean", the order of the
            predictions.
        dedup: What counts as the same architecture: "graph" (isomorphic ones) or "encoding" (equal decisions).
        cell_schedule: For a `Stack`, cells that are searched one after the other and for how many results each: all
            other cells stay as they are, at first those of one random architecture, later those of the best so far
            (appendix C.5: ``(("normal", 139), ("reduce", 155))``). Then, and by default, all are searched together.
        allow_duplicates: Whether an architecture may be proposed again with the same hyperparameters (those of the
            model; without any: at all), for noisy objectives.
        device: Where generator and MLP are trained.
        paper_options: What only the paper's algorithm needs.

    Raises:
        ValueError: A number is out of range or a name unknown.
        TypeError: ``generator`` or ``training`` is of another type.
        ImportError: ``surrogate="gnn"`` or ``"xgboost"``, and the package for it is missing.

    Example:
        >>> AGNetConfig().surrogate, AGNetConfig.paper().surrogate
        ('gp', 'mlp')
    """

    n_startup: int | None = None
    retrain_every: int = 4
    retrain_growth: float = 1 / 16
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    weight_factor: float = 0.01  # k = 10e-3, Table 14
    candidate_sources: tuple[Source, ...] | None = None
    samples_per_attempt: tuple[int, ...] = (512,)
    pool_size: int = 512
    surrogate: Literal["gp", "gnn", "mlp", "xgboost"] = "gp"
    acquisition: Literal["ei", "mean"] = "ei"
    dedup: Literal["graph", "encoding"] = "graph"
    cell_schedule: tuple[tuple[str, int], ...] = ()
    allow_duplicates: bool = False
    device: str = "cpu"
    paper_options: PaperOptions = field(default_factory=PaperOptions)

    def __post_init__(self) -> None:
        self._check_numbers()
        check_type("generator", self.generator, GeneratorConfig, "GeneratorConfig(latent=32)")
        check_type("training", self.training, TrainingConfig, "TrainingConfig(steps=16)")
        check_device_name(self.device)
        if not self.weight_factor > 0:
            raise ValueError(f"weight_factor={self.weight_factor!r} must be positive")
        check_type("paper_options", self.paper_options, PaperOptions, "PaperOptions()")
        _check_choice("surrogate", self.surrogate, ("gp", "gnn", "mlp", "xgboost"))
        _check_choice("acquisition", self.acquisition, ("ei", "mean"))
        _check_choice("dedup", self.dedup, ("graph", "encoding"))
        package = _PACKAGES.get(self.surrogate)
        if package is not None and find_spec(package) is None:
            raise ImportError(
                f"surrogate={self.surrogate!r} needs a package: pip install 'optuna-agnet[{self.surrogate}]'"
            )
        if self.acquisition == "ei" and self.surrogate not in _WITH_UNCERTAINTY:
            raise ValueError(
                f"acquisition='ei' needs a surrogate with an uncertainty: surrogate='gp' or 'gnn', not"
                f" {self.surrogate!r}; or acquisition='mean'"
            )
        sources = self.candidate_sources
        if sources is not None and (not sources or set(sources) - set(get_args(Source))):
            raise ValueError(
                f"candidate_sources={sources!r} must be None or name {', '.join(get_args(Source))}"
            )

    def _check_numbers(self) -> None:
        _check_counts(
            n_startup=self.n_startup, retrain_every=self.retrain_every, pool_size=self.pool_size
        )
        if not 0 <= self.retrain_growth < math.inf:
            raise ValueError(
                f"retrain_growth={self.retrain_growth!r} must be a number, and not negative"
            )

    def __getattr__(self, name: str) -> Any:
        """Fields under the names, and in the places, that they had before."""
        if name in _RENAMED:
            warn_of_old_name(name, _RENAMED[name])
            return getattr(self, _RENAMED[name])
        if name in _PAPERS:
            warn_of_old_name(name, f"paper_options.{name}")
            return getattr(self.paper_options, name)
        raise AttributeError(f"AGNetConfig has no field {name!r}")

    @classmethod
    def paper(cls, **changes: Any) -> AGNetConfig:
        """The paper: Algorithms 1 and 2, Tables 13 to 15; rounds of 16, an MLP on the generator's raw output.

        Its generator learns all of a graph, which takes tens of thousands of steps; weights of that form come along for
        NAS-Bench-101 and 201. For other spaces add ``generator=GeneratorConfig(latent=32, layers=2)``, the same network
        given what all valid graphs share (of `optuna_agnet.generator`).

        Args:
            **changes: Other values; of `PaperOptions` as well.
        """
        options = {"round_size": 16, "uniform_latents": True, "ranking": "sum"}
        options |= {name: changes.pop(name) for name in _PAPERS & changes.keys()}
        paper: dict[str, Any] = {
            "paper_options": PaperOptions(**options),  # type: ignore[arg-type]
            "n_startup": STARTUP,
            "retrain_every": 16,
            "retrain_growth": 0.0,
            "generator": GeneratorConfig.paper(),
            "training": TrainingConfig.paper(),
            "candidate_sources": ("generator",),
            "samples_per_attempt": tuple(range(100, 1000, 100)),  # as released, sec. 5
            "pool_size": 100,
            "surrogate": "mlp",
            "acquisition": "mean",
        }
        return cls(**{**paper, **changes})

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AGNetConfig:
        """The reverse of `to_dict`, also after a round trip through JSON."""
        values = old_names_of(values, **_RENAMED)
        # of earlier versions
        options = {name: values.pop(name) for name in _PAPERS & values.keys()}
        training = dict(values["training"], betas=tuple(values["training"]["betas"]))
        sources = values["candidate_sources"]
        parts = {
            "paper_options": PaperOptions(**{**values.get("paper_options", {}), **options}),
            "generator": GeneratorConfig(**values["generator"]),
            "training": TrainingConfig(**training),
            "candidate_sources": sources and tuple(sources),
            "samples_per_attempt": tuple(values["samples_per_attempt"]),
            "cell_schedule": tuple((cell, results) for cell, results in values["cell_schedule"]),
        }
        return cls(**{**values, **parts})


def _check_counts(**counts: int | None) -> None:
    for name, value in counts.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{name}={value!r} must be an integer of at least 1")


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {list(choices)}")


_PAPERS = frozenset(f.name for f in fields(PaperOptions))
_accepting = accepts_moved_names("paper_options", PaperOptions)
AGNetConfig.__init__ = _accepting(accepts_old_names(**_RENAMED)(AGNetConfig.__init__))  # type: ignore[method-assign]
