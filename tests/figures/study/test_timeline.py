"""The timeline of a search: slots, idle time and pauses, in cases worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from hwsweep.figures import drawing
from hwsweep.figures.study import timeline
from hwsweep.figures.study.timeline import Run, TimelineInfo


def info_of(times: Sequence[tuple[float, float]]) -> TimelineInfo:
    return timeline.info(Run(start, end, number, "complete") for number, (start, end) in enumerate(times))


def test_the_idle_share_is_what_slots_did_not_run() -> None:
    # slot 1: 0-4, 5-10; slot 2: 1-3, 3-7, where one starts exactly as the other ends
    info = info_of([(100, 104), (101, 103), (103, 107), (105, 110)])
    assert info.slot.tolist() == [0, 1, 1, 0]
    assert (info.start.tolist(), info.end.tolist()) == ([0, 1, 3, 5], [4, 3, 7, 10])
    assert info.idle == pytest.approx(1 - (4 + 2 + 4 + 5) / 20)
    assert timeline.summary(info) == "4 runs in 2 slots, 10 s, slots idle 25% of the time"


def test_a_night_between_two_sittings_is_no_idle_time() -> None:
    info = info_of([(0, 50), (0, 30), (4050, 4090), (4060, 4100)])
    assert info.pauses.tolist() == [[50, 4000]]
    assert (info.start.tolist(), info.end.tolist()) == ([0, 0, 50, 60], [30, 50, 90, 100])
    assert info.idle == pytest.approx(1 - (50 + 30 + 40 + 40) / 200)


def test_the_seeds_of_a_trial_are_bars_of_their_own() -> None:
    info = timeline.info([Run(0, 5, 0, "complete"), Run(0, 6, 0, "failed"), Run(5, 9, 1, "pruned")])
    assert (info.trial.tolist(), info.slot.tolist()) == ([0, 0, 1], [0, 1, 0])


def test_bars_have_the_colour_of_their_state(tmp_path: Path) -> None:
    runs = [Run(0, 5, 0, "complete"), Run(0, 6, 1, "failed"), Run(500, 509, 2, "pruned")]
    drawing.save(timeline, timeline.info(runs), tmp_path / "timeline.png")
    picture = Image.open(tmp_path / "timeline.png").convert("RGB")
    colours = {f"#{red:02X}{green:02X}{blue:02X}" for _, (red, green, blue) in picture.getcolors(1 << 20)}
    assert {drawing.BLUE, drawing.VERMILLION, drawing.ORANGE} <= colours
