"""From texts to padded token ids. The vocabulary is learned from the training texts alone."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Int32, Int64

from hwsweep.argument_checks import check_count, check_number
from hwsweep.data import UNKNOWN, DataError, Examples, Lexicon, Splits
from hwsweep.data.texts.scripts import letters_alone
from hwsweep.data.texts.token_cache import TextTokens, cached_tokens, tokenize
from hwsweep.data.texts.tokenizer_advice import Limits, advice
from hwsweep.data.texts.tokenizers import Tokenizer
from hwsweep.data.texts.torchtext_api import SPECIALS, vocabulary

log = logging.getLogger(__name__)

Span: TypeAlias = "tuple[int, int]"
"""Characters of a text: the first one, and the one after the last."""

EXTRA_LENGTH = 10
"""Tokens that a text may have beyond the longest training text, unless conf sets the length."""
MAX_BYTES = 2_000_000_000
"""Largest size of a split's padded token ids."""
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class TextPlan:
    """Limits of the vocabulary and of the texts, and of what the tokenizer leaves without a warning.

    Raises:
        ValueError: a limit is not a whole number, or below 1; a share is not from 0 to 1.
    """

    min_freq: int
    """Words that occur less often in the training texts become `<unk>`."""
    max_size: int | None
    """Largest number of words beside `<pad>` and `<unk>`; None for no limit."""
    max_length: int | None
    """Tokens; longer texts are cut. None for the length of the longest training text + 10."""
    warn_unknown: float
    """Largest share of the tokens of the validation texts that may be `<unk>` without a warning, 0 to 1."""
    warn_unsplit: float
    """Largest share of these texts that may be one token, in writing without spaces, without a warning, 0 to 1."""
    warn_letters: float
    """Largest share of these tokens that may be single letters of longer words without a warning, 0 to 1."""

    def __post_init__(self) -> None:
        check_count("dataset.plan.min_freq", self.min_freq, unit="occurrences")
        check_count("dataset.plan.max_size", self.max_size, unit="words", or_null=True)
        check_count("dataset.plan.max_length", self.max_length, unit="tokens", or_null=True)
        check_number("dataset.plan.warn_unknown", self.warn_unknown, "[0, 1]")
        check_number("dataset.plan.warn_unsplit", self.warn_unsplit, "[0, 1]")
        check_number("dataset.plan.warn_letters", self.warn_letters, "[0, 1]")


class TextSelection(NamedTuple):
    """Some texts of a collection that is split into tokens."""

    tokens: TextTokens
    rows: Int64[np.ndarray, " n"]
    """Numbers of the texts in the collection, in order."""

    @property
    def lengths(self) -> Int64[np.ndarray, " n"]:
        """Number of tokens of each text; 0 for an empty text."""
        lengths: Int64[np.ndarray, " n"] = self.tokens.lengths[self.rows].astype(np.int64)
        return lengths

    def indices(self, max_length: int) -> Int32[np.ndarray, " m"]:
        """Text after text, the first `max_length` tokens, as indices in the words of the collection."""
        start = np.cumsum(self.tokens.lengths, dtype=np.int64)[self.rows] - self.lengths
        count = np.minimum(self.lengths, max_length)
        offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        indices: Int32[np.ndarray, " m"] = self.tokens.indices[np.repeat(start, count) + offset]
        return indices


def encode(texts: Sequence[str], tokenizer: Tokenizer, lexicon: Lexicon) -> Examples:
    """`token` and `length` of the texts for a model with this lexicon; an empty text is one `<unk>`.

    Raises:
        DataError: the padded texts do not fit in memory.
    """
    tokens = tokenize(texts, tokenizer)
    selection = TextSelection(tokens, np.arange(len(texts)))
    return _padded(selection, _ids(tokens, lexicon), lexicon.max_length, "these texts")


def encode_splits(
    texts: Mapping[str, Sequence[str]],
    labels: Mapping[str, Sequence[int]],
    classes: Sequence[str],
    tokenizer: Tokenizer,
    plan: TextPlan,
    key_spans: Mapping[str, Sequence[Sequence[Span]]] | None,
) -> Splits:
    """Splits of texts, their lexicon, and their statistics. The lexicon is learned from the training texts alone.

    Statistics: `data/words` in the vocabulary with `<pad>` and `<unk>`; `data/longest` training text, in tokens;
    `data/truncated`, texts of all splits that are cut; `data/unknown_share` of the test tokens, 0 to 1. A warning
    says where the tokenizer hardly splits the validation texts.

    Args:
        texts: by split: "train", "valid", "test".
        key_spans: by split, for each text the characters that decide its class; None if unknown.

    Raises:
        DataError: no training texts, a padded split does not fit in memory, or the cache cannot be written.
    """
    import torch

    if not texts["train"]:
        raise DataError("there must be training texts, but the training split is empty")
    selections = _selections(texts, tokenizer)
    lexicon = _lexicon(selections["train"], classes, plan)
    ids = _ids(selections["train"].tokens, lexicon)
    splits: dict[str, Examples] = {}
    for split, selection in selections.items():
        splits[split] = _padded(selection, ids, lexicon.max_length, f"the split `{split}`")
        splits[split]["label"] = torch.tensor(labels[split], dtype=torch.int64)
        if key_spans is not None:
            mask = _key_mask(texts[split], selection, key_spans[split], lexicon.max_length)
            splits[split]["key"] = torch.from_numpy(mask)
    shares = (_unknown_share(splits["valid"]), _letters_share(selections["valid"]))
    limits = Limits(plan.warn_unknown, plan.warn_unsplit, plan.warn_letters)
    if sentence := advice(texts["valid"], selections["valid"].lengths, *shares, tokenizer.name, limits):
        log.warning(sentence)
    texts = {split: tuple(texts[split]) for split in SPLITS}
    return Splits(**splits, lexicon=lexicon, texts=texts, statistics=_statistics(selections, lexicon, splits["test"]))


