"""Pictures of architectures and of what a study did, as plotly figures.

plotly is imported when a figure is drawn; `architecture_svg` does without.
"""

from optuna_agnet.visualization.cell import architecture_svg, plot_architecture

__all__ = ["architecture_svg", "plot_architecture"]
