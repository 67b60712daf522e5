"""One sweep as a story: read the command, check it, open the study, run until its total is reached."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hwsweep import files
from hwsweep.signals import exit_on_signals
from hwsweep.sweep.command import planning
from hwsweep.sweep.command.reading import read_command
from hwsweep.sweep.command.settings import Settings
from hwsweep.sweep.config_snapshot import Snapshot, take_snapshot
from hwsweep.sweep.disk import disk_errors
from hwsweep.sweep.execution.choice import make_executor
from hwsweep.sweep.execution.trial_process import TrialProgram
from hwsweep.sweep.open_study import OpenStudy
from hwsweep.sweep.outcome import read_outcome
from hwsweep.sweep.ownership.ownership import Ownership, SoleOwner
from hwsweep.sweep.ownership.shared_ownership import SharedOwner
from hwsweep.sweep.proposals import Proposals
from hwsweep.sweep.queue import Queue
from hwsweep.sweep.runner import Runner
from hwsweep.sweep.search import sampling
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.point_check import PointChecker, refusal_lines
from hwsweep.sweep.study import source, view
from hwsweep.sweep.study.folder import StudyFolder, open_folder
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
    command = read_command(loader, config, arguments)
    config, settings, base, plan = command.config, command.settings, command.base, command.plan
    observer: Observer = sampling.build(settings.observer) if settings.observer else Table()
    folder = open_folder(config, command.record(caller))
    unused = nullcontext() if settings.join else folder.deleted_if_unused()
    with exit_on_signals(), disk_errors(folder.path), folder.lock, unused:
        if folder.is_resumed:
            plan = planning.make_plan(settings, command.space, base, folder.read())
        snapshot = take_snapshot(loader, config, folder.name, folder.path)
        checker = PointChecker(settings.check, command.space, loader, snapshot.compose)
        plan, refusals = _without_refused_points(plan, checker, folder)
        snapshot.set_study(base)
        files.write_text(folder.path / "multirun.yaml", files.without_passwords(OmegaConf.to_yaml(config)))
        store = TrialStore(folder.name, open_storage(settings.storage, folder.path), plan.directions)
        store.name_objectives(view.objective_names(config, len(plan.directions)))
        changes = [*command.changes, *source.write_history(settings, plan, base, folder.path)]
        proposals = Proposals(plan, store, base, source.read_history(folder.path))
        program = _program(context, task, config, snapshot, proposals)
        executor = make_executor(command.kind, program, config, settings, command.processes)
        lines = [_headline(proposals, settings), *proposals.n_trials_text(settings.n_trials), *changes, *refusals]
        print("\n".join(lines), flush=True)
        study = OpenStudy(settings, folder, proposals, _ownership(settings, proposals, folder), caller)
        Runner(study, Queue(study, checker), executor, observer).run()
    return folder.path


def _headline(proposals: Proposals, settings: Settings) -> str:
    """The first line that the sweep prints; users may have changed the plan between two starts."""
    plan = proposals.update()._replace(total=proposals.total())
    return planning.headline(plan, settings, proposals.store.counts().finished)


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
