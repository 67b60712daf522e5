"""What the figures of a search are drawn from: its trials as a study of Optuna's, and a sample of a large search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from hwsweep.report.naming import short_name, subset
from hwsweep.report.trust.estimates import top_importances
from hwsweep.report.trust.importance import Importance
from hwsweep.report.trust.points import points_of
from hwsweep.sweep.study.optuna_study import optuna_study, pareto_front
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

MAX_POINTS = 2_000
"""Trials in a figure that shows each as a point."""
MAX_LINES = 300
"""Trials in a figure that shows each as a line, or in every panel of a matrix."""
MAX_GRID = 100
"""Trials in a contour plot: it has a grid with a row and a column for each, whose gaps the browser fills."""


class SearchData:
    """The trials of a view as Optuna's plots take them; the parameters have the page's short names."""

    def __init__(self, view: StudyView) -> None:
        self.view = view
        keys = dict.fromkeys(key for trial in view.trials for key in trial.params)
        counts = Counter(map(short_name, keys))
        self.names = {key: short_name(key) if counts[short_name(key)] == 1 else key for key in keys}
        """Swept key -> its name in the figures."""
        self.study = optuna_study(view, self.names)
        self.trials: list[FrozenTrial] = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        """The complete trials whose values are finite."""
        self.objectives = view.objective_names
        self.values = [[trial.values[index] for trial in self.trials] for index in range(len(view.directions))]
        """Per objective the values of these trials."""
        points = points_of(view)
        found = [] if points is None else top_importances(points)
        self.shares: dict[str, Importance] = {self.names[each.name]: each for each in found}
        """Importance (PED-ANOVA) of each parameter that is told from zero, the largest first."""
        choices: dict[str, set[str]] = {}
        for trial in self.trials:
            for name, value in trial.params.items():
                choices.setdefault(name, set()).add(str(value))
        varied = [name for name in choices if len(choices[name]) > 1]
        self.parameters = sorted(varied, key=lambda name: -self.shares[name].share if name in self.shares else 0.0)
        """The parameters that take several values, the most important one first."""

    @cached_property
    def front(self) -> list[TrialView]:
        """The trials such that no other is better in all objectives."""
        return pareto_front(self.view)

    @cached_property
    def points(self) -> Study:
        """The study with at most MAX_POINTS complete trials."""
        return self.sample(self._complete, MAX_POINTS)

    @cached_property
    def lines(self) -> Study:
        """The study with at most MAX_LINES complete trials."""
        return self.sample(self._complete, MAX_LINES)

    @cached_property
    def grid(self) -> Study:
        """The study with at most MAX_GRID complete trials."""
        return self.sample(self._complete, MAX_GRID)

    def sample(self, trials: list[TrialView], size: int) -> Study:
        """The study if there are at most `size` of these trials, else one in which only the best and an even sample
        of the others keep their parameters and values; each trial keeps its number."""
        if len(trials) <= size:
            return self.study
        best = self._best(trials, size)
        others = [trial for trial in trials if trial.number not in best]
        chosen = best | {trial.number for trial in subset(others, size - len(best))}
        kept = [trial if trial.number in chosen else _blank(trial) for trial in self.view.trials]
        return optuna_study(self.view._replace(trials=kept), self.names)

    @property
    def _complete(self) -> list[TrialView]:
        return [self.view.trials[trial.number] for trial in self.trials]

    def _best(self, trials: list[TrialView], size: int) -> set[int]:
        """Numbers of the best tenth of the sample and of the trials that were the best so far; or of the front."""
        if len(self.objectives) > 1:
            return {trial.number for trial in subset(self.front, size // 2)}
        sign = -1 if self.view.directions[0] == "maximize" else 1
        record, records = float("inf"), []
        for trial in trials:
            if trial.values and sign * trial.values[0] < record:
                record = sign * trial.values[0]
                records.append(trial)
        ranked = sorted((trial for trial in trials if trial.values), key=lambda trial: sign * trial.values[0])
        return {trial.number for trial in [*ranked[: size // 10], *subset(records, size // 4)]}


def sample_text(n_shown: int, n_trials: int) -> str:
    """A sentence that says how many of how many trials a figure shows; empty if all."""
    return f" Shown: the best and an even sample, {n_shown:,} of {n_trials:,} trials." if n_shown < n_trials else ""


def complete(study: Study) -> Sequence[FrozenTrial]:
    """The complete trials of a study by number."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def value(index: int) -> Callable[[FrozenTrial], float]:
    """A function that returns a trial's value of this objective."""
    return lambda trial: trial.values[index]


def _blank(trial: TrialView) -> TrialView:
    return trial._replace(state="waiting", values=[], reported={}, record=None)
