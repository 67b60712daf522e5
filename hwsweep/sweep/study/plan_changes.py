"""What a user changes of a stored study: whether trials start, how many, over which values, and which end early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hwsweep.sweep import SweepError
from hwsweep.sweep.ownership.locks import is_running
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.point_check import refusal_lines
from hwsweep.sweep.search.space import Point
from hwsweep.sweep.study.steering import SteeredStudy, trial_state, trials_text
from hwsweep.sweep.study.trial_attributes import HELD, N_TRIALS, NOTE, STOP, WIDENED
from hwsweep.sweep.trial import Value


def hold(study: SteeredStudy, held: bool) -> str:
    """Let no trial start any more, or again; a sentence."""
    with study.change():
        before = study.store.is_held()
        if before == held:
            return f"study {study.name!r} {'is paused already' if held else 'is not paused'}"
        study.store.set_study_attribute(HELD, held)
        running = [number for number in study.store.unfinished() if study.store.trial(number).state.name == "RUNNING"]
    if not held:
        return f"study {study.name!r} goes on; {study.what_next()}"
    runs = f"; {trials_text(running)} still {'run' if len(running) > 1 else 'runs'}" if running else ""
    return f"study {study.name!r} is paused: no trial starts{runs}"


def set_n_trials(study: SteeredStudy, n_trials: int) -> str:
    """Change the number of trials; a sentence.

    Raises:
        SweepError: the search does not have so many points.
    """
    with study.change() as plan:
        points = plan.all_points()
        if points is not None and n_trials > len(points):
            what = "grid" if plan.points is not None else "search"
            raise SweepError(f"n_trials={n_trials} cannot be: the {what} has {len(points)} points; `widen` adds values")
        before, counts = plan.total, study.store.counts()
        if n_trials == before:
            return f"study {study.name!r} has n_trials={n_trials} already"
        left = max(0, n_trials - (counts.proposed - counts.refused))
        if left:
            study.let_go_on()
        study.store.set_study_attribute(N_TRIALS, n_trials)
        added = f", and {counts.added} that {'were' if counts.added > 1 else 'was'} added" if counts.added else ""
    if not left:
        return f"n_trials={n_trials} instead of {before}{added}: no new trial begins"
    return f"n_trials={n_trials} instead of {before}{added}, {left} to begin; {study.what_next()}"


def stop(study: SteeredStudy, numbers: Sequence[int]) -> list[str]:
    """Let these trials end as pruned ones; a sentence for each.

    Raises:
        SweepError: there is no such trial, or it has ended; nothing is written then.
    """
    with study.change():
        for number in numbers:
            if (state := trial_state(study, number)) in ("complete", "pruned", "failed"):
                raise SweepError(f"trial {number} cannot be stopped: it is {state}")
        for number in numbers:
            study.store.set_attribute(number, STOP, True)
    is_on = is_running(study.directory)
    end = "the sweep that runs ends it" if is_on else "the next start of the sweep ends it"
    return [f"trial {number} stops: {end}" for number in numbers]


def set_note(study: SteeredStudy, text: str) -> str:
    """Store a note about the study; a sentence."""
    study.store.set_study_attribute(NOTE, text)
    return f"study {study.name!r} has the note {text!r}" if text else f"study {study.name!r} has no note any more"


def widen(study: SteeredStudy, values: Mapping[str, Sequence[Value]]) -> list[str]:
    """Add values to lists that are swept; sentences.

    Args:
        values: by swept key, as the study stores them.

    Raises:
        SweepError: an axis cannot take them, or no new point can be run; nothing is written then.
    """
    new = _new_points(study, values)
    for key, value in ((key, value) for key, listed in values.items() for value in listed):
        if (point := next((point for point in new if point.get(key) == value), None)) is not None:
            study.check_composition(study.proposals.plan.space.overrides(point))
    checker = study.checker(study.proposals.plan.widened([values]).space)
    refused = checker.refusals(new) if checker is not None else []
    with study.change() as plan:
        _new_points(study, values)  # somebody else may have widened the grid meanwhile
        study.let_go_on()
        earlier = study.store.study_attributes().get(WIDENED) or []
        study.store.set_study_attribute(WIDENED, [*earlier, {key: list(listed) for key, listed in values.items()}])
        total = study.proposals.update().total
    lists = ", ".join(f"{key}={','.join(map(str, listed))}" for key, listed in values.items())
    size = f"{len(new)} new point{'s' * (len(new) != 1)}, after the {len(plan.points or ())} of before"
    limit = (
        [f"n_trials={total} still holds; `n_trials` changes it"] if total < len(plan.points or ()) + len(new) else []
    )
    return [f"the grid has {lists}, too: {size}; {study.what_next()}", *limit, *refusal_lines(refused, new)]


def _new_points(study: SteeredStudy, values: Mapping[str, Sequence[Value]]) -> list[Point]:
    """The points that the grid would have in addition.

    Raises:
        SweepError: there is none, or an axis cannot take the values.
    """
    plan = study.proposals.update()
    _check_axes(plan, values)
    new = (plan.widened([values]).points or [])[len(plan.points or ()) :]
    if not new:
        raise SweepError("`exclude` leaves no new point")
    return new


def _check_axes(plan: SearchPlan, values: Mapping[str, Sequence[Value]]) -> None:
    """Check that each axis is a list which can take the values.

    Raises:
        SweepError: one is an interval or has a value already, or zipped keys do not get as many values.
    """
    if plan.points is None:
        raise SweepError("a sampler's space stays as it is: only the lists of a grid can be widened; see `add`")
    axes = {axis.key: axis for axis in plan.space.axes}
    for group in plan.space.zip:
        if (lengths := {len(values.get(key, ())) for key in group}) != {0} and len(lengths) > 1:
            raise SweepError(f"{', '.join(group)} advance together (zip); give each the same number of new values")
    dependent = {key for group in plan.space.zip for key in group[1:]}
    for key, listed in values.items():
        known = () if key in dependent else axes[key].values or ()
        if double := [value for value in listed if any(str(value) == str(old) or value == old for old in known)]:
            raise SweepError(f"{key} has {double[0]} already; its values are {', '.join(map(str, known))}")
        if len({str(value) for value in listed}) < len(listed) and key not in dependent:
            raise SweepError(f"{key} gets a value twice: {', '.join(map(str, listed))}")
