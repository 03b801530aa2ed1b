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
    Mutant(
        "logarithmic ranges are straight ones",
        "spaces/hyperparameters.py",
        "return math.log(inside / self.low) / math.log(self.high / self.low)",
        "return (inside - self.low) / (self.high - self.low)",
        "spaces/test_hyperparameters.py",
    ),
    Mutant(
        "categories lie on a line",
        "spaces/hyperparameters.py",
        "gaps[self.unordered] = gaps[self.unordered] > 0",
        "pass",
        "spaces/test_hyperparameters.py::test_gaps_are_those_of_a_loop",
    ),
    Mutant(
        "true is one",
        "spaces/hyperparameters.py",
        "if same and isinstance(choice, bool) == isinstance(value, bool):",
        "if same:",
        "spaces/test_hyperparameters.py::test_true_is_not_one",
    ),
    Mutant(
        "what does not exist in a network counts",
        "spaces/tree.py",
        "return np.where(self.active(repaired), repaired, 0)",
        "return repaired",
        "spaces/test_tree.py::test_repair_is_total_and_idempotent",
    ),
    Mutant(
        "invalid cells of a network are overlooked",
        "spaces/tree.py",
        "~active[:, columns.start] | cell.space.is_valid(x[:, columns])",
        "True",
        "spaces/test_tree.py::test_valid_rows_are_those_whose_cells_are_valid",
    ),
    Mutant(
        "all values of a width are one step away",
        "spaces/tree.py",
        "np.where(self._ordered[at], np.abs(new - old), 1)",
        "np.ones_like(at)",
        "spaces/test_tree.py",
    ),
    Mutant(
        "only the nodes that make new states are alive",
        "spaces/recurrent_repair.py",
        "live |= live[:, i, None] & reads[:, i, FIRST_NODE:]",
        "pass",
        "spaces/test_recurrent.py",
    ),
    Mutant(
        "a recurrent cell may ignore its input",
        "spaces/recurrent_repair.py",
        "blind = ~np.all(read[:, :2], axis=1)",
        "blind = ~np.all(read[:, 1:2], axis=1)",
        "spaces/test_recurrent.py",
    ),
)
