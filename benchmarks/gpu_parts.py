"""The parts of benchmarks/gpu.py; each prints its lines and needs none of the others."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from gpu_floor import Device, measure_device, seconds, work_of_step
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch.utils.data import DataLoader
from torchvision.transforms import ToTensor

from hwsweep import conf_path
from hwsweep.components import Components, build
from hwsweep.data import PAD, DataError, Lexicon, Splits
from hwsweep.processes import kill_tree
from hwsweep.training.batches import n_examples, training_batch, training_batches
from hwsweep.training.evaluation import to_device
from hwsweep.training.loop import begin, finish_epoch, fit

VAE = ("dataset=tibetan_mnist", "vae.hidden=400", "vae.latent=20", "batch_size=128")
SIZES = {"tibetan_mnist": (14216, 1776, 1776), "anime_faces": (50906, 6363, 6363), "ag_news": (20000, 2000, 2000)}
"""Examples of each split, also of the synthetic ones. Of AG News this is a part."""
PROCESSES = 4
SWEEP_SECONDS = 125
"""Of (c), after which it is stopped and the trials are counted; less than the time limit of the part."""


class Setup(NamedTuple):
    """How to measure."""

    device: str
    quick: bool

    def measured(self) -> Device:
        device = measure_device(torch.device(self.device), 1 if self.quick else 10)
        print(f"    {device}")
        return device

    def config(self, *overrides: str) -> DictConfig:
        with initialize_config_dir(str(conf_path()), version_base="1.3"):
            small = ("vae.hidden=16",) if self.quick and "model=transformer" not in overrides else ()
            return compose("config", [f"device={self.device}", *overrides, *small])


def one_vae(setup: Setup) -> None:
    """(a) Images per second of hwsweep, of the homework's loop, of a bare eager loop, and at the floor."""
    device = setup.measured()
    epochs, repeats = (1, 1) if setup.quick else (5, 3)
    cfg = setup.config(*VAE)
    splits = read_data(setup, cfg, "tibetan_mnist")
    ways: dict[str, Callable[[], float]] = {
        "homework": partial(homework_rate, splits, cfg.batch_size, device.device),
        "bare eager loop": partial(bare_rate, cfg, splits, device.device),
    }
    for precision in ("float32", "auto"):
        fast = setup.config(*VAE, f"precision={precision}")
        ways[f"hwsweep, precision={precision}"] = partial(image_rate, fast, splits, epochs)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            rate = way()
            rates[name] += [rate] if repeat > 0 or setup.quick else []  # the first round warms up
    floor = cfg.batch_size / floor_of(build(cfg), splits, device, "float32")
    for name, values in rates.items():
        print(f"    {name:24s} median {median(values):12,.0f} images/s (from {min(values):,.0f} to {max(values):,.0f})")
    print(f"    {'floor, float32':24s}        {floor:12,.0f} images/s")
    for precision in ("float32", "auto"):
        ours = median(rates[f"hwsweep, precision={precision}"])
        others = {**{name: median(rates[name]) for name in ("homework", "bare eager loop")}, "floor": floor}
        ratios = ", ".join(f"{ours / rate:.2f} of the {name}" for name, rate in others.items())
        print(f"  hwsweep, precision={precision}: {ratios} (aims: 5 of the homework, 0.5 of the floor)")


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


