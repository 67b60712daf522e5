"""hydra/launcher=hwsweep, for programs with another sweeper than ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize
from stub_sweeps import APP

from hwsweep.sweep import SweepError
from hwsweep.sweep.execution.choice import executor_kind

SCRIPT = Path(__file__).with_name("launch_jobs.py")


def launch(folder: Path, overrides: list[str], *jobs: str) -> list[dict[str, Any]]:
    """What the launcher returned for each job."""
    request = json.dumps([["hydra.sweep.dir=swept", *overrides], [[job] for job in jobs]])
    done = subprocess.run(
        [sys.executable, str(SCRIPT), request], cwd=folder, check=True, capture_output=True, text=True, timeout=120
    )
    returned: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return returned


def test_a_job_that_fails_in_any_way_loses_no_other(tmp_path: Path) -> None:
    jobs = ["how=hang", "how=raise", "how=odd", "how=exit", "xx=1", "x=4"]
    returned = launch(tmp_path, ["hydra.launcher.n_jobs=3", "hydra.launcher.timeout=4"], *jobs)
    assert [job["overrides"] for job in returned] == [[job] for job in jobs]
    assert [job["status"] for job in returned] == ["FAILED"] * 5 + ["COMPLETED"]
    hung, raised, odd, gone, misspelt, well = (job["value"] for job in returned)
    assert hung == "job 7: not done after 4 s"
    assert raised == "no such luck"
    assert odd.endswith("Odd: left and right")  # Hydra 1.4 says before it that it was "Remote"
    assert gone == "job 10: the process ended with exit code 1 and no result"
    assert "Could not override 'xx'" in misspelt
    assert well == "9"  # (4 - 1)^2
    assert (tmp_path / "swept" / "12" / ".hydra" / "config.yaml").exists()  # where Hydra puts job 7 + 5


@pytest.mark.slow
def test_each_slot_has_its_device_and_its_share_of_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    slots = ["hydra.launcher.n_jobs=2", "hydra.launcher.gpus_per_job=1", "seconds=1"]
    returned = launch(tmp_path, slots, "how=device", "how=device", "how=threads")
    assert {job["value"] for job in returned[:2]} == {"4", "7"}
    assert returned[2]["value"] == str(max(1, len(os.sched_getaffinity(0)) // 2))


@pytest.mark.slow
def test_hydras_own_sweeper_runs_all_jobs_and_then_reports_the_failure(tmp_path: Path) -> None:
    arguments = ["-m", "hydra/sweeper=basic", "hydra/launcher=hwsweep", "hydra.sweep.dir=swept", "how=exit,well"]
    done = subprocess.run(
        [sys.executable, str(APP), *arguments], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "job 0: the process ended with exit code 1 and no result" in done.stderr
    assert "x is 1" in done.stdout  # what jobs print goes where the program's own output goes
    assert (tmp_path / "swept" / "1" / ".hydra" / "config.yaml").exists()


@pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4
def test_with_our_own_sweeper_it_means_our_own_processes() -> None:
    with initialize(version_base="1.3", config_path="stub_conf"):
        ours = compose("config", ["hydra/launcher=hwsweep"], return_hydra_config=True)
        with_settings = compose(
            "config", ["hydra/launcher=hwsweep", "hydra.launcher.n_jobs=2"], return_hydra_config=True
        )
        basic = compose("config", ["hydra/launcher=basic"], return_hydra_config=True)
        default = compose("config", return_hydra_config=True)
    assert [executor_kind(config) for config in (ours, basic, default)] == ["processes", "launcher", "processes"]
    with pytest.raises(SweepError, match=r"ignores hydra\.launcher\.n_jobs=2; see hydra\.sweeper\.n_jobs"):
        executor_kind(with_settings)
