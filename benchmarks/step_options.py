"""Options that may make a training step faster on this processor, each compared with hwsweep's default.

    HWSWEEP_DATA=... python benchmarks/step_options.py
    HWSWEEP_DATA=... python benchmarks/step_options.py vae_conv --steps 20 --threads 1

The models are the default VAE on TibetanMNIST (batch 100), the convolutional VAE on anime faces, and the Transformer on
AG News (or, without these data, on the program's own images and headlines). The options take turns on the same batches:

* default: float32;
* bfloat16: `precision=bfloat16`;
* channels_last: images and weights of convolutions in channels-last memory format;
* compiled: `torch.compile` of the model's losses. The benchmark also prints the seconds until the end of its first
  step, with an empty cache as in a study's first trial. Compiling pays only if it saves more than that.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from hwsweep import conf_path
from hwsweep.components import Components, build
from hwsweep.data import Examples, Splits
from hwsweep.training.batches import training_batches
from hwsweep.training.precision import autocast

REPEATS = 7
MODELS = {
    "vae": ("tibetan_mnist", "tibetan_strokes", ["batch_size=100"]),
    "vae_conv": ("anime_faces", "tibetan_strokes", []),
    "transformer": ("ag_news", "headlines", []),
}


class Way:
    """Training with one option."""

    def __init__(self, name: str, components: Components) -> None:
        self.name = name
        self.components = components
        self.milliseconds: list[float] = []
        self.losses: Callable[[Examples], dict[str, Tensor]] = components.model.losses
        if name == "channels_last":
            components.model.to(memory_format=torch.channels_last)
        if name == "compiled":
            self.losses = torch.compile(components.model.losses, dynamic=True)

    def step(self, batch: Examples) -> None:
        """One step of training."""
        if self.name == "channels_last":
            batch = {key: values.contiguous(memory_format=torch.channels_last) for key, values in batch.items()}
        precision = "bfloat16" if self.name == "bfloat16" else "float32"
        with autocast(precision, torch.device("cpu")):
            loss = self.losses(batch)["loss"].mean()
        self.components.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.components.optimizer.step()

    def measure(self, batches: list[Examples]) -> None:
        """Append the mean milliseconds per step over these batches."""
        began = time.perf_counter()
        for batch in batches:
            self.step(batch)
        self.milliseconds.append(1000 * (time.perf_counter() - began) / len(batches))


def objects(model: str, splits: Splits | None, overrides: list[str]) -> Components:
    """The model and its optimizer, with the same initial weights for every option."""
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        cfg = compose("config", [f"model={model}", "device=cpu", *overrides])
    return build(cfg, splits)


def measure(model: str, steps: int, threads: int) -> None:
    """Print one line per option."""
    real, own, overrides = MODELS[model]
    folder = Path(os.environ.get("HWSWEEP_DATA", "none"), real)
    dataset = real if folder.is_dir() else own
    overrides = [f"dataset={dataset}", *overrides]
    first = objects(model, None, overrides)
    splits = first.dataset.splits(0)
    rows = training_batches(splits.train, first.plan.batch_size, torch.Generator().manual_seed(0))[:steps]
    batches = [{name: values.index_select(0, chosen) for name, values in splits.train.items()} for chosen in rows]
    names = ["default", "bfloat16", *["channels_last"] * (model == "vae_conv"), "compiled"]
    ways = {name: Way(name, objects(model, splits, overrides)) for name in names}
    starts = {}
    for name, way in ways.items():
        began = time.perf_counter()
        way.step(batches[0])
        starts[name] = time.perf_counter() - began
        way.measure(batches)  # warm-up: each new length of a text is slow once
    for _ in range(REPEATS):
        for way in ways.values():
            way.measure(batches)
    print(f"{model} on {dataset}, batch {first.plan.batch_size}, {len(batches)} steps, {threads} threads")
    default = ways["default"].milliseconds[1:]
    for name, way in ways.items():
        values = way.milliseconds[1:]
        ratio = median(theirs / ours for theirs, ours in zip(values, default, strict=True))
        start = f"; first step {starts[name]:.1f} s" if name == "compiled" else ""
        spread = f"(from {min(values):.2f} to {max(values):.2f})"
        print(f"  {name:13} {median(values):7.2f} ms a step {spread}, {ratio:.2f} of the default's{start}", flush=True)


def main() -> None:
    """Measure each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), metavar="|".join(MODELS))
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch._dynamo.config.recompile_limit = 64
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        for model in chosen.models:
            measure(model, chosen.steps, chosen.threads)


if __name__ == "__main__":
    main()
