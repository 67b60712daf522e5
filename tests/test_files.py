"""The cache where the user's folder cannot be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from hwsweep.files import cache_folder, make_once


@pytest.mark.parametrize("home", ["/dev/null", "/proc/nobody"])
def test_without_a_home_the_cache_is_in_the_temporary_folder(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = make_once(cache_folder("words") / "a", lambda part: part.touch())
    assert made.is_relative_to(tmp_path)
    assert make_once(cache_folder("words") / "a", lambda part: pytest.fail("made again")) == made


def test_the_folder_of_the_user_is_taken_where_it_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("words").is_relative_to(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert cache_folder("words") == Path("/dev/null/hwsweep/words")
