"""The page of a run without a study, from its folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from PIL import Image
from test_all_lambda import TARGET, stored_trial

from hwsweep import run_folder
from hwsweep.report.__main__ import main
from hwsweep.report.single_run import is_run, write_run_page

CONFIG = {
    "title": "lambda = 0.001 to 1",
    "vae": {"likelihood": "gaussian", "sigma2": 0.5, "lambda_range": [0.001, 1], "lambda": 0.01},
    "figures": {"second": {}, "first": {}},
}


def finished_run(folder: Path, **config: object) -> Path:
    """The folder of a run that has finished."""
    directory = stored_trial(folder, 0).directory
    tags = {"verdict": "healthy", "why": "healthy: <yes>", "curve": "one model for all"}
    run_folder.write_result(directory, "a" * 32, {"test/rate": 2.5, "time/run_seconds": 7.0}, tags)
    run_folder.write_origin(directory, {"hwsweep.command": "python -m hwsweep model=mine", "data": "digits", "seed": 0})
    (directory / "config").mkdir()
    OmegaConf.save(OmegaConf.create({**CONFIG, **config}), directory / "config" / "config.yaml")
    for name in ("first", "second", "third"):
        Image.new("L", (3, 2)).save(directory / "figures" / f"{name}.png")
    return directory


def test_the_page_has_sentences_figures_in_order_numbers_and_the_slider(tmp_path: Path) -> None:
    text = write_run_page(finished_run(tmp_path, study={"_target_": TARGET})).read_text()
    assert "Healthy: &lt;yes&gt;." in text and "One model for all." in text
    captions = [f"{name}, lambda = 0.001 to 1" for name in ("Second", "First", "Third")]
    assert sorted(captions, key=text.index) == captions
    assert text.count('class="stop"') == 9
    assert "python -m hwsweep model=mine" in text and f"python -m hwsweep.reproduce {'a' * 32} trains it again" in text
    assert "lambda = 0.001 to 1, digits; 7 s." in text and "<td>test/rate</td>" in text


def test_a_model_that_adds_nothing_has_a_page_without_slider(tmp_path: Path) -> None:
    assert 'class="slider"' not in write_run_page(finished_run(tmp_path)).read_text()


def test_the_program_writes_the_page_of_a_run_and_refuses_one_that_has_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished_run(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report", str(folder)])
    main()
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    run_folder.write_result(folder, "a" * 32, {}, {})
    assert not is_run(folder)
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "no study" in capsys.readouterr().err
