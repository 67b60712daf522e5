from __future__ import annotations

import errno
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from hwsweep.data import DataError
from hwsweep.data.texts import token_cache
from hwsweep.data.texts.token_cache import TextTokens, cached_tokens, tokenize
from hwsweep.data.texts.tokenizers import whitespace
from hwsweep.files import cache_folder

TEXTS = ["a rose is a rose", "", "is", "a b c d e f g", "rose b", "lone \ud800 surrogate", "é"]


@dataclass
class RecordingTokenizer:
    """Splits at white space and records its texts; slow or failing on demand."""

    name: str = "recording"
    texts: list[str] = field(default_factory=list)
    seconds: float = 0.0
    fails_at: str | None = None

    def __call__(self, text: str) -> list[str]:
        self.texts.append(text)
        time.sleep(self.seconds)
        if text == self.fails_at:
            raise KeyboardInterrupt
        return text.split()


def token_lists(tokens: TextTokens) -> list[list[str]]:
    ends = np.cumsum(tokens.lengths)
    words = [tokens.words[index] for index in tokens.indices]
    return [words[end - length : end] for end, length in zip(ends, tokens.lengths, strict=True)]


def entries() -> list[str]:
    """Names in the cache, without the locks."""
    return sorted(path.name for path in cache_folder("tokens").iterdir() if path.suffix != ".lock")


def test_tokens_are_split_once_and_memory_mapped() -> None:
    tokenizer = RecordingTokenizer()
    first, second = cached_tokens(TEXTS, tokenizer), cached_tokens(TEXTS, tokenizer)
    assert tokenizer.texts == TEXTS
    assert token_lists(first) == token_lists(second) == [text.split() for text in TEXTS]
    for array in (second.indices, second.lengths):
        assert isinstance(array, np.memmap)
        assert array.dtype == np.int32
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (TEXTS, "recording 2"),
        ([*TEXTS, "more"], "recording"),
        (TEXTS[::-1], "recording"),
        (["a rose is a ros", "e", *TEXTS[2:]], "recording"),
    ],
)
def test_another_text_order_or_tokenizer_is_split_anew(texts: Sequence[str], name: str) -> None:
    cached_tokens(TEXTS, RecordingTokenizer())
    again = RecordingTokenizer(name)
    assert token_lists(cached_tokens(texts, again)) == [text.split() for text in texts]
    assert again.texts == list(texts)


@pytest.mark.parametrize("texts", [[], ["", " "]])
def test_no_texts_and_empty_texts_have_no_tokens(texts: Sequence[str]) -> None:
    for tokens in (
        cached_tokens(texts, RecordingTokenizer()),
        cached_tokens(texts, RecordingTokenizer()),
        tokenize(texts, RecordingTokenizer()),
    ):
        assert (list(tokens.words), len(tokens.indices), tokens.lengths.tolist()) == ([], 0, [0] * len(texts))


def test_several_processes_split_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {i % 7} of {i % 3}" for i in range(23)]
    started: list[int] = []
    monkeypatch.setattr(token_cache, "CHARACTERS_PER_PROCESS", 50)
    monkeypatch.setattr(token_cache, "TEXTS_PER_TASK", 5)
    monkeypatch.setattr(token_cache.os, "cpu_count", lambda: 2)
    real = token_cache.ProcessPoolExecutor
    monkeypatch.setattr(token_cache, "ProcessPoolExecutor", lambda n, *rest: started.append(n) or real(n, *rest))
    tokens, alone = cached_tokens(texts, whitespace()), tokenize(texts, whitespace())
    assert started == [2]
    assert list(tokens.words) == list(alone.words)
    np.testing.assert_array_equal(tokens.indices, alone.indices)
    np.testing.assert_array_equal(tokens.lengths, alone.lengths)
    assert not multiprocessing.active_children()


def test_two_that_start_at_once_split_once() -> None:
    tokenizer = RecordingTokenizer(seconds=0.01)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: cached_tokens(TEXTS, tokenizer), range(2)))
    assert tokenizer.texts == TEXTS
    assert token_lists(both[0]) == token_lists(both[1])


def test_an_interrupt_leaves_nothing_behind() -> None:
    with pytest.raises(KeyboardInterrupt):
        cached_tokens(TEXTS, RecordingTokenizer(fails_at="é"))
    assert entries() == []
    assert token_lists(cached_tokens(TEXTS, RecordingTokenizer())) == [text.split() for text in TEXTS]


def test_a_full_disk_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, allow_pickle: bool) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match=r"the cache must be writable.*: No space left on device"):
        cached_tokens(TEXTS, RecordingTokenizer())
    assert entries() == []


def test_a_killed_process_leaves_nothing_that_is_used_later() -> None:
    program = (
        "import os, numpy as np\n"
        "from hwsweep.data.texts.token_cache import cached_tokens\n"
        "from hwsweep.data.texts.tokenizers import whitespace\n"
        "np.save = lambda *_, **__: os.kill(os.getpid(), 9)\n"
        f"cached_tokens({TEXTS!r}, whitespace())\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert killed.returncode == -9
    assert len(entries()) == 1, "what the killed process has written"
    assert token_lists(cached_tokens(TEXTS, whitespace())) == [text.split() for text in TEXTS]
    assert len(entries()) == 1, "the whole entry alone"


@pytest.mark.parametrize("name", ["words.json", "indices.npy", "lengths.npy"])
@pytest.mark.parametrize("damage", ["", "garbage", None])
def test_a_damaged_entry_is_made_again(name: str, damage: str | None) -> None:
    cached_tokens(TEXTS, whitespace())
    (entry,) = entries()
    file = cache_folder("tokens") / entry / name
    file.unlink()
    if damage is not None:
        file.write_text(damage)
    assert token_lists(cached_tokens(TEXTS, whitespace())) == [text.split() for text in TEXTS]


def test_a_cache_that_is_not_writable_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"the cache must be writable, but .*XDG_CACHE_HOME"):
        cached_tokens(TEXTS, whitespace())
