"""Everything about one trained classifier of texts: measured on the test split, beside two baselines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from hwsweep.analysis import Measured
from hwsweep.analysis.baseline import BaselinePlan, baseline_predictions, compare
from hwsweep.analysis.calibration import calibration_error, overconfidence, reliability
from hwsweep.analysis.classifier_metrics import class_metrics, confusion, key_share, macro_f1, probabilities
from hwsweep.analysis.classifier_verdict import verdict
from hwsweep.data import Splits
from hwsweep.data.locations import baseline_home
from hwsweep.models.transformer import Transformer

PERCENT = 100


def measure(
    model: Transformer,
    splits: Splits,
    data_digest: str,
    *,
    calibration_bins: int,
    unigrams: BaselinePlan,
    bigrams: BaselinePlan,
) -> Measured:
    """Metrics, calibration and verdict of a classifier in evaluation mode, beside two baselines.

    Args:
        data_digest: not used: the baselines read texts, which are the same however they are tokenised.
        calibration_bins: of equal width, for the expected calibration error.

    Raises:
        ValueError: the splits have no lexicon: they are not texts.
    """
    if splits.lexicon is None:
        raise ValueError("`analysis=transformer` measures classifiers of texts, but this data set has no texts")
    label, classes = splits.test["label"].numpy(), splits.lexicon.classes
    probability = probabilities(model, splits.test).numpy()
    predicted = probability.argmax(1)
    calibrated = reliability(probability, predicted == label, calibration_bins)
    baselines = {"": _baseline(splits, unigrams), "bigram_": _baseline(splits, bigrams)}
    metrics = class_metrics(label, predicted, classes)
    metrics |= {"test/ece": calibration_error(calibrated), "test/overconfidence": overconfidence(calibrated)}
    for prefix, labels in baselines.items():
        metrics[f"baseline/{prefix}accuracy"] = float(np.mean(labels == label))
        metrics[f"baseline/{prefix}macro_f1"] = macro_f1(label, labels)
    if "key" in splits.test:
        metrics["test/key_share"] = key_share(splits.test, len(model.prefix))
    best = max(baselines.values(), key=lambda labels: float(np.mean(labels == label)))
    compared = compare(predicted == label, best == label)
    metrics |= {"test/above_baseline": compared.difference, "test/above_baseline_error": compared.standard_error}
    said = verdict(metrics, compared, label)
    arrays = {"confusion": confusion(label, predicted, len(classes))}
    arrays |= {f"calibration_{name}": values for name, values in calibrated._asdict().items()}
    return Measured(
        metrics, arrays, {"verdict": said.name, "why": said.sentence}, [said.sentence, _calibration(metrics)]
    )


def _baseline(splits: Splits, plan: BaselinePlan) -> Int[np.ndarray, " m"]:
    texts, label = splits.texts, splits.train["label"].numpy()
    return baseline_predictions(texts["train"], label, texts["test"], plan, baseline_home())


def _calibration(metrics: Mapping[str, float]) -> str:
    """What the calibration error means, in points."""
    surer = "more" if metrics["test/overconfidence"] > 0 else "less"
    return (
        f"calibration: its confidence is {PERCENT * metrics['test/ece']:.1f} points from its accuracy (ECE); on the "
        f"whole it claims {PERCENT * abs(metrics['test/overconfidence']):.1f} points {surer} than it gets right"
    )
