"""The only file that uses torchtext. Its release 0.6.0 is the last one in pure Python and works with every torch.

`torchtext.vocab.Vectors` is not used: it switches off the check of web certificates in the whole process.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from hwsweep.data.data_files import load_or_make

SPECIALS = ("<pad>", "<unk>")
"""By id: PAD and UNKNOWN of hwsweep.data."""


def vocabulary(counts: Mapping[str, int], min_freq: int, max_size: int | None) -> tuple[str, ...]:
    """Words by token id: `<pad>`, `<unk>`, then by decreasing count; words with equal counts by code point.

    It is learned once and read from the user's cache later, which is faster than to import torchtext.

    Args:
        counts: number of occurrences of each token in the training texts.
        min_freq: rarer words are left out.
        max_size: largest number of words beside `<pad>` and `<unk>`; None for no limit.

    Raises:
        DataError: the cache cannot be written.
    """

    def make(path: Path) -> None:
        from torchtext.vocab import Vocab

        words = Vocab(Counter(counts), specials=list(SPECIALS), min_freq=min_freq, max_size=max_size).itos
        path.write_text(json.dumps(words), encoding="ascii")

    key = json.dumps([version("torchtext"), min_freq, max_size, list(counts.items())])
    return tuple(load_or_make("tokens", key.encode(), ".json", make, lambda path: json.loads(path.read_bytes())))


def basic_english(text: str) -> list[str]:
    """Tokens of a text, by torchtext's tokenizer of this name."""
    from torchtext.data import get_tokenizer

    return [str(token) for token in get_tokenizer("basic_english")(text)]
