"""What the attributions of a trained classifier are worth: metrics on test texts, and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from hwsweep.analysis import Analysis
from hwsweep.analysis.attributions import mask_tokens, predict
from hwsweep.analysis.attributions.faithfulness import Scores, aopcs, erasure, normalised_aopc
from hwsweep.analysis.attributions.key_words import average_precision, chance_precision
from hwsweep.analysis.attributions.masking import order_of
from hwsweep.analysis.attributions.methods import methods
from hwsweep.analysis.attributions.sentences import sentences
from hwsweep.argument_checks import check_count, check_number
from hwsweep.data import Examples
from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer

PerText = Float64[np.ndarray, " texts"]
RANDOM = "random"
"""The name of the method that gives each word a random score."""


@dataclass(frozen=True)
class AttributionPlan:
    """How attributions are measured; every value comes from conf."""

    n_texts: int
    """Test texts, drawn at random."""
    max_tokens: int
    """Longer texts are not drawn: each token costs forward passes of its text."""
    aopc_texts: int
    """Of the texts, so many have an AOPC, and bounds of it."""
    exact_words: int
    """The bounds are exact up to so many words: 2^words forward passes of a text."""
    beam: int
    """Width of the beam search for the bounds of longer texts."""
    steps: int
    """Points of integrated gradients."""
    shares: Sequence[float]
    """Shares of a text's words that comprehensiveness and sufficiency mask and keep."""
    seed: int
    """Of the draw of texts, and of random scores; the same for every run."""

    def __post_init__(self) -> None:
        for name in ("n_texts", "max_tokens", "aopc_texts", "beam", "steps"):
            check_count(f"analysis.attributions.{name}", getattr(self, name))
        check_count("analysis.attributions.exact_words", self.exact_words, most=16)
        if not self.shares:
            raise ValueError("`analysis.attributions.shares` must have at least one share, but is empty")
        for share in self.shares:
            check_number("analysis.attributions.shares", share, "(0, 1]")


def analyse_attributions(model: Transformer, test: Examples, plan: AttributionPlan) -> Analysis:
    """Agreement with key words, faithfulness, and what masking the highest word does to the accuracy.

    Each metric `test/quantity/method` is a mean over texts; `test/quantity_error/method` is its standard error.
    """
    batch = draw_texts(model, test, plan)
    n_texts = len(batch["length"])
    if n_texts == 0:
        nothing = f"attributions: not measured, because no test text has from 2 to {plan.max_tokens} tokens"
        return Analysis({}, {}, {}, [nothing])
    values = _per_text(model, batch, plan)
    means = {quantity: {name: mean_and_error(v) for name, v in found.items()} for quantity, found in values.items()}
    whole, _ = mean_and_error((predict(model, batch) == batch["label"]).double().cpu().numpy())
    n_aopc = min(plan.aopc_texts, n_texts)
    return Analysis(dict(_metrics(means)), {}, {}, sentences(means, whole, n_texts, n_aopc))


def _per_text(model: Transformer, batch: Batch, plan: AttributionPlan) -> dict[str, dict[str, PerText]]:
    """By quantity and method, a value for each text."""
    label = predict(model, batch)
    given = {name: method(model, batch, label) for name, method in methods(plan.steps).items()}
    given[RANDOM] = torch.rand(batch["token"].shape, generator=torch.Generator().manual_seed(plan.seed))
    scores = {name: split_texts(values, batch) for name, values in given.items()}
    measured = {
        "masked_accuracy": {name: _right_without_highest(model, batch, of_texts) for name, of_texts in scores.items()},
        "rank_correlation": _rank_correlations(scores, "leave_one_out"),
        **erasure(model, batch, label, scores, plan.shares),
    }
    n = plan.aopc_texts
    few, of_few = {name: values[:n] for name, values in batch.items()}, label[:n]
    measured["aopc"] = aopcs(model, few, of_few, {name: of_texts[:n] for name, of_texts in scores.items()})
    measured["normalised_aopc"] = normalised_aopc(model, few, of_few, measured["aopc"], plan.exact_words, plan.beam)
    if "key" in batch:
        key = [of_text.astype(bool) for of_text in split_texts(batch["key"], batch)]
        measured["average_precision"] = {name: average_precision(values, key) for name, values in scores.items()}
        measured["average_precision"]["chance"] = chance_precision(key)
    return measured


def draw_texts(model: Transformer, test: Examples, plan: AttributionPlan) -> Batch:
    """Test texts of 2 to `plan.max_tokens` tokens, on the model's device; the same in every run with these tokens."""
    length = test["length"].cpu()
    rows = torch.randperm(len(length), generator=torch.Generator().manual_seed(plan.seed))
    rows = rows[(length[rows] >= 2) & (length[rows] <= plan.max_tokens)][: plan.n_texts]
    device = next(model.parameters()).device
    longest = int(length[rows].max()) if len(rows) else 0
    few = {name: values[rows.to(values.device)] for name, values in test.items()}
    return {name: (values[:, :longest] if values.ndim > 1 else values).to(device) for name, values in few.items()}


def split_texts(values: Tensor, batch: Batch) -> list[Float64[np.ndarray, " _"]]:
    """The values of each text's words, without padding."""
    lengths = batch["length"].tolist()
    return [row[:length] for row, length in zip(values.double().cpu().numpy(), lengths, strict=True)]


def mean_and_error(values: PerText) -> tuple[float, float]:
    """Mean and standard error over the texts that have a value; NaN where there are too few."""
    found = values[~np.isnan(values)]
    if len(found) == 0:
        return np.nan, np.nan
    return float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5) if len(found) > 1 else np.nan


def _right_without_highest(model: Transformer, batch: Batch, scores: Sequence[Float64[np.ndarray, " _"]]) -> PerText:
    """1 where a text without its highest word gets its own class, else 0."""
    highest = torch.tensor([int(order_of(of_text)[0]) for of_text in scores], device=batch["token"].device)
    masked = torch.arange(batch["token"].shape[1], device=highest.device) == highest[:, None]
    predicted = predict(model, mask_tokens(batch, masked))
    return np.asarray((predicted == batch["label"]).double().cpu().numpy())


def _rank_correlations(scores: Mapping[str, Scores], reference: str) -> dict[str, PerText]:
    """Spearman's correlation of each method with the reference over a text's words, -1 to 1; NaN if all are equal."""
    ranks = {name: [_centred_ranks(of_text) for of_text in of_texts] for name, of_texts in scores.items()}
    expected = ranks.pop(reference)
    return {
        name: np.array([_cosine(*pair) for pair in zip(of_texts, expected, strict=True)])
        for name, of_texts in ranks.items()
    }


def _centred_ranks(values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Rank of each value minus the mean rank, equal values with the mean of theirs; scipy.stats takes 2 s to import."""
    ranks: Float64[np.ndarray, " n"] = np.sign(values[:, None] - values).sum(1) / 2  # (fewer - more) / 2
    return ranks


def _cosine(first: Float64[np.ndarray, " n"], second: Float64[np.ndarray, " n"]) -> float:
    scale = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / scale) if scale > 0 else np.nan


def _metrics(means: dict[str, dict[str, tuple[float, float]]]) -> Iterator[tuple[str, float]]:
    for quantity, found in means.items():
        for name, (mean, error) in found.items():
            if not np.isnan(mean):
                yield f"test/{quantity}/{name}", mean
            if not np.isnan(error):
                yield f"test/{quantity}_error/{name}", error
