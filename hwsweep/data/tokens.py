"""From texts to padded token ids, by a vocabulary that is learned from the training texts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, Int64

from hwsweep.data import UNKNOWN, DataError, Examples, Lexicon, Splits
from hwsweep.data.key_tokens import Spans, key_tokens
from hwsweep.data.token_cache import Tokenised, split_now, tokenised
from hwsweep.data.tokenizers import Tokenizer
from hwsweep.data.vocabulary import ids_by_word, kept_words_by_id

ROOM = 10
"""Tokens that a text may have beyond the longest training text, unless conf sets the length."""
MOST_BYTES = 2_000_000_000
"""A split's padded token ids must fit in here."""
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class TextPlan:
    """What of the texts is kept; checked when it is made.

    Raises:
        ValueError: a value is no whole number, or below 1.
    """

    min_freq: int
    """A word that occurs less often in the training texts is unknown."""
    max_size: int | None
    """Words of the vocabulary beside `<pad>` and `<unk>`; None for all."""
    max_length: int | None
    """Tokens of a text that are kept; None for the longest training text + 10."""

    def __post_init__(self) -> None:
        for name in ("min_freq", "max_size", "max_length"):
            value = getattr(self, name)
            if value is None and name != "min_freq":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                or_null = "" if name == "min_freq" else " or null"
                raise ValueError(
                    f"`dataset.plan.{name}` must be a whole number, at least 1{or_null}, but got {value!r}"
                )


class Rows(NamedTuple):
    """Some texts, out of a collection that was split into tokens."""

    tokens: Tokenised
    chosen: Int64[np.ndarray, " n"]
    """Which texts of the collection, in order."""

    @property
    def lengths(self) -> Int64[np.ndarray, " n"]:
        """Tokens of each text; an empty one counts as one token, `<unk>`."""
        lengths: Int64[np.ndarray, " n"] = np.maximum(self.tokens.lengths[self.chosen], 1).astype(np.int64)
        return lengths

    def first(self, longest: int) -> Int32[np.ndarray, " kept"]:
        """Text by text, the first `longest` tokens, as places in the collection's words."""
        lengths = self.tokens.lengths.astype(np.int64)
        start = (np.cumsum(lengths) - lengths)[self.chosen]
        kept = np.minimum(lengths[self.chosen], longest)
        within = np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept, kept)
        places: Int32[np.ndarray, " kept"] = self.tokens.places[np.repeat(start, kept) + within]
        return places


def encode(texts: Sequence[str], tokenizer: Tokenizer, lexicon: Lexicon) -> Examples:
    """The texts as a model of this lexicon reads them: `token` and `length`; an empty text is one `<unk>`.

    Raises:
        DataError: padded, they would not fit in memory.
    """
    tokens = split_now(texts, tokenizer)
    return _padded(Rows(tokens, np.arange(len(texts))), _ids(tokens, lexicon), lexicon.max_length, "of these texts")


def prepare(
    texts: Mapping[str, Sequence[str]],
    labels: Mapping[str, Sequence[int]],
    classes: Sequence[str],
    tokenizer: Tokenizer,
    plan: TextPlan,
    keys: Mapping[str, Sequence[Spans]] | None,
) -> Splits:
    """Splits of texts with their lexicon, learned from the training texts alone, and what was found out about them.

    Facts: `data/words` in the vocabulary, `<pad>` and `<unk>` among them; `data/longest` training text, in tokens;
    `data/truncated` texts, of all splits; `data/unknown_share` of the test tokens, 0 to 1.

    Args:
        texts: By split: "train", "valid", "test".
        keys: By split, for each text the characters (start, end) of what decides its class, where that is known.

    Raises:
        DataError: no training texts; padded, a split would not fit in memory; no space for the cache.
    """
    import torch

    if not texts["train"]:
        raise DataError("there must be training texts, but the training split is empty")
    rows = _rows(texts, tokenizer)
    lexicon = _lexicon(rows["train"], classes, plan)
    ids = _ids(rows["train"].tokens, lexicon)
    splits: dict[str, Examples] = {}
    for split in SPLITS:
        splits[split] = _padded(rows[split], ids, lexicon.max_length, f"of the split `{split}`")
        splits[split]["label"] = torch.tensor(labels[split], dtype=torch.int64)
        if keys is not None:
            found = key_tokens(texts[split], _words(rows[split]), keys[split], lexicon.max_length)
            splits[split]["key"] = torch.from_numpy(found)
    facts = {
        "data/words": float(len(lexicon.words)),
        "data/longest": float(rows["train"].lengths.max()),
        "data/truncated": float(sum((rows[split].lengths > lexicon.max_length).sum() for split in SPLITS)),
        "data/unknown_share": _unknown_share(splits["test"]),
    }
    kept = {split: tuple(texts[split]) for split in SPLITS}
    return Splits(**splits, lexicon=lexicon, texts=kept, facts=facts)


