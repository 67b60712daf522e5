"""Trials on a local Ray cluster of two nodes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stub_sweeps import APP, command, trials

pytest.importorskip("ray", reason="the extra hwsweep[ray] is not installed", exc_type=ImportError)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]  # Ray's own

EPOCHS = Path(__file__).parents[1] / "epochs_app.py"
SECONDS = 200.0
"""A test that waits longer has failed; the machine may be busy."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node with a processor; tests add others. It ignores SIGINT, as if begun in the background."""
    from ray.cluster_utils import Cluster

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS", raising=False)  # the user's own number would stay
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    signal.signal(signal.SIGINT, before)
    yield cluster
    cluster.shutdown()


class Sweep:
    """A sweep in a process of its own, in a folder of its own."""

    def __init__(self, folder: Path, cluster: Any, *arguments: str, app: Path) -> None:
        self.study = folder / "outputs" / "kept"
        self.log = folder / "log"
        mine = ["hydra/launcher=hwsweep_ray", f"hydra.launcher.address='{cluster.address}'"]
        line = command(*arguments, *mine, "hydra.sweeper.study_name=kept", "hydra.sweeper.n_jobs=2", app=app)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(line, cwd=folder, stdout=log, stderr=log)

    def until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not happened():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def end(self) -> int:
        return self.process.wait(SECONDS)

    def says(self, number: int, text: str) -> bool:
        path = self.study / str(number) / "output.log"
        return path.exists() and text in path.read_text()


def test_thirty_trials_are_run_once_each_though_one_of_two_nodes_is_lost(tmp_path: Path, cluster: Any) -> None:
    node = cluster.add_node(num_cpus=1)
    numbers = ",".join(map(str, range(30)))
    seconds = ",".join(["0"] * 10 + ["8", "8"] + ["0"] * 18)
    sweep = Sweep(tmp_path, cluster, f"x={numbers}", f"seconds={seconds}", "hydra.sweeper.zip=[[x,seconds]]", app=APP)
    sweep.until(lambda: sweep.says(10, "x is") and sweep.says(11, "x is"))
    cluster.remove_node(node, allow_graceful=False)
    assert sweep.end() == 0, sweep.log.read_text()
    found = trials(sweep.study)
    assert [(t.params["x"], t.value) for t in found] == [(x, (x - 1) ** 2) for x in range(30)]
    assert {t.state.name for t in found} == {"COMPLETE"}
    begun = [(sweep.study / str(n) / "output.log").read_text().count("x is") for n in range(30)]
    assert sorted(begun[10:12]) == [1, 2], "one of the two was on the lost node"
    assert begun[:10] + begun[12:] == [1] * 28


def test_each_way_to_fail_is_named_as_it_is_here(tmp_path: Path, cluster: Any) -> None:
    ways = "how=well,raise,odd,exit,'killed once',memory,hang"
    limits = ["hydra.sweeper.timeout=8", "hydra.sweeper.max_failure_rate=1"]
    sweep = Sweep(tmp_path, cluster, ways, *limits, app=APP)
    assert sweep.end() == 0, sweep.log.read_text()
    reasons = [t.user_attrs.get("failure", {}).get("reason", t.state.name) for t in trials(sweep.study)]
    assert reasons == ["COMPLETE", "error", "error", "killed", "COMPLETE", "out-of-memory", "timeout"]


def test_a_pruner_gives_up_a_trial_that_runs_elsewhere(tmp_path: Path, cluster: Any) -> None:
    pruner = ["+hydra.sweeper.pruner._target_=optuna.pruners.ThresholdPruner", "+hydra.sweeper.pruner.upper=5"]
    sweep = Sweep(tmp_path, cluster, "x=4,6", "epochs=10", "seconds=0.4", *pruner, app=EPOCHS)
    assert sweep.end() == 0, sweep.log.read_text()
    good, bad = trials(sweep.study)
    assert (good.state.name, good.intermediate_values) == ("COMPLETE", {n: 4 / n for n in range(1, 11)})
    assert bad.state.name == "PRUNED"
    assert len(bad.intermediate_values) < 10


