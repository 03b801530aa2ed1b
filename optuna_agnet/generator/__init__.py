"""Where architectures come from: a latent vector becomes a graph."""

from optuna_agnet.generator.files import load_generator, save_generator
from optuna_agnet.generator.network import Generator, GeneratorConfig
from optuna_agnet.generator.pretraining import pretrain
from optuna_agnet.generator.report import GeneratorReport, generator_report
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
