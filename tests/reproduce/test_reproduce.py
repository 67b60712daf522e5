"""A run trained again from its record in MLflow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hwsweep.reproduce.__main__ import main
from hwsweep.reproduce.comparison import Difference, differences, environment_changes, report
from hwsweep.reproduce.retrain import NotReproducible, _device_here, train_again
from hwsweep.tracking import runs
from hwsweep.tracking.reading import LoggedRun, read_run

URI, ARTIFACTS = "sqlite:///mlruns/mlflow.db", "mlruns/artifacts"
TINY = [
    *("dataset.n_train=157", "dataset.n_valid=31", "dataset.n_test=37", "epochs=2", "vae.hidden=13", "vae.latent=3"),
    "analysis.features.n_steps=3",
]
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def environment_restored() -> Iterator[None]:
    """Remove the variables that set the number of threads: later tests would find them as the user's own."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def logged(metrics: dict[tuple[int, str], float], status: str = "FINISHED", **tags: str) -> LoggedRun:
    return LoggedRun("an id", "a run", status, tags, metrics, "digits abc")


def store() -> runs.Store:
    return runs.open_store(URI, ARTIFACTS)


def run_ids(experiment: str) -> list[str]:
    """Ids of the experiment's runs, newest first; without the study's own."""
    found = store().client().search_runs([store().experiment(experiment)], "tags.`hwsweep.role` != 'study'")
    return [run.info.run_id for run in found]


