"""What a run is made with: versions, commit, command, processor."""

from __future__ import annotations

import functools
import getpass
import platform
import shlex
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    *("hwsweep", "torch", "torchvision", "torchtext", "spacy", "nltk", "numpy"),
    *("hydra-core", "omegaconf", "optuna", "mlflow"),
)
PROGRAM = "python -m hwsweep"


def environment() -> dict[str, str]:
    """Tags of a run: versions, command, commit, processor and number of threads."""
    tags = {f"version.{package}": installed_version(package) for package in PACKAGES}
    tags["version.python"] = platform.python_version()
    tags["hwsweep.command"] = command()
    tags["hwsweep.git_commit"] = _git_commit()
    return tags | _machine()


def source() -> dict[str, str]:
    """MLflow's own tags of what a run comes from: program, commit and user; without what is not known."""
    tags = {"mlflow.source.name": PROGRAM, "mlflow.source.type": "LOCAL"}
    if (commit := _git_commit()) != "none":
        tags["mlflow.source.git.commit"] = commit.removesuffix("-dirty")
    with suppress(KeyError, OSError):  # in a container the user may have a number and no name
        tags["mlflow.user"] = getpass.getuser()
    return tags


def command() -> str:
    """The command line of this process."""
    return shlex.join([*PROGRAM.split(), *sys.argv[1:]])


def _machine() -> dict[str, str]:
    """Processor and number of threads, which decide the last bits of a sum; empty where torch is not loaded."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return {}
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    processor = f"{platform.system()} {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return {"hwsweep.threads": str(torch.get_num_threads()), "hwsweep.machine": f"{processor}, {gpu}"}


@functools.cache
def _git_commit() -> str:
    """Commit of the checkout that the package lies in, with "-dirty" when files differ, or "none"."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.check_output(command, cwd=Path(__file__).parent, text=True, stderr=subprocess.DEVNULL).strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"


def installed_version(package: str) -> str:
    """Version of an installed package, or "none"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
