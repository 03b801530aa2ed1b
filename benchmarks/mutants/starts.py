"""Mutants of the start of a search with hyperparameters."""

from benchmarks.mutants.base import Mutant

STARTS = (
    Mutant(
        "a start comes from anywhere of a range",
        "search/starts.py",
        "_toward_middle(share) if ends_seldom else share",
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
    Mutant(
        "workers that begin at once have the same eighth",
        "search/starts.py",
        "(eighths[place] + within)",
        "(eighths[0] + within)",
        "study/test_joint_parameters.py::test_workers_that_begin_at_once_fill_the_ranges",
    ),
    Mutant(
        "hyperparameters of workers that begin at once go together",
        "search/starts.py",
        "seed_from(seed, Stream.START, name, group)).perm",
        "seed_from(seed, Stream.START, group)).perm",
        "study/test_joint_parameters.py::test_workers_that_begin_at_once_fill_the_ranges",
    ),
    Mutant(
        "TPE begins a study of ours",
        "study/sampler.py",
        "return joint is not None and not joint.known and not given",
        "return False",
        "study/test_joint_parameters.py::test_workers_that_begin_at_once_fill_the_ranges",
    ),
    Mutant(
        "a sampler of the user's does not begin a study",
        "study/sampler.py",
        "return joint is not None and not joint.known and not given",
        "return joint is not None and not joint.known",
        "study/test_joint_parameters.py::test_a_sampler_that_is_given_begins_itself_and_so_does_what_comes_later",
    ),
)
