"""Metrics of a text classifier on a split: probabilities, accuracy, precision, recall, F1, confusion matrix."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hwsweep.data import Examples
from hwsweep.models import Model
from hwsweep.training.batches import evaluation_batches

TEXTS_AT_ONCE = 1000
"""Texts per forward pass; `evaluation_batches` takes fewer of long texts."""

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
