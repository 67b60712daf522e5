from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from small_texts import text_plan

from hwsweep.data import DataError, Lexicon
from hwsweep.data.texts.tokenizers import Tokenizer, basic_english, character, nltk, spacy, whitespace
from hwsweep.data.texts.tokens import encode, encode_splits

LEXICON = Lexicon(("<pad>", "<unk>", "the", "cat", "sat"), ("animal", "thing"), 4)
TEXTS = {
    "train": ["the cat sat", "the dog", "the cat", "", "hat"],
    "valid": ["the bird sat", ""],
    "test": ["cat cat cat the bird", "bird bird", "hat"],
}
LABELS = {"train": [0, 0, 0, 1, 1], "valid": [0, 1], "test": [0, 0, 1]}
CLASSES = ("animal", "thing")
ALL = text_plan()


@pytest.mark.parametrize(
    ("text", "token", "length"),
    [
        ("sat the cat", [4, 2, 3, 0], 3),
        ("cat", [3, 0, 0, 0], 1),
        ("", [1, 0, 0, 0], 1),
        (" \n ", [1, 0, 0, 0], 1),
        ("no word known", [1, 1, 1, 0], 3),
        ("The cat", [1, 3, 0, 0], 2),
        ("<pad> cat <unk>", [1, 3, 1, 0], 3),  # <pad> in a text is not padding
        ("the cat sat the", [2, 3, 4, 2], 4),
        ("the cat sat the cat", [2, 3, 4, 2], 4),
        ("cat " * 25_000, [3, 3, 3, 3], 4),
    ],
)
def test_a_text_becomes_ids_cut_and_padded_to_the_lexicons_length(text: str, token: list[int], length: int) -> None:
    examples = encode(["the", text, "sat sat"], whitespace(), LEXICON)
    assert examples["token"].dtype == examples["length"].dtype == torch.int32
    assert examples["token"].tolist() == [[2, 0, 0, 0], token, [4, 4, 0, 0]]
    assert examples["length"].tolist() == [1, length, 2]


def test_no_texts_become_no_examples() -> None:
    assert encode([], whitespace(), LEXICON)["token"].shape == (0, 4)


def test_splits_are_the_hand_worked_ones() -> None:
    splits = encode_splits(TEXTS, LABELS, CLASSES, whitespace(), text_plan(min_freq=2, max_length=3), None)
    assert splits.lexicon == Lexicon(("<pad>", "<unk>", "the", "cat"), CLASSES, 3)
    assert splits.train["token"].tolist() == [[2, 3, 1], [2, 1, 0], [2, 3, 0], [1, 0, 0], [1, 0, 0]]
    assert splits.train["length"].tolist() == [3, 2, 2, 1, 1]
    assert splits.valid["token"].tolist() == [[2, 1, 1], [1, 0, 0]]
    assert splits.test["token"].tolist() == [[3, 3, 3], [1, 1, 0], [1, 0, 0]]
    assert splits.test["length"].tolist() == [3, 2, 1]
    for name, labels in LABELS.items():
        examples = getattr(splits, name)
        assert examples["label"].dtype == torch.int64
        assert examples["label"].tolist() == labels
        assert set(examples) == {"token", "length", "label"}
        assert list(splits.texts[name]) == TEXTS[name]
    assert splits.statistics == {
        "data/words": 4,
        "data/longest": 3,
        "data/truncated": 1,  # the first test text has 5 tokens
        "data/unknown_share": 3 / 6,  # bird, bird, hat
    }


def test_the_longest_training_text_and_ten_tokens_more_fit_unless_conf_says_otherwise() -> None:
    long = {**TEXTS, "test": ["cat " * 13, "cat " * 14, "cat"]}
    splits = encode_splits(long, LABELS, CLASSES, whitespace(), ALL, None)
    assert splits.lexicon is not None
    assert splits.lexicon.max_length == 3 + 10
    assert splits.test["token"].shape == (3, 13)
    assert splits.statistics["data/truncated"] == 1


