"""A sentence on texts that their tokenizer hardly splits, before a model is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from hwsweep.data.texts.scripts import characters_and_words, letters_alone, writing_without_spaces

N_READ = 1000
"""Validation texts whose script is looked at."""

TOKENIZERS = {
    "Chinese": ("tokenizer=jieba", "tokenizer=character"),
    "Japanese": ("tokenizer=spacy tokenizer.language=ja", "tokenizer=character"),
    "Thai": ("tokenizer=spacy tokenizer.language=th", "tokenizer=character"),
}
"""What splits a writing without spaces; the others have tokenizer=character."""


class Limits(NamedTuple):
    """Largest shares of the validation texts that are not wrong, 0 to 1."""

    unknown: float
    """Of the tokens: `<unk>`."""
    unsplit: float
    """Of the texts: one token, in writing without spaces."""
    letters: float
    """Of the tokens: one letter of a longer word."""


def advice(
    texts: Sequence[str],
    n_tokens: Int64[np.ndarray, " texts"],
    unknown: float,
    letters: float,
    tokenizer: str,
    limits: Limits,
) -> str | None:
    """What is wrong with the tokens of the validation texts, and what would help; None if nothing is.

    Args:
        n_tokens: of each text.
        unknown: share of the tokens that are `<unk>`, 0 to 1.
        letters: share of the tokens that are one letter of a script with spaces, 0 to 1.
        tokenizer: its name.
    """
    unsplit = float(np.mean(n_tokens <= 1))
    if letters > limits.letters:  # some words are one letter: `a`, `I`
        words = [word for text in texts[:N_READ] for word in characters_and_words(text)]
        letters -= sum(letters_alone(words)) / max(1, int(n_tokens[:N_READ].sum()))
    if unknown <= limits.unknown and unsplit <= limits.unsplit and letters <= limits.letters:
        return None
    writing = writing_without_spaces(texts[:N_READ])
    facts = []
    splits_words = letters > limits.letters
    if splits_words:
        facts.append(f"{letters:.0%} of the tokens of the validation texts are single letters of longer words")
    if unknown > limits.unknown:
        facts.append(f"{unknown:.0%} of the tokens of the validation texts are not in the vocabulary (<unk>)")
    if unsplit > limits.unsplit and writing is not None:
        facts.append(f"{unsplit:.0%} of {'these' if facts else 'the validation'} texts are one token")
    if not facts:
        return None
    return f"{' and '.join(facts)}, by the tokenizer {tokenizer}{_remedy(writing, tokenizer, splits_words)}"


def _remedy(writing: str | None, tokenizer: str, splits_words: bool) -> str:
    """What would help, after a semicolon; nothing where a tokenizer is not the cause, as for too few texts."""
    name, *release = tokenizer.split(" ")
    if writing is not None:
        used = f"tokenizer={name}" + (f" tokenizer.language={release[1]}" if name == "spacy" else "")
        others = [setting for setting in TOKENIZERS.get(writing, ("tokenizer=character",)) if setting != used]
        return f"; for {writing}, which has no spaces between words, try {' or '.join(others)}" if others else ""
    if splits_words:
        return "; tokenizer=character keeps words whole"
    if name == "whitespace":
        return "; tokenizer=basic_english separates punctuation from words and makes them lower-case"
    return ""
