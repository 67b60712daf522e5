"""What the page says of a study whose trials pause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from optuna.trial import TrialState, create_trial
from planted_studies import study, trial

from hwsweep.report.search.rungs import sentences
from hwsweep.report.tables import trials_table
from hwsweep.report.write import results
from hwsweep.sweep.study.view import StudyView


def paused_study(folder: Path, state: str) -> StudyView:
    """Four trials: two stay at step 1, one goes on to step 2, one to the end; `state` is that of the paused ones."""
    rows: list[tuple[list[float], dict[str, int]]] = [
        ([5.0], {"paused": 1}),
        ([3.0, 2.5], {"promoted": 1, "paused": 2}),
        ([4.0], {"paused": 1}),
        ([2.0, 1.5, 1.25, 1.0], {"promoted": 2}),
    ]
    trials = []
    for number, (values, attributes) in enumerate(rows):
        reported = dict(enumerate(values, start=1))
        record = create_trial(state=TrialState.WAITING, user_attrs=attributes, intermediate_values=reported)
        fields: dict[str, Any] = {"reported": reported, "record": record}
        if number < 3:
            fields |= {"state": state, "values": []}
        trials.append(trial(folder, number, number, **fields))
    view = study(folder, *trials)
    view.config.hydra.sweeper = OmegaConf.create({"pruner": {"_target_": "hwsweep.sweep.search.promotion.Promotion"}})
    return view


def test_the_page_says_how_many_trials_went_on_from_each_rung_and_with_which_values(tmp_path: Path) -> None:
    first = "The pruner is Promotion: it compares trials at rungs by the value that they report there."
    rungs = [
        "Step 1: 4 trials reached it, 2 went on (2 to 3), 2 stayed (4 to 5).",
        "Step 2: 2 trials reached it, 1 went on (1.5), 1 stayed (2.5).",
    ]
    ended = paused_study(tmp_path / "ended", "pruned")
    assert sentences(ended) == [first, *rungs, "Trials that had paused when nothing was left to run were pruned."]
    open_view = paused_study(tmp_path / "open", "paused")
    assert sentences(open_view) == [first, *rungs, "3 trials may still be promoted when the sweep goes on."]
    table = trials_table(ended)
    place = table.columns.index("rung")
    assert [row[place].text for row in table.rows] == ["paused at 1", "paused at 2", "paused at 1", "passed 2"]
    _, rows = results(ended)
    assert [(row["paused at step"], row["promoted at step"]) for row in rows] == [
        (1, None),
        (2, 1),
        (1, None),
        (None, 2),
    ]


def at_step_1(folder: Path, *values: float) -> list[str]:
    """What is said of a study whose trials paused at step 1 with these values."""
    view = paused_study(folder, "pruned")
    first = view.trials[0]
    return sentences(view._replace(trials=[first._replace(reported={1: value}) for value in values]))


def test_the_page_says_that_most_trials_have_one_value_at_a_rung(tmp_path: Path) -> None:
    tied = at_step_1(tmp_path / "tied", 0.75, 0.5, 0.75, 0.75)
    assert tied[1].startswith("Step 1: 4 trials reached it,")
    assert tied[2] == "3 of them have the same value there (0.75), which does not tell which of them is better."
    for number, values in enumerate([(0.75, 0.5, 0.75, 0.25), (0.75,)]):  # no more than half; no other trial
        assert not any("same value" in line for line in at_step_1(tmp_path / str(number), *values))


def test_a_study_without_rungs_has_no_such_section(tmp_path: Path) -> None:
    view = study(tmp_path, trial(tmp_path, 0, 1))
    assert sentences(view) == [] and "paused at step" not in results(view)[0]
