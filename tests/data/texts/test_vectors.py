from __future__ import annotations

import gzip
import hashlib
import os
import ssl
import zipfile
from pathlib import Path

import pytest
import torch

from hwsweep.data import DataError
from hwsweep.data.__main__ import main
from hwsweep.data.texts.vectors import WordVectors

LINES = b"the 1 2 3\ncaf\xc3\xa9 4 5 6\nthe 7 7 7\nnews -0.5 0.25 1e-2\n"
"""The first line of `the` counts."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "glove").mkdir(parents=True)
    return tmp_path / "data" / "glove"


def vectors(
    path: str = "$HWSWEEP_DATA/glove", source: str = "https://invalid/glove.6B.zip", dim: int = 3
) -> WordVectors:
    return WordVectors(name="glove", path=path, source=source, checksum="sha256:00", dim=dim)


def write(folder: Path, kind: str, content: bytes = LINES) -> Path:
    """A file of this kind with the vectors; its name is that of upstream."""
    target = folder / {".txt": "glove.6B.3d.txt", ".gz": "glove.6B.3d.txt.gz", ".zip": "glove.6B.zip"}[kind]
    if kind == ".txt":
        target.write_bytes(content)
    elif kind == ".gz":
        target.write_bytes(gzip.compress(content))
    else:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("glove.6B.5d.txt", b"the 9 9 9 9 9\n")
            archive.writestr("glove.6B.3d.txt", content)
    return target


@pytest.mark.parametrize("kind", [".txt", ".gz", ".zip"])
def test_rows_are_the_vectors_of_the_words_in_their_order(folder: Path, kind: str) -> None:
    write(folder, kind)
    for _ in ("read", "from the cache"):
        rows, found = vectors().rows(["<pad>", "news", "The", "unseen", "café"])
        assert found.tolist() == [False, True, True, False, True]
        expected = [[0, 0, 0], [-0.5, 0.25, 0.01], [1, 2, 3], [0, 0, 0], [4, 5, 6]]
        assert torch.equal(rows, torch.tensor(expected, dtype=torch.float32))


def test_a_file_of_ones_own_may_be_named_in_conf(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_bytes(LINES)
    assert vectors(path=str(tmp_path / "mine.txt")).rows(["café"])[0].tolist() == [[4, 5, 6]]


@pytest.mark.parametrize("name", ["cc.en.3.vec", "mine.zip", "mine.vec.gz", "no_ending"])
def test_files_of_word2vec_and_fasttext_and_words_with_spaces_are_read(tmp_path: Path, name: str) -> None:
    content = b"\xef\xbb\xbf5 3\n" + LINES + b"at name@domain.com 7 8 9\n. . . 1 1 1 \n\n"
    if name.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("wiki.vec", content)
            archive.writestr("__MACOSX/._wiki.vec", b"of macOS")
    else:
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    rows, found = vectors(path=str(tmp_path / name)).rows(["the", "at name@domain.com", ". . .", "at", "5"])
    assert found.tolist() == [True, True, True, False, False]
    assert rows[:3].tolist() == [[1, 2, 3], [7, 8, 9], [1, 1, 1]]
    assert vectors(path=str(tmp_path / name)).check() == 6


def test_words_that_are_all_unseen_have_zero_vectors(folder: Path) -> None:
    write(folder, ".txt")
    rows, found = vectors().rows(["qwx", "zzy"])
    assert rows.tolist() == [[0, 0, 0]] * 2
    assert not found.any()


def test_the_second_start_reads_the_cache_and_a_changed_file_is_read_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(folder, ".txt")

    def reads() -> int:
        return capsys.readouterr().err.count("reading ") // 2  # a line at the start and one at the end

    vectors().rows(["the"])
    assert reads() == 1
    vectors().rows(["the"])
    assert reads() == 0
    file.write_bytes(LINES.replace(b"1 2 3", b"3 2 1"))
    os.utime(file, ns=(1, 1))
    assert vectors().rows(["the"])[0].tolist() == [[3, 2, 1]]
    vectors().rows(["the", "news"])
    assert reads() == 2


def test_rows_are_those_that_torchtext_reads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchtext.vocab import Vectors

    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_default_https_context)  # torchtext changes it
    file = write(folder, ".txt", LINES.replace(b"the 7 7 7\n", b"pi 3.14159265358979 -1e-8 16777217\n"))
    words = ["the", "News", "pi", "unseen", "café"]
    expected = Vectors(str(file), cache=str(folder / "torchtext")).get_vecs_by_tokens(words, lower_case_backup=True)
    assert torch.equal(vectors().rows(words)[0], expected)


def test_reading_leaves_the_check_of_certificates_on(folder: Path) -> None:
    write(folder, ".txt")
    vectors().rows(["the"])
    assert ssl._create_default_https_context is ssl.create_default_context


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LINES + b"short 1 2\n", r"glove\.6B\.3d\.txt, line 5: 2 values, but `dim` is 3\. Set `dim`"),
        (b"the 1 2 3 4 5\n", r"line 1: 5 values, but `dim` is 3"),
        (b"5 3\n\n", r"glove\.6B\.3d\.txt has no vectors"),
        (b"the 1 2 three\n", r"glove\.6B\.3d\.txt, line 1: .* the line is .the 1 2 three"),
        (b"the 1 2 nan\n", r"line 1: a word and 3 finite numbers must follow"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(folder: Path, content: bytes, message: str) -> None:
    write(folder, ".txt", content)
    with pytest.raises(DataError, match=message):
        vectors().rows(["the"])
    assert not list(folder.parent.parent.rglob("*.npy")), "a damaged file leaves nothing in the cache"


def test_the_error_for_missing_vectors_says_how_to_get_them() -> None:
    with pytest.raises(DataError, match=r"no .*glove\.6B\.zip\. To get it: python -m hwsweep\.data fetch glove"):
        vectors().rows(["the"])


def test_vectors_of_another_length_are_named_because_fetching_would_not_replace_them(
    folder: Path,
) -> None:
    write(folder, ".gz")
    way = rf"embedding\.dim to 3, or put https://invalid/glove\.6B\.zip into {folder}"
    with pytest.raises(DataError, match=way):
        vectors(dim=5).rows(["the"])


def test_a_length_that_the_archive_does_not_have_is_refused_with_its_members(folder: Path) -> None:
    write(folder, ".zip")
    with pytest.raises(DataError, match=r"no glove\.6B\.4d\.txt; it holds: glove\.6B\.5d\.txt, glove\.6B\.3d\.txt"):
        vectors(dim=4).rows(["the"])


@pytest.mark.parametrize("kind", [".gz", ".zip"])
def test_a_file_that_breaks_off_is_refused(folder: Path, kind: str) -> None:
    file = write(folder, kind, LINES * 50)
    file.write_bytes(file.read_bytes()[:-9] if kind == ".gz" else b"PK and no archive")
    with pytest.raises(DataError, match="cannot be read"):
        vectors().rows(["the"])


@pytest.mark.parametrize("dim", [2, 0, 100.0, True])
def test_an_impossible_length_is_refused(dim: object) -> None:
    with pytest.raises(ValueError, match="`dim` must be a whole number"):
        vectors(dim=dim)


def test_vectors_are_listed_fetched_and_checked(
    tmp_path: Path, folder: Path, upstream, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.content = write(tmp_path, ".zip").read_bytes()
    conf = tmp_path / "conf" / "vectors"
    conf.mkdir(parents=True)
    (conf / "glove.yaml").write_text(
        f"_target_: hwsweep.data.texts.vectors.WordVectors\nname: glove\nsource: {upstream.address}/glove.6B.zip\n"
        f"checksum: sha256:{hashlib.sha256(upstream.content).hexdigest()}\npath: $HWSWEEP_DATA/glove\ndim: 3\n"
    )
    monkeypatch.setattr("hwsweep.data.__main__.conf_path", lambda: tmp_path / "conf")
    assert main([]) == 0
    assert "missing" in capsys.readouterr().out
    assert main(["fetch", "glove"]) == 0
    assert "checked, 4 words of 3 values" in capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "glove",
        "present",
        "0.0",
        "$HWSWEEP_DATA/glove/glove.6B.zip",
    ]
    assert vectors().rows(["the"])[0].tolist() == [[1, 2, 3]]