def stacked(setup: Setup) -> None:
    """(b) Time to train 1, 10 and 100 lambdas as one model; 10 one by one, and in processes that share the card."""
    few, many = (3, 5) if setup.quick else (10, 100)
    epochs = 2 if setup.quick else 4
    cfg = setup.config(*VAE, f"epochs={epochs}")
    splits = read_data(setup, cfg, "tibetan_mnist")
    image_rate(cfg, splits, 1)  # warms up
    times = {}
    for n in (1, few, many):
        train, whole = times[n] = stack_seconds(setup, splits, lambdas(n), epochs)
        print(
            f"    {n:3d} stacked: {train:.3f} s to train an epoch, {whole:.3f} s with validation and checkpoints; "
            f"{torch.cuda.max_memory_allocated() / 1e9 if setup.device != 'cpu' else 0:.2f} GB at most"
        )
    alone_started = time.perf_counter()
    alone = sum(train_seconds(config_of(setup, weight, epochs), splits) for weight in lambdas(few))
    alone_whole = (time.perf_counter() - alone_started) / epochs
    print(f"    {few:3d} one by one: {alone:.3f} s to train an epoch, {alone_whole:.3f} s with all else of `fit`")
    print(f"  {many} stacked / 1 stacked: {times[many][0] / times[1][0]:.2f} times as long (aim: at most 3)")
    print(f"  {many} one by one / {many} stacked: {alone * many / few / times[many][0]:.1f} times (aim: at least 15)")
    shared = processes_seconds(setup, lambdas(few), epochs) / epochs
    print(f"  {few} one by one / {few} in {PROCESSES} processes: {alone_whole / shared:.2f} times ({shared:.3f} s)")


