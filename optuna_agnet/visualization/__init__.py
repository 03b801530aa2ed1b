"""Pictures of architectures and of what a study did: the public ones of `optuna_agnet.analysis.figures`."""

from optuna_agnet.analysis.figures.architecture import architecture_svg, plot_architecture
from optuna_agnet.analysis.figures.curves import plot_curves
from optuna_agnet.analysis.figures.drift import plot_operation_drift
from optuna_agnet.analysis.figures.model import plot_latent_space, plot_surrogate_calibration
from optuna_agnet.analysis.figures.trials import (
    plot_feasibility,
    plot_latency_accuracy,
    plot_search_progress,
)

__all__ = [
    "architecture_svg",
    "plot_architecture",
    "plot_curves",
    "plot_feasibility",
    "plot_latency_accuracy",
    "plot_latent_space",
    "plot_operation_drift",
    "plot_search_progress",
    "plot_surrogate_calibration",
]
