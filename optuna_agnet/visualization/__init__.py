"""Pictures of architectures and of what a study did; the public face of `optuna_agnet.analysis.figures`."""

from optuna_agnet.analysis.figures import (
    architecture_svg,
    plot_architecture,
    plot_curves,
    plot_feasibility,
    plot_latency_accuracy,
    plot_latent_space,
    plot_operation_drift,
    plot_search_progress,
    plot_surrogate_calibration,
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
