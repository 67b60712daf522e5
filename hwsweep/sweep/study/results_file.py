"""optimization_results.yaml, the file that hydra-optuna-sweeper writes too: the best point, or the Pareto front."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from hwsweep import files
from hwsweep.sweep.study.trial_store import TrialStore


def write_results(store: TrialStore, directory: Path) -> None:
    """Write the file into the study's folder, once a trial is complete."""
    study = store.study()
    if not store.values():
        return
    results: dict[str, Any] = {"name": "optuna"}
    if len(study.directions) == 1:
        results |= {"best_params": study.best_params, "best_value": study.best_value}
    else:
        results["solutions"] = [{"params": trial.params, "values": trial.values} for trial in study.best_trials]
    text = OmegaConf.to_yaml(OmegaConf.create(files.masked(results)))
    files.write_text(directory / "optimization_results.yaml", text)
