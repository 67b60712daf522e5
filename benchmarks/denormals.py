"""The cost of numbers near zero: training a VAE without and with `flush_denormals`, in turn.

    HWSWEEP_DATA=... python benchmarks/denormals.py [--repeats 3] [overrides of hwsweep ...]

Pixels that are black in every image and collapsed latents have no gradient. Adam's averages of such gradients decay by
a tenth at every step. After about 800 steps they are so small that the processor computes more slowly with them. Each
run is its own process, with one thread.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

WAYS = ("denormals", "flushed")
EPOCHS = 10


def train(way: str, overrides: list[str]) -> None:
    """Print the milliseconds per step, one line per epoch."""
    import torch
    from hydra import compose, initialize_config_dir

    from hwsweep import conf_path
    from hwsweep.components import build
    from hwsweep.training.loop import fit
    from hwsweep.training.precision import flush_denormals

    torch.set_num_threads(1)
    if way == "flushed":
        flush_denormals()
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        cfg = compose("config", [f"epochs={EPOCHS}", "device=cpu", *overrides])
    components = build(cfg)
    splits = components.dataset.splits(0)
    n_steps = -(-len(splits.train["image"]) // components.plan.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        for row in fit(
            components.model, splits, components.optimizer, components.schedule, components.plan, Path(folder)
        ):
            print(1000 * row["time/train_seconds"] / n_steps)


def main() -> None:
    """Print the median time of a step in the first and the last three epochs, without and with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help="train once in this way, print each epoch's step")
    chosen, overrides = parser.parse_known_args()
    if chosen.way:
        train(chosen.way, overrides)
        return
    steps: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for _ in range(chosen.repeats):
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, *overrides]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            steps[way].append([float(line) for line in output.split()])
    for way, runs in steps.items():
        first, last = ([median(run[part]) for run in runs] for part in (slice(3), slice(-3, None)))
        times = (
            f"{median(values):5.2f} ms a step (from {min(values):.2f} to {max(values):.2f})" for values in (first, last)
        )
        print(f"{way:9} first three epochs {next(times)}, last three of {EPOCHS} {next(times)}")


if __name__ == "__main__":
    main()
