"""One sweep as a story: read, check, open the folder, run until the total is reached."""

from __future__ import annotations

import sys
from contextlib import nullcontext

from hydra.core.config_loader import ConfigLoader
from hydra.core.singleton import Singleton
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import config_snapshot, planning
from hwsweep.sweep.config_snapshot import Snapshot
from hwsweep.sweep.execution import devices, launcher_executor, trial_process
from hwsweep.sweep.execution.choice import cluster_asked, cluster_runs
from hwsweep.sweep.execution.executor import Executor
from hwsweep.sweep.execution.fork_server import start_server
from hwsweep.sweep.execution.launcher_executor import LauncherBatches
from hwsweep.sweep.execution.process_pool import ProcessPool
from hwsweep.sweep.execution.trial_process import Program
from hwsweep.sweep.queue import Queue
from hwsweep.sweep.runner import Runner
from hwsweep.sweep.search import composition_check, point_check, sampling
from hwsweep.sweep.search.point_check import Checker
from hwsweep.sweep.search.sampling import Plan
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.settings import Settings, question, read_settings
from hwsweep.sweep.study import folder, view
from hwsweep.sweep.study.ownership import Alone, Claims
from hwsweep.sweep.study.shared_ownership import Crew
from hwsweep.sweep.study.trial_store import Book
from hwsweep.sweep.study.view import Observer, Table


def sweep(context: HydraContext, task: TaskFunction, config: DictConfig, arguments: list[str]) -> None:
    """Run the study that the command asks for to its total.

    Raises:
        SweepError: the command means nothing; nothing was written.
        SystemExit: too many trials failed (1), or the sweep was interrupted (130 by Ctrl-C, 143 by SIGTERM).
    """
    loader = context.config_loader
    config, arguments = _asked_before(config, arguments, loader)
    settings = read_settings(config)
    space = planning.read_space(settings, arguments, loader, config)
    settings, threads = _shared_out(settings, space, config)
    if not launcher_executor.chosen(config):
        start_server(list(settings.preload), threads)  # it loads while this process checks the command
    overrides = list(config.hydra.overrides.hydra)
    base = loader.load_configuration(config.hydra.job.config_name, [*overrides, *space.fixed], RunMode.MULTIRUN)
    composition_check.check_composition(space, loader, config)
    planned = planning.make_plan(settings, space, base, None)
    sampling.check(planned.sampler, planned.pruner)
    observer: Observer = sampling.build(settings.observer) if settings.observer else Table()
    # a cluster's devices are not those of this machine
    gpus = None if cluster_asked(config) else settings.gpus_per_trial
    slots = devices.environments(settings.at_once, gpus)

    record = {
        "question": question(settings, arguments, base),
        "grid": planned.points is not None,
        "hydra_overrides": overrides,
        "argv": list(sys.orig_argv),
        "program": view.program(),
    }
    study = folder.open_folder(config, record)
    with nullcontext() if settings.join else study.discarded_if_unused():
        if study.resumed:
            planned = planning.make_plan(settings, space, base, study.read())
        taken = config_snapshot.take_snapshot(loader, config, study.name, study.path)
        checker = Checker(settings.check, space, loader, taken.compose)
        planned, refused = _leave_out(planned, checker, study)
        taken.place(base)
        config_snapshot.save_multirun(config, study.path)
        book = Book(study.name, settings.storage, study.path, planned, base)
        program = _program(context, task, config, taken, len(planned.directions))
        executor = _executor(program, config, settings, slots, threads)
        print("\n".join([planning.announce(planned, settings, book.done()), *refused]), flush=True)
        claims = _claims(settings, book, study)
        if settings.join:
            study.lock.share()
        queue = Queue(settings, study, book, claims, base, checker)
        Runner(settings, study, book, claims, base, queue, executor, observer).run()


def _shared_out(settings: Settings, space: Space, config: DictConfig) -> tuple[Settings, int]:
    """The settings with the number of runs at once, and the threads of each."""
    elsewhere = launcher_executor.chosen(config) or cluster_asked(config) is not None or settings.join
    n_jobs = planning.jobs_at_once(settings, space, elsewhere)
    return settings._replace(n_jobs=n_jobs), max(1, devices.usable_cores() // n_jobs)


def _claims(settings: Settings, book: Book, study: folder.Folder) -> Claims:
    """What trials this process may take: all, or in turn with others that ask the same."""
    if not settings.join:
        return Alone(book, study.path)
    crew = Crew(book, study.path, settings.storage, settings.heartbeat)
    crew.agree({key: study.read().get(key) for key in ("question", "grid", "refused")})
    return crew


def _executor(
    program: Program, config: DictConfig, settings: Settings, slots: list[dict[str, str]], threads: int
) -> Executor:
    """What runs the trials: our processes, a cluster, or the launcher that the user chose."""
    if cluster_asked(config):
        return cluster_runs(program, config, settings)
    if launcher_executor.chosen(config):
        return LauncherBatches(program, config, settings.at_once)
    return ProcessPool(trial_process.main, program, slots, threads, settings.timeout, list(settings.preload))


def _leave_out(plan: Plan, checker: Checker, study: folder.Folder) -> tuple[Plan, list[str]]:
    """The plan without refused points, and what to say of them; study.json keeps them, so that numbers stay.

    Raises:
        SweepError: all points are refused.
    """
    if plan.points is None:
        return plan, []
    record = study.read()
    refused = record.get("refused")
    if refused is None:
        refused = checker.refused(plan.points)
        study.write({**record, "refused": refused})
    lines = point_check.announce(refused, plan.points) if refused and not study.resumed else []
    return plan.without(refused), lines


def _program(
    context: HydraContext, task: TaskFunction, config: DictConfig, taken: Snapshot, n_objectives: int
) -> Program:
    """What every process of the sweep gets."""
    return Program(
        task=task,
        snapshot=taken,
        singletons=Singleton.get_state(),
        callbacks=context.callbacks,
        cache=OmegaConf.get_cache(config),
        n_objectives=n_objectives,
    )


def _asked_before(config: DictConfig, arguments: list[str], loader: ConfigLoader) -> tuple[DictConfig, list[str]]:
    """The command that began a named study, if only its name is given now; else what is given."""
    settings = read_settings(config)
    if arguments or settings.params or settings.study_name is None:
        return config, arguments
    record = folder.read_record(folder.place(config, settings.study_name))
    if record is None:
        return config, arguments
    lines = [*record["hydra_overrides"], *config.hydra.overrides.hydra]
    latest = {line.partition("=")[0]: line for line in lines}
    arguments = list(record["question"]["command"])
    overrides = [*latest.values(), *arguments]
    return loader.load_configuration(config.hydra.job.config_name, overrides, RunMode.MULTIRUN), arguments
