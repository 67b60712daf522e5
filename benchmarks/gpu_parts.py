"""The parts of benchmarks/gpu.py; each prints its lines and needs none of the others."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from gpu_data import SIZES, VAE, Setup, config_of, has_data, lambdas, read_data
from gpu_rates import (
    PROCESSES,
    bare_rate,
    floor_of,
    homework_rate,
    image_rate,
    processes_seconds,
    stack_seconds,
    train_seconds,
)

from hwsweep.components import build
from hwsweep.processes import kill_tree
from hwsweep.training.batches import n_examples

SWEEP_SECONDS = 125
"""Of (c), after which it is stopped and the trials are counted; less than the time limit of the part."""


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
