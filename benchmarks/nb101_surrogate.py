"""How good the regression behind the problem nb101 is: ``python -m benchmarks.nb101_surrogate`` (a minute)."""

from __future__ import annotations

import numpy as np
from scipy.stats import kendalltau

from benchmarks.problems import nb101


def main() -> None:
    x, accuracy = nb101.known()
    shuffled = np.random.default_rng(0).permutation(len(x))
    held_out, rest = shuffled[: len(x) // 5], shuffled[len(x) // 5 :]
    predicted = nb101.predict(nb101.regression(x[rest], accuracy[rest]), x[held_out])
    tau = kendalltau(predicted, accuracy[held_out]).statistic
    print(f"fitted on {len(rest):,} cells: Kendall tau {tau:.3f} on the other {len(held_out):,}")
    everything = nb101.all_rows()
    unknown = everything[~np.isin(nb101.SPACE.keys(everything), nb101.SPACE.keys(x))]
    best = nb101.predict(nb101.regression(x, accuracy), unknown).max()
    print(f"best known cell {accuracy.max():.3f}, ", end="")
    print(f"best prediction of the {len(unknown):,} unknown ones {best:.3f}")


if __name__ == "__main__":
    main()
