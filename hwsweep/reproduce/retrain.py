"""Train a run again: the same config, seed, data and number of threads, in a new MLflow run and a new folder."""

from __future__ import annotations

import os
import shlex
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hwsweep import conf_path, run_folder
from hwsweep.files import without_passwords
from hwsweep.tracking.reading import LoggedRun, download, read_run

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from hwsweep.tracking.runs import Store


class NotReproducible(Exception):
    """The run cannot be trained again; the message says why."""


def best_run(study: Path) -> str:
    """MLflow id of the best finished trial of the study in this folder; of its first seed, if it has several.

    Raises:
        NotReproducible: no trial has finished, or the study has several objectives, so that none is the best.
        SweepError: there is no study in the folder.
    """
    from hwsweep.sweep.study.stored_view import stored_view

    view = stored_view(study if study.exists() else Path("outputs") / study)
    if len(view.directions) > 1:
        raise NotReproducible(
            f"study {view.name} has {len(view.directions)} objectives; name a run of its Pareto front"
        )
    best = view.best_trial
    if best is None or best.run_id is None:
        raise NotReproducible(f"no trial of study {view.name} has finished; name a run instead")
    n_trials = len(view.complete_trials)
    print(f"best of {n_trials} trials of study {view.name}: trial {best.number}, {best.values[0]:.6g}")
    return best.run_id


def train_again(before: LoggedRun, store: Store, uri: str) -> LoggedRun:
    """The new run, as it is logged.

    Raises:
        NotReproducible: the run is not over, has nothing to compare with, or the new run failed where it did not.
    """
    if before.status == "RUNNING":
        raise NotReproducible(f"run {before.id} is still running; wait for its end")
    if not before.metrics:
        reason = before.tags.get("hwsweep.failure", f"it ended {before.status}")
        raise NotReproducible(f"run {before.id} has no epoch to compare with: {reason}")
    folder = Path("outputs", "reproduced", f"{before.id}_{datetime.now():%Y-%m-%d_%H-%M-%S-%f}").absolute()
    threads = before.tags.get("hwsweep.threads")
    print(f"training {before.name} ({before.id}) again, threads: {threads or 'the default of torch, none is recorded'}")
    if threads is not None:
        _set_threads(threads)
    cfg = _config(before, store, uri, folder)
    from hwsweep.run import run

    try:
        run(cfg)
    except Exception as error:
        if before.status == "FINISHED" or run_folder.run_id(folder) is None:
            raise NotReproducible(f"trained again it fails: {type(error).__name__}: {error}") from error
        print(f"it ends with {type(error).__name__}: {error}; run {before.id} ended {before.status}")
    finally:
        new_id = run_folder.run_id(folder)
        if new_id is not None:
            store.client().set_tag(new_id, "hwsweep.reproduces", before.id)
            command = without_passwords(f"python -m hwsweep.reproduce {shlex.join(sys.argv[1:])}")
            store.client().set_tag(new_id, "hwsweep.command", command)
    assert new_id is not None
    print(f"MLflow run {new_id}; files in {folder}")
    return read_run(store, new_id)


def _set_threads(number: str) -> None:
    """Set the number of threads: it decides in which order sums are added up, and so the last bits."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # before torch is loaded
        os.environ[name] = number
    import torch

    torch.set_num_threads(int(number))


def _config(before: LoggedRun, store: Store, uri: str, folder: Path) -> DictConfig:
    """The run's config as it was logged, with Hydra's record of a run in `folder`; all epochs are trained anew."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import DictConfig, OmegaConf

    from hwsweep.hydra_versions import compose_in

    with TemporaryDirectory() as temporary:
        cfg = OmegaConf.load(download(store, before.id, "config.yaml", Path(temporary)))
    assert isinstance(cfg, DictConfig)
    hydra = compose_in(conf_path(), "config", return_hydra_config=True)
    hydra.hydra.runtime.output_dir = str(folder)
    hydra.hydra.job.override_dirname = f"again: {before.name}"
    HydraConfig.instance().set_config(hydra)
    cfg.tracking.uri, cfg.resume = uri, None
    cfg.device = _device_here(cfg.device)
    (folder / run_folder.CONFIG).parent.mkdir(parents=True)
    OmegaConf.save(cfg, folder / run_folder.CONFIG)
    OmegaConf.set_struct(cfg, True)
    return cfg


def _device_here(name: str) -> str:
    """The same device; "auto" if this machine has none of that name, which is printed."""
    from hwsweep.components.sections import device_named

    try:
        device_named(name)
    except ValueError as error:
        print(f"{str(error).partition(';')[0]}: training with device=auto")
        return "auto"
    return name
