"""Which tokens of a text decide its class, where that is known by characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool

Span: TypeAlias = "tuple[int, int]"
"""Characters of a text: the first, and the one after the last."""
Spans: TypeAlias = "Sequence[Span]"


def key_tokens(
    texts: Sequence[str], tokens: Iterable[Sequence[str]], keys: Sequence[Spans], max_length: int
) -> Bool[np.ndarray, "n max_length"]:
    """For every text, which of its first tokens share a character with its key spans."""
    found = np.zeros((len(texts), max_length), np.bool_)
    for row, (text, words, spans) in enumerate(zip(texts, tokens, keys, strict=True)):
        for place, (start, end) in enumerate(located(text, words[:max_length])):
            found[row, place] = any(start < last and first < end for first, last in spans)
    return found


def located(text: str, tokens: Sequence[str]) -> list[Span]:
    """Where in the text each token stands, upper case or lower; nowhere, an empty span, if it was rewritten."""
    lower, spans, end = text.lower(), list[Span](), 0
    for token in tokens:
        start = lower.find(token.lower(), end)
        if start >= 0:
            end = start + len(token)
        spans.append((start, end) if start >= 0 else (end, end))
    return spans
