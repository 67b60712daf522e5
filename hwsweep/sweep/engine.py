"""One sweep as a story: read, check, open the folder, run until the total is reached."""

from __future__ import annotations

import sys
from contextlib import nullcontext

from hydra.core.config_loader import ConfigLoader
from hydra.core.singleton import Singleton
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import devices, folder, launcher, plan, probe, refusal, sampling, snapshot, view, worker
from hwsweep.sweep.book import Book
from hwsweep.sweep.claims import Alone, Claims
from hwsweep.sweep.cluster_choice import cluster_asked, cluster_runs
from hwsweep.sweep.executor import Executor
from hwsweep.sweep.join import Crew
from hwsweep.sweep.launcher import LauncherBatches
from hwsweep.sweep.pool import ProcessPool
from hwsweep.sweep.queue import Queue
from hwsweep.sweep.refusal import Checker
from hwsweep.sweep.runner import Runner
from hwsweep.sweep.server import start_server
from hwsweep.sweep.snapshot import Snapshot
from hwsweep.sweep.space import Space
from hwsweep.sweep.view import Observer, Table
from hwsweep.sweep.worker import Program


def sweep(context: HydraContext, task: TaskFunction, config: DictConfig, arguments: list[str]) -> None:
    """Run the study that the command asks for to its total.

    Raises:
        SweepError: the command means nothing; nothing was written.
        SystemExit: too many trials failed (1), or the sweep was interrupted (130 by Ctrl-C, 143 by SIGTERM).
    """
    loader = context.config_loader
    config, arguments = _asked_before(config, arguments, loader)
    settings = plan.read_settings(config)
    space = plan.read_space(settings, arguments, loader, config)
    settings, threads = _shared_out(settings, space, config)
    if not launcher.chosen(config):
        start_server(list(settings.preload), threads)  # it loads while this process checks the command
    overrides = list(config.hydra.overrides.hydra)
    base = loader.load_configuration(config.hydra.job.config_name, [*overrides, *space.fixed], RunMode.MULTIRUN)
    probe.check_composition(space, loader, config)
    planned = plan.make_plan(settings, space, base, None)
    sampling.check(planned.sampler, planned.pruner)
    observer: Observer = sampling.build(settings.observer) if settings.observer else Table()
    # a cluster's devices are not those of this machine
    gpus = None if cluster_asked(config) else settings.gpus_per_trial
    slots = devices.environments(settings.at_once, gpus)

    record = {
        "question": plan.question(settings, arguments, base),
        "grid": planned.points is not None,
        "hydra_overrides": overrides,
        "argv": list(sys.orig_argv),
        "program": view.program(),
    }
    study = folder.open_folder(config, record)
    with nullcontext() if settings.join else study.discarded_if_unused():
        if study.resumed:
            planned = plan.make_plan(settings, space, base, study.read())
        taken = snapshot.take_snapshot(loader, config, study.name, study.path)
        checker = Checker(settings.check, space, loader, taken.compose)
        planned, refused = refusal.leave_out(planned, checker, study)
        taken.place(base)
        snapshot.save_multirun(config, study.path)
        book = Book(study.name, settings.storage, study.path, planned, base)
        program = _program(context, task, config, taken, len(planned.directions))
        executor = _executor(program, config, settings, slots, threads)
        print("\n".join([plan.announce(planned, settings, book.done()), *refused]), flush=True)
        claims = _claims(settings, book, study)
        if settings.join:
            study.lock.share()
        queue = Queue(settings, study, book, claims, base, checker)
        Runner(settings, study, book, claims, base, queue, executor, observer).run()


def _shared_out(settings: plan.Settings, space: Space, config: DictConfig) -> tuple[plan.Settings, int]:
    """The settings with the number of runs at once, and the threads of each."""
    elsewhere = launcher.chosen(config) or cluster_asked(config) is not None or settings.join
    n_jobs = plan.jobs_at_once(settings, space, elsewhere)
    return settings._replace(n_jobs=n_jobs), max(1, devices.usable_cores() // n_jobs)


def _claims(settings: plan.Settings, book: Book, study: folder.Folder) -> Claims:
    """What trials this process may take: all, or in turn with others that ask the same."""
    if not settings.join:
        return Alone(book, study.path)
    crew = Crew(book, study.path, settings.storage, settings.heartbeat)
    crew.agree({key: study.read().get(key) for key in ("question", "grid", "refused")})
    return crew


def _executor(
    program: Program, config: DictConfig, settings: plan.Settings, slots: list[dict[str, str]], threads: int
) -> Executor:
    """What runs the trials: our processes, a cluster, or the launcher that the user chose."""
    if cluster_asked(config):
        return cluster_runs(program, config, settings)
    if launcher.chosen(config):
        return LauncherBatches(program, config, settings.at_once)
    return ProcessPool(worker.main, program, slots, threads, settings.timeout, list(settings.preload))


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
    settings = plan.read_settings(config)
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
