"""Short epochs share a call of MLflow, and none is lost."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from hwsweep.tracking import epoch_log
from hwsweep.tracking.epoch_log import EpochLog


def calls_of(
    times: list[float], monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None
) -> list[list[int]]:
    """The epochs of each call, where one epoch ends at each of these times; then the log ends, with this error."""
    calls: list[list[int]] = []
    run: Any = SimpleNamespace(log_epochs=lambda epochs: calls.append(list(epochs)))
    monkeypatch.setattr(epoch_log, "time", SimpleNamespace(monotonic=lambda: clock["now"]))
    clock: dict[str, float] = {"now": 0.0}
    try:
        with EpochLog(run) as log:
            for epoch, clock["now"] in enumerate(times, start=1):
                values: Mapping[str, float] = {"valid/loss": 1.0}
                log.add(epoch, values)
            if error is not None:
                raise error
    except KeyboardInterrupt:
        pass
    return calls


def test_an_epoch_a_second_or_more_after_the_last_call_is_logged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls_of([0.0, 5.0, 6.0], monkeypatch) == [[1], [2], [3]]


def test_epochs_of_the_same_second_share_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls_of([0.0, 0.1, 0.2, 1.1, 1.2, 1.3], monkeypatch) == [[1], [2, 3, 4], [5, 6]]


def test_an_interruption_loses_no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls_of([0.0, 0.1], monkeypatch, KeyboardInterrupt()) == [[1], [2]]
