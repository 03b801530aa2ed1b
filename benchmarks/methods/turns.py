"""AG-Net on DARTS cells as in the paper's appendix C.5: one cell after the other, 310 queries.

After 16 random architectures a random reduction cell is fixed, one a seed, and the normal cell searched until query
155; then the best normal cell so far is fixed and the reduction cell searched until query 310. `agnet-turns` is our
default in the same turns; `agnet` and `agnet-paper` search both cells together.
"""

from __future__ import annotations

from benchmarks.methods.agnet import agnet
from benchmarks.methods.base import Factory
from optuna_agnet import AGNetConfig

TURNS = (("normal", 155 - 16), ("reduce", 155))

METHODS: dict[str, Factory] = {
    "agnet-turns": agnet(AGNetConfig(dedup="encoding", turns=TURNS)),
    "agnet-paper-turns": agnet(AGNetConfig.paper(dedup="encoding", turns=TURNS)),
}
