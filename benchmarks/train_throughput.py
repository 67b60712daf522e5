"""Images per second of training: `fit` with logging on, against the way a homework does it and a bare loop.

    python benchmarks/train_throughput.py
    HWSWEEP_DATA=... python benchmarks/train_throughput.py dataset=tibetan_mnist

The same model, batch size and number of steps three ways, taken in turn and repeated:

* homework: `Dataset` + `ToTensor` + `DataLoader(shuffle=True)` in the main process, Adam as torch gives it (not fused),
  losses as floats at every step;
* bare: the same step with nothing around it, on preloaded float tensors;
* hwsweep: `fit` with shuffling, validation, checkpoints and an MLflow run that gets every epoch.

Rates count training images only; the time of hwsweep is all that passes between the first epoch's start and the last
one's end, so validation, checkpoints and logging slow it down.
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

from hwsweep.build import Parts, build
from hwsweep.conf_path import conf_path
from hwsweep.data import Splits
from hwsweep.models import Model
from hwsweep.tracking import runs
from hwsweep.training.loop import fit

REPEATS = 7
EPOCHS = 3


class Homework(Dataset[torch.Tensor]):
    """Images as a homework keeps them: NumPy arrays, made into tensors one by one."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(self.images[index])


def step(model: Model, optimizer: torch.optim.Optimizer, image: torch.Tensor) -> torch.Tensor:
    """One step of training on a batch; its loss, summed over the batch."""
    loss = model.losses({"image": image})["loss"]
    optimizer.zero_grad(set_to_none=True)
    loss.mean().backward()
    optimizer.step()
    return loss.detach().sum()


def homework(parts: Parts, splits: Splits) -> float:
    """Seconds of training with a DataLoader."""
    images = splits.train["image"].permute(0, 2, 3, 1).numpy()
    loader = DataLoader(Homework(images), batch_size=parts.plan.batch_size, shuffle=True)
    optimizer = torch.optim.Adam(parts.model.parameters(), lr=parts.optimizer.param_groups[0]["lr"])
    started = time.perf_counter()
    for _ in range(EPOCHS):
        total = 0.0
        for image in loader:
            total += step(parts.model, optimizer, image).item()
    return time.perf_counter() - started


def bare(parts: Parts, splits: Splits) -> float:
    """Seconds of the same steps on float tensors in memory, and nothing else."""
    batches = (splits.train["image"].float() / 255).split(parts.plan.batch_size)
    started = time.perf_counter()
    for _ in range(EPOCHS):
        for image in batches:
            step(parts.model, parts.optimizer, image)
    return time.perf_counter() - started


def hwsweep(parts: Parts, splits: Splits) -> float:
    """Seconds of `fit`, with everything around it that a run has."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = runs.open_store(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))
        with runs.open_run(store, "benchmark", "run", {}, {}) as run:
            started = time.perf_counter()
            for row in fit(parts.model, splits, parts.optimizer, parts.schedule, parts.plan, folder):
                run.metrics(row, int(row["epoch"]))
            return time.perf_counter() - started


def main() -> None:
    """Print medians and spread."""
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        cfg = compose("config", [f"epochs={EPOCHS}", "device=cpu", *sys.argv[1:]])
    splits = build(cfg).dataset.splits(cfg.seed)
    n_images = EPOCHS * len(splits.train["image"])
    ways: list[Callable[[Parts, Splits], float]] = [homework, bare, hwsweep]
    rates: dict[str, list[float]] = {way.__name__: [] for way in ways}
    for repeat in range(REPEATS + 1):
        for way in ways:
            rate = n_images / way(build(cfg), splits)
            if repeat > 0:  # the first round warms up
                rates[way.__name__].append(rate)
    print(
        f"{cfg.dataset.get('name', 'tibetan_strokes')}, batch {cfg.batch_size}, {n_images // EPOCHS} images, "
        f"{EPOCHS} epochs, {REPEATS} repeats; torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{platform.machine()}"
    )
    for name, values in rates.items():
        print(f"{name:9s} median {median(values):8,.0f} images/s  (from {min(values):,.0f} to {max(values):,.0f})")
    for name in ("homework", "bare"):
        ratios = sorted(ours / theirs for ours, theirs in zip(rates["hwsweep"], rates[name], strict=True))
        print(f"hwsweep / {name}: median {median(ratios):.2f}  (from {ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
