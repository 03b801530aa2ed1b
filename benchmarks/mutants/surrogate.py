"""Mutants of the surrogates."""

from benchmarks.mutants.base import Mutant

_PROCESS = "surrogate/test_gaussian_process.py"

SURROGATE = (
    Mutant(
        "no Weisfeiler-Lehman round",
        "surrogate/kernel.py",
        "_ROUNDS = 1 ",
        "_ROUNDS = 0 ",
        "surrogate/test_kernel.py",
    ),
    Mutant(
        "dead nodes count",
        "surrogate/kernel.py",
        "torch.from_numpy((hashes != 0).astype(np.float32))",
        "torch.from_numpy((hashes >= 0).astype(np.float32))",
        "surrogate/test_kernel.py",
    ),
    Mutant(
        "the kernel counts no label twice",
        "surrogate/kernel.py",
        "counts.scatter_add_(1, buckets, alive)",
        "counts.scatter_(1, buckets, alive)",
        "surrogate/test_kernel.py",
    ),
    Mutant(
        "hyperparameters are never fitted",
        "surrogate/gaussian_process.py",
        "if data == self._tuned_on:",
        "if data == self._tuned_on or self.kernels:",
        _PROCESS,
    ),
    Mutant(
        "hyperparameters are the default ones",
        "surrogate/gaussian_process.py",
        "self.kernels[column] = found[best * len(columns) + number][0]",
        "pass",
        _PROCESS,
    ),
    Mutant(
        "pending architectures are unknown to the process",
        "surrogate/gaussian_process.py",
        "pending = torch.arange(old, old + len(x))",
        "pending = torch.arange(old, old)",
        _PROCESS,
    ),
    Mutant(
        "results have no noise",
        "surrogate/gaussian_process.py",
        "noisy.diagonal().add_(kernel.noise + 1e-8)",
        "noisy.diagonal().add_(1e-8)",
        _PROCESS,
    ),
    Mutant(
        "prior studies are not trusted",
        "surrogate/gaussian_process.py",
        "return self.kernel.trust * (offset @ self.lean)",
        "return 0.0 * (offset @ self.lean)",
        _PROCESS,
    ),
    Mutant(
        "a large training set keeps the worst",
        "surrogate/gaussian_process.py",
        'order = np.argsort(rank, kind="stable")',
        'order = np.argsort(-rank, kind="stable")',
        _PROCESS,
    ),
    Mutant(
        "the prior of hyperparameters is left out",
        "surrogate/hyperparameters.py",
        "believed - 0.5 * (n + guessed)",
        "0.0 * believed - 0.5 * (n + guessed)",
        _PROCESS,
    ),
    Mutant(
        "targets are values, not their order",
        "surrogate/targets.py",
        "return _quantile(middle[inverse] / len(y))",
        "return (y - y.mean()) / (y.std() or 1.0)",
        f"{_PROCESS} surrogate/test_targets.py",
    ),
    Mutant(
        "a margin of 0 is like the worst result",
        "surrogate/targets.py",
        "share = np.clip((y < 0).mean()",
        "share = np.clip(0 * (y < 0).mean()",
        _PROCESS,
    ),
    Mutant(
        "trees learn from what is unknown",
        "surrogate/xgboost.py",
        "weight=known,",
        "",
        "surrogate/test_xgboost.py",
    ),
    Mutant(
        "the generator is taught the contrary of the surrogate's ranking",
        "surrogate/ranking_loss.py",
        "wanted = mean_ranks(-joint)",
        "wanted = mean_ranks(joint)",
        "surrogate/test_ranking_loss.py",
    ),
)
