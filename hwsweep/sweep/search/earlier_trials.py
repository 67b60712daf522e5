"""Trials of another study as a sampler of this one sees them: as trials before its first."""

from __future__ import annotations

import copy
import math
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hwsweep.sweep import SweepError
from hwsweep.sweep.search.given_point import given_point
from hwsweep.sweep.search.sampling import distribution
from hwsweep.sweep.search.space import Space

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, TrialState


def earlier_trial(space: Space, trial: FrozenTrial, values: Mapping[str, Any]) -> FrozenTrial | None:
    """The other study's trial at its point in this space; None if the space does not have the point.

    Args:
        values: what it has of this space's keys, as Python values.
    """
    from optuna.trial import create_trial

    try:
        point = given_point(space, values)
    except SweepError:
        return None
    numbers = [*(trial.values or ()), *trial.intermediate_values.values()]
    if not point or not all(map(math.isfinite, numbers)):
        return None
    axes = {axis.key: axis for axis in space.axes}
    return create_trial(
        state=trial.state,
        values=trial.values,
        params=point,
        distributions={key: distribution(axes[key]) for key in point},
        intermediate_values=trial.intermediate_values,
        constraints=trial.constraints,
    )


class WithEarlierTrials:
    """The storage of a study that shows trials of another study before its own; all else is as stored.

    Args:
        earlier: they get negative numbers, so that samplers take them for older than all others.
    """

    def __init__(self, storage: Any, earlier: Sequence[FrozenTrial]) -> None:
        self.storage = storage
        self.earlier = [copy.copy(trial) for trial in earlier]
        for number, trial in enumerate(self.earlier, -len(earlier)):
            trial.number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The earlier trials, and those of the study, by number."""
        earlier = [trial for trial in self.earlier if states is None or trial.state in states]
        return [
            *(copy.deepcopy(earlier) if deepcopy else earlier),
            *self.storage.get_all_trials(study_id, deepcopy, states),
        ]
