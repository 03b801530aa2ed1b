"""Pictures of architectures and of what a study did, as plotly figures with `optuna.visualization`'s conventions.

Functions take a study (and the space it searched) and return a figure. plotly is imported when a figure is drawn;
`architecture_svg` does without.
"""

from optuna_agnet.analysis.figures.architecture import architecture_svg, plot_architecture
from optuna_agnet.analysis.figures.curves import plot_curves
from optuna_agnet.analysis.figures.model import (
    plot_latent_space,
    plot_operation_drift,
    plot_surrogate_calibration,
)
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
