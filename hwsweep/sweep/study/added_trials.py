"""Trials that a user adds to a stored study: at a point, a failed one again, and the best ones with other seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.command.planning import seed_values
from hwsweep.sweep.search import sampling
from hwsweep.sweep.search.constraints import is_feasible
from hwsweep.sweep.search.given_point import given_point, is_whole
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Point, python_values
from hwsweep.sweep.study.steering import SteeredStudy, point_text, trial_state, trials_text
from hwsweep.sweep.study.trial_attributes import ADDED, COPY_OF, REFUSED, trial_params
from hwsweep.sweep.trial import Value

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def add(study: SteeredStudy, values: Mapping[str, Value]) -> str:
    """Add a trial at this point; a sentence.

    Args:
        values: by swept key, as the study stores them. A sampler chooses those that are missing.

    Raises:
        SweepError: the point cannot be, the program refuses it, or the study has it; nothing is written then.
    """
    plan = study.proposals.update()
    point = _checked(study, plan, values)
    with study.change() as plan:
        if is_whole(plan.space, point):
            _check_new(study, plan, point)
        number = _store(study, point, {"by": "add", "of": None, "overrides": []})
    return f"trial {number} added: {point_text(point)}; {study.what_next()}"


def retry(study: SteeredStudy, numbers: Sequence[int] | None) -> str:
    """Add the points of these trials again; a sentence.

    Args:
        numbers: of trials that have failed, were pruned or stopped; None for all that have failed.

    Raises:
        SweepError: a trial has not ended that way, or was added again already; nothing is written then.
    """
    with study.change():
        again = {entry["of"]: trial.number for trial, entry in _added(study) if entry["by"] == "retry"}
        if numbers is None:
            failed = [trial for trial in study.store.trials() if trial.state.name == "FAIL"]
            numbers = [
                trial.number for trial in failed if trial.number not in again and REFUSED not in trial.user_attrs
            ]
            if not numbers:
                raise SweepError(f"no trial of study {study.name!r} has failed without having been added again")
        for number in numbers:
            if (state := trial_state(study, number)) not in ("failed", "pruned"):
                raise SweepError(f"trial {number} is {state}; `retry` runs failed, pruned and stopped trials again")
            if number in again:
                raise SweepError(f"trial {number} was added again as trial {again[number]}")
        new = []
        for trial in map(study.store.trial, numbers):
            overrides = trial.user_attrs.get(ADDED, {}).get("overrides", [])
            entry = {"by": "retry", "of": trial.number, "overrides": overrides}
            new.append(_repeat(study, trial, entry))
    were = "was" if len(new) == 1 else "were"
    return f"{trials_text(numbers)} {were} added again as {trials_text(new)}; {study.what_next()}"


def replicate(study: SteeredStudy, top: int, n_seeds: int) -> str:
    """Add the best trials again, each with so many other seeds; a sentence.

    Args:
        n_seeds: further seeds of each; those that an earlier call has added count.

    Raises:
        SweepError: there is no best trial, or no seed that could be set.
    """
    key, first = study.settings.seed_key, _seed(study)
    with study.change() as plan:
        if len(plan.directions) > 1:
            raise SweepError(f"study {study.name!r} has {len(plan.directions)} objectives, so no trial is the best")
        earlier = [(trial, entry) for trial, entry in _added(study) if entry["by"] == "replicate"]
        best = _ranked(study, plan, {trial.number for trial, _ in earlier})[:top]
        if not best:
            raise SweepError(f"no trial of study {study.name!r} is complete, so none is the best")
        base, new = seed_values(study.settings, first) or [first], []
        for trial in best:
            own = [entry for _, entry in earlier if entry["of"] == trial.number]
            used = [*base, *(int(entry["overrides"][0].partition("=")[2]) for entry in own)]
            for seed in range(max(used) + 1, max(used) + 1 + n_seeds - len(own)):
                entry = {"by": "replicate", "of": trial.number, "overrides": [f"{key}={seed}"]}
                new.append(_repeat(study, trial, entry))
    numbers = trials_text([trial.number for trial in best])
    if not new:
        have = "has" if len(best) == 1 else "have each"
        return f"{numbers} {have} {n_seeds} further seed{'s' * (n_seeds > 1)} already"
    return f"{numbers}, the best, again with other values of {key}: {trials_text(new)}; {study.what_next()}"


def _checked(study: SteeredStudy, plan: SearchPlan, values: Mapping[str, Value]) -> Point:
    """The point with these values.

    Raises:
        SweepError: no such point can be, or the program refuses it.
    """
    space = plan.space
    if plan.points is not None:  # a grid takes other values, too
        lists = {axis.key: list(map(str, axis.values or ())) for axis in space.axes}
        space = space.widened({key: [value] for key, value in values.items() if str(value) not in lists[key]})
    point = given_point(space, python_values(dict(values)))
    if plan.points is not None:
        missing = [
            axis.key for axis in space.independent_axes if axis.key not in point and space.is_swept(axis.key, point)
        ]
        if missing:
            raise SweepError(f"a point of a grid needs a value of each swept key, but {', '.join(missing)} has none")
        point = space.point(point)
    study.check_composition(space.overrides(point))
    checker = study.checker(space) if is_whole(space, point) else None
    if checker is not None and (why := checker.refusal_message(space.point(point))) is not None:
        raise SweepError(f"{point_text(point)} is refused: {why}")
    return point


def _check_new(study: SteeredStudy, plan: SearchPlan, point: Point) -> None:
    """Check that the point runs once.

    Raises:
        SweepError: a trial has it, or the grid will come to it.
    """
    wanted = plan.space.point(point)
    for trial in study.store.trials():
        if plan.space.point_of_trial(trial_params(trial)) == wanted and REFUSED not in trial.user_attrs:
            state = trial_state(study, trial.number)
            hint = "; `retry` runs it again" if state in ("failed", "pruned") else ""
            raise SweepError(f"trial {trial.number} ({state}) is at this point already{hint}")
    if plan.points is not None and wanted in (rest := plan.points[study.store.counts().proposed : plan.total]):
        raise SweepError(f"the grid itself runs this point; {rest.index(wanted)} others of the grid come before it")


def _store(study: SteeredStudy, point: Point, entry: dict[str, Any]) -> int:
    """The number of the new trial at this point, which waits from now on."""
    study.let_go_on()
    axes = {axis.key: axis for axis in study.proposals.command_plan.space.axes}
    grid = study.proposals.grid_distributions
    distributions = {
        key: grid[key] if key in grid else sampling.distribution(axes[key]) for key in point if key in axes
    }
    return study.store.add({key: point[key] for key in distributions}, distributions, {ADDED: entry}, waiting=True)


def _repeat(study: SteeredStudy, trial: FrozenTrial, entry: dict[str, Any]) -> int:
    """The number of the new trial at the other one's point, which waits from now on."""
    study.let_go_on()
    distributions = {**study.proposals.grid_distributions, **trial.distributions}
    copied = trial.user_attrs.get(COPY_OF) if entry["by"] == "retry" else None  # it goes on from there again
    attributes = {ADDED: entry} if copied is None else {ADDED: entry, COPY_OF: copied}
    return study.store.add(trial_params(trial), distributions, attributes, waiting=True)


