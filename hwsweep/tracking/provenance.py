"""With what and by whom a run is made: versions, commit, command, process."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    *("hwsweep", "torch", "torchvision", "torchtext", "spacy", "nltk", "numpy"),
    *("hydra-core", "omegaconf", "optuna", "mlflow"),
)


def environment() -> dict[str, str]:
    """Tags that say with what a run was made."""
    tags = {f"version.{package}": installed(package) for package in PACKAGES}
    tags["version.python"] = platform.python_version()
    tags["hwsweep.command"] = "python -m hwsweep " + shlex.join(sys.argv[1:])
    tags["hwsweep.git_commit"] = _git_commit()
    return tags | _machine()


def _machine() -> dict[str, str]:
    """What decides the last bits of a sum: the kind of processor and the number of threads; {} without torch."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return {}
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    processor = f"{platform.system()} {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return {"hwsweep.threads": str(torch.get_num_threads()), "hwsweep.machine": f"{processor}, {gpu}"}


def _git_commit() -> str:
    """Commit of the checkout that the package lies in, with "-dirty" when files differ, or "none"."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return done.stdout.strip()


def installed(package: str) -> str:
    """Version of an installed package, or "none"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
