from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwsweep import conf_path
from hwsweep.data.__main__ import main

NPZ = """\
_target_: hwsweep.data.images.NpzImages
name: digits
source: {address}/digits.npz
checksum: sha256:{sha256}
path: $HWSWEEP_DATA/digits/digits.npz
size: 5
n_classes: 10
valid: 0.1
test: 0.1
binarise: none
"""


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    image = np.arange(101, dtype=np.uint8)[:, None, None] * np.ones((5, 5), dtype=np.uint8)
    np.savez(tmp_path / "made.npz", image=image, label=np.arange(101) % 10)
    return (tmp_path / "made.npz").read_bytes()


@pytest.fixture
def digits(tmp_path: Path, upstream, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a data set that our own server serves; it is the only one in conf."""
    upstream.content = content
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    yaml = NPZ.format(address=upstream.address, sha256=hashlib.sha256(content).hexdigest())
    (tmp_path / "conf" / "dataset" / "digits.yaml").write_text(yaml)
    monkeypatch.setattr("hwsweep.data.__main__.conf_path", lambda: tmp_path / "conf")
    return tmp_path / "data" / "digits" / "digits.npz"


def rows(text: str) -> dict[str, str]:
    return {line.split()[0]: line for line in text.split("\n\n")[0].splitlines()}


def test_the_list_shows_the_state_of_every_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = tmp_path / "data" / "anime_faces" / "images"
    faces.mkdir(parents=True)
    for i in range(3):
        Image.new("RGB", (64, 64)).save(faces / f"{i}.jpg")
    assert main([]) == 0
    printed = capsys.readouterr().out
    row = rows(printed)
    assert set(row) == {"name", "glove"} | {file.stem for file in (conf_path() / "dataset").glob("*.yaml")}
    assert row["tibetan_strokes"].split()[1] == "embedded"
    assert row["anime_faces"].split()[1:] == ["present", "3", "0.0", "$HWSWEEP_DATA/anime_faces/images"]
    assert "missing" in row["tibetan_mnist"]
    ways = printed.split("how to get the missing data sets:\n")[1]
    assert "  tibetan_mnist: python -m hwsweep.data fetch tibetan_mnist\n" in ways
    assert "  image_folder: python -m hwsweep dataset=image_folder dataset.path=" in ways
    assert "anime_faces" not in ways


def test_fetch_downloads_checks_and_is_listed(digits: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "digits"]) == 0
    assert digits.read_bytes() == content
    assert f"81 training, 10 validation, 10 test examples in {digits}" in capsys.readouterr().out
    assert main(["list"]) == 0
    assert rows(capsys.readouterr().out)["digits"].split()[1:3] == ["present", "101"]


def test_a_file_that_is_present_is_checked_instead_of_fetched(
    digits: Path, upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    digits.parent.mkdir(parents=True)
    image = np.arange(50, dtype=np.uint8)[:, None, None] * np.ones((5, 5), dtype=np.uint8)
    np.savez(digits, image=image, label=np.zeros(50, dtype=int))
    assert main(["fetch", "digits"]) == 0
    np.savez(digits, image=image.astype(float), label=np.zeros(50, dtype=int))
    assert main(["fetch", "digits"]) == 1
    assert upstream.requests == []
    assert "`image` must be uint8" in capsys.readouterr().err


def test_a_damaged_file_is_listed_as_damaged(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits.parent.mkdir(parents=True)
    digits.write_bytes(b"<html>")
    assert main([]) == 1
    printed = capsys.readouterr()
    assert "damaged" in rows(printed.out)["digits"]
    assert printed.err.startswith(f"error: {digits}: cannot be read as .npz")


def test_a_wrong_download_is_one_line_and_exit_code_1(
    digits: Path, upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.content = b"something else"
    assert main(["fetch", "digits"]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("digits.npz: ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert not digits.exists()


def test_a_misspelt_name_is_refused_before_anything_is_fetched(
    digits: Path, upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["fetch", "digits", "digit"])
    assert raised.value.code == 2
    assert "no data set `digit`; there are: digits; did you mean digits?" in capsys.readouterr().err
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("anime_faces", "kaggle.com/datasets/splcher/animefacedataset into"), ("image_folder", "dataset.path=")],
)
def test_a_data_set_behind_a_login_says_which_file_to_put_where(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch", name]) == 1
    assert message in capsys.readouterr().err


def test_fetching_an_embedded_data_set_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "tibetan_strokes"]) == 0
    assert "nothing to fetch" in capsys.readouterr().out


def test_help_shows_examples_and_imports_nothing_heavy() -> None:
    program = """
import sys
from hwsweep.data.__main__ import main
try:
    main(["--help"])
except SystemExit:
    print(sorted({"torch", "numpy", "hydra", "omegaconf", "rich", "PIL"} & set(sys.modules)))
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "python -m hwsweep.data fetch tibetan_mnist" in printed
    assert printed.splitlines()[-1] == "[]"


def test_an_expected_error_is_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hwsweep.data", "fetch", "anime_faces"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
