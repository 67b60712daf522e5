"""Studies with made-up numbers, and the folders that a sweep leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from hwsweep import run_folder
from hwsweep.figures import drawing
from hwsweep.figures.curves import CurvesInfo
from hwsweep.figures.interpolation import InterpolationInfo
from hwsweep.figures.reconstructions import ReconstructionsInfo
from hwsweep.figures.samples import SamplesInfo
from hwsweep.sweep.study.trial_view import RunView, TrialView
from hwsweep.sweep.study.view import StudyView

METRICS = {"test/distortion": 7.0, "test/rate": 3.0, "test/neg_elbo": 10.0}


def trial(folder: Path, number: int, kl_weight: float, **changes: Any) -> TrialView:
    fields: dict[str, Any] = {
        "number": number,
        "params": {"vae.lambda": kl_weight},
        "state": "complete",
        "values": [10.0],
        "directory": folder / str(number),
        "seconds": 12.34,
        "failure": None,
        "metrics": METRICS,
        "run_id": "a" * 32,
        "command": ["python", "-m", "hwsweep", f"vae.lambda={kl_weight}"],
        "errors": [],
        "runs": [RunView(folder / str(number), None, METRICS, "a" * 32)],
        "reported": {},
    }
    (folder / str(number) / "figures").mkdir(parents=True)
    return TrialView(**(fields | changes))


def failed(folder: Path, number: int, kl_weight: float, reason: str, message: str) -> TrialView:
    failure = {"reason": reason, "message": message}
    fields: dict[str, Any] = {"state": "failed", "values": [], "failure": failure, "metrics": {}, "run_id": None}
    return trial(folder, number, kl_weight, **fields)


def study(folder: Path, *trials: TrialView, **changes: Any) -> StudyView:
    """A lambda sweep with a copy of its configuration in the folder."""
    config = {
        "hydra": {"job": {"config_name": "config"}, "runtime": {"choices": {"model": "vae", "dataset": "digits"}}},
        "table": list(METRICS),
        "objective": "valid/neg_elbo",
        "vae": {"lambda": 1, "likelihood": "bernoulli", "sigma2": 1.0},
        "study": {"_target_": "hwsweep.report.posterior_collapse.PosteriorCollapse"},
    }
    copy = folder / "conf" / "1_main"
    for group, choice in (("model", "vae"), ("dataset", "digits")):
        (copy / group).mkdir(parents=True, exist_ok=True)
        (copy / group / f"{choice}.yaml").write_text("# nothing\n", encoding="utf-8")
    default = {key: value for key, value in config.items() if key != "hydra"} | {"objective": "valid/loss"}
    defaults = {"defaults": ["_self_", {"model": "vae"}, {"dataset": "digits"}]}
    OmegaConf.save(OmegaConf.create(defaults | default), copy / "config.yaml")
    command = ["/usr/bin/python", "-m", "hwsweep", "-m", "vae.lambda=0,1"]
    view = StudyView("mine", folder, command, OmegaConf.create(config), {"vae.lambda": (0, 1)}, list(trials))
    return view._replace(**changes)


def with_verdict(trial: TrialView, verdict: str, **metrics: float) -> TrialView:
    """The trial with these metrics, after its run has stored this verdict."""
    run_folder.write_result(trial.directory, "a" * 32, {}, {"verdict": verdict, "why": f"{verdict}: an example"})
    return trial._replace(metrics={**trial.metrics, **{f"test/{key}": value for key, value in metrics.items()}})


def draw_images(trial: TrialView, brightness: int = 0) -> None:
    """Store the images that a VAE's run stores, all of one brightness from 0 to 255."""
    folder = trial.directory / "figures"
    images = np.full((4, 5, 7, 1), brightness, dtype=np.uint8)
    drawing.store(ReconstructionsInfo("", images, images, 2), folder / "reconstructions.npz")
    drawing.store(SamplesInfo("", images, 2), folder / "samples.npz")
    drawing.store(InterpolationInfo("", images, np.stack([images] * 3, axis=1), images), folder / "interpolation.npz")


def draw_curves(trial: TrialView, epochs: int) -> None:
    """Store the curves that a VAE's run stores: the rate is the epoch, all other values are 0."""
    epoch = np.arange(1.0, epochs + 1)
    values = np.stack([0 * epoch, epoch, 0 * epoch])
    drawing.store(CurvesInfo("", epoch, values, values), trial.directory / "figures" / "curves.npz")
