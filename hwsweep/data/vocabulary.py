"""The words that a model knows: torchtext's Vocab, and nothing else of the program touches it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version

from hwsweep.data import DataError
from hwsweep.data.locations import tokens_home

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


def kept_words_by_id(counts: Mapping[str, int], min_freq: int, max_size: int | None) -> tuple[str, ...]:
    """As `words_by_id`; from the second time on out of the user's cache, sooner than torchtext is imported.

    Raises:
        DataError: no space to write.
    """
    learned_from = json.dumps([version("torchtext"), min_freq, max_size, list(counts.items())])
    target = tokens_home() / f"{hashlib.sha256(learned_from.encode()).hexdigest()[:32]}.json"
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        if target.exists():
            return tuple(json.loads(target.read_text(encoding="ascii")))
        words = words_by_id(counts, min_freq, max_size)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(json.dumps(words), encoding="ascii")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"cannot keep a vocabulary at {target}: {error.strerror or error}") from error
    return words


def ids_by_word(words: tuple[str, ...]) -> dict[str, int]:
    """The token id of each known word; a text that says `<pad>` itself means no padding, so that is none."""
    return {word: number for number, word in enumerate(words) if number >= len(SPECIALS)}
