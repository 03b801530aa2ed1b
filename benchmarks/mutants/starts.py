"""Mutants of the start of a search with hyperparameters."""

from benchmarks.mutants.base import Mutant

STARTS = (
    Mutant(
        "a start comes from anywhere of a range",
        "search/starts.py",
        "_toward_middle(share) if _is_range(p) else share",
        "share",
        "search/test_starts.py::test_of_a_range_each_eighth_of_what_is_probable_comes_once",
    ),
    Mutant(
        "of few values the first and the last come seldom",
        "search/starts.py",
        "parameter.size > _LISTED",
        "parameter.size > 0",
        "search/test_starts.py::test_of_few_values_each_comes_as_often_as_the_others",
    ),
    Mutant(
        "all starts have the same hyperparameters",
        "search/starts.py",
        "fast_forward(position)",
        "fast_forward(0)",
        "search/test_starts.py",
    ),
    Mutant(
        "all searches start with the same hyperparameters",
        "search/starts.py",
        "True, scramble)",
        "True, 0)",
        "search/test_starts.py::test_seeds_and_positions_differ_and_nothing_else_does",
    ),
    Mutant(
        "scores choose the first hyperparameters",
        "search/proposer.py",
        "few = len(snapshot.observations.x) < _TELLING",
        "few = False",
        "search/test_starts.py::test_with_scores_the_first_four_results_are_of_them",
    ),
    Mutant(
        "a start whose pairs are taken ends the search",
        "search/proposer.py",
        "for each in allowed] + allowed",
        "for each in allowed]",
        "search/test_starts.py::test_where_all_pairs_with_them_are_taken_others_come",
    ),
    Mutant(
        "with hyperparameters a search starts as without",
        "search/source_schedule.py",
        "    if len(hyperparameters):\n",
        "    if False:\n",
        "search/test_source_schedule.py",
    ),
)
