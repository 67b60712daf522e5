"""Texts split into tokens: once, by several processes, then kept in a cache and memory-mapped."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from jaxtyping import Int32

from hwsweep.data import DataError
from hwsweep.data.locations import tokens_home
from hwsweep.data.progress import progress
from hwsweep.data.tokenizers import Tokenizer

FORMAT = 1  # part of the key: raise it when the files would be read otherwise
TEXTS_PER_TASK = 500
CHARACTERS_PER_PROCESS = 2_000_000
"""A process more pays off from here: starting it and importing spaCy takes as long as splitting this much."""


class Tokenised(NamedTuple):
    """Tokens of some texts, one text after the other."""

    words: Sequence[str]
    """The different tokens."""
    places: Int32[np.ndarray, " tokens"]
    """For every token, where it stands in `words`."""
    lengths: Int32[np.ndarray, " texts"]
    """Tokens of each text."""


def tokenised(texts: Sequence[str], tokenizer: Tokenizer) -> Tokenised:
    """The tokens of each text: split at the first call, read-only memory maps from the user's cache at the next.

    Raises:
        DataError: no space to write.
    """
    target = tokens_home() / _key(texts, tokenizer.name)
    try:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{target}.lock"):
                if not target.exists():  # another process was faster
                    _write(target, _merged(_in_processes(texts, tokenizer)))
        return _read(target)
    except OSError as error:
        raise DataError(f"cannot keep tokens at {target}: {error.strerror or error}") from error


def split_now(texts: Sequence[str], tokenizer: Tokenizer) -> Tokenised:
    """The tokens of each text, split in this process and not kept."""
    places: dict[str, int] = {}
    stream, lengths = array("i"), array("i")
    for text in texts:
        tokens = tokenizer(text)
        stream.extend([places.setdefault(token, len(places)) for token in tokens])
        lengths.append(len(tokens))
    return Tokenised(list(places), np.frombuffer(stream, np.int32), np.frombuffer(lengths, np.int32))


def _key(texts: Sequence[str], tokenizer: str) -> str:
    digest = hashlib.sha256(f"{FORMAT} {tokenizer}\n".encode())
    for text in texts:
        content = text.encode(errors="surrogatepass")
        digest.update(b"%d " % len(content))
        digest.update(content)
    return digest.hexdigest()[:32]


def _in_processes(texts: Sequence[str], tokenizer: Tokenizer) -> Iterator[Tokenised]:
    """The tokens of some texts after the other, in order, split by as many processes as pay off."""
    tasks = [texts[start : start + TEXTS_PER_TASK] for start in range(0, len(texts), TEXTS_PER_TASK)]
    split = partial(split_now, tokenizer=tokenizer)
    n_processes = min(os.cpu_count() or 1, sum(map(len, texts)) // CHARACTERS_PER_PROCESS)
    with progress(f"splitting with {tokenizer.name}", "texts", len(texts), 0) as done:
        if n_processes < 2 or multiprocessing.current_process().daemon:  # which may have no children
            for task in tasks:
                yield split(task)
                done(len(task))
            return
        # spawned: forked ones would inherit the threads' locks
        pool = ProcessPoolExecutor(n_processes, multiprocessing.get_context("spawn"), _end_with_parent)
        try:
            for task, part in zip(tasks, pool.map(split, tasks), strict=True):
                yield part
                done(len(task))
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


def _merged(parts: Iterable[Tokenised]) -> Tokenised:
    """All parts as one, as if they had been split together."""
    places: dict[str, int] = {}
    streams, lengths = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for part in parts:
        moved = np.array([places.setdefault(word, len(places)) for word in part.words], np.int32)
        streams.append(moved[part.places])
        lengths.append(part.lengths)
    return Tokenised(list(places), np.concatenate(streams), np.concatenate(lengths))


def _write(target: Path, tokens: Tokenised) -> None:
    """Write a folder under another name, then give it its own: it is there as a whole or not at all."""
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)  # what a killed process left; the lock is ours
    try:
        part.mkdir()
        (part / "words.json").write_text(json.dumps(tokens.words), encoding="ascii")
        for name in ("places", "lengths"):
            with (part / f"{name}.npy").open("wb") as out:
                np.lib.format.write_array(out, getattr(tokens, name), allow_pickle=False)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _read(folder: Path) -> Tokenised:
    places, lengths = (
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("places", "lengths")
    )
    return Tokenised(json.loads((folder / "words.json").read_text(encoding="ascii")), places, lengths)
