"""`python -m hwsweep.reproduce RUN_ID`: train a run again from what MLflow kept of it, and compare every number."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hwsweep.conf_path import conf_path

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from hwsweep.tracking.reading import Logged
    from hwsweep.tracking.runs import Store

EXAMPLES = """\
examples:
  python -m hwsweep.reproduce 6fcfd07bc64c41f8bf19daf031aa40d6
  python -m hwsweep.reproduce --best outputs/2026-01-31_12-00-00
  python -m hwsweep.reproduce --uri sqlite:////elsewhere/mlruns/mlflow.db 6fcfd07bc64c41f8bf19daf031aa40d6

The same bits are promised on the same machine, with the same versions and the same number of threads (which is noted
with every run, and used again).
"""


class NotReproducible(Exception):
    """The run cannot be trained again; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 if every number is the same, 1 if one is not, 2 if the run cannot be trained again."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if (chosen.run is None) == (chosen.best is None):
        parser.error("name a run, or a study with --best")
    from hwsweep.reproduce.comparison import report
    from hwsweep.sweep import SweepError
    from hwsweep.tracking.reading import NotLogged, existing_store, read

    logging.getLogger("hwsweep").addHandler(logging.StreamHandler(sys.stdout))
    logging.getLogger("hwsweep").setLevel(logging.INFO)
    try:
        store = existing_store(chosen.uri, chosen.artifacts)
        before = read(store, chosen.run or best_run(Path(chosen.best)))
        after = train_again(before, store, chosen.uri)
    except (NotLogged, NotReproducible, SweepError) as error:
        print(f"hwsweep: {error}", file=sys.stderr)
        return 2
    return report(before, after, store)


def _parser() -> argparse.ArgumentParser:
    from omegaconf import OmegaConf

    defaults = OmegaConf.load(conf_path() / "config.yaml").tracking
    parser = argparse.ArgumentParser(
        prog="python -m hwsweep.reproduce",
        description="Trains a run again from what MLflow kept of it; says bit-identical, or what differs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", nargs="?", metavar="RUN_ID", help="the MLflow id of the run")
    parser.add_argument("--best", metavar="STUDY", help="the best trial of the study in this folder instead")
    parser.add_argument("--uri", default=defaults.uri, help="the MLflow store (default: %(default)s)")
    parser.set_defaults(artifacts=defaults.artifacts)
    return parser


def best_run(study: Path) -> str:
    """MLflow id of the best finished trial of the study in this folder; of its first seed, if it has several.

    Raises:
        NotReproducible: no trial was finished, or the study has several objectives, so that none is the best.
        SweepError: there is no study in the folder.
    """
    from hwsweep.sweep.study.stored_view import stored_view

    view = stored_view(study if study.exists() else Path("outputs") / study)
    done = [trial for trial in view.trials if trial.state == "complete" and trial.run_id is not None]
    if not done:
        raise NotReproducible(f"no trial of study {view.name} was finished; name a run instead")
    if len(view.directions) > 1:
        raise NotReproducible(
            f"study {view.name} has {len(view.directions)} objectives; name a run of its Pareto front"
        )
    sign = 1 if view.directions[0] == "minimize" else -1
    found = min(done, key=lambda trial: sign * trial.values[0])
    print(f"best of {len(done)} trials of study {view.name}: trial {found.number}, {found.values[0]:.6g}")
    assert found.run_id is not None
    return found.run_id


def train_again(before: Logged, store: Store, uri: str) -> Logged:
    """The run's twin: the same config, seed, data and number of threads, in a new MLflow run and a new folder.

    Raises:
        NotReproducible: the run still goes on, has nothing to compare with, or the twin failed where it did not.
    """
    from hwsweep import run_folder
    from hwsweep.tracking.reading import read

    if before.status == "RUNNING":
        raise NotReproducible(f"run {before.id} still goes on; wait for its end")
    if not before.metrics:
        why = before.tags.get("hwsweep.failure", f"it ended {before.status}")
        raise NotReproducible(f"run {before.id} has no epoch to compare with: {why}")
    folder = Path("outputs", "reproduced", f"{before.id}_{datetime.now():%Y-%m-%d_%H-%M-%S-%f}").absolute()
    threads = before.tags.get("hwsweep.threads")
    print(f"training {before.name} ({before.id}) again, threads: {threads or 'as torch likes, none was noted'}")
    _compute_with(threads)
    cfg = _config(before, store, uri, folder)
    try:
        _run(cfg)
    except Exception as error:
        if before.status == "FINISHED" or run_folder.run_id(folder) is None:
            raise NotReproducible(f"trained again it fails: {type(error).__name__}: {error}") from error
        print(f"it ends as {type(error).__name__}: {error}; run {before.id} ended {before.status}")
    finally:
        twin = run_folder.run_id(folder)
        if twin is not None:
            store.client().set_tag(twin, "hwsweep.reproduces", before.id)
            store.client().set_tag(twin, "hwsweep.command", f"python -m hwsweep.reproduce {shlex.join(sys.argv[1:])}")
    assert twin is not None
    print(f"MLflow run {twin}; files in {folder}")
    return read(store, twin)


def _compute_with(threads: str | None) -> None:
    """Set the number of threads: it decides in which order sums are added up, and so the last bits."""
    if threads is None:
        return
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # before torch is loaded
        os.environ[name] = threads
    import torch

    torch.set_num_threads(int(threads))


def _config(before: Logged, store: Store, uri: str, folder: Path) -> DictConfig:
    """The run's config as it was logged, with Hydra's record of a run in `folder`; all epochs are trained anew."""
    from hydra import compose, initialize_config_dir
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import DictConfig, OmegaConf

    from hwsweep.tracking.reading import file

    with TemporaryDirectory() as temporary:
        cfg = OmegaConf.load(file(store, before.id, "config.yaml", Path(temporary)))
    assert isinstance(cfg, DictConfig)
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        hydra = compose("config", return_hydra_config=True)
    hydra.hydra.runtime.output_dir = str(folder)
    hydra.hydra.job.override_dirname = f"again: {before.name}"
    HydraConfig.instance().set_config(hydra)
    cfg.tracking.uri, cfg.resume = uri, None
    (folder / "config").mkdir(parents=True)
    OmegaConf.save(cfg, folder / "config" / "config.yaml")
    OmegaConf.set_struct(cfg, True)
    return cfg


def _run(cfg: DictConfig) -> None:
    from hwsweep.run import run

    run(cfg)


if __name__ == "__main__":
    sys.exit(main())
