"""How well a classifier of texts does on a split: probabilities, accuracy, per-class numbers, confusions."""

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
"""Texts per forward pass, as `evaluation_batches` takes them: fewer where they are long."""

_UNNAMEABLE = re.compile(r"[^\w.\- ]+")  # MLflow refuses most of these in a key, and a slash would split it


@torch.inference_mode()
def probabilities(model: Model, examples: Examples) -> Float[Tensor, "n classes"]:
    """Each class's probability for each text, 0 to 1, in the order of the examples; `model` in evaluation mode."""
    device = next(model.parameters()).device
    rows = [torch.arange(len(examples["length"]))[batch] for batch in evaluation_batches(examples, TEXTS_AT_ONCE)]
    found = [model.outputs({name: values[at].to(device) for name, values in examples.items()}) for at in rows]
    together = torch.cat([outputs["probability"].cpu() for outputs in found])
    return together[torch.cat(rows).argsort()]


def class_metrics(
    label: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"], classes: Sequence[str]
) -> dict[str, float]:
    """Accuracy, macro-F1 and every class's precision, recall and F1 by key `test/...`, all from 0 to 1.

    A class that neither occurs nor is predicted has no F1 and is not in the macro-F1; a number without a value (the
    precision of a class that is never predicted) is left out.
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
    """Mean over the classes that occur or are predicted of their F1, 0 to 1."""
    from sklearn.metrics import f1_score

    return float(f1_score(label, predicted, average="macro"))


def confusion(
    label: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"], n_classes: int
) -> Float[np.ndarray, "classes classes"]:
    """Number of texts of each class (rows) that each class (columns) is predicted for."""
    from sklearn.metrics import confusion_matrix

    counts: Float[np.ndarray, "classes classes"] = confusion_matrix(label, predicted, labels=range(n_classes))
    return counts.astype(np.float64)


def key_names(classes: Sequence[str]) -> list[str]:
    """Each class's name as a part of a metric's key, no two alike: "Sci/Tech" becomes "Sci-Tech"."""
    plain = [_UNNAMEABLE.sub("-", name).strip(" .") for name in classes]
    if all(plain) and len(set(plain)) == len(plain):
        return plain
    return [f"{label} {name}".strip() for label, name in enumerate(plain)]


def key_share(examples: Examples, n_prefix: int) -> float:
    """Share of attention, 0 to 1, on the tokens that decide the class if all tokens get the same; mean over texts.

    Args:
        n_prefix: tokens that the model puts before each text.
    """
    n_tokens = examples["length"].double() + n_prefix
    return float((examples["key"].sum(1) / n_tokens).mean())
