"""The words that a model knows: torchtext's Vocab, and nothing else of the program touches it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

SPECIALS = ("<pad>", "<unk>")
"""By id: PAD and UNKNOWN of hwsweep.data."""


def words_by_id(counts: Mapping[str, int], min_freq: int, max_size: int | None) -> tuple[str, ...]:
    """The vocabulary by token id: `<pad>`, `<unk>`, then the commonest word first, equals by code point.

    Args:
        counts: How often each token occurs in the training texts.
        min_freq: A word that occurs less often is left out.
        max_size: At most so many words beside `<pad>` and `<unk>`; None for all.
    """
    from torchtext.vocab import Vocab

    vocabulary = Vocab(Counter(counts), specials=list(SPECIALS), min_freq=min_freq, max_size=max_size)
    return tuple(vocabulary.itos)


def ids_by_word(words: tuple[str, ...]) -> dict[str, int]:
    """The token id of each known word; a text that says `<pad>` itself means no padding, so that is none."""
    return {word: number for number, word in enumerate(words) if number >= len(SPECIALS)}
