"""Sweeps of a Python function: `hwsweep.sweep` in a script, on standard input and in a Hydra application's place."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from omegaconf import OmegaConf

import hwsweep
from hwsweep.sweep import SweepError
from hwsweep.sweep.search.axis import parse_axis
from hwsweep.sweep.search.python_space import base_config, override_lines
from hwsweep.sweep.search.space import python_values

DOCS = Path(__file__).resolve().parents[2] / "docs" / "python.md"
EXAMPLE = re.compile(r"^```python\n(import hwsweep\n\n\ndef .*?)^```$", re.MULTILINE | re.DOTALL)


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """The finished script of this text."""
    (folder / "own.py").write_text(script)
    command = [sys.executable, "own.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def entries(folder: Path) -> list[str]:
    """What lies in the folder beside the user's cache, which a library makes when it is loaded."""
    return sorted(path.name for path in folder.iterdir() if path.name != "cache")


def check_refusal(folder: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepError, match=message) as refused:
        hwsweep.sweep(**{"task": nothing, "space": {"x": [1]}, **arguments})
    assert "\n" not in str(refused.value) and not entries(folder)


def journal(folder: Path, study: str) -> list[dict[str, Any]]:
    """The records of the study's journal."""
    return [json.loads(line) for line in (folder / "outputs" / study / "journal.log").read_text().splitlines()]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3],
        [0.1, 1e-05, 2.0],
        [True, False],
        ["a", "1", "true", "null", "a,b", "it's", "", "x y", "[1]", "choice(1,2)"],
        [None, 1],
        [[1, 2], [3]],
        [{"a": 1}, {"a": 2}],
        [7],
    ],
)
def test_each_value_of_a_list_reaches_the_trial_as_it_was(values: list[Any]) -> None:
    (line,) = override_lines({"x": values})
    axis = parse_axis(OverridesParser.create().parse_override(line), random.Random(0), None)
    swept = [python_values({"x": value})["x"] for value in axis.values or ()]
    assert swept == values and list(map(type, swept)) == list(map(type, values))


@pytest.mark.parametrize("text", ["a", "1", "null", "a,b", "interval(0,1)", ""])
def test_a_text_is_one_value_and_not_read_as_on_the_command_line(text: str) -> None:
    override = OverridesParser.create().parse_override(override_lines({"x": text})[0])
    assert not override.is_sweep_override() and override.value() == text


def test_arrays_tuples_and_ranges_are_lists() -> None:
    array, pair, steps = override_lines({"a": np.array([0.5, 2]), "b": (np.int64(3), 4), "c": range(1, 8, 2)})
    parse = OverridesParser.create().parse_override
    assert parse(array).value().list == [0.5, 2.0] and parse(pair).value().list == [3, 4]
    assert list(parse(steps).value().range()) == [1, 3, 5, 7]


def test_an_interval_has_its_ends_scale_and_type() -> None:
    line, whole = override_lines(
        {"x": hwsweep.interval(1e-4, 1e-1, log=True), "n": hwsweep.interval(2, 9, integer=True)}
    )
    assert OverridesParser.create().parse_override(line).value() == IntervalSweep({"log"}, 1e-4, 1e-1)
    assert OverridesParser.create().parse_override(whole).value() == IntervalSweep(set(), 2, 9)
    assert isinstance(OverridesParser.create().parse_override(whole).value().start, int)


def test_a_dot_in_a_key_is_a_level() -> None:
    config = base_config({"optimizer.lr": [1, 2], "x": hwsweep.interval(0, 1)}, {"epochs": 3})
    assert OmegaConf.to_container(config) == {"epochs": 3, "optimizer": {"lr": 1}, "x": 0}


