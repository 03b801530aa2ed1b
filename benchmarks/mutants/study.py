"""Mutants of the Optuna side."""

from benchmarks.mutants.base import Mutant

STUDY = (
    Mutant(
        "every claim holds",
        "study/storage_view.py",
        "if any(rival.number < number or settled(rival) for rival in rivals):",
        "if not rivals:",
        "distributed/test_claims.py::test_the_larger_number_gives_way",
    ),
    Mutant(
        "what a rival has finished is not taken",
        "study/storage_view.py",
        "if key in theirs[: len(news.x)]:",
        "if False:",
        "distributed/test_claims.py::test_one_that_was_finished_meanwhile_is_taken",
    ),
    Mutant(
        "failed architectures come back for ever",
        "study/finished_trials.py",
        "or self._failures[key] >= self._max_failures",
        "",
        "study/test_storage_view.py::test_pruned_and_often_failed_architectures_are_excluded",
    ),
    Mutant(
        "a changed space is not noticed",
        "study/space_checks.py",
        'if not set(names).isdisjoint(about.get("parameters", [])):',
        "if False:",
        "study/test_sampler.py::test_a_changed_space_is_refused_before_results_are_taken_for_others",
    ),
    Mutant(
        "a stopped training is worth the best",
        "study/pruned_trials.py",
        "finals[max(beaten - 1, 0)]",
        "finals[-1]",
        "study/test_pruned_trials.py",
    ),
    Mutant(
        "a stopped training is compared at its first step",
        "study/pruned_trials.py",
        "sorted(intermediate, reverse=True)",
        "sorted(intermediate)",
        "study/test_pruned_trials.py",
    ),
    Mutant(
        "a manifest may name trials that nobody knows",
        "study/training_rounds.py",
        "and set(numbers) <= set(known)",
        "",
        "study/test_training_rounds.py",
    ),
    Mutant(
        "an unknown constraint is among the best",
        "study/trials.py",
        "if not unknown_as_feasible:",
        "if False:",
        "study/test_trials.py",
    ),
    Mutant(
        "what is never set is kept",
        "study/trials.py",
        "found.get(name, math.inf) <= 0",
        "found.get(name, 0.0) <= 0",
        "study/test_trials.py",
    ),
    Mutant(
        "a sampler that fixes decisions is not listened to",
        "study/fixed_parameters.py",
        "fixed = {**sampler._fixed_params, **fixed}",
        "pass",
        "study/test_sampler.py::test_partial_fixed_sampler",
    ),
    Mutant(
        "a used-up space does not end the study",
        "study/used_up.py",
        "        study.stop()\n",
        "        pass\n",
        "study/test_used_up.py::test_no_more_is_trained_than_there_is",
    ),
)
