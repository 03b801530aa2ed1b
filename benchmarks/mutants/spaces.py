"""Mutants of search spaces."""

from benchmarks.mutants.base import Mutant

_LAWS = "spaces/test_base.py"

SPACES = (
    Mutant(
        "every graph is a valid cell with operations on its edges",
        "spaces/edge_cell.py",
        "return same.argmax(2), valid",
        "return same.argmax(2), np.ones_like(valid)",
        "spaces/test_edge_cell.py",
    ),
    Mutant(
        "a chain takes any edges",
        "spaces/chain.py",
        "same.any(2).all(1) & (graphs.edges == self._edges).all(1)",
        "same.any(2).all(1)",
        "spaces/test_edge_cell.py::test_valid_is_what_encodes_to_the_same_graph",
    ),
    Mutant(
        "what a row can't say of an architecture is dropped",
        "spaces/base.py",
        "if self._architecture(row) != architecture:",
        "if False:",
        f"{_LAWS}::test_one_change_is_kept_or_refused",
    ),
    Mutant(
        "the ends of a graph may have any labels",
        "spaces/base.py",
        "if (architecture.nodes[0], architecture.nodes[-1]) != (INPUT, OUTPUT):",
        "if False:",
        f"{_LAWS}::test_foreign_ends_are_refused",
    ),
    Mutant(
        "any graph has a canonical form",
        "spaces/base.py",
        "if own.key != architecture.key:",
        "if False:",
        f"{_LAWS}::test_a_graph_that_needs_repair_is_refused",
    ),
    Mutant(
        "an architecture is its own neighbour",
        "spaces/base.py",
        "unique[[row.tobytes() not in own for row in unique]]",
        "unique",
        f"{_LAWS}::test_neighbors_are_one_decision_away",
    ),
    Mutant(
        "cells may have an edge too many",
        "spaces/node_cell.py",
        "(pruned.sum((1, 2)) <= self.max_edges)",
        "(pruned.sum((1, 2)) <= self.max_edges + 1)",
        "spaces/test_node_cell.py::test_repair_does_what_is_documented",
    ),
    Mutant(
        "a DARTS node may read one source twice",
        "spaces/darts.py",
        "(into.sum(1) == 1).all((1, 2)) & (first != second).all(1)",
        "(into.sum(1) == 1).all((1, 2))",
        "spaces/test_darts.py",
    ),
    Mutant(
        "edges between the cells of a stack are overlooked",
        "spaces/stack.py",
        "valid & ~between.any(1)",
        "valid",
        "spaces/test_stack.py::test_edges_between_cells_are_refused",
    ),
)
