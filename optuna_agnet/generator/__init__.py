"""Where architectures come from: a latent vector becomes a graph."""

from optuna_agnet.generator.network import Generator, GeneratorConfig
from optuna_agnet.generator.pretraining import (
    GeneratorReport,
    generator_report,
    load_generator,
    pretrain,
    save_generator,
)
from optuna_agnet.generator.training import TrainingConfig

__all__ = [
    "Generator",
    "GeneratorConfig",
    "GeneratorReport",
    "TrainingConfig",
    "generator_report",
    "load_generator",
    "pretrain",
    "save_generator",
]