def whole_sweep(setup: Setup) -> None:
    """(c) A sweep over many lambdas as a user starts it: figures, MLflow and page."""
    n, epochs = (3, 1) if setup.quick else (100, 10)
    weights = ",".join(f"{weight:.4g}" for weight in lambdas(n))
    data = "dataset=tibetan_mnist"
    if setup.quick or not has_data(setup, "tibetan_mnist"):
        sizes = ",".join(map(str, SIZES["tibetan_mnist"]))
        print("    drawn digits" if setup.quick else f"    no TibetanMNIST: drawn digits of the same size ({sizes})")
        data = "dataset=tibetan_strokes"
    options = [f"vae.lambda={weights}", f"epochs={epochs}", f"device={setup.device}", data]
    if data.endswith("strokes"):
        n_train, n_valid, n_test = (157, 31, 37) if setup.quick else SIZES["tibetan_mnist"]
        options += [f"dataset.n_train={n_train}", f"dataset.n_valid={n_valid}", f"dataset.n_test={n_test}"]
    options += ["vae.hidden=13", "analysis.features.n_steps=3"] if setup.quick else ["vae.hidden=400"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "hwsweep", "-m", "hydra.sweeper.study_name=whole", *options]
        output, study = Path(folder, "output"), Path(folder, "outputs", "whole")
        started = time.perf_counter()
        with output.open("w") as file:  # a pipe stays open until the last process of a stopped sweep has ended
            sweep = subprocess.Popen(command, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
        try:
            code = str(sweep.wait(timeout=SWEEP_SECONDS))
        except subprocess.TimeoutExpired:
            kill_tree(sweep.pid)
            code = f"none: stopped after {SWEEP_SECONDS} s"
        took = time.perf_counter() - started
        done = len(list(study.glob("*/outcome.json")))
        page = "with" if (study / "report.html").exists() else "without"
        print(f"  {done} of {n} trials ended, {page} a page, exit code {code}: {took:.1f} s", end="")
        print(f" on {os.cpu_count()} cores (aim: 90 s on 16)")
        for log in (output, study / "trainer.log") if done < n or code != "0" else ():
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            print("".join(f"    {log.name}: {line}\n" for line in lines[-8:]), end="")


def convolutional(setup: Setup) -> None:
    """(d) Images per second of the convolutional VAE at each precision, and its share of the floor."""
    device = setup.measured()
    small = ("vae.channels=[2,3]",) if setup.quick else ()
    cfg = setup.config("model=vae_conv", "dataset=anime_faces", *small)
    splits = read_data(setup, cfg, "anime_faces")
    for batch_size in (cfg.batch_size,) if setup.quick else (cfg.batch_size, 256):
        for precision in ("float32", "tf32", "bfloat16"):
            options = ("model=vae_conv", "dataset=anime_faces", f"precision={precision}", f"batch_size={batch_size}")
            chosen = setup.config(*options, *small)
            rate = image_rate(chosen, splits, 1)
            floor = batch_size / floor_of(build(chosen), splits, device, precision)
            print(f"  batch {batch_size:3d} {precision:9s} {rate:10,.0f} images/s, {rate / floor:.2f} of the floor")


def texts(setup: Setup) -> None:
    """(e) Tokens per second of the Transformer on AG News, without padding, and its share of the floor."""
    device = setup.measured()
    cfg = setup.config("model=transformer", "dataset=ag_news")
    splits = read_data(setup, cfg, "ag_news")
    n_tokens = int(splits.train["length"].sum())
    for precision in ("float32", "auto", "bfloat16"):
        chosen = setup.config("model=transformer", "dataset=ag_news", f"precision={precision}")
        rate = image_rate(chosen, splits, 1) * n_tokens / n_examples(splits.train)
        rated = "tf32" if precision == "auto" else precision
        floor = floor_of(build(chosen, splits), splits, device, rated)
        at_floor = n_tokens / n_examples(splits.train) * cfg.batch_size / floor
        print(f"  {precision:9s} {rate:12,.0f} tokens/s, {rate / at_floor:.3f} of the floor ({at_floor:,.0f})")


PARTS = {"a": one_vae, "b": stacked, "c": whole_sweep, "d": convolutional, "e": texts}


def lambdas(n: int) -> list[float]:
    """From 0.1 to 100, log-spaced; the one is 1."""
    return [1.0] if n == 1 else [0.1 * 1000 ** (index / (n - 1)) for index in range(n)]


def has_data(setup: Setup, name: str) -> bool:
    """Whether HWSWEEP_DATA has this data set."""
    try:
        build(setup.config(f"dataset={name}")).dataset.splits(0)
    except (DataError, OSError):
        return False
    return True


def read_data(setup: Setup, cfg: DictConfig, name: str) -> Splits:
    """The data set, or random examples of the same sizes where it is missing, which is printed."""
    sizes = (100, 40, 40) if setup.quick else SIZES[name]
    try:
        if setup.quick:
            raise DataError("--quick")
        found = build(cfg).dataset.splits(cfg.seed)
    except (DataError, OSError) as error:
        print(f"    data: random, {' + '.join(f'{size:,}' for size in sizes)} examples ({str(error)[:100]})")
        return random_texts(sizes) if name == "ag_news" else random_images(sizes, build(cfg).dataset.shapes["image"])
    parts = {
        split: {key: values[: sizes[index]] for key, values in getattr(found, split).items()}
        for index, split in enumerate(("train", "valid", "test"))
    }
    print(f"    data: {name}, {' + '.join(f'{n_examples(part):,}' for part in parts.values())} examples")
    return Splits(**parts, lexicon=found.lexicon, texts=found.texts)


def random_images(sizes: tuple[int, ...], shape: tuple[int, ...]) -> Splits:
    """Images of random bytes."""
    return Splits(*({"image": torch.randint(0, 256, (n, *shape), dtype=torch.uint8)} for n in sizes))


def random_texts(sizes: tuple[int, ...], longest: int = 128, n_words: int = 40_000) -> Splits:
    """Texts of random words, as long as those of AG News: 44 tokens with a standard deviation of 14."""

    def split(n: int) -> dict[str, torch.Tensor]:
        length = torch.normal(44.0, 14.0, (n,)).round().clamp(5, longest).int()
        token = torch.randint(2, n_words, (n, longest), dtype=torch.int32)
        token = token.where(torch.arange(longest) < length[:, None], PAD)
        return {"token": token, "length": length, "label": torch.randint(0, 4, (n,))}

    words = ("<pad>", "<unk>", *(f"w{number}" for number in range(n_words - 2)))
    return Splits(*map(split, sizes), lexicon=Lexicon(words, ("World", "Sports", "Business", "Sci/Tech"), longest))


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


def config_of(setup: Setup, weight: float, epochs: int) -> DictConfig:
    """The config of a point of (b)."""
    cfg = _composed(setup, epochs).copy()  # to compose it takes longer than to train it
    cfg.vae["lambda"] = weight
    return cfg


@cache
def _composed(setup: Setup, epochs: int) -> DictConfig:
    return setup.config(*VAE, f"epochs={epochs}")


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
