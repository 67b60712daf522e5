"""The example of docs/extend.md works as written: its files are added to a copy of the package, and a sweep runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(?:python|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`((?:hwsweep|conf)/[\w/]+\.(?:py|yaml))`")


def blocks() -> dict[str, str]:
    """File -> content of every block of the text; the line before a block names its file in backticks."""
    text = (REPOSITORY / "docs" / "extend.md").read_text(encoding="utf-8")
    found, end = {}, 0
    for block in BLOCK.finditer(text):
        paragraph = text[end : block.start()].strip().rpartition("\n\n")[2]
        found[PATH.findall(paragraph)[-1]] = block[1]
        end = block.end()
    return found


def output(folder: Path, *command: str) -> str:
    """What `python -m` with this command prints in the folder, with the folder's copy of the package."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    python = [sys.executable, "-m", *command]
    done = subprocess.run(python, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_example_brings_a_sentence_and_a_figure_to_the_page_by_new_files_alone(tmp_path: Path) -> None:
    for folder in ("hwsweep", "conf", "tests"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    files = blocks()
    assert len(files) == 10
    for name, content in files.items():
        assert not (tmp_path / name).exists(), f"{name} is a new file"
        (tmp_path / name).write_text(content, encoding="utf-8")
    overrides = ["model=linear_classifier", "dataset=stripes", "dataset.n_images=200", "epochs=1"]
    sweep = ["hwsweep", "-m", *overrides, "optimizer.lr=1e-4,1e-2", "hydra.sweeper.study_name=lines"]
    assert "a classifier that guesses one of 2 classes has an error of 0.50" in output(tmp_path, *sweep)
    no_more = "tests/test_architecture.py::test_there_is_room_for_the_files_that_a_reader_adds"
    output(tmp_path, "pytest", "-p", "no:cacheprovider", "tests/test_architecture.py", "--deselect", no_more)
    study = tmp_path / "outputs" / "lines"
    page = (study / "report.html").read_text(encoding="utf-8")
    metrics = [json.loads((study / number / "result.json").read_text())["metrics"] for number in ("0", "1")]
    best = min(metrics, key=lambda each: each["valid/error"])
    confidence, accuracy = best["test/confidence"], 1 - best["test/error"]
    assert f"The best classifier has confidence {confidence:.2f} and accuracy {accuracy:.2f}." in page
    titles = re.findall("<h2>(.*)</h2>", page)
    assert titles[:2] == ["Answer", "Trials"] and titles.count("Confidence") == 1
    assert "<figcaption>The error of each trial against its confidence.</figcaption>" in page
    assert (study / "error_by_confidence.png").exists() and (study / "0" / "figures" / "mistakes.png").exists()
