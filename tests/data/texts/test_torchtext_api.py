from __future__ import annotations

import pytest

from hwsweep.data import PAD, UNKNOWN
from hwsweep.data.texts.torchtext_api import SPECIALS, vocabulary

COUNTS = {"pear": 2, "apple": 2, "Zebra": 2, "é": 2, "the": 9, "once": 1, "<pad>": 50, "<unk>": 50}


def test_ids_0_and_1_are_padding_and_the_unknown_word() -> None:
    assert (SPECIALS[PAD], SPECIALS[UNKNOWN]) == ("<pad>", "<unk>")
    assert vocabulary({}, 1, None) == ("<pad>", "<unk>")


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
    assert vocabulary(COUNTS, min_freq, max_size) == expected
    assert vocabulary(dict(reversed(COUNTS.items())), min_freq, max_size) == expected


def test_a_vocabulary_is_learned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    words = vocabulary(COUNTS, 2, None)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it is in the cache")

    monkeypatch.setattr("torchtext.vocab.Vocab", refuse)
    assert vocabulary(COUNTS, 2, None) == words
    for other in [(COUNTS, 1, None), (COUNTS, 2, 2), ({**COUNTS, "once": 2}, 2, None)]:
        with pytest.raises(AssertionError):
            vocabulary(*other)
