"""The processes that train the models of a sweep's jobs, one for each GPU, or one on the CPU."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwsweep.processes import TRAINER, end_with_parent, kill_tree
from hwsweep.sweep.execution.fork_server import folder_of_sockets
from hwsweep.sweep.execution.job_process import become_independent, redirect_output


class TrainerProcesses:
    """Each listens on a socket in a folder that only this user may enter."""

    def __init__(self, function: str, gpus: Sequence[str]) -> None:
        self.function = function
        self.folder = Path(folder_of_sockets(), f"hwsweep-{secrets.token_hex(4)}")
        self.devices = gpus or [""]
        self.processes: list[Any] = [None] * len(self.devices)

    def environment(self, slot: int) -> dict[str, str]:
        """What the job of this slot needs to find its trainer. The job itself sees no GPU."""
        return {TRAINER: str(self.folder / str(self.number(slot))), "CUDA_VISIBLE_DEVICES": ""}

    def number(self, slot: int) -> int:
        """Of the trainer of this slot's jobs."""
        return slot % len(self.devices)

    def start_missing(self, context: Any, output: Path) -> list[int]:
        """Start those that do not run; the numbers of those that had run before and have ended.

        Args:
            output: the file that gets what they print.
        """
        ended = []
        for number, device in enumerate(self.devices):
            process = self.processes[number]
            if process is not None and process.exitcode is None:
                continue
            if process is not None:
                ended.append(number)
                (self.folder / str(number)).unlink(missing_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=process is not None or any(self.processes))
            environment = {"CUDA_VISIBLE_DEVICES": device} if device else {}
            arguments = self.function, str(self.folder / str(number)), environment, output
            started = context.Process(target=_main, args=arguments, name=f"trainer {number}")
            started.start()  # an interruption in here leaves a process without a number: it ends with its parent
            self.processes[number] = started
        return ended

    def kill(self) -> None:
        for process in self.processes:
            if process is not None:
                kill_tree(process.pid)
                process.join()
        self.processes = [None] * len(self.devices)
        shutil.rmtree(self.folder, ignore_errors=True)


def _main(function: str, path: str, environment: dict[str, str], output: Path) -> None:
    """Train jobs with this function in this new process."""
    from hydra.utils import get_method

    redirect_output(output)
    become_independent()
    end_with_parent(lambda: shutil.rmtree(Path(path).parent, ignore_errors=True))
    os.environ.update(environment)
    get_method(function)(path)
