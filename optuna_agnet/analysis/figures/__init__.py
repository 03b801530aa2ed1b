"""Pictures of architectures and of what a study did, as plotly figures with `optuna.visualization`'s conventions.

Functions take a study (and the space it searched) and return a figure. plotly is imported when a figure is drawn;
`architecture_svg` does without. `optuna_agnet.visualization` lists those that are public.
"""