def test_a_paused_trial_that_is_promoted_goes_on_from_its_checkpoint(tmp_path: Path, cluster: Any) -> None:
    arguments = ["x=5,3,4", "epochs=9", "seconds=0.3", "hydra/sweeper/pruner=promotion"]
    sweep = Sweep(tmp_path, cluster, *arguments, app=EPOCHS)
    assert sweep.end() == 0, sweep.log.read_text()
    assert [t.state.name for t in trials(sweep.study)] == ["PRUNED", "COMPLETE", "PRUNED"], sweep.log.read_text()
    starts = [int(n) for n in re.findall(r"from epoch (\d+)", (sweep.study / "1" / "output.log").read_text())]
    assert starts[0] == 0 and len(starts) > 1 and starts == sorted(set(starts))  # it trained no epoch twice


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_same_command_goes_on_where_a_stopped_sweep_was(tmp_path: Path, cluster: Any, how: signal.Signals) -> None:
    arguments = ["x=1,2,3", "epochs=20", "seconds=0.4"]  # 8 s in which a busy machine must have stopped the first
    sweep = Sweep(tmp_path, cluster, *arguments, app=EPOCHS)
    sweep.until((sweep.study / "0" / "checkpoint").exists)
    os.kill(sweep.process.pid, how)
    assert sweep.end() == (130 if how == signal.SIGINT else -9)
    again = Sweep(tmp_path, cluster, *arguments, app=EPOCHS)
    assert again.end() == 0, again.log.read_text()
    assert [(t.params["x"], t.value, t.state.name) for t in trials(sweep.study)] == [
        (x, x, "COMPLETE") for x in (1, 2, 3)
    ]
    starts = re.findall(r"from epoch (\d+)", (sweep.study / "0" / "output.log").read_text())
    assert len(starts) == 2 and int(starts[1]) > 0


@pytest.mark.parametrize(("arguments", "threads"), [([], 1), (["hydra.launcher.environment=[OMP_*]"], 3)])
def test_a_trial_computes_with_its_cpus_and_gets_the_variables_that_conf_names(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], threads: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    sweep = Sweep(tmp_path, cluster, "how=threads", *arguments, app=APP)
    assert sweep.end() == 0, sweep.log.read_text()
    assert [t.value for t in trials(sweep.study)] == [threads]


@pytest.mark.parametrize(("on_the_node", "per_trial", "seen"), [(2, 1, {0, 1}), (1, 0.5, {0})])
def test_trials_share_the_devices_of_a_node_as_asked(
    tmp_path: Path, cluster: Any, on_the_node: int, per_trial: float, seen: set[int]
) -> None:
    node = cluster.add_node(num_cpus=2, num_gpus=on_the_node)
    share = f"hydra.sweeper.gpus_per_trial={per_trial}"
    sweep = Sweep(tmp_path, cluster, "x=1,2", "how=device", "seconds=5", share, app=APP)
    sweep.until(lambda: sweep.says(0, "x is") and sweep.says(1, "x is"))
    assert not any((sweep.study / str(n) / "outcome.json").exists() for n in range(2)), "both run at once"
    assert sweep.end() == 0, sweep.log.read_text()
    cluster.remove_node(node)
    assert {t.value for t in trials(sweep.study)} == seen


def test_a_cluster_that_is_not_there_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    line = command("x=1,2", "hydra/launcher=hwsweep_ray", "hydra.launcher.address=127.0.0.1:1", app=APP)
    ran = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS)
    assert ran.returncode == 1
    assert "no Ray cluster at hydra.launcher.address=127.0.0.1:1" in ran.stderr
    assert not list(tmp_path.glob("outputs/*"))
