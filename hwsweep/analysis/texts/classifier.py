"""The analysis of a trained text classifier: test metrics, calibration, two baselines, heads and attributions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from hwsweep.analysis import Analysis, Verdict
from hwsweep.analysis.attributions.measure import AttributionPlan, analyse_attributions
from hwsweep.analysis.texts.baseline import BaselinePlan, Comparison, baseline_predictions, compare
from hwsweep.analysis.texts.classifier_metrics import (
    calibration_error,
    class_metrics,
    confusion,
    key_share,
    macro_f1,
    overconfidence,
    probabilities,
    reliability,
)
from hwsweep.analysis.texts.heads import HeadPlan, analyse_heads
from hwsweep.data import Splits
from hwsweep.models.transformer import Transformer

ERRORS = 2
"""An accuracy is chance unless it is this many standard errors above that of always predicting one class."""


def analyse(
    model: Transformer,
    splits: Splits,
    data_digest: str,
    *,
    calibration_bins: int,
    unigrams: BaselinePlan,
    bigrams: BaselinePlan,
    heads: HeadPlan,
    attributions: AttributionPlan,
) -> Analysis:
    """Metrics, calibration and verdict of a classifier in evaluation mode, with two baselines.

    Args:
        data_digest: of the splits: under it the baselines are cached.
        calibration_bins: number of bins of equal width for the expected calibration error.

    Raises:
        ValueError: the splits have no lexicon, so they are not texts.
    """
    if splits.lexicon is None:
        raise ValueError("`analysis=transformer` measures classifiers of texts, but this data set has no texts")
    label, classes = splits.test["label"].numpy(), splits.lexicon.classes
    probability = probabilities(model, splits.test).numpy()
    predicted = probability.argmax(1)
    bins = reliability(probability, predicted == label, calibration_bins)
    of_valid = probabilities(model, splits.valid).numpy()  # what a search may bound: the test split chooses nothing
    correct = of_valid.argmax(1) == splits.valid["label"].numpy()
    baselines = {
        prefix: baseline_predictions(splits.train, splits.test, data_digest, plan)
        for prefix, plan in (("", unigrams), ("bigram_", bigrams))
    }
    metrics = class_metrics(label, predicted, classes)
    metrics |= {"test/ece": calibration_error(bins), "test/overconfidence": overconfidence(bins)}
    metrics["valid/ece"] = calibration_error(reliability(of_valid, correct, calibration_bins))
    metrics |= _baseline_metrics(baselines, label)
    if "key" in splits.test:
        metrics["test/key_share"] = key_share(splits.test, len(model.prefix))
    best = max(baselines.values(), key=lambda labels: float(np.mean(labels == label)))
    comparison = compare(predicted == label, best == label)
    metrics |= {"test/above_baseline": comparison.difference, "test/above_baseline_error": comparison.standard_error}
    name, sentence = verdict(metrics, comparison, label)
    of_heads = analyse_heads(model, splits, metrics["test/accuracy"], heads)
    of_tokens = analyse_attributions(model, splits.test, attributions)
    arrays = of_heads.arrays | {"confusion": confusion(label, predicted, len(classes))}
    arrays |= {f"calibration_{field}": values for field, values in bins._asdict().items()}
    sentences = [sentence, *_cut_texts(splits), _calibration(metrics), *of_heads.sentences, *of_tokens.sentences]
    metrics |= of_heads.metrics | of_tokens.metrics
    return Analysis(metrics, arrays, {"verdict": name, "why": sentence}, sentences)


def _cut_texts(splits: Splits) -> list[str]:
    """A sentence on texts that are longer than what is read of them, if there are any."""
    n_cut = int(splits.statistics.get("data/truncated", 0))
    if not n_cut or splits.lexicon is None:
        return []
    n_texts = sum(len(split["label"]) for split in (splits.train, splits.valid, splits.test))
    of_them = "it" if n_cut == 1 else "each of them"
    length = splits.lexicon.max_length
    return [
        f"lengths: {n_cut:,} of {n_texts:,} texts ({n_cut / n_texts:.1%}) {'is' if n_cut == 1 else 'are'} cut: the "
        f"model and the baseline read the first {length:,} token{'s' * (length != 1)} of {of_them}"
    ]


def _baseline_metrics(baselines: Mapping[str, Int[np.ndarray, " m"]], label: Int[np.ndarray, " m"]) -> dict[str, float]:
    """Accuracy and macro-F1 of each baseline by its prefix, and the accuracy of chance."""
    metrics = {"baseline/majority_accuracy": _majority_share(label)}
    for prefix, labels in baselines.items():
        metrics[f"baseline/{prefix}accuracy"] = float(np.mean(labels == label))
        metrics[f"baseline/{prefix}macro_f1"] = macro_f1(label, labels)
    return metrics


def _majority_share(label: Int[np.ndarray, " n"]) -> float:
    """The accuracy of always predicting the most frequent class of these labels, from 1/classes to 1."""
    return float(np.bincount(label).max()) / len(label)


def _calibration(metrics: Mapping[str, float]) -> str:
    """Calibration error and overconfidence in one sentence, in percentage points."""
    side = "above" if metrics["test/overconfidence"] > 0 else "below"
    return (
        f"calibration: expected calibration error (ECE) {100 * metrics['test/ece']:.1f} percentage points; "
        f"mean confidence is {100 * abs(metrics['test/overconfidence']):.1f} points {side} the accuracy"
    )


def verdict(metrics: Mapping[str, float], comparison: Comparison, label: Int[np.ndarray, " n"]) -> Verdict:
    """Name a run by the first of these rules that holds.

    1. chance: not `ERRORS` standard errors better than always predicting the most frequent class.
    2. at baseline: McNemar's test does not tell the run and the better baseline apart (`compare`).
    3. above baseline or below baseline.

    Args:
        metrics: of the test split, by key, as `analyse` names them.
        comparison: the model with the better of the two baselines.
        label: of the test texts.
    """
    accuracy, n_texts, share = metrics["test/accuracy"], len(label), _majority_share(label)
    correct = f"{accuracy:.1%} of {n_texts} test texts are classified correctly"
    if accuracy <= share + ERRORS * (share * (1 - share) / n_texts) ** 0.5:
        return Verdict("chance", f"chance: {correct}; always predicting the most frequent class gives {share:.1%}")
    points, error = (100 * value for value in (comparison.difference, comparison.standard_error))
    name = f"{('above' if points > 0 else 'below') if comparison.significant else 'at'} baseline"
    features = "words and pairs" if metrics["baseline/bigram_accuracy"] > metrics["baseline/accuracy"] else "words"
    return Verdict(
        name,
        f"{name}: {correct}, {abs(points):.1f} ± {error:.1f} points {'below' if points < 0 else 'above'} logistic "
        f"regression on TF-IDF of {features} ({accuracy - comparison.difference:.1%}); {comparison.only_first} texts "
        f"are correct only here, {comparison.only_second} only in the baseline",
    )
