"""Texts split into tokens by several processes, once; then memory-mapped from the user's cache."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32

from hwsweep.data.data_files import load_or_make
from hwsweep.data.progress_bar import progress_bar
from hwsweep.data.texts.tokenizers import Tokenizer
from hwsweep.processes import end_with_parent

FORMAT = 2  # part of the key: raise it when the files are read in another way
TEXTS_PER_TASK = 500
CHARACTERS_PER_PROCESS = 2_000_000
"""Another process pays off from here: to start it and to import spaCy takes as long as to split this many."""


class TextTokens(NamedTuple):
    """The tokens of some texts, text after text."""

    words: Sequence[str]
    """The distinct tokens."""
    indices: Int32[np.ndarray, " tokens"]
    """For each token, its index in `words`."""
    lengths: Int32[np.ndarray, " texts"]
    """Number of tokens of each text."""


def cached_tokens(texts: Sequence[str], tokenizer: Tokenizer) -> TextTokens:
    """The tokens of each text. The first call splits the texts, later calls return read-only memory maps.

    Raises:
        DataError: the cache cannot be written.
    """
    contents = [text.encode(errors="surrogatepass") for text in texts]
    key = b"".join(b"%d " % len(content) + content for content in contents)
    return load_or_make(
        "tokens",
        f"{FORMAT} {tokenizer.name}\n".encode() + key,
        "",
        lambda folder: _write(folder, _concatenated(_in_processes(texts, tokenizer))),
        _read,
    )


def tokenize(texts: Sequence[str], tokenizer: Tokenizer) -> TextTokens:
    """The tokens of each text, split in this process, without the cache."""
    index: dict[str, int] = {}
    indices, lengths = array("i"), array("i")
    for text in texts:
        tokens = tokenizer(text)
        indices.extend([index.setdefault(token, len(index)) for token in tokens])
        lengths.append(len(tokens))
    return TextTokens(list(index), np.frombuffer(indices, np.int32), np.frombuffer(lengths, np.int32))


def _in_processes(texts: Sequence[str], tokenizer: Tokenizer) -> Iterator[TextTokens]:
    """The tokens of the texts in order, task by task, split by as many processes as pay off."""
    tasks = [texts[start : start + TEXTS_PER_TASK] for start in range(0, len(texts), TEXTS_PER_TASK)]
    split = partial(tokenize, tokenizer=tokenizer)
    n_processes = min(os.cpu_count() or 1, sum(map(len, texts)) // CHARACTERS_PER_PROCESS)
    with ExitStack() as stack, progress_bar(f"splitting with {tokenizer.name}", "texts", len(texts), 0) as advance:
        results: Iterator[TextTokens] = map(split, tasks)
        if n_processes >= 2 and not multiprocessing.current_process().daemon:  # a daemon may not have children
            # spawned, because forked processes would inherit the locks of threads
            pool = ProcessPoolExecutor(n_processes, multiprocessing.get_context("spawn"), _start_worker)
            stack.callback(pool.shutdown, cancel_futures=True)
            results = pool.map(split, tasks)
        for tokens in results:
            yield tokens
            advance(len(tokens.lengths))


def _start_worker() -> None:
    """Leave Ctrl-C to the parent process, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def _concatenated(parts: Iterable[TextTokens]) -> TextTokens:
    """All parts as one, as if they had been split together."""
    index: dict[str, int] = {}
    indices, lengths = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for part in parts:
        new_index = np.array([index.setdefault(word, len(index)) for word in part.words], np.int32)
        indices.append(new_index[part.indices])
        lengths.append(part.lengths)
    return TextTokens(list(index), np.concatenate(indices), np.concatenate(lengths))


def _write(folder: Path, tokens: TextTokens) -> None:
    folder.mkdir()
    (folder / "words.json").write_text(json.dumps(tokens.words), encoding="ascii")
    for name in ("indices", "lengths"):
        np.save(folder / f"{name}.npy", getattr(tokens, name), allow_pickle=False)


def _read(folder: Path) -> TextTokens:
    load = partial(np.load, mmap_mode="r", allow_pickle=False)
    words = json.loads((folder / "words.json").read_text(encoding="ascii"))
    return TextTokens(words, load(folder / "indices.npy"), load(folder / "lengths.npy"))