def _statistics(selections: Mapping[str, TextSelection], lexicon: Lexicon, test: Examples) -> dict[str, float]:
    """Statistics of the texts by metric key; see `encode_splits`."""
    statistics = {
        "data/words": len(lexicon.words),
        "data/longest": max(1, selections["train"].lengths.max()),
        "data/truncated": sum((selection.lengths > lexicon.max_length).sum() for selection in selections.values()),
        "data/unknown_share": _unknown_share(test),
    }
    return {name: float(value) for name, value in statistics.items()}


def _unknown_share(examples: Examples) -> float:
    """Share of the tokens that are `<unk>`, 0 to 1."""
    return int((examples["token"] == UNKNOWN).sum()) / max(1, int(examples["length"].sum()))


def _letters_share(selection: TextSelection) -> float:
    """Share of the tokens that are one letter of a script with spaces, 0 to 1; before texts are cut."""
    if not selection.lengths.any():
        return 0.0
    is_letter = np.array(letters_alone(selection.tokens.words))
    return float(is_letter[selection.indices(int(selection.lengths.max()))].mean())


def _selections(texts: Mapping[str, Sequence[str]], tokenizer: Tokenizer) -> dict[str, TextSelection]:
    """The tokens of each split. The cache holds all texts in order, so all seeds share it."""
    collection = sorted({text for split in SPLITS for text in texts[split]})
    row = {text: number for number, text in enumerate(collection)}
    tokens = cached_tokens(collection, tokenizer)
    return {split: TextSelection(tokens, np.array([row[text] for text in texts[split]], np.int64)) for split in SPLITS}


def _lexicon(train: TextSelection, classes: Sequence[str], plan: TextPlan) -> Lexicon:
    longest = max(1, int(train.lengths.max()))
    counts = np.bincount(train.indices(longest), minlength=len(train.tokens.words)).tolist()
    count_by_word = dict(zip(train.tokens.words, counts, strict=True))
    words = vocabulary(count_by_word, plan.min_freq, plan.max_size)
    if any(counts) and len(words) == len(SPECIALS):
        raise DataError(
            f"the vocabulary is empty, because no token occurs dataset.plan.min_freq={plan.min_freq} times in the "
            "training texts; set a smaller number"
        )
    return Lexicon(words, tuple(classes), longest + EXTRA_LENGTH if plan.max_length is None else plan.max_length)


def _ids(tokens: TextTokens, lexicon: Lexicon) -> Int32[np.ndarray, " words"]:
    """The token id of each distinct token. A text that contains `<pad>` means no padding, so that is unknown."""
    ids = {word: number for number, word in enumerate(lexicon.words) if number > UNKNOWN}
    return np.array([ids.get(word, UNKNOWN) for word in tokens.words], np.int32)


def _padded(selection: TextSelection, ids: Int32[np.ndarray, " words"], max_length: int, subject: str) -> Examples:
    """`token` and `length` of the texts, cut or padded to `max_length` tokens."""
    import torch

    lengths = np.maximum(selection.lengths, 1)
    if (n_bytes := 4 * len(lengths) * max_length) > MAX_BYTES:
        fits = max(1, MAX_BYTES // (4 * len(lengths)))
        raise DataError(
            f"the tokens of {subject} must fit in {MAX_BYTES / 1e9:.0f} GB, but {len(lengths):,} texts padded to "
            f"{max_length:,} tokens take {n_bytes / 1e9:.1f} GB; set dataset.plan.max_length to at most {fits} "
            f"(99 of 100 texts have at most {int(np.quantile(lengths, 0.99)):,} tokens)"
        )
    token = np.zeros((len(lengths), max_length), np.int32)
    token[np.arange(max_length) < selection.lengths[:, None]] = ids[selection.indices(max_length)]
    token[selection.lengths == 0, 0] = UNKNOWN
    length = np.minimum(lengths, max_length).astype(np.int32)
    return {"token": torch.from_numpy(token), "length": torch.from_numpy(length)}


def _key_mask(
    texts: Sequence[str], selection: TextSelection, key_spans: Sequence[Sequence[Span]], max_length: int
) -> Bool[np.ndarray, "n max_length"]:
    """For each text, which of its first tokens share a character with its key spans."""
    mask = np.zeros((len(texts), max_length), np.bool_)
    words = (selection.tokens.words[index] for index in selection.indices(max_length))
    for row, (text, length, spans) in enumerate(zip(texts, selection.lengths, key_spans, strict=True)):
        for column, (start, end) in enumerate(_token_spans(text, islice(words, min(length, max_length)))):
            mask[row, column] = any(start < last and first < end for first, last in spans)
    return mask


def _token_spans(text: str, tokens: Iterable[str]) -> Iterator[Span]:
    """The characters of each token in the text, in either case; an empty span if the tokenizer has rewritten it."""
    lower, end = text.lower(), 0
    for token in tokens:
        start = lower.find(token.lower(), end)
        end = end if start < 0 else start + len(token)
        yield (end, end) if start < 0 else (start, end)