def test_nothing_is_learned_from_validation_and_test_texts() -> None:
    other = {**TEXTS, "valid": ["zebra " * 50, "bird"], "test": ["giraffe", "bird bird", ""]}
    one = encode_splits(TEXTS, LABELS, CLASSES, whitespace(), ALL, None)
    two = encode_splits(other, LABELS, CLASSES, whitespace(), ALL, None)
    assert one.lexicon == two.lexicon
    assert torch.equal(one.train["token"], two.train["token"])


@pytest.mark.parametrize("tokenizer", [whitespace, basic_english, partial(spacy, "en"), nltk, character])
def test_a_text_is_encoded_alone_as_it_is_among_all(tokenizer: Callable[[], Tokenizer]) -> None:
    splits = encode_splits(TEXTS, LABELS, CLASSES, tokenizer(), ALL, None)
    assert splits.lexicon is not None
    for name, texts in TEXTS.items():
        prepared = getattr(splits, name)
        for row, text in enumerate(texts):
            alone = encode([text], tokenizer(), splits.lexicon)
            assert torch.equal(alone["token"][0], prepared["token"][row])
            assert alone["length"][0] == prepared["length"][row]


def test_a_second_start_and_another_seed_split_no_text_again() -> None:
    split_texts: list[str] = []

    class Recording:
        name = "recording"

        def __call__(self, text: str) -> list[str]:
            split_texts.append(text)
            return text.split()

    class Refusing:
        name = "recording"

        def __call__(self, text: str) -> list[str]:
            raise AssertionError(f"{text!r} is in the cache")

    first = encode_splits(TEXTS, LABELS, CLASSES, Recording(), ALL, None)
    assert split_texts == sorted({text for split in TEXTS.values() for text in split})  # whichever split they are in
    assert encode_splits(TEXTS, LABELS, CLASSES, Refusing(), ALL, None).digest() == first.digest()
    swapped = {**TEXTS, "train": ["hat", *TEXTS["train"][1:-1], "the bird sat"], "valid": ["the cat sat", ""]}
    other = encode_splits(swapped, LABELS, CLASSES, Refusing(), text_plan(min_freq=2, max_size=1, max_length=2), None)
    assert other.train["token"].tolist() == [[1, 0], [2, 1], [2, 1], [1, 0], [2, 1]]


KEYED = "The shares of \"Mars\" fell. A bank's boss isn't glad"


@pytest.mark.parametrize(
    ("tokenizer", "keys"),
    [
        (whitespace, ["shares", "bank's", "boss"]),
        (basic_english, ["shares", "bank", "boss"]),
        (partial(spacy, "en"), ["shares", "bank", "boss"]),
        (nltk, ["shares", "bank", "boss"]),
    ],
)
def test_key_tokens_are_those_that_share_a_character_with_the_key(
    tokenizer: Callable[[], Tokenizer], keys: list[str]
) -> None:
    start, boss = KEYED.index("shares"), KEYED.index("boss")
    bank = KEYED.index("bank")
    spans = [(start, start + 6), (bank, bank + 4), (boss, boss + 4)]
    texts: dict[str, Sequence[str]] = {"train": [KEYED, ""], "valid": [KEYED], "test": ["a b", KEYED]}
    spans_by_split = {"train": [spans, []], "valid": [[]], "test": [[(2, 3)], spans]}
    labels = {name: [0] * len(split) for name, split in texts.items()}
    splits = encode_splits(texts, labels, CLASSES, tokenizer(), ALL, spans_by_split)
    assert splits.lexicon is not None
    words = tokenizer()(KEYED)
    for row in (splits.train["key"][0], splits.test["key"][1]):
        assert row.dtype == torch.bool
        assert row.shape == (splits.lexicon.max_length,)
        assert [words[position] for position in row.nonzero().flatten()] == keys
    assert not splits.train["key"][1].any()
    assert not splits.valid["key"].any()
    assert splits.test["key"][0].nonzero().flatten().tolist() == [1]


