"""A study that this process works on: its settings, its folder, its trials."""

from __future__ import annotations

from typing import NamedTuple

from hwsweep.sweep.command.planning import seed_values
from hwsweep.sweep.command.settings import Settings
from hwsweep.sweep.ownership.ownership import Ownership
from hwsweep.sweep.proposals import Proposals
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.study.folder import StudyFolder
from hwsweep.sweep.study.trial_store import TrialStore
from hwsweep.sweep.study.view import Caller, StudyView, study_view


class OpenStudy(NamedTuple):
    """Everything that the queue, the runner and the display know of the study."""

    settings: Settings
    folder: StudyFolder
    proposals: Proposals
    ownership: Ownership
    caller: Caller

    @property
    def plan(self) -> SearchPlan:
        """The plan of the search."""
        return self.proposals.plan

    @property
    def store(self) -> TrialStore:
        """The trials in Optuna's storage."""
        return self.proposals.store

    @property
    def runs_per_trial(self) -> int:
        """1, or the number of seeds."""
        return len(seed_values(self.settings, 0)) or 1

    def view(self) -> StudyView:
        """The study as others see it now."""
        return study_view(self.store, self.plan, self.folder.path, self.proposals.config, self.caller)
