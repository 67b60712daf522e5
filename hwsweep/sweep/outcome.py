"""How a run ended: its values, or why it failed. The run's own process stores it, so that nothing else can lose it."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from hwsweep import files, run_folder
from hwsweep.sweep import disk

REASONS = ("diverged", "out-of-memory", "timeout", "invalid-config", "error", "killed")
NO_SPACE = "no-space"
"""The reason of a failure that is none of the trial: it waits until there is room on the disk."""
STATES = ("complete", "pruned", "failed")
INVALID = {"ConfigCompositionException", "MissingConfigException", "OmegaConfBaseException"}
OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "unable to allocate",
    "alloc_failed",
)
"""In the messages of torch's RuntimeErrors; without them a trial that lacks memory fails with reason "error".

torch has a class, OutOfMemoryError, for CUDA only. Its CPU allocator raises a plain RuntimeError. So do libraries of
CUDA that find no memory for themselves: CUBLAS_STATUS_ALLOC_FAILED.
"""


class Failure(NamedTuple):
    """Why a run failed."""

    reason: str
    """One of REASONS."""
    message: str
    """One line."""
    traceback: str


class Outcome(NamedTuple):
    """How a run ended."""

    state: Literal["complete", "pruned", "failed"]
    values: list[float]
    """One per objective if complete, else empty."""
    failure: Failure | None
    seconds: float
    end_time: float | None = None
    """When it was stored, in seconds since 1970."""
    constraints: Mapping[str, float] = MappingProxyType({})
    """The values that the program has set, by name; above 0 the run is infeasible."""


def from_call(function: Callable[[], Any], n_objectives: int) -> Outcome:
    """The outcome of a run that consists of this call: by the value that it returns, or the error that it raises."""
    start = time.monotonic()
    try:
        value = function()
    except (Exception, SystemExit) as error:
        return from_error(error, time.monotonic() - start)
    return from_value(value, n_objectives, time.monotonic() - start)


def from_failure(reason: str, message: str, seconds: float, trace: str = "") -> Outcome:
    """The outcome of a failed run."""
    return Outcome("failed", [], Failure(reason, one_line(message), trace), seconds)


def from_value(value: Any, n_objectives: int, seconds: float) -> Outcome:
    """The outcome of a run whose task function returned `value`: a number, or one per objective."""
    values = list(value.values()) if isinstance(value, Mapping) else value
    values = values if isinstance(values, (list, tuple)) else [values]
    try:
        numbers = [float(number) for number in values]
    except OverflowError:  # an integer beyond any float
        numbers = [math.inf] * len(values)
    except Exception:  # a tensor of several numbers, an object's own __float__
        message = f"the objective must be a number, but the task returned {shortened(value)}"
        return from_failure("error", message, seconds)
    if len(numbers) != n_objectives:
        message = f"the task must return {n_objectives} objectives (see direction), but returned {shortened(value)}"
        return from_failure("error", message, seconds)
    if not all(map(math.isfinite, numbers)):
        return from_failure("diverged", f"the objective must be finite, but is {shortened(value)}", seconds)
    return Outcome("complete", numbers, None, seconds)


def from_error(error: BaseException, seconds: float) -> Outcome:
    """The outcome of a run that raised this error: pruned, or failed for a reason that the error or its cause has.

    The disk comes first: a library may say that its database cannot be used because there is no space.
    """
    trace = "".join(traceback.format_exception(error))
    reason = "error"
    if (full := disk.full_error(error)) is not None:
        return from_failure(NO_SPACE, error_message(full), seconds, trace)
    for cause in disk.causes(error):
        if type(cause).__name__ == "TrialPruned":
            return Outcome("pruned", [], None, seconds)
        if (known := _failure_reason(cause)) is not None:
            reason, error = known, cause
            break
    message = exit_message(error) if isinstance(error, SystemExit) else error_message(error)
    return from_failure(reason, message, seconds, trace)


def exit_message(error: SystemExit) -> str:
    """What a task says that ends its process: sys.exit("no data")."""
    return error.code if isinstance(error.code, str) else f"the task called sys.exit({shortened(error.code)})"


def error_message(error: BaseException) -> str:
    """The class of the error and the first line of its text."""
    try:
        text = str(error)
    except Exception:  # the class is the program's own
        text = ""
    return ": ".join([type(error).__name__, *text.strip().splitlines()[:1]])


def shortened(value: object) -> str:
    """The value in one line of bounded length."""
    try:
        return one_line(repr(value), 100)
    except Exception:  # an integer of 5000 digits has no text
        return f"a value of type {type(value).__name__}"


def one_line(text: str, length: int = 500) -> str:
    """The text in one line of at most this length."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 3]}..."


def _failure_reason(error: BaseException) -> str | None:
    """One of REASONS for an error that names it (`failure_reason`) or whose class or message is known; else None."""
    reason = getattr(error, "failure_reason", None)
    if reason in REASONS:
        return str(reason)
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"MemoryError", "OutOfMemoryError"}:
        return "out-of-memory"
    if isinstance(error, RuntimeError) and any(text in str(error).lower() for text in OUT_OF_MEMORY):
        return "out-of-memory"
    return "invalid-config" if names & INVALID else None


def write_outcome(directory: Path, outcome: Outcome) -> None:
    """Store the outcome as `outcome.json` in the run's folder."""
    failure = outcome.failure and outcome.failure._asdict()
    fields = outcome._asdict() | {"failure": failure, "end_time": time.time(), "constraints": {**outcome.constraints}}
    files.write_json(directory / run_folder.OUTCOME, fields)


def read_outcome(directory: Path) -> Outcome | None:
    """The outcome stored in the run's folder; None while there is none, and where the file is damaged."""
    return _read(directory / run_folder.OUTCOME)


def set_pause_aside(directory: Path) -> None:
    """Rename the outcome of a run that was paused: it goes on, and will have another one."""
    stored = read_outcome(directory)
    if stored is not None and stored.state == "pruned":
        number = len(pauses(directory)) + 1
        (directory / run_folder.OUTCOME).replace(directory / run_folder.PAUSED_OUTCOME.replace("*", str(number)))


def pauses(directory: Path) -> list[Outcome]:
    """The outcomes of a run at the pauses after which it went on, the earliest first."""
    stored = [_read(path) for path in directory.glob(run_folder.PAUSED_OUTCOME)]
    return sorted((each for each in stored if each is not None), key=lambda each: each.end_time or 0.0)


def _read(path: Path) -> Outcome | None:
    fields = files.read_json_object(path)
    if fields is None:
        return None
    try:
        failure = fields["failure"]
        stored = Outcome(**{**fields, "failure": None if failure is None else Failure(**failure)})
        is_whole = stored.state in STATES and all(map(math.isfinite, [*stored.values, stored.seconds]))
    except (KeyError, TypeError):
        return None
    return stored if is_whole else None