def reproduce(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hwsweep.reproduce", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=200)


def test_differences_come_by_epoch_and_leave_out_times_and_equal_numbers() -> None:
    nan = float("nan")
    before = logged({(1, "a"): 1.0, (1, "time/s"): 5.0, (2, "a"): 0.5, (2, "b"): nan, (3, "c"): 0.0, (3, "d"): 7.0})
    after = logged({(1, "a"): 1.0, (1, "time/s"): 6.0, (2, "a"): 0.25, (2, "b"): nan, (3, "c"): 1.0})
    found = differences(before, after)
    assert found == [Difference(2, "a", 0.5, 0.25), Difference(3, "c", 0.0, 1.0), Difference(3, "d", 7.0, None)]
    assert str(found[0]) == "a at epoch 2 was 0.5, is now 0.25 (by -0.25, relative 0.5)"
    assert str(found[1]) == "c at epoch 3 was 0.0, is now 1.0 (by 1)"
    assert str(found[2]) == "d at epoch 3 was 7.0, is not measured now"


def test_one_bit_is_a_difference() -> None:
    assert len(differences(logged({(1, "a"): 0.1 + 0.2}), logged({(1, "a"): 0.3}))) == 1


def test_what_the_run_was_trained_with_is_compared_and_its_command_is_not() -> None:
    before = logged({}, **{"version.torch": "2.6", "hwsweep.threads": "1", "hwsweep.command": "a"})
    after = logged({}, **{"version.torch": "2.7", "hwsweep.threads": "1", "hwsweep.command": "b"})
    assert environment_changes(before, after) == ["version.torch was 2.6, is now 2.7"]
    assert environment_changes(before, before._replace(data="digits def")) == ["data was digits abc, is now digits def"]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (logged({(1, "a"): 1.0}, status="RUNNING"), "is still running"),
        (
            logged({}, status="FAILED", **{"hwsweep.failure": "Diverged: nan"}),
            "no epoch to compare with: Diverged: nan",
        ),
        (logged({}, status="KILLED"), "no epoch to compare with: it ended KILLED"),
    ],
)
def test_a_run_that_cannot_be_compared_is_refused_before_any_work(
    workplace: Path, run: LoggedRun, message: str
) -> None:
    with pytest.raises(NotReproducible, match=message):
        train_again(run, store(), URI)
    assert not (workplace / "outputs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0" * 32], "there is no run"),
        (["--best", "nothing"], "holds no study"),
        (["--uri", "sqlite:///no.db", "x"], "no file"),
    ],
)
def test_what_is_not_there_is_one_message_and_exit_code_2(
    workplace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_single_run_and_a_resumed_one_are_bit_identical(workplace: Path, hwsweep: Call) -> None:
    assert hwsweep(*TINY, "epochs=1", "hydra.run.dir=half", OMP_NUM_THREADS="2").returncode == 0
    assert hwsweep(*TINY, "resume=half", OMP_NUM_THREADS="2").returncode == 0
    for run in run_ids("hwsweep"):
        done = reproduce(run, OMP_NUM_THREADS="1")
        assert (done.returncode, done.stderr) == (0, "")
        assert "bit-identical" in done.stdout
        assert "hwsweep.threads was" not in done.stdout, "the number of threads is part of what is made again"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_best_trial_of_a_sweep_is_found_and_bit_identical(workplace: Path, hwsweep: Call) -> None:
    assert hwsweep("-m", "vae.lambda=1,100", "hydra.sweeper.study_name=two", *TINY).returncode == 0
    done = reproduce("--best", "two")
    assert (done.returncode, done.stderr) == (0, "")
    assert "bit-identical" in done.stdout
    client = store().client()
    value = {run: min(m.value for m in client.get_metric_history(run, "valid/neg_elbo")) for run in run_ids("two")}
    (twin,) = run_ids("hwsweep")
    assert read_run(store(), twin).tags["hwsweep.reproduces"] == min(value, key=lambda run: value[run])


@pytest.mark.slow
def test_a_run_whose_config_was_another_is_different_by_name_and_amount(workplace: Path, hwsweep: Call) -> None:
    hwsweep(*TINY)
    (run,) = run_ids("hwsweep")
    config = next(workplace.glob("mlruns/artifacts/*/*/artifacts/config.yaml"))
    config.write_text(config.read_text().replace("seed: 0", "seed: 1"))
    done = reproduce(run)
    assert done.returncode == 1, done.stderr
    # the first of epoch 1 in alphabetical order, with both values
    assert "different: train/distortion at epoch 1 was " in done.stdout
    assert "  data was tibetan_strokes " in done.stdout


@pytest.mark.slow
def test_a_run_that_broke_off_is_compared_up_to_its_last_epoch(workplace: Path, hwsweep: Call) -> None:
    assert hwsweep(*TINY).returncode == 0
    (run,) = run_ids("hwsweep")
    # as a run that broke off after its first epoch: nothing else of it was logged
    before = read_run(store(), run)
    before = before._replace(status="KILLED", metrics={k: v for k, v in before.metrics.items() if k[0] == 1})
    assert differences(before, train_again(before, store(), URI)) == []


@pytest.mark.parametrize(
    ("again", "code", "result"),
    [
        (
            {(1, "valid/loss"): 100.3, (2, "valid/loss"): 90.1},
            0,
            "near: valid/loss differs by at most 0.3 nats (epoch 1 of 2)",
        ),
        (
            {(1, "valid/loss"): 100.0, (2, "valid/loss"): 91.0},
            1,
            "different: valid/loss differs by at most 1 nats (epoch 2 of 2)",
        ),
        ({(1, "valid/loss"): 100.0}, 1, "different: valid/loss is no number in epoch 2 of 2"),
    ],
)
def test_a_run_of_another_device_is_compared_within_a_tolerance(
    workplace: Path, capsys: pytest.CaptureFixture[str], again: dict[tuple[int, str], float], code: int, result: str
) -> None:
    before = logged(
        {(1, "valid/loss"): 100.0, (2, "valid/loss"): 90.0, (2, "test/loss"): 5.0}, **{"hwsweep.device": "cuda:1"}
    )
    assert report(before, logged(again, **{"hwsweep.device": "cpu"}), store()) == code
    printed = capsys.readouterr().out
    assert "trained with device=cuda, again with device=cpu" in printed and result in printed
    assert "hwsweep.device was cuda:1, is now cpu" in printed


def test_a_trial_of_a_stack_is_compared_as_one_whose_sums_had_another_order(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = logged({(1, "valid/loss"): 100.0}, **{"hwsweep.device": "trainer"})
    assert report(before, logged({(1, "valid/loss"): 100.00005}, **{"hwsweep.device": "cpu"}), store()) == 0
    printed = capsys.readouterr().out
    assert "trained where trials may train as one, again alone: sums may be added up in another order" in printed
    assert "near: valid/loss differs by at most 5e-05 nats" in printed and "device=" not in printed


def test_a_run_of_a_gpu_is_trained_again_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert _device_here("cuda:77") == "auto" and _device_here("cpu") == "cpu"
    assert re.search(
        r"`device=cuda:77` is not on this machine, which has [\w, :]+: training with", capsys.readouterr().out
    )
