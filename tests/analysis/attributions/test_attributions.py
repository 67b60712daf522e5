"""Each method against a closed form, finite differences, or a computation of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_texts import batch, model

from hwsweep.analysis.attributions import is_real, log_probability, mask_tokens, predict
from hwsweep.analysis.attributions.attention import attention
from hwsweep.analysis.attributions.gradient_x_input import gradient_x_input
from hwsweep.analysis.attributions.integrated_gradients import integrated_gradients
from hwsweep.analysis.attributions.leave_one_out import leave_one_out
from hwsweep.analysis.attributions.methods import methods
from hwsweep.analysis.attributions.rollout import rollout
from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer

POOLINGS = pytest.mark.parametrize("pooling", ["mean", "cls"])


def own(texts: Batch, row: int) -> Batch:
    """One text without its padding."""
    length = int(texts["length"][row])
    return {name: v[row : row + 1, :length] if v.ndim > 1 else v[row : row + 1] for name, v in texts.items()}


@POOLINGS
@pytest.mark.parametrize("name", methods(3))
def test_a_score_per_token_that_padding_and_other_texts_do_not_change(name: str, pooling: str) -> None:
    transformer, texts, method = model(pooling), batch(), methods(3)[name]
    label = predict(transformer, texts)
    scores = method(transformer, texts, label)
    assert scores.shape == texts["token"].shape
    assert not scores.requires_grad
    assert not scores[~is_real(texts)].any()
    for row, length in enumerate(texts["length"].tolist()):
        alone = method(transformer, own(texts, row), label[row : row + 1])
        torch.testing.assert_close(scores[row, :length], alone[0], atol=1e-6, rtol=1e-4)


def test_the_class_is_that_of_the_whole_text_in_the_order_of_the_texts() -> None:
    transformer, texts = model(), batch()
    logits = transformer.outputs(texts)["logits"]
    assert predict(transformer, texts).tolist() == logits.argmax(1).tolist()
    expected = torch.distributions.Categorical(logits=logits).log_prob(torch.ones(4))
    torch.testing.assert_close(log_probability(transformer, texts, torch.ones(4, dtype=torch.int64)), expected)


@POOLINGS
def test_attention_is_the_mean_that_a_run_reports_on_the_key_words(pooling: str) -> None:
    transformer, texts = model(pooling), batch()
    scores = attention(transformer, texts, texts["label"])
    on_key = transformer.losses(texts)["key_attention"]
    torch.testing.assert_close((scores * texts["key"]).sum(1), on_key)
    if pooling == "mean":
        torch.testing.assert_close(scores.sum(1), torch.ones(4))


@POOLINGS
def test_rollout_is_the_product_over_the_layers_of_a_text_alone(pooling: str) -> None:
    transformer, texts = model(pooling, layers=3), batch()
    scores = rollout(transformer, texts, texts["label"]).numpy()
    for row, length in enumerate(texts["length"].tolist()):
        product = np.eye(length + (pooling == "cls"))
        for of_layer in transformer.attention(own(texts, row))[0].double().numpy():
            product = (0.5 * of_layer.mean(0) + 0.5 * np.eye(len(product))) @ product  # rows of A + I sum to 2
        expected = product[0, 1:] if pooling == "cls" else product.mean(0)
        np.testing.assert_allclose(scores[row, :length], expected, atol=1e-6)


def test_gradient_x_input_is_the_derivative_of_scaling_a_words_vector() -> None:
    transformer, texts = model(), own(batch(), 0)
    scores = gradient_x_input(transformer, texts, torch.tensor([1]))[0]
    for place in range(7):

        def at(scale: float, place: int = place) -> float:
            factor = torch.ones(7, 1)
            factor[place] = scale
            hook = transformer.embedding.register_forward_hook(lambda module, given, vectors: vectors * factor)
            with torch.no_grad():
                value = transformer.outputs(texts)["logits"].log_softmax(1)[0, 1]
            hook.remove()
            return float(value)

        assert float(scores[place]) == pytest.approx((at(1.01) - at(0.99)) / 0.02, abs=1e-3)


@POOLINGS
@pytest.mark.parametrize("word_mean", [False, True])
def test_integrated_gradients_sum_to_what_masking_the_whole_text_costs(pooling: str, word_mean: bool) -> None:
    transformer, texts = model(pooling, word_mean=word_mean, window=5 if word_mean else None), batch()
    label = predict(transformer, texts)
    lost = log_probability(transformer, texts, label) - log_probability(
        transformer, mask_tokens(texts, is_real(texts)), label
    )
    torch.testing.assert_close(integrated_gradients(transformer, texts, label, 40).sum(1), lost, atol=5e-3, rtol=0)


def test_leave_one_out_masks_each_word_alone() -> None:
    transformer, texts = model(), own(batch(), 0)
    scores = leave_one_out(transformer, texts, torch.tensor([2]))[0]
    whole = transformer.outputs(texts)["logits"].log_softmax(1)[0, 2]
    for place in range(7):
        token = texts["token"].clone()
        token[0, place] = 0
        masked = transformer.outputs({**texts, "token": token})["logits"].log_softmax(1)[0, 2]
        torch.testing.assert_close(scores[place], (whole - masked).detach(), atol=1e-6, rtol=1e-4)


def test_all_methods_but_attention_agree_where_the_model_is_linear_in_the_words() -> None:
    """Without layers and norm: a mean of vectors, and a linear map. In two classes ln p is a function of the sum."""
    transformer, texts = linear_model(), own(batch(), 0)
    label = predict(transformer, texts)
    with torch.no_grad():
        vectors = transformer.embedding(texts["token"].long())[0]
        weight = transformer.classify.weight
        exact = vectors @ (weight[label[0]] - weight[1 - label[0]]) / 7
    for name in ("gradient_x_input", "integrated_gradients", "leave_one_out"):
        scores = methods(20)[name](transformer, texts, label)[0]
        assert scores.argsort().tolist() == exact.argsort().tolist(), name


def linear_model() -> Transformer:
    transformer = model()
    transformer.layers = torch.nn.ModuleList()
    transformer.norm = torch.nn.Identity()
    transformer.classify = torch.nn.Linear(6, 2)
    return transformer
