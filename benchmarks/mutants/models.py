"""Mutants of what is built, scored and measured."""

from benchmarks.mutants.base import Mutant

_SCORES = "training_free/test_scores.py"

MODELS = (
    Mutant(
        "units that lead to no output are counted",
        "training_free/scores.py",
        "if node in used:",
        "if True:",
        f"{_SCORES}::test_naswot_leaves_out_what_leads_to_no_output",
    ),
    Mutant(
        "synaptic flow has signs",
        "training_free/scores.py",
        "parameter.abs_()",
        "pass",
        f"{_SCORES}::test_synflow_sees_neither_signs_nor_pixels",
    ),
    Mutant(
        "Zen-score adds variances for deviations",
        "training_free/scores.py",
        "scales.append(variance.log() / 2)",
        "scales.append(variance.log())",
        f"{_SCORES}::test_the_zen_score_adds_half_the_log_of_mean_variances",
    ),
    Mutant(
        "gradient norms are squared",
        "training_free/scores.py",
        "sum(gradient.norm() for",
        "sum(gradient.square().sum() for",
        f"{_SCORES}::test_the_gradient_norm_agrees_with_backward",
    ),
    Mutant(
        "scores of TE-NAS are of one draw of the weights",
        "training_free/te_nas.py",
        'for repeat in range(check_count("repeats", repeats, 1)):',
        'for repeat in range(check_count("repeats", 1, 1)):',
        "training_free/test_te_nas.py::test_scores_are_means_over_the_draws",
    ),
    Mutant(
        "shared parameters count as often as they are used",
        "hardware.py",
        "p.numel() for p in model.parameters() if",
        "p.numel() for _, p in model.named_parameters(remove_duplicate=False) if",
        "test_hardware.py::test_shared_parameters_count_once",
    ),
    Mutant(
        "warm-up is timed",
        "hardware.py",
        "        timer.timeit(_WARM_UP)\n",
        "",
        "test_hardware.py::test_warm_up_does_not_count",
    ),
    Mutant(
        "a node is the last of its edges",
        "modules/edge_cell.py",
        "values[j] = values[j] + y",
        "values[j] = y",
        "modules/test_edge_cell.py::test_a_node_sums_over_the_edges_that_end_in_it",
    ),
    Mutant(
        "a reduction has no second branch",
        "modules/edge_cell.py",
        "self.shortcut(x) + self.branch(x)",
        "self.shortcut(x)",
        "modules/test_edge_cell.py::test_a_reduction_adds_two_convolutions_to_a_pooled_shortcut",
    ),
)
