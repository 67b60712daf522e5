"""The fork server: what it loads, and who may use it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from hydra import compose, initialize_config_dir

from hwsweep import conf_path


@pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4
def test_what_the_configuration_preloads_is_there() -> None:
    """The fork server passes over a module that it cannot import: each trial would do without, and be slower."""
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_path())):
        config = compose("config", return_hydra_config=True)
    assert len(config.hydra.sweeper.preload) > 0
    assert [name for name in config.hydra.sweeper.preload if find_spec(name) is None] == []


PROGRAM = """
import os, signal, sys
from hwsweep.sweep.execution.fork_server import start_server, worker_pool

if __name__ == "__main__":
    with worker_pool(2) as workers:
        print(workers)
    start_server(["json"], 1)
    with worker_pool(0) as workers:
        print(workers)
    with worker_pool(2) as workers:
        print(workers.submit(os.getpid).result(), flush=True)
        if "killed" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_come_from_the_fork_server_and_only_where_it_runs(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "program.py")]
    (temporary := tmp_path / ("t" * 90)).mkdir()  # too long for the path of a socket
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split()[:2] == ["None", "None"]
    assert not psutil.pid_exists(int(done.stdout.split()[2]))


def test_workers_end_with_a_program_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "program.py"), "killed"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    worker = int(done.stdout.split()[2])
    deadline = time.monotonic() + 10
    while psutil.pid_exists(worker):
        assert time.monotonic() < deadline, f"{worker} lives on"
        time.sleep(0.05)


HUNG_UP = """
import os, signal, time
from multiprocessing import resource_tracker
import psutil
from hwsweep.sweep.execution.fork_server import start_server

if __name__ == "__main__":
    start_server([], 1)
    tracker = psutil.Process(resource_tracker._resource_tracker._pid)
    tracker.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    print(tracker.status() != psutil.STATUS_ZOMBIE)
"""


def test_a_hang_up_leaves_the_tracker_of_multiprocessing_alone(tmp_path: Path) -> None:
    """A terminal sends it to all its processes; a new tracker begins with a warning beside our one line."""
    (tmp_path / "program.py").write_text(HUNG_UP, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "program.py")]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split() == ["True"]
