"""Mutants of graphs, keys and ranks."""

from benchmarks.mutants.base import Mutant

_KEYS = "core/test_architecture.py"
_RANKS = "core/test_ranking.py"

CORE = (
    Mutant(
        "keys do not see what follows a node",
        "core/architecture.py",
        "received + returned * np.uint64(7)",
        "received",
        _KEYS,
    ),
    Mutant(
        "nodes that lead nowhere count in keys",
        "core/architecture.py",
        "live: BoolArray = forward & backward",
        "live: BoolArray = forward",
        _KEYS,
    ),
    Mutant(
        "the edges of the first graph are those of all",
        "core/architecture.py",
        "not (_alike(live) and _alike(adjacency))",
        "not _alike(live)",
        f"{_KEYS}::test_graphs_of_a_batch_do_not_see_one_another",
    ),
    Mutant(
        "labels are refined for one round only",
        "core/architecture.py",
        "final[size == number] = current[size == number]",
        "final[np.minimum(size, 1) == number] = current[np.minimum(size, 1) == number]",
        f"{_KEYS} spaces/test_edge_cell.py",
    ),
    Mutant(
        "an edge given twice is one edge",
        "core/architecture.py",
        "len(set(self.edges)) < len(self.edges)",
        "False",
        _KEYS,
    ),
    Mutant(
        "equal values do not share a rank",
        "core/ranking.py",
        'side="right"',
        'side="left"',
        _RANKS,
    ),
    Mutant(
        "weights do not fall with the number of results",
        "core/ranking.py",
        "1 / (k * len(rank) + rank)",
        "1 / (k + rank)",
        _RANKS,
    ),
    Mutant(
        "the paper's penalty is left out",
        "core/ranking.py",
        "_PENALTY, 1.0)",
        "1.0, 1.0)",
        _RANKS,
    ),
    Mutant(
        "unknown constraints rank with known ones",
        "core/ranking.py",
        "_lexicographic(-violation, -unknown.astype(np.float64))",
        "_lexicographic(-violation)",
        _RANKS,
    ),
    Mutant(
        "crowding counts for nothing",
        "core/ranking.py",
        "_lexicographic(-front, _crowding(y[rows], front))",
        "_lexicographic(-front)",
        _RANKS,
    ),
    Mutant(
        "a constraint of large numbers outweighs the others",
        "core/ranking.py",
        "finite / np.where(largest > 0, largest, 1.0)",
        "finite",
        _RANKS,
    ),
)
