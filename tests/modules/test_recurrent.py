from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from optuna_agnet import spaces
from optuna_agnet.modules import build_model
from optuna_agnet.modules.recurrent import LanguageModel, RecurrentCellModule
from optuna_agnet.spaces import RecurrentCell

WORDS_OF_WIKITEXT_2 = 33_278
LSTM_LIKE = """{
 "i": {"op": "linear", "input": ["x", "h_prev_0"]}, "i_act": {"op": "activation_tanh", "input": ["i"]},
 "j": {"op": "linear", "input": ["x", "h_prev_0"]}, "j_act": {"op": "activation_sigm", "input": ["j"]},
 "f": {"op": "linear", "input": ["x", "h_prev_0"]}, "f_act": {"op": "activation_sigm", "input": ["f"]},
 "o": {"op": "linear", "input": ["x", "h_prev_0"]}, "o_act": {"op": "activation_sigm", "input": ["o"]},
 "kept": {"op": "elementwise_prod", "input": ["f_act", "h_prev_1"]},
 "new": {"op": "elementwise_prod", "input": ["i_act", "j_act"]},
 "h_new_1": {"op": "elementwise_sum", "input": ["kept", "new"]},
 "h_new_1_act": {"op": "activation_tanh", "input": ["h_new_1"]},
 "h_new_0": {"op": "elementwise_prod", "input": ["h_new_1_act", "o_act"]}}"""


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _model(space: RecurrentCell, seed: int = 0, **settings: float) -> LanguageModel:
    torch.manual_seed(0)
    small = {"vocabulary": 20, "embedding": 6, "hidden": 8, "layers": 2, **settings}
    model = build_model(space, space.random_architecture(seed), **small)  # type: ignore[arg-type]
    assert isinstance(model, LanguageModel)
    return model


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_parameters_of_real_recipes_agree_with_the_table(
    table: Callable[[str], list[dict[str, str]]], every: int
) -> None:
    space = spaces.nas_bench_nlp()
    for row in table("nbnlp/nbnlp_wikitext2.csv.gz")[::every]:
        with torch.device("meta"):
            model = build_model(space, space.parse(row["recepie"]), vocabulary=WORDS_OF_WIKITEXT_2)
        assert _parameters(model) == int(row["num_params"]), row["recepie_id"]


def test_the_lstm_recipe_is_an_lstm() -> None:
    recipe = json.loads(LSTM_LIKE)
    ours = RecurrentCellModule(recipe, input_size=3, hidden=4)
    theirs = nn.LSTMCell(3, 4)
    gates = [ours.linear[name] for name in "jfio"]  # torch's order: input, forget, cell, output
    theirs.weight_ih.data = torch.cat([gate.weight[:, :3] for gate in gates]).detach()
    theirs.weight_hh.data = torch.cat([gate.weight[:, 3:] for gate in gates]).detach()
    theirs.bias_ih.data = torch.cat([gate.bias for gate in gates]).detach()
    theirs.bias_hh.data.zero_()
    x, h, c = torch.randn(5, 3), torch.randn(5, 4), torch.randn(5, 4)
    expected = torch.stack(theirs(x, (h, c)))
    assert torch.allclose(ours(x, torch.stack([h, c])), expected, atol=1e-6)


def test_blend_and_leaky_relu_compute_what_the_recipe_says() -> None:
    recipe = {
        "a": {"op": "linear", "input": ["x", "h_prev_0"]},
        "b": {"op": "activation_sigm", "input": ["a"]},
        "c": {"op": "activation_leaky_relu", "input": ["a"]},
        "h_new_0": {"op": "blend", "input": ["b", "c", "h_prev_0"]},
    }
    cell = RecurrentCellModule(recipe, input_size=3, hidden=4)
    x, h = torch.randn(2, 3), torch.randn(1, 2, 4)
    a = cell.linear["a"](torch.cat([x, h[0]], 1))
    gate, leaky = 1 / (1 + torch.exp(-a)), torch.where(a > 0, a, 0.01 * a)
    assert torch.allclose(cell(x, h)[0], gate * leaky + (1 - gate) * h[0], atol=1e-6)


def test_random_cells_train() -> None:
    space = spaces.nas_bench_nlp(12)
    tokens = torch.randint(20, (3, 5), generator=torch.Generator().manual_seed(0))
    for seed in range(20):
        model = _model(space, seed)
        logits, states = model(tokens)
        assert logits.shape == (3, 5, 20)
        assert [tuple(state.shape[1:]) for state in states] == [(3, 8), (3, 6)]
        nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten()).backward()  # type: ignore[no-untyped-call]
        # A state that only other states read has its first effect on the next token but one.
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_states_carry_over_from_call_to_call() -> None:
    model = _model(spaces.nas_bench_nlp(12), seed=1)
    tokens = torch.randint(20, (3, 8), generator=torch.Generator().manual_seed(0))
    whole, end = model(tokens)
    first, states = model(tokens[:, :5])
    second, last = model(tokens[:, 5:], states)
    assert torch.allclose(torch.cat([first, second], 1), whole, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(last, end, strict=True))


def test_the_decoder_shares_the_embedding() -> None:
    model = _model(spaces.nas_bench_nlp(12))
    assert model.decoder.weight is model.embedding.weight


def test_a_model_looks_only_back() -> None:
    model = _model(spaces.nas_bench_nlp(12), seed=2)
    tokens = torch.zeros(1, 6, dtype=torch.long)
    changed = tokens.clone()
    changed[0, 3] = 7

    def logits(text: Tensor) -> Tensor:
        found: Tensor = model(text)[0]
        return found

    same = torch.isclose(logits(tokens), logits(changed), atol=1e-7).all(2)[0]
    assert same[:3].all()
    assert not same[3]


def test_dropout_is_for_training() -> None:
    model = _model(spaces.nas_bench_nlp(12), dropout=0.5)
    tokens = torch.zeros(2, 4, dtype=torch.long)
    assert not torch.equal(model(tokens)[0], model(tokens)[0])
    model.eval()
    assert torch.equal(model(tokens)[0], model(tokens)[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocabulary": 0}, "vocabulary=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"channels": 3}, r"channels=3 has no meaning.*vocabulary, embedding"),
    ],
)
def test_settings_without_meaning_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _model(spaces.nas_bench_nlp(12), **settings)


def test_builders_are_refused() -> None:
    space = spaces.nas_bench_nlp(12)
    with pytest.raises(ValueError, match="takes a builder; it has none"):
        build_model(space, space.random_architecture(0), ops={"linear_2": nn.Identity})
