"""The folder of a study, which Optuna itself writes here in the place of a sweep."""

from __future__ import annotations

import json
import os
from pathlib import Path
from shutil import copytree

import numpy as np
import optuna
from hydra import compose, initialize_config_dir
from hydra_plugins.hwsweep import sweeper
from omegaconf import OmegaConf
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial
from PIL import Image

from hwsweep import conf_path

COMMAND = [
    "vae.lambda=tag(log,interval(0.01,100))",
    "vae.latent=range(2,65)",
    "optimizer.lr=interval(0.0,0.1)",
    "epochs=3",
]


def leave_study(folder: Path, n_trials: int, picture_bytes: int = 0) -> Path:
    """A search over three values; every 10th trial failed, every 7th was pruned, the last one is running."""
    folder.mkdir(parents=True)
    copytree(conf_path(), folder / "conf" / "1_main")
    copytree(Path(sweeper.__file__).parent / "conf", folder / "conf" / "2_hwsweep")
    plain = [line for line in COMMAND if "(" not in line]
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        config = compose("config", [*plain, f"hydra.sweeper.n_trials={n_trials}"], return_hydra_config=True)
    OmegaConf.set_readonly(config.hydra, False)
    config.hydra.runtime.cwd = str(folder.parent)
    OmegaConf.save(config, folder / "multirun.yaml")
    record = {"name": "mine", "format": 2, "status": "open", "grid": False, "question": {"command": COMMAND}}
    (folder / "study.json").write_text(json.dumps(record), encoding="utf-8")
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    rng = np.random.default_rng(0)
    optuna.create_study(study_name="mine", storage=storage).add_trials(
        [_trial(rng, n, n_trials) for n in range(n_trials)]
    )
    for number in range(n_trials):
        (folder / str(number) / "figures").mkdir(parents=True)
    if picture_bytes:
        first = folder / "0" / "figures" / "curves.png"
        side = int((picture_bytes / 3) ** 0.5)
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(first)
        for number in range(1, n_trials):
            os.link(first, folder / str(number) / "figures" / "curves.png")
    return folder


def _trial(rng: np.random.Generator, number: int, n_trials: int) -> FrozenTrial:
    weight, latent, rate = 10.0 ** rng.uniform(-2, 2), int(rng.integers(2, 65)), float(rng.uniform(0, 0.1))
    value = abs(np.log10(weight)) + 10 * rate
    state = TrialState.FAIL if number % 10 == 9 else TrialState.PRUNED if number % 7 == 6 else TrialState.COMPLETE
    notes = {"seconds": 1.0, "metrics": {f"test/metric_{place}": value + place for place in range(20)}}
    if state == TrialState.FAIL:
        notes = {"failure": {"reason": "diverged", "message": "the loss must stay finite, but was nan " * 3}}
    running = number == n_trials - 1
    return create_trial(
        state=TrialState.RUNNING if running else state,
        value=value if state == TrialState.COMPLETE and not running else None,
        params={"vae.lambda": weight, "vae.latent": latent, "optimizer.lr": rate},
        distributions={
            "vae.lambda": FloatDistribution(0.01, 100, log=True),
            "vae.latent": IntDistribution(2, 64),
            "optimizer.lr": FloatDistribution(0, 0.1),
        },
        intermediate_values={step: value + 1 / (step + 1) for step in range(5)},
        user_attrs=notes,
    )