def nothing(point: dict[str, Any]) -> float:
    raise AssertionError("no trial may run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": {}}, "`space` must be a dictionary such as"),
        ({"space": [1, 2]}, "`space` must be a dictionary such as"),
        ({"space": {3: [1]}}, "a key of `space` must be a name such as x or optimizer.lr, but got 3"),
        ({"space": {"x y": [1]}}, "a key of `space` must be a name such as x or optimizer.lr, but got 'x y'"),
        ({"space": {"hydra.job.name": "a"}}, "is Hydra's own; give it in `overrides`"),
        ({"space": {"x": {"y": [1]}}}, "`space` must have no dictionary for x; write its keys as x.NAME"),
        ({"space": {"x": []}}, r"`space` must have at least one value for x, but got \[\]"),
        ({"space": {"x": range(3, 3)}}, r"`space` must have at least one value for x, but got range\(3, 3\)"),
        ({"space": {"x": [print]}}, "the values of x must be texts, numbers, .*but got <built-in function print>, so"),
        ({"space": {"x": {1, 2}}}, "the values of x must be texts, numbers"),
        ({"space": {"x": hwsweep.interval(0, float("nan"))}}, "`high` of the interval of `x` must be a finite number"),
        ({"space": {"x": hwsweep.interval("a", 1)}}, "`low` of the interval of `x` must be a finite number"),  # type: ignore[arg-type]
        ({"task": 3}, "`task` must be a function of a dictionary, but got 3"),
        ({"task": lambda: 1}, "`task` must be a function of one argument, a dictionary: too many positional"),
        ({"overrides": "a=b"}, "`overrides` must be a list of texts, but got one text, 'a=b'"),
        ({"config": 3}, "`config` must be a dictionary, or a YAML file, but got 3"),
        ({"config": "none.yaml"}, "`config` must be a dictionary, or a YAML file that is there, but got 'none.yaml'"),
        ({"config": {"a": print}}, "the values of a must be texts"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    check_refusal(tmp_path, arguments, message)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": {"x": hwsweep.interval(0, 1)}}, "the sweep over x has no end; set the number of trials"),
        ({"space": {"x": hwsweep.interval(1, 0)}}, "an interval must have finite ends and begin before it ends"),
        ({"n_trials": "many"}, "`hydra.sweeper.n_trials` must be a whole number"),
        ({"direction": "best"}, "`hydra.sweeper.direction` must be minimize or maximize"),
        ({"study": "a/b"}, "`hydra.sweeper.study_name` must be the name of a folder"),
        ({"overrides": ["hydra.sweeper.timeot=3"]}, "timeot"),
        ({"overrides": ["hydra/sweeper/sampler=none"]}, "none"),
        ({"config": OmegaConf.create({"lr": 1})}, "Could not override 'x'"),
    ],
)
def test_a_setting_is_refused_as_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    check_refusal(tmp_path, arguments, message)


def test_a_script_without_a_guard_gets_a_message_and_no_process(tmp_path: Path) -> None:
    done = run(tmp_path, "import hwsweep\nhwsweep.sweep(lambda point: point['x'], {'x': [1, 2]})\n")
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == (
        "hwsweep.sweep.SweepError: each trial runs the script again, so a sweep must stand under "
        f'`if __name__ == "__main__":`, but {tmp_path}/own.py, line 2 does not; put it there, and the functions of the '
        "task above"
    )
    assert entries(tmp_path) == ["own.py"]


@pytest.mark.slow
def test_the_example_of_the_documentation_finds_what_gradient_descent_does(tmp_path: Path) -> None:
    (example,) = EXAMPLE.findall(DOCS.read_text(encoding="utf-8"))
    done = run(tmp_path, example)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"own.py", "outputs"}
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["descent"]
    study = hwsweep.load_study(tmp_path / "outputs" / "descent")
    table = study.trials
    assert isinstance(table, pd.DataFrame) and table.state.tolist() == ["complete"] * 12
    np.testing.assert_allclose(table.value, 9 * (1 - 2 * table.lr) ** (2 * table.steps), rtol=1e-6, atol=1e-12)
    assert set(table.steps) == {5, 10} and table.lr.between(1e-3, 1).all()
    assert study.best.values == [table.value.min()]
    assert (study.directory / "report.html").exists() and set(table.command) == {""}
    longer = 9 * (1 - 2 * study.best.params["lr"]) ** 200  # type: ignore[operator]
    assert float(done.stdout.split()[-1]) == pytest.approx(longer, rel=1e-6, abs=1e-12)


