"""One sweep as a story: read the command, check it, open the study, run until its total is reached."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hwsweep import files, run_folder
from hwsweep.signals import exit_on_signals
from hwsweep.sweep import SweepError, planning
from hwsweep.sweep.config_snapshot import Snapshot, hydra_overrides, take_snapshot
from hwsweep.sweep.disk import disk_errors
from hwsweep.sweep.execution import devices
from hwsweep.sweep.execution.choice import Kind, executor_kind, make_executor
from hwsweep.sweep.execution.fork_server import start_server
from hwsweep.sweep.execution.job_process import ProcessSettings
from hwsweep.sweep.execution.trial_process import TrialProgram
from hwsweep.sweep.open_study import OpenStudy
from hwsweep.sweep.outcome import read_outcome
from hwsweep.sweep.proposals import Proposals
from hwsweep.sweep.queue import Queue
from hwsweep.sweep.runner import Runner
from hwsweep.sweep.search import composition_check, sampling
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.point_check import PointChecker, refusal_lines
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.settings import Settings, question, read_settings
from hwsweep.sweep.study import source, view
from hwsweep.sweep.study.folder import StudyFolder, named_directory, open_folder, read_record
from hwsweep.sweep.study.ownership import Ownership, SoleOwner
from hwsweep.sweep.study.shared_ownership import SharedOwner
from hwsweep.sweep.study.storage import open_storage
from hwsweep.sweep.study.trial_store import TrialStore
from hwsweep.sweep.study.view import Caller, Observer
from hwsweep.sweep.table import Table


def sweep(context: HydraContext, task: TaskFunction, config: DictConfig, arguments: list[str]) -> list[JobReturn]:
    """Hydra's records of the jobs of the study that the command describes, once it has reached its total.

    Raises:
        SweepError: as `run_study`.
        SystemExit: as `run_study`.
    """
    folder = run_study(context, task, config, arguments, view.command_line())
    return _job_returns(folder, config.hydra.job.name)


def run_study(
    context: HydraContext, task: TaskFunction, config: DictConfig, arguments: list[str], caller: Caller
) -> Path:
    """The folder of the study that the arguments describe, once it has reached its total.

    Raises:
        SweepError: it cannot be run (nothing was written), a disk is full, or too many trials failed.
        SystemExit: the sweep was interrupted (130 by Ctrl-C, 143 by SIGTERM).
    """
    loader = context.config_loader
    config, arguments = _complete_command(config, arguments, loader)
    config, arguments = source.with_source_command(config, arguments, loader, read_settings(config))
    settings = read_settings(config)
    space = planning.read_space(settings, arguments, loader, config)
    kind = executor_kind(config)
    settings, threads = _share_cores(settings, space, kind)
    if kind == "processes":
        start_server(list(settings.preload), threads)  # it loads while this process checks the command
    overrides = hydra_overrides(config)
    base = loader.load_configuration(config.hydra.job.config_name, [*overrides, *space.fixed], RunMode.MULTIRUN)
    composition_check.check_composition(space, loader, config)
    copies, changes = source.copied_trials(settings, space, base)
    plan = planning.make_plan(settings, space, base, {"copies": copies} if copies else None)
    sampling.check(settings)
    observer: Observer = sampling.build(settings.observer) if settings.observer else Table()
    gpus = settings.gpus_per_trial if kind in ("processes", "launcher") else None  # a cluster has devices of its own
    slots = devices.slot_environments(settings.concurrency, gpus)
    processes = ProcessSettings(slots, threads, settings.timeout, list(settings.preload), run_folder.OUTPUT)

    record = {
        "question": {**question(settings, arguments, base), **({} if caller.task is None else {"task": caller.task})},
        "grid": plan.points is not None,
        "copies": copies,
        "hydra_overrides": overrides,
        "argv": caller.argv,
        "program": caller.program,
    }
    folder = open_folder(config, record)
    unused = nullcontext() if settings.join else folder.deleted_if_unused()
    with exit_on_signals(), disk_errors(folder.path), folder.lock, unused:
        if folder.is_resumed:
            plan = planning.make_plan(settings, space, base, folder.read())
        snapshot = take_snapshot(loader, config, folder.name, folder.path)
        checker = PointChecker(settings.check, space, loader, snapshot.compose)
        plan, refusals = _without_refused_points(plan, checker, folder)
        snapshot.set_study(base)
        files.write_text(folder.path / "multirun.yaml", files.without_passwords(OmegaConf.to_yaml(config)))
        store = TrialStore(folder.name, open_storage(settings.storage, folder.path), plan.directions)
        store.name_objectives(view.objective_names(config, len(plan.directions)))
        changes += source.write_history(settings, plan, base, folder.path)
        proposals = Proposals(plan, store, base, source.read_history(folder.path))
        program = _program(context, task, config, snapshot, proposals)
        executor = make_executor(kind, program, config, settings, processes)
        plan = proposals.update()._replace(total=proposals.total())  # users may have changed it between two starts
        line = planning.headline(plan, settings, store.counts().finished)
        steered = proposals.n_trials_text(settings.n_trials)
        print("\n".join([line, *steered, *changes, *refusals]), flush=True)
        study = OpenStudy(settings, folder, proposals, _ownership(settings, proposals, folder), caller)
        Runner(study, Queue(study, checker), executor, observer).run()
    return folder.path


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


def _share_cores(settings: Settings, space: Space, kind: Kind) -> tuple[Settings, int]:
    """The settings with the number of runs at once, and the number of threads of each run."""
    n_jobs = planning.jobs_at_once(settings, space, elsewhere=kind != "processes" or settings.join)
    return settings._replace(n_jobs=n_jobs), max(1, devices.usable_cores() // n_jobs)


def _without_refused_points(
    plan: SearchPlan, checker: PointChecker, folder: StudyFolder
) -> tuple[SearchPlan, list[str]]:
    """The plan of a grid without points that the program refuses, and lines that name them.

    study.json keeps the refused points, so that the others have the same numbers when the study is resumed.

    Raises:
        SweepError: all points are refused.
    """
    if plan.points is None:
        checker.check_corners()
        checker.check_start(plan.start)
        return plan, []
    record = folder.read()
    refused = record.get("refused")
    if refused is None:
        refused = checker.refusals(plan.points)
        folder.write({**record, "refused": refused})
    lines = [] if folder.is_resumed else refusal_lines(refused, plan.points)
    return plan.without(refused), lines


def _ownership(settings: Settings, proposals: Proposals, folder: StudyFolder) -> Ownership:
    """Who runs the trials: this process alone, or in turn with others that have the same question."""
    if not settings.join:
        return SoleOwner(proposals, folder.path, settings.storage)
    owner = SharedOwner(proposals, folder.path, settings.storage, settings.heartbeat)
    owner.check_question({key: folder.read().get(key) for key in ("question", "grid", "refused")})
    folder.lock.share()
    return owner


def _program(
    context: HydraContext, task: TaskFunction, config: DictConfig, snapshot: Snapshot, proposals: Proposals
) -> TrialProgram:
    """What every process of the sweep needs."""
    return TrialProgram(
        task=task,
        snapshot=snapshot,
        singletons=Singleton.get_state(),
        callbacks=context.callbacks,
        cache=OmegaConf.get_cache(config),
        n_objectives=len(proposals.plan.directions),
        pauses=proposals.paused_trials is not None,
    )


def _job_returns(study: Path, task: str) -> list[JobReturn]:
    """Hydra's record of each job of the study that has an outcome, in the order of the trials."""
    numbered = sorted((entry for entry in study.iterdir() if entry.name.isdigit()), key=lambda entry: int(entry.name))
    returns = []
    for directory in (job for folder in numbered for job in (folder, *sorted(folder.glob("seed_*")))):
        if (result := read_outcome(directory)) is None:
            continue
        overrides = directory / ".hydra" / "overrides.yaml"  # absent with hydra.output_subdir=null
        lines = OmegaConf.to_container(OmegaConf.load(overrides), resolve=False) if overrides.exists() else []
        assert isinstance(lines, list)
        failure = result.failure.message if result.failure else result.state
        values = result.values if len(result.values) > 1 else sum(result.values)
        is_complete = result.state == "complete"
        status = JobStatus.COMPLETED if is_complete else JobStatus.FAILED
        job = JobReturn(overrides=lines, working_dir=str(directory), task_name=task, status=status)
        job.return_value = values if is_complete else RuntimeError(failure)
        returns.append(job)
    return returns
