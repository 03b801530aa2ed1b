"""Retries of trials whose worker died."""

from optuna_agnet.study.retry import RetryCallback

__all__ = ["RetryCallback"]
