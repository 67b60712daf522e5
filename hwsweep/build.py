"""From the composed config to the objects of a run, checked before any work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from hwsweep.data import Dataset, Lexicon, Splits
from hwsweep.models import Model
from hwsweep.training.loop import Plan
from hwsweep.training.schedules import Schedule


class InvalidConfig(Exception):
    """A value of the config cannot be; the message says which, and what can."""

    failure_reason = "invalid-config"


class Parts(NamedTuple):
    """The objects that a config describes."""

    dataset: Dataset
    model: Model
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    plan: Plan


def build(cfg: DictConfig, splits: Splits | None = None) -> Parts:
    """The objects that `cfg` describes, seeded by `cfg.seed`; reads no data.

    Args:
        splits: the data, once it is read. Without it, a model of texts has placeholders for the sizes of its
            vocabulary: good enough to find out whether the configuration can be.

    Raises:
        InvalidConfig: a value is out of range, of the wrong type, or does not fit another.
    """
    with _refusals():
        dataset, model, schedule, plan = _without_optimizer(cfg, splits)
        return Parts(dataset, model, instantiate(cfg.optimizer)(model.parameters()), schedule, plan)


def check(cfg: DictConfig) -> None:
    """Find out whether `build` can, without what torch loads for a second for the first optimizer: its compiler.

    Raises:
        InvalidConfig: as `build` does.
    """
    with _refusals():
        _, model, _, _ = _without_optimizer(cfg, None)
        make = instantiate(cfg.optimizer)
        try:
            make([])
        except ValueError as error:
            if "empty parameter list" not in str(error):  # torch's optimizers look at their numbers first
                make(model.parameters())


@contextmanager
def _refusals() -> Iterator[None]:
    """Makes what is raised inside for a value that cannot be an InvalidConfig."""
    try:
        yield
    except InstantiationException as error:
        raise InvalidConfig(str(error.__cause__ or error)) from error
    except (ValueError, TypeError) as error:
        raise InvalidConfig(str(error)) from error


def _without_optimizer(cfg: DictConfig, splits: Splits | None) -> tuple[Dataset, Model, Schedule, Plan]:
    """All parts but the one, on the device."""
    plan = Plan(
        epochs=cfg.epochs,
        batch_size=cfg.batch_size,
        clip_norm=cfg.clip_norm,
        precision=cfg.precision,
        seed=_seed(cfg.seed),
        select=cfg.select,
    )
    objectives(cfg)
    device = _device(cfg.device)
    dataset: Dataset = instantiate(cfg.dataset)
    torch.manual_seed(plan.seed)
    lexicon = None if splits is None else splits.lexicon
    model: Model = instantiate(cfg.model)(dataset.shapes if lexicon is None else lexicon.shapes)
    model.to(device)
    schedule: Schedule = instantiate(cfg.schedule)
    schedule(0, 1)
    if isinstance(schedule, partial):
        # Hydra's own asks at every call, which is every step, whether the target is allowed: 0.4 ms each
        schedule = partial(schedule.func, *schedule.args, **schedule.keywords)
    return dataset, model, schedule, plan


def build_model(cfg: DictConfig, lexicon: Lexicon | None = None) -> Model:
    """The untrained model of a run, from the run's composed config and, of texts, its lexicon; on the CPU."""
    shapes = instantiate(cfg.dataset).shapes if lexicon is None else lexicon.shapes
    model: Model = instantiate(cfg.model)(shapes)
    return model


def objectives(cfg: DictConfig) -> list[str]:
    """The metrics that a study compares: conf's `objective`, one name or a list with a `direction` for each.

    Raises:
        InvalidConfig: there are more or fewer directions than objectives.
    """
    names = _listed(cfg.objective)
    if len(_listed(cfg.direction)) != len(names):
        raise InvalidConfig(
            f"`direction` must name minimize or maximize for each objective, but got direction={cfg.direction} for "
            f"objective={cfg.objective}; for instance 'objective=[valid/rate,valid/distortion]' "
            f"'direction=[minimize,minimize]'"
        )
    return names


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value]


def leaves(cfg: DictConfig) -> dict[str, str]:
    """Every leaf of the config by its name on the command line; a list is one leaf."""

    def walk(node: Any, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, dict) and node:
            for key, value in node.items():
                yield from walk(value, f"{name}.{key}" if name else str(key))
        else:
            yield name, "null" if node is None else str(node)

    return dict(walk(OmegaConf.to_container(cfg, resolve=True), ""))


def _seed(seed: Any) -> int:
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ValueError(f"`seed` must be a whole number in [0, 2^63), but got {seed!r}")
    return seed


def _device(name: str) -> torch.device:
    """The device that `name` means; "auto" is CUDA, else MPS, else the CPU."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"`device` must be auto, cpu, cuda, cuda:N or mps, but got {name!r}") from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device.type, False):
        usable = [kind for kind, is_there in there.items() if is_there]
        raise ValueError(f"`device={name}` is not on this machine; there is {', '.join(usable)}; or set `device=auto`")
    return device
