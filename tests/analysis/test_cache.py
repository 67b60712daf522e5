"""Cached results are computed once for each key, and again after a failure."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hwsweep.analysis.cache import cached


def test_a_result_is_computed_once_for_each_key_and_folder() -> None:
    for folder, key, value in [("one", "a", 1), ("one", "b", 2), ("other", "a", 3)]:
        for given in (value, 99):
            found = cached(folder, key, lambda given=given: {"number": given, "tensor": torch.full((3,), given)})
            assert (found["number"], found["tensor"].tolist()) == (value, [value] * 3)


def test_a_result_that_could_not_be_computed_or_written_is_computed_at_the_next_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(value: object, path: object) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(torch, "save", write)
        cached("one", "a", lambda: {"number": 1})
    assert cached("one", "a", lambda: {"number": 2}) == {"number": 2}


@pytest.mark.parametrize("damage", [b"", b"garbage", None], ids=["empty", "garbage", "cut"])
def test_a_damaged_file_is_made_again(damage: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached("one", "a", lambda: {"number": 1})
    (file,) = tmp_path.rglob("*.pt")
    file.write_bytes(file.read_bytes()[:100] if damage is None else damage)
    assert cached("one", "a", lambda: {"number": 2}) == {"number": 2}
    assert cached("one", "a", lambda: {"number": 3}) == {"number": 2}
