"""The whole sweep over lambda = 0, 1, 100 on TibetanMNIST, compared with three homework scripts one after the other.

    HWSWEEP_DATA=... python benchmarks/whole_sweep.py [--repeats 3] [--epochs 10] [overrides of hwsweep ...]

Batches of 100, 400 hidden units, 20 latents, Adam at 1e-3. Both ways start in an empty folder, as a user starts them.
The time includes Python's start, reading the data, training and figures; for hwsweep also the analysis, MLflow and the
page. The two ways take turns. The aim is half the time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HOMEWORK = Path(__file__).parent / "homework_vae.py"
LAMBDAS = ["0", "1", "100"]
SETTINGS = ["dataset=tibetan_mnist", "batch_size=100", "vae.hidden=400", "vae.latent=20"]


def homework(epochs: int, _: list[str]) -> float:
    """Seconds of the three scripts."""
    images = Path(os.environ["HWSWEEP_DATA"], "tibetan_mnist", "TibetanMNIST.npz")
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        for weight in LAMBDAS:
            run([sys.executable, str(HOMEWORK), str(images), weight, folder, str(epochs)], Path(folder))
        return time.monotonic() - began


def hwsweep(epochs: int, further: list[str]) -> float:
    """Seconds of the one command."""
    sweep = [f"vae.lambda={','.join(LAMBDAS)}", *SETTINGS, f"epochs={epochs}", *further]
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        run([sys.executable, "-m", "hwsweep", "-m", *sweep], Path(folder))
        seconds = time.monotonic() - began
        assert len(list(Path(folder).glob("outputs/*/report.html"))) == 1
        states = [json.loads(path.read_text())["state"] for path in Path(folder).glob("outputs/*/*/outcome.json")]
        assert states == ["complete"] * len(LAMBDAS), states
        return seconds


def run(command: list[str], folder: Path) -> None:
    """Run the command in the folder; show its output only if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}")


def main() -> None:
    """Print median and spread of each way and of their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    chosen, further = parser.parse_known_args()
    if not Path(os.environ.get("HWSWEEP_DATA", ""), "tibetan_mnist", "TibetanMNIST.npz").is_file():
        raise SystemExit(
            "HWSWEEP_DATA must contain TibetanMNIST: set it and run python -m hwsweep.data fetch tibetan_mnist"
        )
    ways = {"homework": homework, "hwsweep": hwsweep}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(chosen.repeats):
        for name, way in ways.items():
            seconds[name].append(way(chosen.epochs, further))
    for name, values in seconds.items():
        print(f"{name:8} median {median(values):6.1f} s  (from {min(values):.1f} to {max(values):.1f})")
    ratios = sorted(ours / theirs for ours, theirs in zip(seconds["hwsweep"], seconds["homework"], strict=True))
    print(f"hwsweep / homework: median {median(ratios):.2f}  (from {ratios[0]:.2f} to {ratios[-1]:.2f}); aim 0.50")


if __name__ == "__main__":
    main()
