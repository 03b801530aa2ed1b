"""What architectures are worth: one protocol, ``fit(x, y)`` and ``predict(candidates) -> mean, std``."""
