"""Which attention heads a classifier needs: the accuracy that it loses when heads are silenced.

Michel et al. 2019 (arXiv:1905.10650): the output of a head is set to 0, the model is not trained again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64

from hwsweep.analysis import Analysis
from hwsweep.analysis.texts.classifier_metrics import probabilities
from hwsweep.argument_checks import check_count, check_number
from hwsweep.data import Examples, Splits
from hwsweep.models.transformer import Transformer


@dataclass(frozen=True)
class HeadPlan:
    """How the need of heads is measured; every value comes from conf."""

    n_texts: int
    """Validation texts, evenly spaced."""
    tolerance: float
    """Largest loss of accuracy without the spare heads, 0 to 1."""

    def __post_init__(self) -> None:
        check_count("analysis.heads.n_texts", self.n_texts)
        check_number("analysis.heads.tolerance", self.tolerance, "[0, 1]")


class HeadLosses(NamedTuple):
    """The accuracy that is lost on a split without some heads, -1 to 1; a negative loss is a gain."""

    n_texts: int
    one: Float64[np.ndarray, "layers heads"]
    """Without this head alone."""
    spare: Bool[np.ndarray, "layers heads"]
    """Heads that can be silenced together."""
    together: float
    """Without all of the spare heads."""


def analyse_heads(model: Transformer, splits: Splits, test_accuracy: float, plan: HeadPlan) -> Analysis:
    """What the heads are needed for, on validation texts; what the spare ones are needed for, on the test split.

    The spare heads are chosen on validation texts, so their loss there is too small; on the test split it is not.
    """
    losses = head_losses(model, splits.valid, plan)
    on_test = test_accuracy - _measure(model, splits.test, losses.spare)[0]
    metrics = {
        "valid/head_loss": float(losses.one.max()),
        "valid/spare_heads": float(losses.spare.sum()),
        "valid/spare_heads_loss": losses.together,
        "test/spare_heads_loss": on_test,
    }
    arrays = {"head_loss": losses.one, "head_spare": losses.spare.astype(np.float64)}
    return Analysis(metrics, arrays, {}, [sentence(losses, plan, on_test)])


def head_losses(model: Transformer, examples: Examples, plan: HeadPlan) -> HeadLosses:
    """Silence each head alone, then one after the other; both on some of the examples, evenly spaced.

    The spare heads are found greedily. The heads are tried once, the least needed first: a head whose silence raises
    the cross-entropy least. A head stays silent if the accuracy is at most `plan.tolerance` lower than with all heads.
    """
    n_texts = min(plan.n_texts, len(examples["label"]))
    rows = torch.linspace(0, len(examples["label"]) - 1, n_texts).round().long()
    few = {name: values[rows.to(values.device)] for name, values in examples.items()}
    shape = (len(model.layers), model.heads)
    accuracy, _ = _measure(model, few, np.zeros(shape, dtype=bool))
    one, loss = np.zeros(shape), np.zeros(shape)
    for head in np.ndindex(shape):
        alone = np.zeros(shape, dtype=bool)
        alone[head] = True
        without, loss[head] = _measure(model, few, alone)
        one[head] = accuracy - without
    spare, together = np.zeros(shape, dtype=bool), 0.0
    for flat in loss.argsort(axis=None, kind="stable"):
        trial = spare.copy()
        trial.flat[flat] = True
        lost = accuracy - _measure(model, few, trial)[0]
        if lost <= plan.tolerance + 1e-9:  # both are fractions of n_texts, rounded
            spare, together = trial, lost
    return HeadLosses(n_texts, one, spare, together)


def sentence(losses: HeadLosses, plan: HeadPlan, on_test: float) -> str:
    """How many heads can go, at which loss on both splits, and the head that is needed most.

    Args:
        on_test: the accuracy lost on the test split without the spare heads.
    """
    n_spare, n_heads = int(losses.spare.sum()), losses.spare.size
    who = f"{n_spare or 'none'} of {n_heads} heads" if n_heads > 1 else "the only head"
    can = "can" if n_spare or n_heads > 1 else "cannot"
    limit = f"{100 * plan.tolerance:g} point{'s' * (plan.tolerance != 0.01)} of accuracy"
    found = f"{who} {can} be silenced{' together' * (n_spare > 1)} at a loss of at most {limit} on "
    found += f"{losses.n_texts} validation text{'s' * (losses.n_texts != 1)}"
    if n_spare:
        found += f" ({_points(on_test)} on the test split)"
    layer, head = np.unravel_index(losses.one.argmax(), losses.one.shape)
    most = losses.one[layer, head]
    if most <= 0:
        return f"heads: {found}; without any one head the accuracy is not lower"
    return f"heads: {found}; the most needed is layer {layer + 1}, head {head + 1} ({_points(most)} without it)"


def _points(lost: float) -> str:
    """The change of accuracy in percentage points, with its sign."""
    return f"{round(-100 * lost, 1) + 0.0:+.1f} points"


def _measure(model: Transformer, examples: Examples, silent: Bool[np.ndarray, "layers heads"]) -> tuple[float, float]:
    """Accuracy, 0 to 1, and mean cross-entropy [nats] without these heads."""
    with model.silence(torch.from_numpy(silent)):
        probability = probabilities(model, examples)
    label = examples["label"].cpu()
    right = (probability.argmax(1) == label).double().mean()
    return float(right), float(-probability.double().gather(1, label[:, None].long()).clamp(min=1e-30).log().mean())
