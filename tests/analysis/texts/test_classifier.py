"""Everything about one small Transformer, put together: keys, arrays and words that agree with each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from small_texts import transformer

from hwsweep.analysis import Analysis
from hwsweep.analysis.attributions.measure import AttributionPlan
from hwsweep.analysis.texts.baseline import BaselinePlan
from hwsweep.analysis.texts.classifier import analyse
from hwsweep.analysis.texts.heads import HeadPlan
from hwsweep.data import Examples, Lexicon, Splits
from hwsweep.models.transformer import Transformer
from hwsweep.training.evaluation import evaluate

LEXICON = Lexicon(("<pad>", "<unk>", "goal", "share", "today", "monday"), ("Sports", "Business/Money"), 5)
PLAN = BaselinePlan(ngrams=1, min_texts=1, inverse_penalty=10.0, max_iter=200)
TOKENS = AttributionPlan(
    n_texts=7, max_tokens=5, aopc_texts=3, exact_words=3, beam=2, steps=2, shares=(0.2, 0.5), seed=0
)
HEADS = HeadPlan(n_texts=5, tolerance=0.01)


def split(n: int, seed: int, key: bool) -> tuple[Examples, list[str]]:
    """The second word gives the class."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 2, (n,), generator=generator)
    token = torch.randint(4, 6, (n, 5), generator=generator, dtype=torch.int32)
    token[:, 1] = label + 2
    length = torch.randint(2, 6, (n,), generator=generator, dtype=torch.int32)
    token[torch.arange(5) >= length[:, None]] = 0
    examples = {"token": token, "length": length, "label": label}
    if key:
        examples["key"] = (torch.arange(5) == 1).expand(n, 5).clone()
    return examples, [" ".join(LEXICON.words[word] for word in row if word) for row in token.tolist()]


def splits(key: bool = True) -> Splits:
    made = {name: split(n, seed, key) for seed, (name, n) in enumerate({"train": 83, "valid": 7, "test": 61}.items())}
    examples = {name: values for name, (values, _) in made.items()}
    return Splits(**examples, lexicon=LEXICON, texts={name: texts for name, (_, texts) in made.items()})


def model() -> Transformer:
    torch.manual_seed(3)
    return transformer(LEXICON.shapes, width=6, heads=3, layers=2, hidden=5, dropout=0.1, norm="pre", pooling="cls")


@cache
def analysis_of_model(key: bool = True) -> Analysis:
    return analyse(
        model(),
        splits(key),
        "digest",
        calibration_bins=15,
        unigrams=PLAN,
        bigrams=PLAN,
        heads=HEADS,
        attributions=TOKENS,
    )


def test_accuracy_is_what_the_models_own_error_says_and_what_the_confusions_count() -> None:
    found, losses = analysis_of_model(), evaluate(model(), splits().test)
    assert found.metrics["test/accuracy"] == pytest.approx(1 - losses["error"])
    confusion = found.arrays["confusion"]
    assert np.trace(confusion) / confusion.sum() == pytest.approx(1 - losses["error"])
    assert confusion.sum(1).tolist() == torch.bincount(splits().test["label"]).tolist()
    assert found.arrays["calibration_n_texts"].sum() == 61


def test_a_model_that_names_one_class_is_at_chance_though_the_words_tell_the_class() -> None:
    silent = model()
    torch.nn.init.zeros_(silent.classify.weight)
    found = analyse(
        silent, splits(), "digest", calibration_bins=15, unigrams=PLAN, bigrams=PLAN, heads=HEADS, attributions=TOKENS
    )
    assert found.metrics["baseline/accuracy"] == found.metrics["baseline/bigram_macro_f1"] == 1
    assert found.metrics["test/above_baseline"] == pytest.approx(found.metrics["test/accuracy"] - 1)
    assert found.tags["verdict"] == "chance"
    assert found.sentences[0] == found.tags["why"]
    bias = float(silent.classify.bias.detach().softmax(0).max())  # its confidence is the same for every text
    assert found.metrics["test/overconfidence"] == pytest.approx(bias - found.metrics["test/accuracy"], rel=1e-5)
    assert found.metrics["test/ece"] == pytest.approx(abs(found.metrics["test/overconfidence"]))
    right = (splits().valid["label"] == int(silent.classify.bias.argmax())).float().mean()
    assert found.metrics["valid/ece"] == pytest.approx(abs(bias - float(right)), rel=1e-5)


def test_chance_is_the_share_of_the_most_frequent_class_of_the_test_texts() -> None:
    (_, n_texts), *_ = Counter(splits().test["label"].tolist()).most_common()
    assert analysis_of_model().metrics["baseline/majority_accuracy"] == n_texts / len(splits().test["label"])


def test_names_of_classes_are_parts_of_keys() -> None:
    assert "test/class/Business-Money/recall" in analysis_of_model().metrics


def test_uniform_attention_is_reported_only_if_the_deciding_tokens_are_known() -> None:
    lengths = splits().test["length"].double()
    assert analysis_of_model().metrics["test/key_share"] == pytest.approx(float((1 / (lengths + 1)).mean()))
    assert "test/key_share" not in analysis_of_model(key=False).metrics


def test_the_need_of_each_head_is_an_array_a_number_and_a_sentence() -> None:
    found = analysis_of_model()
    assert found.arrays["head_loss"].shape == found.arrays["head_spare"].shape == (2, 3)
    assert found.metrics["valid/head_loss"] == found.arrays["head_loss"].max()
    assert found.metrics["valid/spare_heads"] == found.arrays["head_spare"].sum()
    assert any(sentence.startswith("heads: ") for sentence in found.sentences)


def test_texts_that_are_cut_are_counted_in_a_sentence() -> None:
    cut = replace(splits(), statistics={"data/truncated": 38.0})
    found = analyse(
        model(), cut, "digest", calibration_bins=15, unigrams=PLAN, bigrams=PLAN, heads=HEADS, attributions=TOKENS
    )
    sentence = "lengths: 38 of 151 texts (25.2%) are cut: the model and the baseline read the first 5 tokens of each"
    assert any(text.startswith(sentence) for text in found.sentences)
    assert not any(text.startswith("lengths") for text in analysis_of_model().sentences)


def test_a_data_set_without_texts_is_refused() -> None:
    images = Splits({}, {}, {})
    with pytest.raises(ValueError, match="this data set has no texts"):
        analyse(
            model(),
            images,
            "digest",
            calibration_bins=15,
            unigrams=PLAN,
            bigrams=PLAN,
            heads=HEADS,
            attributions=TOKENS,
        )
