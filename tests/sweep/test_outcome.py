from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from hwsweep.run_folder import read_result
from hwsweep.sweep.outcome import Failure, Outcome, from_call, from_error, from_value, read_outcome, write_outcome
from hwsweep.sweep.trial import TrialPruned


class Diverged(Exception):
    failure_reason = "diverged"


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@pytest.mark.parametrize(
    ("value", "n_objectives", "values"),
    [(3, 1, [3.0]), (True, 1, [1.0]), ((1, 2.5), 2, [1.0, 2.5]), ({"a": 1, "b": 2}, 2, [1.0, 2.0]), ([4], 1, [4.0])],
)
def test_numbers_are_the_outcome(value: Any, n_objectives: int, values: list[float]) -> None:
    assert from_value(value, n_objectives, 2.0) == Outcome("complete", values, None, 2.0)


@pytest.mark.parametrize(
    ("value", "n_objectives", "reason", "message"),
    [
        (float("nan"), 1, "diverged", "must be finite, but is nan"),
        ((1.0, float("inf")), 2, "diverged", "must be finite"),
        (None, 1, "error", "must be a number, but the task returned None"),
        ("many", 1, "error", "must be a number"),
        ((1, 2), 1, "error", "must return 1 objectives"),
        (10**400, 1, "diverged", "must be finite, but is 1000"),
        # Python refuses to print it, and so does pytest
        pytest.param(10**5000, 1, "diverged", "must be finite, but is a value of type int", id="huge"),
        (torch.arange(1000.0), 1, "error", "must be a number, but the task returned tensor(["),
        (list(range(1000)), 1, "error", "must return 1 objectives (see direction), but returned [0, 1,"),
        ("many\nlines", 1, "error", r"must be a number, but the task returned 'many\nlines'"),
    ],
)
def test_what_is_no_number_is_a_failure(value: Any, n_objectives: int, reason: str, message: str) -> None:
    failure = from_value(value, n_objectives, 2.0).failure
    assert failure is not None
    assert failure.reason == reason
    assert message in failure.message
    assert len(failure.message) < 200 and "\n" not in failure.message


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("no data", "no data"),
        ("no data\nin the folder", "no data in the folder"),
        (3, "the task called sys.exit(3)"),
        (None, "the task called sys.exit(None)"),
    ],
)
def test_a_task_that_ends_its_process_is_an_error_with_its_message(code: str | int | None, message: str) -> None:
    failure = from_call(lambda: sys.exit(code), 1).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("error", message)


def test_the_message_of_an_exception_is_one_bounded_line() -> None:
    failure = from_error(ValueError("x" * 10**6), 1.0).failure
    assert failure is not None
    assert failure.message.startswith("ValueError: xxx")
    assert len(failure.message) == 500


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("x"), "error"),
        (Diverged("loss is nan"), "diverged"),
        (MemoryError(), "out-of-memory"),
        (OutOfMemoryError("CUDA"), "out-of-memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out-of-memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), "out-of-memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "out-of-memory"),
    ],
)
def test_an_exception_tells_its_reason(error: Exception, reason: str) -> None:
    failure = from_error(error, 1.0).failure
    assert failure is not None
    assert failure.reason == reason


def test_the_reason_is_found_behind_an_exception_that_wraps_it() -> None:
    wrapped = RuntimeError("Error in call to target")
    wrapped.__cause__ = Diverged("loss is nan at epoch 3\nand more")
    failure = from_error(wrapped, 1.0).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("diverged", "Diverged: loss is nan at epoch 3")
    assert "Error in call to target" in failure.traceback


def test_an_allocation_that_torch_refuses_is_out_of_memory() -> None:
    """Only the message of torch's RuntimeError says so; this fails if torch changes it."""
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**50)  # 4 PiB: no machine addresses so much
    failure = from_error(refused.value, 1.0).failure
    assert failure is not None
    assert failure.reason == "out-of-memory"


def test_a_call_is_timed_and_its_value_or_its_error_is_the_outcome() -> None:
    def slow(value: float) -> float:
        time.sleep(0.05)
        return 1 / value

    def interrupt() -> None:
        raise KeyboardInterrupt

    returned, raised = from_call(lambda: slow(4.0), 1), from_call(lambda: slow(0.0), 1)
    assert (returned.state, returned.values) == ("complete", [0.25])
    assert raised.failure is not None
    assert (raised.failure.reason, raised.failure.message) == ("error", "ZeroDivisionError: float division by zero")
    assert min(returned.seconds, raised.seconds) >= 0.05
    with pytest.raises(KeyboardInterrupt):  # the sweep stops the run: that is no outcome
        from_call(interrupt, 1)


def test_a_pruned_trial_is_no_failure() -> None:
    assert from_error(TrialPruned(), 1.0) == Outcome("pruned", [], None, 1.0)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("complete", [0.1, -2.0], None, 3.5),
        Outcome("failed", [], Failure("error", "ValueError: é", "Traceback\n..."), 0.0),
    ],
)
def test_an_outcome_is_read_back_as_it_was_written(tmp_path: Path, outcome: Outcome) -> None:
    assert read_outcome(tmp_path) is None
    before = time.time()
    write_outcome(tmp_path, outcome)
    read = read_outcome(tmp_path)
    assert read is not None and read._replace(end_time=None) == outcome
    assert read.end_time is not None and before <= read.end_time <= time.time()
    assert [path.name for path in tmp_path.iterdir()] == ["outcome.json"]


def test_a_result_that_is_absent_or_broken_counts_as_empty(tmp_path: Path) -> None:
    assert read_result(tmp_path) == {}
    (tmp_path / "result.json").write_text('{"run_id": ')
    assert read_result(tmp_path) == {}
    (tmp_path / "result.json").write_text('{"run_id": "a1"}')
    assert read_result(tmp_path) == {"run_id": "a1"}
