"""From the command of a sweep to everything that it asks for, checked; nothing is written."""

from __future__ import annotations

from typing import Any, NamedTuple

from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig

from hwsweep import files, run_folder
from hwsweep.sweep import SweepError
from hwsweep.sweep.command import concurrency, planning
from hwsweep.sweep.command.settings import Settings, question, read_settings
from hwsweep.sweep.config_snapshot import hydra_overrides
from hwsweep.sweep.execution import devices
from hwsweep.sweep.execution.choice import Kind, executor_kind
from hwsweep.sweep.execution.fork_server import start_server
from hwsweep.sweep.execution.job_process import ProcessSettings
from hwsweep.sweep.search import composition_check, sampling
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.study import source
from hwsweep.sweep.study.folder import named_directory
from hwsweep.sweep.study.record import read_record
from hwsweep.sweep.study.view import Caller


class Command(NamedTuple):
    """What a command asks for."""

    config: DictConfig
    """Hydra's composed configuration, with that of the study where only its name was given."""
    settings: Settings
    space: Space
    kind: Kind
    """Where the runs run."""
    base: DictConfig
    """The configuration of a run before a point is set."""
    plan: SearchPlan
    """Of a new study."""
    processes: ProcessSettings
    copies: list[dict[str, Any]]
    """The trials of another study that go on here."""
    changes: list[str]
    """Lines that say in what they differ from that study."""
    arguments: list[str]

    def record(self, caller: Caller) -> dict[str, Any]:
        """The content of study.json for a new study."""
        asked = question(self.settings, self.arguments, self.base)
        return {
            "question": {**asked, **({} if caller.task is None else {"task": caller.task})},
            "grid": self.plan.points is not None,
            "copies": self.copies,
            "hydra_overrides": hydra_overrides(self.config),
            "argv": caller.argv,
            "program": caller.program,
        }


def read_command(loader: ConfigLoader, config: DictConfig, arguments: list[str]) -> Command:
    """The command, checked; the fork server already starts where there will be one.

    Raises:
        SweepError: it cannot be run.
    """
    config, arguments = _complete_command(config, arguments, loader)
    config, arguments = source.with_source_command(config, arguments, loader, read_settings(config))
    settings = read_settings(config)
    space = planning.read_space(settings, arguments, loader, config)
    kind = executor_kind(config)
    overrides = [*hydra_overrides(config), *space.fixed]
    base = loader.load_configuration(config.hydra.job.config_name, overrides, RunMode.MULTIRUN)
    device = concurrency.device_name(settings, space, base)
    is_elsewhere = kind != "processes" or settings.join
    n_jobs = concurrency.jobs_at_once(settings, space, is_elsewhere, device)
    settings, threads = settings._replace(n_jobs=n_jobs), max(1, devices.usable_cores() // n_jobs)
    if kind == "processes":
        start_server(list(settings.preload), threads)  # it loads while this process checks the command
    composition_check.check_composition(space, loader, config)
    copies, changes = source.copied_trials(settings, space, base)
    plan = planning.make_plan(settings, space, base, {"copies": copies} if copies else None)
    sampling.check(settings)
    is_stacked = concurrency.trials_in_a_stack(settings, space, is_elsewhere, device) > 1
    gpus = settings.gpus_per_trial if kind in ("processes", "launcher") else None  # a cluster has devices of its own
    slots = devices.slot_environments(settings.concurrency, gpus)
    processes = ProcessSettings(slots, threads, settings.timeout, list(settings.preload), run_folder.OUTPUT)
    if is_stacked:
        processes = processes._replace(trainer=settings.trainer, trainer_gpus=tuple(devices.gpus_named(device)))
    return Command(config, settings, space, kind, base, plan, processes, copies, changes, arguments)


def _complete_command(config: DictConfig, arguments: list[str], loader: ConfigLoader) -> tuple[DictConfig, list[str]]:
    """The command that began a study, where only the study's name is given now; else the command as it is."""
    settings = read_settings(config)
    if arguments or settings.params or settings.study_name is None:
        return config, arguments
    record = read_record(named_directory(config, settings.study_name))
    if record is None:
        return config, arguments
    lines = [*record["hydra_overrides"], *hydra_overrides(config)]
    latest = {line.partition("=")[0]: line for line in lines}
    arguments = list(record["question"]["command"])
    overrides = [*latest.values(), *arguments]
    if hidden := [line for line in overrides if files.MASK in line]:
        raise SweepError(
            f"study {settings.study_name!r} was begun with a password, which is not stored: {hidden[0]}; "
            "give the whole command again (with '${oc.env:NAME}' instead of the password its name would be enough)"
        )
    return loader.load_configuration(config.hydra.job.config_name, overrides, RunMode.MULTIRUN), arguments
