"""Metrics of a text classifier on a split: probabilities, accuracy, precision, recall, F1, confusion, calibration."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from hwsweep.data import Examples
from hwsweep.models import Model
from hwsweep.training.batches import evaluation_batches

TEXTS_AT_ONCE = 64
"""Texts per forward pass: on news less than half the time of 1000 on a CPU, because there is less padding.

`evaluation_batches` takes fewer of long texts."""

_NOT_IN_KEYS = re.compile(r"[^\w.\- ]+")  # MLflow refuses most of these in a key; a slash splits it


@torch.inference_mode()
def probabilities(model: Model, examples: Examples) -> Float[Tensor, "n classes"]:
    """Each class's probability for each text, 0 to 1, in the order of the examples; `model` in evaluation mode."""
    device = next(model.parameters()).device
    rows = [torch.arange(len(examples["length"]))[batch] for batch in evaluation_batches(examples, TEXTS_AT_ONCE)]
    batches = ({name: values[at].to(device) for name, values in examples.items()} for at in rows)
    probability = torch.cat([model.outputs(batch)["probability"].cpu() for batch in batches])
    return probability[torch.cat(rows).argsort()]


def class_metrics(
    label: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"], classes: Sequence[str]
) -> dict[str, float]:
    """Accuracy, macro-F1 and every class's precision, recall and F1 by key `test/...`, all from 0 to 1.

    A class that neither occurs nor is predicted has no F1 and does not count in the macro-F1. A number without a value
    (the precision of a class that is never predicted) is missing.
    """
    from sklearn.metrics import precision_recall_fscore_support

    numbers = precision_recall_fscore_support(label, predicted, labels=range(len(classes)), zero_division=np.nan)
    metrics = {
        f"test/class/{name}/{quantity}": float(value)
        for quantity, values in zip(("precision", "recall", "f1"), numbers, strict=False)
        for name, value in zip(key_names(classes), values, strict=True)
    }
    metrics["test/accuracy"] = float(np.mean(label == predicted))
    metrics["test/macro_f1"] = macro_f1(label, predicted)
    return {key: value for key, value in metrics.items() if not math.isnan(value)}


def macro_f1(label: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"]) -> float:
    """Mean F1 of the classes that occur or are predicted, 0 to 1."""
    from sklearn.metrics import f1_score

    return float(f1_score(label, predicted, average="macro"))


def confusion(
    label: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"], n_classes: int
) -> Float[np.ndarray, "classes classes"]:
    """Number of texts by true class (rows) and predicted class (columns)."""
    from sklearn.metrics import confusion_matrix

    return np.asarray(confusion_matrix(label, predicted, labels=range(n_classes)), dtype=np.float64)


def key_names(classes: Sequence[str]) -> list[str]:
    """A unique name of each class that can be part of a metric's key: "Sci/Tech" becomes "Sci-Tech"."""
    names = [_NOT_IN_KEYS.sub("-", name).strip(" .") for name in classes]
    if all(names) and len(set(names)) == len(names):
        return names
    return [f"{label} {name}".strip() for label, name in enumerate(names)]


def key_share(examples: Examples, n_prefix: int) -> float:
    """Share of uniform attention, 0 to 1, that falls on the tokens that decide the class; mean over texts.

    Args:
        n_prefix: number of tokens that the model puts before each text.
    """
    n_tokens = examples["length"].double() + n_prefix
    return float((examples["key"].sum(1) / n_tokens).mean())


class Reliability(NamedTuple):
    """Texts by the probability of their predicted class, in bins of equal width (k/bins, (k+1)/bins]."""

    n_texts: Float64[np.ndarray, " bins"]
    confidence: Float64[np.ndarray, " bins"]
    """Mean probability of the predicted class, 0 to 1; NaN in an empty bin."""
    accuracy: Float64[np.ndarray, " bins"]
    """Share of texts that are classified correctly, 0 to 1; NaN in an empty bin."""


def reliability(probability: Float[np.ndarray, "n classes"], correct: Bool[np.ndarray, " n"], bins: int) -> Reliability:
    """Confidence and accuracy per bin of confidence (Guo et al. 2017, arXiv:1706.04599, sec. 2).

    Args:
        correct: whether the most probable class of each text is its own.
    """
    confidence = probability.max(1).astype(np.float64)
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    n_texts = np.bincount(bin_of, minlength=bins).astype(np.float64)
    sums = (np.bincount(bin_of, weights=values, minlength=bins) for values in (confidence, correct))
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin
        return Reliability(n_texts, *(total / n_texts for total in sums))


def calibration_error(bins: Reliability) -> float:
    """Expected calibration error (ECE), 0 to 1: mean over texts of |confidence - accuracy| of their bin (eq. 3)."""
    return float(np.nansum(bins.n_texts * np.abs(bins.confidence - bins.accuracy)) / bins.n_texts.sum())


def overconfidence(bins: Reliability) -> float:
    """Mean confidence minus accuracy over all texts, -1 to 1; above 0 the model is too confident."""
    return float(np.nansum(bins.n_texts * (bins.confidence - bins.accuracy)) / bins.n_texts.sum())
