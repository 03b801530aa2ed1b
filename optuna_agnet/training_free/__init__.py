"""Scores of untrained networks: seconds instead of hours, a hint where a search should begin.

Of a model and a batch of images, without labels: `naswot`, `jacobian_score`, `synflow`, `gradient_norm`, `zen_score`,
`count_linear_regions` (larger is better) and `ntk_condition_number` (smaller is better). Of an architecture:
`training_free_scores`, the two of TE-NAS, and `quick_scores`, for a search to begin with. Parameters and FLOPs are in
`optuna_agnet.hardware`.
"""

from optuna_agnet.training_free.quick import quick_scores
from optuna_agnet.training_free.scores import (
    gradient_norm,
    jacobian_score,
    naswot,
    synflow,
    zen_score,
)
from optuna_agnet.training_free.te_nas import (
    TrainingFreeScores,
    count_linear_regions,
    ntk_condition_number,
    rank_sum,
    training_free_scores,
)

__all__ = [
    "TrainingFreeScores",
    "count_linear_regions",
    "gradient_norm",
    "jacobian_score",
    "naswot",
    "ntk_condition_number",
    "quick_scores",
    "rank_sum",
    "synflow",
    "training_free_scores",
    "zen_score",
]
