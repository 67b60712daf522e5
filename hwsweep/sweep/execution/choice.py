"""Which cluster the command asks for, checked before any work."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.execution.cluster_executor import Cluster, ClusterRuns
from hwsweep.sweep.execution.trial_process import Program
from hwsweep.sweep.settings import Settings

LIBRARIES = {"hwsweep_ray": ("ray", "ray"), "hwsweep_slurm": ("slurm", "submitit")}
"""The extra of this package and the library it brings, by launcher."""


def cluster_asked(config: DictConfig) -> str | None:
    """The launcher that names a cluster; None if the command asks for none.

    Raises:
        SweepError: its library is not installed.
    """
    choice = config.hydra.runtime.choices.get("hydra/launcher")
    if choice not in LIBRARIES:
        return None
    extra, library = LIBRARIES[choice]
    if find_spec(library) is None:
        raise SweepError(f"hydra/launcher={choice} needs {library}: pip install 'hwsweep[{extra}]'")
    return str(choice)


def cluster_runs(program: Program, config: DictConfig, settings: Settings) -> ClusterRuns:
    """The executor over the cluster that the command asks for.

    Raises:
        SweepError: there is no such cluster, or it cannot give what a trial needs.
    """
    return ClusterRuns(_cluster(config, settings, program.snapshot.study), program, settings)


def _cluster(config: DictConfig, settings: Settings, study: str) -> Cluster:
    node = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    assert isinstance(node, dict)
    wanted: dict[str, Any] = {str(key): value for key, value in node.items() if key != "_target_"}
    if cluster_asked(config) == "hwsweep_ray":
        from hwsweep.sweep.execution.ray_cluster import RayCluster, RaySettings

        return RayCluster(RaySettings(**wanted), settings.gpus_per_trial)
    from hwsweep.sweep.execution.slurm_cluster import SlurmCluster, SlurmSettings

    return SlurmCluster(SlurmSettings(**wanted), settings.gpus_per_trial, study)
