"""What is said of a model whose attention is forced onto known words, of an untrained one, and of bad settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import planted_attention
import pytest
import torch
from scipy.stats import spearmanr
from small_texts import LEXICON, batch, model

from hwsweep.analysis.attributions import predict
from hwsweep.analysis.attributions.attention import attention
from hwsweep.analysis.attributions.leave_one_out import leave_one_out
from hwsweep.analysis.attributions.measure import AttributionPlan, analyse_attributions, mean_and_error
from hwsweep.analysis.attributions.methods import methods
from hwsweep.analysis.texts.heads import HeadPlan, head_losses

PLAN = AttributionPlan(
    n_texts=40, max_tokens=20, aopc_texts=5, exact_words=9, beam=2, steps=4, shares=(0.1, 0.5), seed=0
)


def test_attention_that_is_forced_onto_the_deciding_words_is_faithful() -> None:
    transformer, texts = planted_attention.forced(), planted_attention.texts()
    found = analyse_attributions(transformer, texts, PLAN)
    for method in methods(1):
        assert found.metrics[f"test/average_precision/{method}"] == 1, method
        assert found.metrics[f"test/normalised_aopc/{method}"] == pytest.approx(1, abs=1e-3), method
        assert found.metrics[f"test/sufficiency/{method}"] == pytest.approx(0, abs=0.01), method
    with torch.no_grad():  # without its key word all classes are alike, and no mask takes more from the probability
        certain = transformer.outputs(texts)["probability"].max(1).values.mean()
    for method in methods(1):
        assert found.metrics[f"test/comprehensiveness/{method}"] == pytest.approx(float(certain) - 0.5, abs=1e-5), (
            method
        )
    # without its key word a text is of class 0; one of nine words is the key
    assert found.metrics["test/masked_accuracy/attention"] == float((texts["label"] == 0).double().mean())
    assert found.metrics["test/masked_accuracy/random"] > 0.7
    assert found.metrics["test/average_precision/chance"] == pytest.approx(np.mean(1 / np.arange(1, 10)))
    assert found.metrics["test/normalised_aopc/random"] < 0.8
    assert found.sentences[0].startswith("attention: the accuracy on 40 test texts is 100.0%, ")
    assert found.sentences[2].endswith("; chance 0.31")


def test_the_head_that_is_forced_onto_the_deciding_words_is_needed_and_the_other_is_not() -> None:
    transformer, texts = planted_attention.forced(heads=2), planted_attention.texts()
    with torch.no_grad():  # the head writes where no word is, so that nothing but attention tells the class
        transformer.layers[0].attention.mix.weight[[3, 1], 1] = torch.tensor([3.0, 0.0])
        transformer.classify.weight[:, 3] = transformer.classify.weight[:, 1]
        transformer.classify.weight[:, 1] = 0
    every_method = {name: method(transformer, texts, texts["label"]) for name, method in methods(4).items()}
    for name, scores in every_method.items():
        assert torch.equal(scores.argmax(1), texts["key"].int().argmax(1)), name
    losses = head_losses(transformer, texts, HeadPlan(n_texts=40, tolerance=0.01))
    lost = float((texts["label"] == 1).double().mean())  # without the head a text is of class 0
    np.testing.assert_allclose(losses.one, [[lost, 0]])
    assert losses.spare.tolist() == [[False, True]]
    assert losses.together == 0


def test_attention_that_is_forced_onto_other_words_is_not_faithful() -> None:
    transformer, texts = planted_attention.forced(strength=-8.0), planted_attention.texts()
    with torch.no_grad():
        transformer.layers[0].attention.mix.weight[:] = 0  # attention is to noise, and of no use
        transformer.classify.weight[:, 1] *= 9
    found = analyse_attributions(transformer, texts, PLAN).metrics
    assert found["test/average_precision/attention"] == pytest.approx(1 / 9)  # the key word is the last
    assert found["test/masked_accuracy/attention"] == 1
    assert found["test/normalised_aopc/attention"] == pytest.approx(0, abs=1e-3)
    assert found["test/normalised_aopc/leave_one_out"] == pytest.approx(1, abs=1e-3)


def test_the_rank_correlation_is_spearmans_per_text() -> None:
    transformer, texts = model(), batch((7, 5, 6))
    label = predict(transformer, texts)
    first, second = attention(transformer, texts, label), leave_one_out(transformer, texts, label)
    expected = [spearmanr(a[:n], b[:n]).statistic for a, b, n in zip(first, second, (7, 5, 6), strict=True)]
    found = analyse_attributions(transformer, texts, PLAN).metrics
    assert found["test/rank_correlation/attention"] == pytest.approx(np.mean(expected))
    assert found["test/rank_correlation_error/attention"] == pytest.approx(np.std(expected, ddof=1) / 3**0.5)


def test_without_known_words_or_texts_of_the_length_less_is_said() -> None:
    texts = batch((7, 5, 1))
    del texts["key"]
    found = analyse_attributions(model(), texts, PLAN)
    assert len(found.sentences) == 2
    assert "2 test texts" in found.sentences[0]
    assert not any("precision" in key for key in found.metrics)
    found = analyse_attributions(model(), texts, replace(PLAN, max_tokens=4))
    assert found.metrics == {}
    assert found.sentences == ["attributions: not measured, because no test text has from 2 to 4 tokens"]


def test_one_text_has_no_standard_error() -> None:
    found = analyse_attributions(model(), batch((7, 5)), replace(PLAN, n_texts=1))
    assert not any("_error/" in key for key in found.metrics)
    assert found.sentences[0].startswith("attention: the accuracy on 1 test text is ")
    assert "±" not in " ".join(found.sentences)
    assert np.isnan(mean_and_error(np.array([np.nan]))).all()


def test_a_model_that_reads_nothing_has_no_order_of_words() -> None:
    silent = model()
    torch.nn.init.zeros_(silent.classify.weight)
    found = analyse_attributions(silent, batch((7, 5)), PLAN)
    assert found.sentences[1] == "faithfulness: in 2 test texts the order in which words are masked makes no difference"
    assert "test/normalised_aopc/attention" not in found.metrics


@pytest.mark.slow
def test_untrained_models_find_the_deciding_words_as_chance_does() -> None:
    """Over 30 models: the mean precision of a method lies within 4 standard errors of chance."""
    texts = planted_attention.texts(n=30)
    generator = torch.Generator().manual_seed(0)
    shape = texts["token"].shape
    texts["token"] = torch.randint(2, len(LEXICON.words), shape, generator=generator, dtype=torch.int32)
    found = [analyse_attributions(model(seed=seed), texts, replace(PLAN, aopc_texts=1)).metrics for seed in range(30)]
    chance = found[0]["test/average_precision/chance"]
    for method in methods(1):
        precision = np.array([metrics[f"test/average_precision/{method}"] for metrics in found])
        assert abs(precision.mean() - chance) < 4 * precision.std(ddof=1) / 30**0.5, method


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("n_texts", 0, "`analysis.attributions.n_texts` must be"),
        ("exact_words", 30, "`analysis.attributions.exact_words` must be"),
        ("shares", (0.5, 2.0), r"`analysis.attributions.shares` must be a number in \(0, 1\], but got 2.0"),
        ("shares", (), "`analysis.attributions.shares` must have at least one share"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(key: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PLAN, **{key: value})
