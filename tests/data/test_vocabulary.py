from __future__ import annotations

from pathlib import Path

import pytest

from hwsweep.data import PAD, UNKNOWN, DataError, vocabulary
from hwsweep.data.vocabulary import SPECIALS, ids_by_word, kept_words_by_id, words_by_id

COUNTS = {"pear": 2, "apple": 2, "Zebra": 2, "é": 2, "the": 9, "once": 1, "<pad>": 50, "<unk>": 50}


def test_ids_0_and_1_are_padding_and_the_unknown_word() -> None:
    assert (SPECIALS[PAD], SPECIALS[UNKNOWN]) == ("<pad>", "<unk>")
    assert words_by_id({}, 1, None) == ("<pad>", "<unk>")


@pytest.mark.parametrize(
    ("min_freq", "max_size", "words"),
    [
        (1, None, ["the", "Zebra", "apple", "pear", "é", "once"]),  # by count; equals by code point: Z < a < é
        (2, None, ["the", "Zebra", "apple", "pear", "é"]),
        (3, None, ["the"]),
        (10, None, []),
        (1, 1, ["the"]),  # `<pad>` and `<unk>` do not count
        (1, 3, ["the", "Zebra", "apple"]),
        (1, 99, ["the", "Zebra", "apple", "pear", "é", "once"]),
        (2, 99, ["the", "Zebra", "apple", "pear", "é"]),
    ],
)
def test_the_commonest_words_come_first_and_rare_ones_not_at_all(
    min_freq: int, max_size: int | None, words: list[str]
) -> None:
    expected = ("<pad>", "<unk>", *words)
    assert words_by_id(COUNTS, min_freq, max_size) == expected
    assert words_by_id(dict(reversed(COUNTS.items())), min_freq, max_size) == expected


def test_a_text_cannot_say_the_special_words() -> None:
    assert ids_by_word(("<pad>", "<unk>", "the", "pear")) == {"the": 2, "pear": 3}


def test_a_vocabulary_is_learned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    words = kept_words_by_id(COUNTS, 2, None)
    assert words == words_by_id(COUNTS, 2, None)
    monkeypatch.setattr(vocabulary, "words_by_id", lambda *_: ("learned anew",))
    assert kept_words_by_id(COUNTS, 2, None) == words
    for other in [(COUNTS, 1, None), (COUNTS, 2, 2), ({**COUNTS, "once": 2}, 2, None)]:
        assert kept_words_by_id(*other) == ("learned anew",)


def test_a_vocabulary_that_cannot_be_kept_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(vocabulary, "tokens_home", lambda: tmp_path / "file" / "tokens")
    with pytest.raises(DataError, match="cannot keep a vocabulary at"):
        kept_words_by_id(COUNTS, 1, None)
