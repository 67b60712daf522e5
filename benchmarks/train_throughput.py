"""Images per second of training: `fit` with logging, compared with a homework and with a bare loop.

    python benchmarks/train_throughput.py
    HWSWEEP_DATA=... python benchmarks/train_throughput.py dataset=tibetan_mnist

Three ways with the same model, batch size and number of steps; they take turns and are repeated:

* homework: `Dataset` + `ToTensor` + `DataLoader(shuffle=True)` in the main process, torch's default Adam (not fused),
  `loss.item()` at every step;
* bare: only the same step, on preloaded float tensors;
* hwsweep: `fit` with shuffling, validation, checkpoints and an MLflow run that logs every epoch.

Rates count training images only. hwsweep's time lasts from the first epoch's start to the last one's end, so it
includes validation, checkpoints and logging.
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

from hwsweep import conf_path
from hwsweep.components import Components, build
from hwsweep.data import Splits
from hwsweep.models import Model
from hwsweep.tracking import runs
from hwsweep.training.loop import fit

REPEATS = 7
EPOCHS = 3


class Homework(Dataset[torch.Tensor]):
    """NumPy images, converted to tensors one by one as in a homework."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(self.images[index])


def step(model: Model, optimizer: torch.optim.Optimizer, image: torch.Tensor) -> torch.Tensor:
    """Train one step on a batch and return the sum of its losses."""
    loss = model.losses({"image": image})["loss"]
    optimizer.zero_grad(set_to_none=True)
    loss.mean().backward()
    optimizer.step()
    return loss.detach().sum()


def homework(components: Components, splits: Splits) -> float:
    """Seconds of training with a DataLoader."""
    images = splits.train["image"].permute(0, 2, 3, 1).numpy()
    loader = DataLoader(Homework(images), batch_size=components.plan.batch_size, shuffle=True)
    optimizer = torch.optim.Adam(components.model.parameters(), lr=components.optimizer.param_groups[0]["lr"])
    started = time.perf_counter()
    for _ in range(EPOCHS):
        total = 0.0
        for image in loader:
            total += step(components.model, optimizer, image).item()
    return time.perf_counter() - started


def bare(components: Components, splits: Splits) -> float:
    """Seconds of the same steps alone, on float tensors in memory."""
    batches = (splits.train["image"].float() / 255).split(components.plan.batch_size)
    started = time.perf_counter()
    for _ in range(EPOCHS):
        for image in batches:
            step(components.model, components.optimizer, image)
    return time.perf_counter() - started


def hwsweep(components: Components, splits: Splits) -> float:
    """Seconds of `fit` with an MLflow run, as in a run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = runs.open_store(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))
        with runs.open_run(store, "benchmark", "run", {}, {}) as run:
            started = time.perf_counter()
            for row in fit(
                components.model, splits, components.optimizer, components.schedule, components.plan, folder
            ):
                run.log_metrics(row, int(row["epoch"]))
            return time.perf_counter() - started


def main() -> None:
    """Print median and spread of each way."""
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        cfg = compose("config", [f"epochs={EPOCHS}", "device=cpu", *sys.argv[1:]])
    splits = build(cfg).dataset.splits(cfg.seed)
    n_images = EPOCHS * len(splits.train["image"])
    ways: list[Callable[[Components, Splits], float]] = [homework, bare, hwsweep]
    rates: dict[str, list[float]] = {way.__name__: [] for way in ways}
    for repeat in range(REPEATS + 1):
        for way in ways:
            rate = n_images / way(build(cfg), splits)
            if repeat > 0:  # the first round is the warm-up
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