SLOW = """
import sys, time
import hwsweep

def task(point):
    time.sleep(0 if point["x"] == 1 else 0.5)
    return point["x"]

if __name__ == "__main__":
    try:
        print(hwsweep.sweep(task, {"x": [1, 2, 3]}, study="night").trials.value.tolist())
    except KeyboardInterrupt as error:
        print(error)
        sys.exit(7)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_same_call_goes_on_where_an_earlier_one_was_stopped(tmp_path: Path, number: int) -> None:
    (tmp_path / "own.py").write_text(SLOW)
    with subprocess.Popen([sys.executable, "own.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "outputs" / "night" / "1").exists():
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(number)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == (7 if number == signal.SIGINT else -number)
    if number == signal.SIGINT:
        line = "interrupted; the same command goes on where it stopped: "
        assert output.splitlines()[-1].startswith(line) and output.endswith("own.py\n")
    done = run(tmp_path, SLOW)
    assert done.stdout.splitlines()[-1] == "[1.0, 2.0, 3.0]", done.stderr
    created = [record for record in journal(tmp_path, "night") if record["op_code"] == 4]  # Optuna's CREATE_TRIAL
    assert len(created) == 3


@pytest.mark.slow
def test_code_without_a_file_may_hold_what_cannot_be_pickled_beside_the_task(tmp_path: Path) -> None:
    code = (
        "import threading, hwsweep\n"
        "lock = threading.Lock()\n"
        "def other():\n"
        "    return lock\n"
        "OFFSET = 2\n"
        "def square(x):\n"
        "    return (x - OFFSET) ** 2\n"
        "study = hwsweep.sweep(lambda point: square(point['x']), {'x': [1, 2, 3]}, study='cells')\n"
        "OFFSET = 3\n"
        "again = hwsweep.sweep(lambda point: square(point['x']), {'x': [1, 2, 3]}, study='more')\n"
        "print(study.trials.value.tolist(), again.trials.value.tolist())\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines()[-1:] == ["[1.0, 0.0, 1.0] [4.0, 1.0, 0.0]"], done.stderr
    record = json.loads((tmp_path / "outputs" / "cells" / "study.json").read_text())
    assert record["argv"] == record["program"] == []


@pytest.mark.slow
def test_a_hydra_configuration_with_its_groups_is_swept_and_given_to_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "shape").mkdir(parents=True)
    (tmp_path / "conf" / "config.yaml").write_text("defaults: [{shape: round}, _self_]\nx: 3\nlr: ${x}\n")
    (tmp_path / "conf" / "shape" / "round.yaml").write_text("size: 5\n")
    (tmp_path / "conf" / "shape" / "square.yaml").write_text("size: 7\n")
    space = {"shape": ["round", "square"], "x": range(1, 3)}
    config = tmp_path / "conf" / "config.yaml"
    study = hwsweep.sweep(lambda cfg: 10 * cfg.shape.size + cfg.lr, space, config=config, direction="maximize")
    assert study.trials["value"].tolist() == [51, 52, 71, 72]
    assert study.best.params == {"shape": "square", "x": 2}


@pytest.mark.slow
def test_too_many_failures_and_another_task_under_the_same_name_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SweepError, match="given up: 2 of 3 trials failed, max_failure_rate="):
        hwsweep.sweep(lambda point: 1 / point["x"], {"x": [0, 0.0, 1]}, study="night")
    assert hwsweep.load_study("night").trials.reason.tolist() == ["error", "error"]

    def another(point: dict[str, Any]) -> float:
        return 0.0

    with pytest.raises(SweepError, match=r"(?s)was begun with another configuration:.*task: .*<lambda> -> .*another"):
        hwsweep.sweep(another, {"x": [0, 0.0, 1]}, study="night")


PROMOTED = """
import hwsweep
from hwsweep.sweep.trial import TrialPruned, current_trial

def task(point):
    trial = current_trial()
    checkpoint = trial.folder / "epochs"
    done = len(checkpoint.read_text()) if checkpoint.exists() else 0
    for epoch in range(1, point["epochs"] + 1):
        if epoch > done:
            with checkpoint.open("a") as file:
                file.write(".")
        trial.report(point["x"], epoch)
        if trial.should_prune():
            raise TrialPruned
    return point["x"]

if __name__ == "__main__":
    overrides = ["hydra/sweeper/pruner=promotion"]
    study = hwsweep.sweep(task, {"x": [4, 3, 2, 1]}, config={"epochs": 5}, study="climb", overrides=overrides)
    print([len((study.trial(n).runs[0].directory / "epochs").read_text()) for n in range(4)])
"""


@pytest.mark.slow
def test_a_task_with_a_checkpoint_trains_each_epoch_once_under_promotion(tmp_path: Path) -> None:
    """By hand (Li et al. 2020), rungs 1 and 3, eta 3, one slot, values 4, 3, 2, 1 in turn.

    Rung 1: 4 and 3 pause; 2 is the best third of three and goes on, 1 that of four. Rung 3: neither is one of a third
    of two, so both pause; once no trial is left, the best goes on.
    """
    done = run(tmp_path, PROMOTED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[1, 1, 3, 5]"
    assert hwsweep.load_study(tmp_path / "outputs" / "climb").best.params == {"x": 1}


@pytest.mark.slow
def test_a_user_steers_the_sweep_of_a_function_from_a_shell(tmp_path: Path) -> None:
    script = """
        import hwsweep

        def task(point):
            return 10 / point["x"]

        if __name__ == "__main__":
            hwsweep.sweep(task, space={"x": [0, 2]}, study="night")
        """
    assert run(tmp_path, textwrap.dedent(script)).returncode == 0
    for words in (["widen", "x=4"], ["retry", "0"], ["note", "a half"]):
        command = [sys.executable, "-m", "hwsweep.study", "night", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    again = run(tmp_path, textwrap.dedent(script))
    assert again.returncode == 0, again.stderr
    trials = hwsweep.load_study(tmp_path / "outputs" / "night").trials
    # 10 / 0 fails again; what is retried gets its number at once, a further point of the grid when it begins
    assert [*zip(trials["x"], trials["state"], strict=True)] == [
        *((0, "failed"), (2, "complete"), (0, "failed"), (4, "complete"))
    ]
    assert trials["value"][3] == 2.5