def _rows(texts: Mapping[str, Sequence[str]], tokenizer: Tokenizer) -> dict[str, Rows]:
    """The tokens of each split. What is cached does not depend on which text is in which split: seeds share it."""
    collection = sorted({text for split in SPLITS for text in texts[split]})
    place = {text: number for number, text in enumerate(collection)}
    tokens = tokenised(collection, tokenizer)
    return {split: Rows(tokens, np.array([place[text] for text in texts[split]], np.int64)) for split in SPLITS}


def _lexicon(train: Rows, classes: Sequence[str], plan: TextPlan) -> Lexicon:
    longest = int(train.lengths.max())
    counts = np.bincount(train.first(longest), minlength=len(train.tokens.words)).tolist()
    count_by_word = dict(zip(train.tokens.words, counts, strict=True))
    words = kept_words_by_id(count_by_word, plan.min_freq, plan.max_size)
    return Lexicon(words, tuple(classes), longest + ROOM if plan.max_length is None else plan.max_length)


def _ids(tokens: Tokenised, lexicon: Lexicon) -> Int32[np.ndarray, " words"]:
    """The token id of each of the different tokens."""
    number = ids_by_word(lexicon.words)
    return np.array([number.get(word, UNKNOWN) for word in tokens.words], np.int32)


def _padded(rows: Rows, ids: Int32[np.ndarray, " words"], longest: int, whose: str) -> Examples:
    """`token` and `length` of the texts, cut at `longest` tokens and padded to it."""
    import torch

    lengths = rows.lengths
    if (n_bytes := 4 * len(lengths) * longest) > MOST_BYTES:
        raise DataError(
            f"the tokens {whose} must fit in {MOST_BYTES / 1e9:.0f} GB, but {len(lengths):,} texts padded to "
            f"{longest:,} tokens take {n_bytes / 1e9:.1f} GB; 99 of 100 texts fit in "
            f"dataset.plan.max_length={int(np.quantile(lengths, 0.99))}"
        )
    token = np.zeros((len(lengths), longest), np.int32)
    token[np.arange(longest) < rows.tokens.lengths[rows.chosen][:, None]] = ids[rows.first(longest)]
    token[rows.tokens.lengths[rows.chosen] == 0, 0] = UNKNOWN
    length = np.minimum(lengths, longest).astype(np.int32)
    return {"token": torch.from_numpy(token), "length": torch.from_numpy(length)}


def _unknown_share(examples: Examples) -> float:
    n_tokens = int(examples["length"].sum())
    return float((examples["token"] == UNKNOWN).sum()) / max(1, n_tokens)


def _words(rows: Rows) -> list[list[str]]:
    """The tokens of each text, as the tokenizer gave them."""
    ends = np.cumsum(rows.tokens.lengths, dtype=np.int64)
    words, places, lengths = rows.tokens
    return [[words[place] for place in places[ends[row] - lengths[row] : ends[row]]] for row in rows.chosen]
