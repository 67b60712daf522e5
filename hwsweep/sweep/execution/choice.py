"""Which executor runs the trials, decided by the Hydra launcher that the command names."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Literal, TypeAlias

from omegaconf import DictConfig

from hwsweep.sweep import SweepError
from hwsweep.sweep.command.setting_checks import RAY_CHECKS, SLURM_CHECKS, Check
from hwsweep.sweep.command.settings import Settings, section_values
from hwsweep.sweep.config_snapshot import hydra_overrides
from hwsweep.sweep.execution import pickling
from hwsweep.sweep.execution.cluster_executor import Cluster, ClusterExecutor
from hwsweep.sweep.execution.executor import Executor
from hwsweep.sweep.execution.job_process import ProcessSettings
from hwsweep.sweep.execution.launcher_executor import LauncherExecutor
from hwsweep.sweep.execution.process_pool import ProcessPool
from hwsweep.sweep.execution.trial_process import TrialProgram

Kind: TypeAlias = Literal["processes", "launcher", "ray", "slurm"]
"""Our own processes on this machine, a Hydra launcher, or a cluster."""
LIBRARIES: dict[Kind, str] = {"ray": "ray", "slurm": "submitit"}
"""The library that each cluster needs. The cluster's name is also that of the extra that installs it."""

CHECKS: dict[Kind, Mapping[str, Check]] = {"ray": RAY_CHECKS, "slurm": SLURM_CHECKS}
"""What the settings of each cluster can be."""


def executor_kind(config: DictConfig) -> Kind:
    """What runs the trials. Hydra's default launcher, basic, counts only if the command line names it.

    Raises:
        SweepError: our own launcher is given settings, or a cluster lacks its library or has a wrong setting.
    """
    launcher = config.hydra.runtime.choices.get("hydra/launcher")
    overrides = hydra_overrides(config)
    if launcher == "hwsweep":  # the sweeper itself runs trials as this launcher would
        if ignored := [line for line in overrides if line.lstrip("+").startswith("hydra.launcher.")]:
            raise SweepError(f"the sweeper runs its own processes and ignores {ignored[0]}; see hydra.sweeper.n_jobs")
        return "processes"
    for kind, library in LIBRARIES.items():
        if launcher == f"hwsweep_{kind}":
            if find_spec(library) is None:
                raise SweepError(f"hydra/launcher={launcher} needs {library}: pip install 'hwsweep[{kind}]'")
            section_values(config, "hydra.launcher", CHECKS[kind])  # before a folder is made
            return kind
    named = any(line.startswith("hydra/launcher=") for line in overrides)
    return "launcher" if named or launcher not in (None, "basic") else "processes"


def make_executor(
    kind: Kind, program: TrialProgram, config: DictConfig, settings: Settings, processes: ProcessSettings
) -> Executor:
    """The executor of this kind.

    Raises:
        SweepError: there is no such cluster, or it cannot give what a trial needs.
    """
    if kind == "processes":
        return ProcessPool(pickling.dumps(program), processes, program.compose)
    if kind == "launcher":
        return LauncherExecutor(program, config, settings.concurrency)
    cluster = _cluster(kind, config, settings.gpus_per_trial, program.snapshot.study)
    return ClusterExecutor(cluster, program, processes, settings.concurrency)


def _cluster(kind: Kind, config: DictConfig, gpus_per_trial: float | None, study: str) -> Cluster:
    if kind == "ray":
        from hwsweep.sweep.execution.ray_cluster import RayCluster, RaySettings

        ray_settings = RaySettings(**section_values(config, "hydra.launcher", CHECKS[kind]))
        return RayCluster(ray_settings, gpus_per_trial)
    from hwsweep.sweep.execution.slurm_cluster import SlurmCluster, SlurmSettings

    slurm_settings = SlurmSettings(**section_values(config, "hydra.launcher", CHECKS[kind]))
    return SlurmCluster(slurm_settings, gpus_per_trial, study)
