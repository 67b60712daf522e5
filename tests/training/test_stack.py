"""A stack of trainings against the same trainings one by one: every epoch's losses agree."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from hwsweep import conf_path
from hwsweep.components import Components, build
from hwsweep.data import Splits
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.epoch import Training, train_epoch
from hwsweep.training.loop import begin, finish_epoch, fit
from hwsweep.training.stack import Stack

IMAGES = ["dataset.n_train=301", "dataset.n_valid=60", "dataset.n_test=4", "batch_size=32", "epochs=2"]
FLAT = ["vae.hidden=17", "vae.latent=5", *IMAGES]
TEXTS = [
    *("model=transformer", "dataset=headlines", "dataset.n_train=301", "dataset.n_valid=60", "dataset.n_test=4"),
    *("transformer.layers=2", "transformer.heads=2", "transformer.width=16", "batch_size=32", "epochs=2"),
]


def parts_of(overrides: list[str]) -> tuple[Components, Splits]:
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        cfg = compose("config", overrides)
    splits = build(cfg).dataset.splits(cfg.seed)
    return build(cfg, splits), splits


def alone(overrides: list[str], folder: Path) -> list[EpochMetrics]:
    parts, splits = parts_of(overrides)
    return list(fit(parts.model, splits, parts.optimizer, parts.schedule, parts.plan, folder))


def started(overrides: list[str], folder: Path, data: dict[str, Splits]) -> Training:
    parts, splits = parts_of(overrides)
    splits = data.setdefault(splits.digest(), splits)
    training = begin(parts.model, splits.train, splits.valid, parts.optimizer, parts.schedule, parts.plan, folder, None)
    training.state.noise = torch.Generator()
    training.state.noise.set_state(torch.get_rng_state())  # where the run's own noise would begin
    return training


def stacked(members: list[list[str]], folder: Path) -> list[Training]:
    """The trainings after their epochs, together."""
    data: dict[str, Splits] = {}
    trainings = [started(overrides, folder / str(index), data) for index, overrides in enumerate(members)]
    stack = Stack(trainings)
    for _ in range(trainings[0].plan.epochs):
        rows = train_epoch(trainings, stack)
        for index, (training, row) in enumerate(zip(trainings, rows, strict=True)):
            finish_epoch(training, row, folder / str(index))
    return trainings


CASES = {
    "lambda": (FLAT, [["vae.lambda=0"], ["vae.lambda=1"], ["vae.lambda=100"]]),
    "learning rate": (FLAT, [["optimizer.lr=1e-3"], ["optimizer.lr=3e-2"], ["schedule=cosine_warmup"]]),
    "seed": (FLAT, [["seed=0"], ["seed=1"], ["seed=0", "vae.lambda=3"]]),
    "clip_norm": (FLAT, [["clip_norm=1"], ["clip_norm=null"]]),
    "warm-up": ([*FLAT, "kl=linear"], [["kl.warmup=0.2"], ["kl.warmup=1"]]),
    "free bits": ([*FLAT, "kl=free_bits"], [["kl.free_nats=0"], ["kl.free_nats=1"]]),
    "capacity": ([*FLAT, "kl=capacity"], [["kl.capacity=2"], ["kl.capacity=9", "kl.warmup=0.9"]]),
    "target rate": ([*FLAT, "kl=target"], [["kl.rate=3"], ["kl.rate=9"]]),
    "learned variance": (
        [*FLAT, "vae.likelihood=gaussian", "vae.sigma2=learned"],
        [["vae.lambda=0.1"], ["vae.lambda=1"]],
    ),
    "dynamic binarisation": ([*FLAT, "dataset.binarise=dynamic"], [["seed=0"], ["seed=0"], ["seed=5"]]),
    "convolutional": (["model=vae_conv", "vae.channels=[3,5]", *IMAGES], [["vae.lambda=0"], ["seed=1"]]),
    "pixels seen": (
        ["model=vae_autoregressive", "vae.context=1", "vae.context_features=3", *FLAT],
        [["vae.lambda=0.5"], ["vae.lambda=1"]],
    ),
    "dropout": (TEXTS, [["transformer.dropout=0"], ["transformer.dropout=0.1"], ["transformer.dropout=0.5"]]),
    "dense table": ([*TEXTS, "embedding.sparse=false"], [["optimizer.lr=1e-3"], ["optimizer.lr=1e-2"]]),
}


@pytest.mark.parametrize("case", CASES)
def test_trainings_in_a_stack_have_the_losses_that_they_have_alone(case: str, tmp_path: Path) -> None:
    base, members = CASES[case]
    for index, training in enumerate(stacked([base + member for member in members], tmp_path)):
        expected = alone(base + members[index], tmp_path / "alone" / str(index))
        for row, expected_row in zip(training.state.history, expected, strict=True):
            assert row.keys() == expected_row.keys()
            for name in row.keys() - {name for name in row if name.startswith("time/")}:
                # single precision in another order of summation: 1e-4 nats or, of larger losses, 1e-6 of them
                assert row[name] == pytest.approx(expected_row[name], abs=1e-4, rel=1e-6), (members[index], name)
