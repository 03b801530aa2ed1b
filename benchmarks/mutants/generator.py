"""Mutants of the generator and its training."""

from benchmarks.mutants.base import Mutant

_NETWORK = "generator/test_network.py"
_TRAINING = "generator/test_training.py"

GENERATOR = (
    Mutant(
        "uniform latent vectors are normal ones",
        "generator/network.py",
        "        if uniform:\n",
        "        if False:\n",
        "search/test_proposer.py::test_latent_vectors_are_drawn_as_the_config_says",
    ),
    Mutant(
        "an edge counts for later nodes from a probability of a half",
        "generator/growth.py",
        "_EDGE_THRESHOLD = 0.5",
        "_EDGE_THRESHOLD = 0.0",
        _NETWORK,
    ),
    Mutant(
        "what must be read may stay unread",
        "generator/wiring.py",
        "for source in self._read:",
        "for source in self._read[:0]:",
        f"{_NETWORK}::test_what_must_be_read_is_read_wherever_a_node_can",
    ),
    Mutant(
        "types are the likeliest ones, not drawn",
        "generator/network.py",
        "(scores.nodes.cpu() + noise).argmax(2)",
        "scores.nodes.cpu().argmax(2)",
        _NETWORK,
    ),
    Mutant(
        "absent edges have no likelihood",
        "generator/network.py",
        "return nodes + present @ edges.T + absent.sum(1)[:, None]",
        "return nodes + present @ edges.T",
        _NETWORK,
    ),
    Mutant(
        "edges have no share in Eq. 1",
        "generator/network.py",
        "return nodes + each.mean(1)",
        "return nodes",
        _NETWORK,
    ),
    Mutant(
        "a graph trains the latent vector under which it is least likely",
        "generator/training.py",
        ".argmax(0)",
        ".argmin(0)",
        f"{_TRAINING}::test_nearest_pairing_learns_and_uses_z",
    ),
    Mutant(
        "all graphs are drawn alike",
        "generator/training.py",
        "chance = data.weights.cpu()",
        "chance = torch.ones_like(data.weights.cpu())",
        f"{_TRAINING}::test_graphs_are_drawn_in_proportion_to_their_weights",
    ),
    Mutant(
        "alpha is the generator's share",
        "generator/training.py",
        "(1 - alpha) * terms[0] + alpha * (",
        "alpha * terms[0] + (1 - alpha) * (",
        f"{_TRAINING}::test_weights_and_surrogate_enter_the_loss",
    ),
    Mutant(
        "the surrogate's loss always trains the generator",
        "generator/training.py",
        "if not self.config.backpropagate:",
        "if False:",
        f"{_TRAINING}::test_without_backpropagation_the_surrogate_teaches_the_generator_nothing",
    ),
    Mutant(
        "weights never multiply the loss",
        "generator/training.py",
        "if self.config.weigh_loss else loss.mean()",
        "if False else loss.mean()",
        f"{_TRAINING}::test_weights_and_surrogate_enter_the_loss",
    ),
    Mutant(
        "a gradient's numbers are taken as they lie in memory",
        "generator/training.py",
        "gradient.contiguous() for",
        "gradient for",
        f"{_TRAINING}::test_a_generator_takes_the_steps_of_torch",
    ),
    Mutant(
        "the optimizer's state is not taken over",
        "generator/training.py",
        "tensor.copy_(state[name])",
        "tensor.copy_(state[name]) if name.startswith('parameter') else None",
        "generator/test_checkpoints.py::test_only_what_is_new_is_trained_and_the_rest_goes_on_as_before",
    ),
    Mutant(
        "what lies behind the output makes another drawing",
        "generator/report.py",
        "np.arange(n) < end",
        "np.arange(n) < n",
        "generator/test_report.py::test_drawings_are_told_apart_by_what_is_drawn_before_the_output",
    ),
    Mutant(
        "novelty as drawn forgets what pretraining saw",
        "generator/report.py",
        "set(drawings(space.encode(seen)))",
        "set(drawings(space.encode(seen[:1])))",
        "generator/test_report.py::test_shares_are_those_of_the_samples",
    ),
    Mutant(
        "damaged weights are loaded",
        "generator/files.py",
        "if checksum(tensors) != sha256:",
        "if False:",
        "generator/test_pretraining.py::test_bad_files_are_refused",
    ),
    Mutant(
        "weights of another space are loaded",
        "generator/files.py",
        "if about.space != space.fingerprint:",
        "if False:",
        "generator/test_pretraining.py::test_another_space_is_refused",
    ),
)
