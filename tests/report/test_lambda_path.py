"""The page of a study of paths of lambda, from what two planted runs have stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from planted_studies import study, trial

from hwsweep import run_folder
from hwsweep.figures import drawing
from hwsweep.figures.lambda_curve.lambda_path import LambdaPathInfo
from hwsweep.report.answer import answer
from hwsweep.report.posterior_collapse.lambda_path import LambdaPathStudy
from hwsweep.report.write import write_report
from hwsweep.sweep.study.trial_view import TrialView

TARGET = "hwsweep.report.posterior_collapse.lambda_path.LambdaPathStudy"


def stored_trial(folder: Path, number: int) -> TrialView:
    one = trial(folder, number, 0.1, params={"kl.restart": bool(number)}, values=[10.0 + number])
    tags = {"path": f"path {number} collapses", "path_gap": f"gap {number}", "verdict": "healthy", "why": "healthy"}
    run_folder.write_result(one.directory, "a" * 32, one.metrics, tags)
    numbers = np.array([3.0, 0.0, 2.0])
    is_down = np.array([False, False, True])
    info = LambdaPathInfo("path of lambda", np.array([0.1, 9, 0.1]), is_down, *[numbers] * 6, exact=True)
    drawing.store(info, one.directory / "figures" / "lambda_path.npz")
    return one


@pytest.mark.slow
def test_the_page_has_the_sentences_and_the_path_of_each_run(tmp_path: Path) -> None:
    view = study(tmp_path, stored_trial(tmp_path, 0), stored_trial(tmp_path, 1), axes={"kl.restart": (False, True)})
    view = view._replace(config=OmegaConf.merge(view.config, {"study": {"_target_": TARGET}}))
    sentences = LambdaPathStudy().answer(view, answer(view, {}))
    assert sentences[:4] == [
        f"Restart = {value}: {what}."
        for value, number in (("False", 0), ("True", 1))
        for what in (f"path {number} collapses", f"gap {number}")
    ]
    report = write_report(view)
    assert report.problems == []
    assert {"lambda_path_0.png", "lambda_path_1.png"} <= {path.name for path in report.figures}
    assert "lambda = 9: rate 0.00, distortion 0.0 nats, 0 active units" in report.page.read_text()
