from __future__ import annotations

import errno
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from hwsweep.data import DataError, token_cache
from hwsweep.data.locations import tokens_home
from hwsweep.data.token_cache import Tokenised, split_now, tokenised
from hwsweep.data.tokenizers import whitespace

TEXTS = ["a rose is a rose", "", "is", "a b c d e f g", "rose b", "lone \ud800 surrogate", "é"]


@dataclass
class Noted:
    """Splits at white space and notes what it was asked; slow or failing on demand."""

    name: str = "noted"
    asked: list[str] = field(default_factory=list)
    seconds: float = 0.0
    fails_at: str | None = None

    def __call__(self, text: str) -> list[str]:
        self.asked.append(text)
        time.sleep(self.seconds)
        if text == self.fails_at:
            raise KeyboardInterrupt
        return text.split()


def spelt_out(tokens: Tokenised) -> list[list[str]]:
    ends = np.cumsum(tokens.lengths)
    words = [tokens.words[place] for place in tokens.places]
    return [words[end - length : end] for end, length in zip(ends, tokens.lengths, strict=True)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_tokens_are_split_once_and_memory_mapped() -> None:
    noted = Noted()
    first, second = tokenised(TEXTS, noted), tokenised(TEXTS, noted)
    assert noted.asked == TEXTS
    assert spelt_out(first) == spelt_out(second) == [text.split() for text in TEXTS]
    for array in (second.places, second.lengths):
        assert isinstance(array, np.memmap)
        assert array.dtype == np.int32
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (TEXTS, "noted 2"),
        ([*TEXTS, "more"], "noted"),
        (TEXTS[::-1], "noted"),
        (["a rose is a ros", "e", *TEXTS[2:]], "noted"),
    ],
)
def test_another_text_order_or_tokenizer_is_split_anew(texts: Sequence[str], name: str) -> None:
    tokenised(TEXTS, Noted())
    again = Noted(name)
    assert spelt_out(tokenised(texts, again)) == [text.split() for text in texts]
    assert again.asked == list(texts)


@pytest.mark.parametrize("texts", [[], ["", " "]])
def test_no_texts_and_empty_texts_have_no_tokens(texts: Sequence[str]) -> None:
    for tokens in (tokenised(texts, Noted()), tokenised(texts, Noted()), split_now(texts, Noted())):
        assert (list(tokens.words), len(tokens.places), tokens.lengths.tolist()) == ([], 0, [0] * len(texts))


def test_several_processes_split_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {i % 7} of {i % 3}" for i in range(23)]
    started: list[int] = []
    monkeypatch.setattr(token_cache, "CHARACTERS_PER_PROCESS", 50)
    monkeypatch.setattr(token_cache, "TEXTS_PER_TASK", 5)
    monkeypatch.setattr(token_cache.os, "cpu_count", lambda: 2)
    real = token_cache.ProcessPoolExecutor
    monkeypatch.setattr(token_cache, "ProcessPoolExecutor", lambda n, *rest: started.append(n) or real(n, *rest))
    tokens, alone = tokenised(texts, whitespace()), split_now(texts, whitespace())
    assert started == [2]
    assert list(tokens.words) == list(alone.words)
    np.testing.assert_array_equal(tokens.places, alone.places)
    np.testing.assert_array_equal(tokens.lengths, alone.lengths)
    assert not multiprocessing.active_children()


def test_two_that_start_at_once_split_once() -> None:
    noted = Noted(seconds=0.01)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: tokenised(TEXTS, noted), range(2)))
    assert noted.asked == TEXTS
    assert spelt_out(both[0]) == spelt_out(both[1])


def test_what_was_interrupted_leaves_nothing_behind() -> None:
    with pytest.raises(KeyboardInterrupt):
        tokenised(TEXTS, Noted(fails_at="é"))
    assert names(tokens_home()) == []
    assert spelt_out(tokenised(TEXTS, Noted())) == [text.split() for text in TEXTS]


def test_a_full_disk_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, allow_pickle: bool) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(DataError, match=r"cannot keep tokens at .*: No space left on device"):
        tokenised(TEXTS, Noted())
    assert names(tokens_home()) == []


def test_what_a_killed_process_left_is_written_over() -> None:
    tokenised(TEXTS, Noted())
    (key,) = names(tokens_home())
    whole = tokens_home() / key
    whole.rename(whole.with_suffix(".part"))
    (whole.with_suffix(".part") / "places.npy").write_bytes(b"half")
    assert spelt_out(tokenised(TEXTS, Noted())) == [text.split() for text in TEXTS]
    assert names(tokens_home()) == [key]


def test_tokens_that_cannot_be_kept_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(token_cache, "tokens_home", lambda: tmp_path / "file" / "tokens")
    with pytest.raises(DataError, match="cannot keep tokens at"):
        tokenised(TEXTS, Noted())
