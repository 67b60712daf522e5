"""The measured attributions in sentences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Means = Mapping[str, Mapping[str, tuple[float, float]]]
"""Mean and standard error by quantity and method."""


def sentences(means: Means, accuracy: float, n_texts: int, n_aopc: int) -> list[str]:
    """Attention against masking; the faithfulness of all methods; the key words, where the data set knows them.

    Args:
        accuracy: of the whole texts.
        n_texts: number of test texts behind all numbers but those of the normalised AOPC, which has `n_aopc`.
    """
    found = [_attention(means, accuracy, n_texts), _faithfulness(means["normalised_aopc"], n_aopc)]
    if "average_precision" in means and not np.isnan(means["average_precision"]["chance"][0]):
        precision = dict(means["average_precision"])
        chance, _ = precision.pop("chance")
        ranked = _ranked({name: value for name, value in precision.items() if name != "random"})
        found.append(
            f"deciding words: area under precision-recall over {_texts(n_texts)}: {ranked}; chance {chance:.2f}"
        )
    return found


def _attention(means: Means, accuracy: float, n_texts: int) -> str:
    masked = means["masked_accuracy"]
    sentence = (
        f"attention: the accuracy on {_texts(n_texts)} is {accuracy:.1%}, {masked['attention'][0]:.1%} with the most "
        f"attended word masked, {masked['random'][0]:.1%} with a random word masked"
    )
    correlation, error = means["rank_correlation"]["attention"]
    if np.isnan(correlation):
        return sentence
    return (
        f"{sentence}; the rank correlation of attention with the leave-one-out effect over the words of a text is "
        f"{_number(correlation, error)}"
    )


def _faithfulness(normalised: Mapping[str, tuple[float, float]], n_texts: int) -> str:
    if np.isnan(normalised["random"][0]):
        return f"faithfulness: in {_texts(n_texts)} the order in which words are masked makes no difference"
    return (
        f"faithfulness: normalised AOPC over {_texts(n_texts)} (0: the worst order of masking words, 1: the best): "
        f"{_ranked(normalised)}"
    )


def _ranked(values: Mapping[str, tuple[float, float]]) -> str:
    ordered = sorted(values.items(), key=lambda item: -item[1][0])
    return ", ".join(f"{name.replace('_', ' ')} {_number(*value)}" for name, value in ordered)


def _number(mean: float, error: float) -> str:
    return f"{mean:.2f}" if np.isnan(error) else f"{mean:.2f} ± {error:.2f}"


def _texts(n: int) -> str:
    return f"{n} test text{'' if n == 1 else 's'}"