def test_keys_beyond_the_cut_are_cut() -> None:
    texts = {"train": ["a b key"], "valid": ["key"], "test": ["a key key"]}
    keys = {"train": [[(4, 7)]], "valid": [[(0, 3)]], "test": [[(2, 5), (6, 9)]]}
    splits = encode_splits(texts, {name: [0] for name in texts}, CLASSES, whitespace(), text_plan(max_length=2), keys)
    assert splits.train["key"].tolist() == [[False, False]]
    assert splits.valid["key"].tolist() == [[True, False]]
    assert splits.test["key"].tolist() == [[False, True]]


def test_training_texts_without_a_word_that_is_frequent_enough_are_refused() -> None:
    texts = {"train": ["a b", "c d"], "valid": ["a"], "test": ["a"]}
    labels = {"train": [0, 1], "valid": [0], "test": [0]}
    with pytest.raises(DataError, match=r"is empty, because no token occurs dataset.plan.min_freq=2 times"):
        encode_splits(texts, labels, CLASSES, whitespace(), text_plan(min_freq=2), None)


def test_a_text_too_long_to_pad_all_others_to_is_refused_with_a_length_that_fits() -> None:
    texts = {"train": ["cat " * 20_000, *["a b c"] * 24_999], "valid": ["cat"], "test": ["cat"]}
    labels = {"train": [0] * 25_000, "valid": [0], "test": [0]}
    with pytest.raises(DataError) as refusal:
        encode_splits(texts, labels, CLASSES, whitespace(), ALL, None)
    assert str(refusal.value) == (
        "the tokens of the split `train` must fit in 2 GB, but 25,000 texts padded to 20,010 tokens take 2.0 GB; "
        "set dataset.plan.max_length to at most 20000 (99 of 100 texts have at most 3 tokens)"
    )
    splits = encode_splits(texts, labels, CLASSES, whitespace(), text_plan(max_length=3), None)
    assert splits.statistics["data/truncated"] == 1


def test_an_empty_training_split_is_refused() -> None:
    with pytest.raises(DataError, match="there must be training texts"):
        encode_splits({**TEXTS, "train": []}, {**LABELS, "train": []}, CLASSES, whitespace(), ALL, None)


@pytest.mark.parametrize("texts", ["", "only unseen"])
def test_texts_without_a_known_word_are_all_unknown(texts: str) -> None:
    all_alike = {"train": ["", ""], "valid": [texts], "test": [texts]}
    splits = encode_splits(all_alike, {"train": [0, 1], "valid": [0], "test": [1]}, CLASSES, whitespace(), ALL, None)
    assert splits.lexicon == Lexicon(("<pad>", "<unk>"), CLASSES, 11)
    assert splits.statistics["data/unknown_share"] == 1
    assert splits.test["length"].tolist() == [max(1, len(texts.split()))]


@pytest.mark.parametrize("name", ["min_freq", "max_size", "max_length"])
@pytest.mark.parametrize("value", [0, -3, 1.5, True, "2"])
def test_a_plan_refuses_a_value_that_is_not_a_count(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"`dataset.plan.{name}` must be a whole number of .*, at least 1.* but got"):
        text_plan(**{name: value})


@pytest.mark.parametrize("name", ["warn_unknown", "warn_unsplit", "warn_letters"])
@pytest.mark.parametrize("value", [-0.1, 1.01, 20, True, None, "half"])
def test_a_plan_refuses_a_share_that_is_none(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"`dataset.plan.{name}` must be a number in \[0, 1\], but got"):
        text_plan(**{name: value})


def test_only_the_limits_may_be_null() -> None:
    with pytest.raises(ValueError, match=r"at least 1, but got None"):
        text_plan(min_freq=None)
