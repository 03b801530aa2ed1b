"""The Optuna side: a study as the search sees it, and the sampler."""