def _added(study: SteeredStudy) -> list[tuple[FrozenTrial, dict[str, Any]]]:
    """The trials that users have added, and how."""
    return [(trial, trial.user_attrs[ADDED]) for trial in study.store.trials() if ADDED in trial.user_attrs]


def _ranked(study: SteeredStudy, plan: SearchPlan, without: set[int]) -> list[FrozenTrial]:
    """The complete trials that keep their constraints, the best one first."""
    sign = -1 if plan.directions == ["maximize"] else 1
    complete = [trial for trial in study.store.trials() if trial.state.name == "COMPLETE"]
    kept = [trial for trial in complete if trial.number not in without and is_feasible(trial.constraints)]
    return sorted(kept, key=lambda trial: sign * trial.values[0])


def _seed(study: SteeredStudy) -> int:
    """The seed that the study's configuration has.

    Raises:
        SweepError: it has none, or the study sweeps over it.
    """
    key, space = study.settings.seed_key, study.proposals.plan.space
    if key in {axis.key.lstrip("+") for axis in space.axes}:
        raise SweepError(f"study {study.name!r} sweeps over {key} itself; `widen` or `add` gives it other seeds")
    value = space.config_values.get(key, OmegaConf.select(study.proposals.config, key))
    if type(value) is not int:
        raise SweepError(
            f"the configuration has no whole number {key}, so no trial can have another seed (hydra.sweeper.seed_key)"
        )
    return value
