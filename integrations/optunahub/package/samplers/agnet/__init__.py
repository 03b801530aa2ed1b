"""AG-Net on OptunaHub: everything is in the package optuna-agnet, this only makes it found here."""

try:
    from optuna_agnet import AGNetConfig
    from optuna_agnet import AGNetSampler
    from optuna_agnet import spaces
except ModuleNotFoundError as error:
    if error.name != "optuna_agnet":
        raise
    raise ModuleNotFoundError(
        "samplers/agnet needs the package optuna-agnet: pip install optuna-agnet",
        name=error.name,
    ) from error


__all__ = ["AGNetConfig", "AGNetSampler", "spaces"]
