"""Processes that join one study, each with its own output, some with their own machine name."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

from stub_sweeps import command

RENAME = "import os, socket\nsocket.gethostname = lambda: os.environ['MACHINE']\n"


def start(folder: Path, name: str, arguments: list[str], machine: str | None = None) -> subprocess.Popen[bytes]:
    """Start the stub application's sweep in this folder; it sees `machine` as the name of its machine."""
    return begin(command(*arguments), folder, name, machine)


def begin(asked: list[str], folder: Path, name: str, machine: str | None) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    if machine is not None:
        (folder / "renamed").mkdir(exist_ok=True)
        (folder / "renamed" / "sitecustomize.py").write_text(RENAME)
        environment |= {"MACHINE": machine, "PYTHONPATH": str(folder / "renamed")}
    with (folder / f"{name}.out").open("wb") as out, (folder / f"{name}.err").open("wb") as err:
        return subprocess.Popen(asked, cwd=folder, stdout=out, stderr=err, env=environment)


def running_trial(sweep: subprocess.Popen[bytes], folder: Path, name: str) -> int:
    """The number of a trial that this sweep is running; waits for one up to 100 s."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        told = [line for line in (folder / f"{name}.out").read_text().splitlines() if line.startswith("trial ")]
        if told and not told[-1].endswith(" s)"):  # begun, and not ended
            number = int(told[-1].split()[1].rstrip(":"))
            if "x is" in log(folder, number):
                return number
        assert sweep.poll() is None, (folder / f"{name}.err").read_text()
        time.sleep(0.01)
    raise AssertionError("no trial began in 100 s")


def log(folder: Path, number: int) -> str:
    paths = list(folder.glob(f"outputs/*/{number}/output.log"))
    return paths[0].read_text() if paths else ""


def runs_in(study: Path) -> dict[int, int]:
    """How many times each trial started, counted from the output of its program."""
    logs = study.glob("*/output.log")
    return dict(Counter({int(path.parent.name): path.read_text().count("x is") for path in logs}))
