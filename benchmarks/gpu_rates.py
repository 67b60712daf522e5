"""How fast a GPU trains, in several ways, for benchmarks/gpu.py."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from gpu_data import Setup, config_of, read_data
from gpu_floor import Device, seconds, work_of_step
from omegaconf import DictConfig
from torch.utils.data import DataLoader
from torchvision.transforms import ToTensor

from hwsweep.components import Components, build
from hwsweep.data import Splits
from hwsweep.training.batches import n_examples, training_batch, training_batches
from hwsweep.training.evaluation import to_device
from hwsweep.training.loop import begin, finish_epoch, fit

PROCESSES = 4
"""That share the card in (b)."""


def homework_rate(splits: Splits, batch_size: int, device: torch.device) -> float:
    """Images per second of the homework's loop."""
    import homework_vae  # it loads pyplot

    images = homework_vae.TibetanMNIST(splits.train["image"][:, 0].numpy(), ToTensor())
    loader = DataLoader(images, batch_size=batch_size, shuffle=True)
    model = homework_vae.VAE().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch() -> None:
        for x in loader:
            optimizer.zero_grad()
            loss = homework_vae.loss_of(model, x.to(device), 1.0)
            loss.backward()
            optimizer.step()
            loss.item()

    return n_examples(splits.train) / seconds(epoch, device)


def bare_rate(cfg: DictConfig, splits: Splits, device: torch.device) -> float:
    """Images per second of hwsweep's model in a loop of a few lines, on data that lie on the device."""
    parts = build(cfg)
    batches = (splits.train["image"].to(device).float() / 255).split(cfg.batch_size)

    def epoch() -> None:
        for image in batches:
            loss = parts.model.losses({"image": image})["loss"].mean()
            parts.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            parts.optimizer.step()

    return n_examples(splits.train) / seconds(epoch, device)


def floor_of(parts: Components, splits: Splits, device: Device, precision: str) -> float:
    """Seconds of a training step at the device's rates."""
    train = to_device(splits.train, device.device)
    rows = training_batches(train, parts.plan.batch_size, torch.Generator().manual_seed(0))[0]
    return work_of_step(parts.model, training_batch(train, rows)).seconds(device, precision)


def image_rate(cfg: DictConfig, splits: Splits, epochs: int) -> float:
    """Training examples per second of `fit` in the epochs after the first, which prepares the step."""
    return epochs * n_examples(splits.train) / sum(epoch_seconds(cfg, splits, epochs))


def train_seconds(cfg: DictConfig, splits: Splits) -> float:
    """Mean time to train an epoch after the first."""
    times = epoch_seconds(cfg, splits, cfg.epochs - 1)
    return sum(times) / len(times)


def epoch_seconds(cfg: DictConfig, splits: Splits, epochs: int) -> list[float]:
    """Time to train each epoch after the first, without validation and checkpoints."""
    parts = build(cfg, splits if splits.lexicon is not None else None)
    plan = type(parts.plan)(**{**vars(parts.plan), "epochs": epochs + 1})
    with tempfile.TemporaryDirectory() as folder:
        rows = fit(parts.model, splits, parts.optimizer, parts.schedule, plan, Path(folder))
        return [row["time/train_seconds"] for row in islice(rows, 1, None)]


def stack_seconds(setup: Setup, splits: Splits, weights: list[float], epochs: int) -> tuple[float, float]:
    """Time to train an epoch of all models as one, and with validation and checkpoints; means after the first."""
    from hwsweep.training.captured import captured
    from hwsweep.training.epoch import train_epoch
    from hwsweep.training.stack import Stack

    points = [build(config_of(setup, weight, epochs)) for weight in weights]
    device = torch.device(setup.device)
    train, valid = to_device(splits.train, device), to_device(splits.valid, device)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, str(index)) for index in range(len(points))]
        trainings = [
            begin(part.model, train, valid, part.optimizer, part.schedule, part.plan, folder, None)
            for part, folder in zip(points, folders, strict=True)
        ]
        stack = captured(Stack(trainings), trainings)
        trained, whole = [], []
        for _ in range(epochs):
            started = time.perf_counter()
            metrics = train_epoch(trainings, stack)
            for training, of_model, folder in zip(trainings, metrics, folders, strict=True):
                finish_epoch(training, of_model, folder)
            whole.append(time.perf_counter() - started)
            trained.append(trainings[0].state.history[-1]["time/train_seconds"])
    return sum(trained[1:]) / (epochs - 1), sum(whole[1:]) / (epochs - 1)


def processes_seconds(setup: Setup, weights: list[float], epochs: int) -> float:
    """Time from the start of the first training to the end of the last, in processes that are ready before."""
    context = multiprocessing.get_context("spawn")
    ready, times = context.Barrier(PROCESSES + 1), context.Queue()
    workers = [
        context.Process(target=train_share, args=(setup, weights[index::PROCESSES], epochs, ready, times))
        for index in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    ready.wait(timeout=120)
    started = time.perf_counter()
    for _ in workers:
        times.get(timeout=120)
    took = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return took


def train_share(setup: Setup, weights: list[float], epochs: int, ready: Any, times: Any) -> None:
    """Train these points one after the other, once all processes are ready."""
    torch.set_num_threads(1 if setup.device != "cpu" else max(1, (os.cpu_count() or 1) // PROCESSES))
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        stdout, sys.stdout = sys.stdout, nowhere
        splits = read_data(setup, config_of(setup, 1.0, epochs), "tibetan_mnist")
        sys.stdout = stdout
    image_rate(config_of(setup, 1.0, epochs), splits, 1)
    ready.wait(timeout=120)
    for weight in weights:
        train_seconds(config_of(setup, weight, epochs), splits)
    times.put(len(weights))
