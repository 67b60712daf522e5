"""How many trials run at once, on which GPUs, and how many of them train as one."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.command.planning import seed_values
from hwsweep.sweep.command.settings import Settings
from hwsweep.sweep.execution import devices
from hwsweep.sweep.search.space import Space


def device_name(settings: Settings, space: Space, base: DictConfig) -> str:
    """The device that all trials name; `auto` where they differ, or nothing is known of it."""
    key = settings.device_key
    if key is None or space.has_axis(key):
        return "auto"
    return str(OmegaConf.select(base, key))


def jobs_at_once(settings: Settings, space: Space, elsewhere: bool, device: str) -> int:
    """How many runs there are at once: what the user sets, else as many as end soonest on this machine.

    One where a sampler or a pruner decides: its decisions would depend on which of several runs ends first.

    Args:
        elsewhere: the runs belong to another launcher or a cluster, or other processes share the study.
        device: what `device_name` says.
    """
    if settings.n_jobs is not None:
        return settings.n_jobs
    if (n_stacked := trials_in_a_stack(settings, space, elsewhere, device)) > 1:
        return n_stacked
    if elsewhere or settings.gpus_per_trial is not None:
        return 1
    if settings.top is not None:
        return devices.default_n_jobs(settings.top * _n_seeds(settings), device)
    n_runs = _n_runs(settings, space)
    return 1 if _is_search(settings) or n_runs is None else devices.default_n_jobs(n_runs, device)


def trials_in_a_stack(settings: Settings, space: Space, elsewhere: bool, device: str) -> int:
    """How many trials train as one: what the user sets, else all of a grid where there is a GPU; 1 for no stack.

    Raises:
        SweepError: the program or the launcher cannot train trials together.
    """
    if settings.stack is None or settings.stack == 1:
        return 1
    obstacle, n_runs = _obstacle_to_a_stack(settings, space, elsewhere), _n_runs(settings, space)
    if settings.stack != "auto":
        if obstacle is not None:
            raise SweepError(
                f"hydra.sweeper.stack={settings.stack} trains trials in one process of this machine, which does not go "
                f"with {obstacle}; set hydra.sweeper.stack=1, or leave that out"
            )
        at_most = int(settings.stack)
    elif (
        obstacle is not None
        or not devices.gpus_named(device)
        or (settings.n_jobs is None and (_is_search(settings) or n_runs is None))
    ):
        return 1
    else:
        at_most = settings.n_jobs or devices.stacked_processes()
    return at_most if n_runs is None else min(at_most, n_runs)


def _obstacle_to_a_stack(settings: Settings, space: Space, elsewhere: bool) -> str | None:
    """What keeps trials from training as one; None if nothing does."""
    if settings.join:
        return "hydra.sweeper.join=true"
    if elsewhere:
        return "another launcher (hydra/launcher)"
    if settings.gpus_per_trial is not None:
        return f"hydra.sweeper.gpus_per_trial={settings.gpus_per_trial}"
    if settings.device_key is not None and space.has_axis(settings.device_key):
        return f"a sweep over {settings.device_key}"
    return "hydra.sweeper.trainer=null" if settings.trainer is None else None


def _is_search(settings: Settings) -> bool:
    """Whether a sampler or a pruner decides."""
    return settings.n_trials is not None or settings.pruner is not None or settings.custom_search_space is not None


def _n_runs(settings: Settings, space: Space) -> int | None:
    """How many runs all points of the space make, seeds included; None if the points are too many to list."""
    return len(space.points()) * _n_seeds(settings) if space.can_be_listed(settings.max_points) else None


def _n_seeds(settings: Settings) -> int:
    return max(1, len(seed_values(settings, 0)))
