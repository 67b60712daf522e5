"""A stack of trainings against the same trainings one by one: every epoch's losses agree."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from small_texts import LEXICON

from hwsweep import conf_path
from hwsweep.components import Components, build
from hwsweep.components.stacking import stack_group
from hwsweep.data import Examples, Splits
from hwsweep.training import checkpoint
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.epoch import Diverged, Training, train_epoch
from hwsweep.training.loop import begin, finish_epoch, fit
from hwsweep.training.stack import Stack

IMAGES = ["batch_size=16", "epochs=2"]
FLAT = ["vae.hidden=17", "vae.latent=5", *IMAGES]
CONVOLUTIONAL = ["model=vae_conv", "vae.channels=[3,5]", "vae.hidden=9", *IMAGES]
TEXTS = [
    *("model=transformer", "dataset=headlines", "transformer.layers=2", "transformer.heads=2", "transformer.width=16"),
    *("batch_size=16", "epochs=2"),
]
SIZES = 53, 21, 4
"""Of the splits."""


def random_images(generator: torch.Generator, n: int) -> Examples:
    return {"image": torch.randint(0, 256, (n, 1, 28, 28), generator=generator, dtype=torch.uint8)}


def random_texts(generator: torch.Generator, n: int) -> Examples:
    """Texts of 1 to 9 words, one of three classes."""
    length = torch.randint(1, 10, (n,), generator=generator, dtype=torch.int32)
    token = torch.randint(2, 13, (n, 9), generator=generator, dtype=torch.int32)
    label = torch.randint(0, 3, (n,), generator=generator)
    return {"token": token * (torch.arange(9) < length[:, None]), "length": length, "label": label}


@functools.cache
def splits_of(seed: int, *, texts: bool, grey: bool) -> Splits:
    """The same object at each call; `grey`: training images are drawn anew from intensities at each step."""
    generator = torch.Generator().manual_seed(seed)
    train, valid, test = ((random_texts if texts else random_images)(generator, n) for n in SIZES)
    if grey:
        train["intensity"] = train["image"]
    return Splits(train, valid, test, LEXICON if texts else None)


@functools.cache
def composed(*choices: str) -> DictConfig:
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        return compose("config", list(choices))


def config(overrides: list[str]) -> DictConfig:
    """Composed once for all that choose the same parts: that takes longer than their training."""
    values = [line for line in overrides if line.partition("=")[0] not in ("model", "dataset", "kl", "schedule")]
    cfg = composed(*(line for line in overrides if line not in values)).copy()
    cfg.merge_with_dotlist(values)
    return cfg


def parts_of(overrides: list[str]) -> tuple[Components, Splits]:
    """The parts of a run, untrained; torch's generator is where that of the run is."""
    cfg = config(overrides)
    grey = "dataset.binarise=dynamic" in overrides
    splits = splits_of(cfg.seed, texts=overrides[0] == "model=transformer", grey=grey)
    return build(cfg, splits), splits


def alone(overrides: list[str], folder: Path, resume: Path | None = None) -> list[EpochMetrics]:
    parts, splits = parts_of(overrides)
    return list(fit(parts.model, splits, parts.optimizer, parts.schedule, parts.plan, folder, resume))


def started(overrides: list[str], folder: Path, resume: Path | None = None) -> Training:
    """The training as the process that trains it has it: its parts are copies."""
    parts, splits = parts_of(overrides)
    noise = torch.Generator()
    noise.set_state(torch.get_rng_state())  # where the run's own noise would begin
    model, optimizer, schedule = pickle.loads(pickle.dumps((parts.model, parts.optimizer, parts.schedule)))  # noqa: S301
    return begin(model, splits.train, splits.valid, optimizer, schedule, parts.plan, folder, resume, noise)


def epoch(trainings: list[Training], folders: list[Path], stack: Stack | None = None) -> None:
    """One epoch of all trainings, together."""
    rows = train_epoch(trainings, stack or Stack(trainings))
    for training, row, folder in zip(trainings, rows, folders, strict=True):
        finish_epoch(training, row, folder)


def losses(history: list[EpochMetrics]) -> list[float]:
    return [row[name] for row in history for name in sorted(row) if not name.startswith("time/")]


def assert_same(found: list[EpochMetrics], expected: list[EpochMetrics]) -> None:
    """In single precision and another order of summation: 1e-4 nats or, of larger losses, 1e-6 of them."""
    assert [row.keys() for row in found] == [row.keys() for row in expected]
    assert losses(found) == pytest.approx(losses(expected), abs=1e-4, rel=1e-6)


SLOW = pytest.mark.slow
CASES: dict[str, tuple[list[str], list[list[str]], Any]] = {
    "convolutional": (CONVOLUTIONAL, [["vae.lambda=0"], ["seed=1"]], SLOW),
    "dropout": (TEXTS, [["transformer.dropout=0"], ["transformer.dropout=0.1"], ["transformer.dropout=0.5"]], SLOW),
    "lambda": (FLAT, [["vae.lambda=0"], ["vae.lambda=1"], ["vae.lambda=100"]], ()),
    "learning rate": (FLAT, [["optimizer.lr=1e-3"], ["optimizer.lr=3e-2"], ["schedule=cosine_warmup"]], SLOW),
    "seed": (FLAT, [["seed=0"], ["seed=1"], ["seed=0", "vae.lambda=3"]], SLOW),
    "clip_norm": (FLAT, [["clip_norm=1"], ["clip_norm=null"]], SLOW),
    "warm-up": ([*FLAT, "kl=linear"], [["kl.warmup=0.2"], ["kl.warmup=1"]], SLOW),
    "free bits": ([*FLAT, "kl=free_bits"], [["kl.free_nats=0"], ["kl.free_nats=1"]], SLOW),
    "capacity": ([*FLAT, "kl=capacity"], [["kl.capacity=2"], ["kl.capacity=9", "kl.warmup=0.9"]], SLOW),
    "target rate": ([*FLAT, "kl=target"], [["kl.rate=3"], ["kl.rate=9"]], SLOW),
    "path": ([*FLAT, "kl=path", "kl.weights=[0.1,10]", "kl.epochs_each=1"], [["seed=0"], ["optimizer.lr=1e-2"]], SLOW),
    "learned variance": (
        [*FLAT, "vae.likelihood=gaussian", "vae.sigma2=learned"],
        [["vae.lambda=0.1"], ["vae.lambda=1"]],
        SLOW,
    ),
    "dynamic binarisation": ([*FLAT, "dataset.binarise=dynamic"], [["seed=0"], ["seed=0"], ["seed=5"]], SLOW),
    "pixels seen": (
        ["model=vae_autoregressive", "vae.context=1", "vae.context_features=3", *FLAT],
        [["vae.lambda=0.5"], ["vae.lambda=1"]],
        SLOW,
    ),
    "dense table": ([*TEXTS, "embedding.sparse=false"], [["optimizer.lr=1e-3"], ["optimizer.lr=1e-2"]], SLOW),
}


@pytest.mark.parametrize(
    ("base", "members"),
    [pytest.param(base, members, marks=marks, id=name) for name, (base, members, marks) in CASES.items()],
)
def test_trainings_in_a_stack_have_the_losses_that_they_have_alone(
    base: list[str], members: list[list[str]], tmp_path: Path
) -> None:
    folders = [tmp_path / str(index) for index in range(len(members))]
    trainings = [started(base + member, folder) for member, folder in zip(members, folders, strict=True)]
    stack = Stack(trainings)
    for _ in range(2):
        epoch(trainings, folders, stack)
    for training, member in zip(trainings, members, strict=True):
        assert_same(training.state.history, alone(base + member, tmp_path / "alone"))


@SLOW
def test_in_bfloat16_losses_agree_as_far_as_its_eight_bits_reach(tmp_path: Path) -> None:
    base = [*FLAT, "precision=bfloat16"]
    members = [[*base, f"vae.lambda={value}"] for value in (0, 1)]
    folders = [tmp_path / "0", tmp_path / "1"]
    trainings = [started(*pair) for pair in zip(members, folders, strict=True)]
    epoch(trainings, folders)
    for training, member in zip(trainings, members, strict=True):
        expected = alone(member, tmp_path / "alone")[:1]
        assert losses(training.state.history) == pytest.approx(losses(expected), rel=2e-3, abs=0.05)


def test_one_that_diverges_has_the_error_that_it_has_alone_and_the_others_do_not_notice(tmp_path: Path) -> None:
    members = [[*FLAT, f"optimizer.lr={rate}"] for rate in ("1e-3", "1e30", "1e-2")]
    folders = [tmp_path / str(index) for index in range(3)]
    trainings = [started(*pair) for pair in zip(members, folders, strict=True)]
    first, broken, last = train_epoch(trainings, Stack(trainings))
    with pytest.raises(Diverged) as error:
        alone(members[1], tmp_path / "alone")
    assert str(broken) == str(error.value)
    assert isinstance(broken, Diverged)
    for training, row, folder in zip(trainings[::2], (first, last), folders[::2], strict=True):
        finish_epoch(training, row, folder)
    epoch(trainings[::2], folders[::2])
    for training, member in zip(trainings[::2], members[::2], strict=True):
        assert_same(training.state.history, alone(member, tmp_path / "alone"))


@SLOW
def test_trainings_join_leave_and_come_back_at_any_epoch(tmp_path: Path) -> None:
    """Those of one seed draw the same noise, each at its own epoch."""
    base = [*FLAT, "epochs=3"]
    members = [[*base, f"vae.lambda={value}"] for value in (0, 1, 100)]
    folders = [tmp_path / str(index) for index in range(3)]
    a, b, c = (started(*pair) for pair in zip(members, folders, strict=True))
    in_folder = dict(zip(map(id, (a, b, c)), folders, strict=True))
    for together in ([a, b], [a, b, c], [a, c], [b, c]):  # after the second, b is left behind with the noise of a
        epoch(together, [in_folder[id(training)] for training in together])
    for training, member in zip((a, b, c), members, strict=True):
        assert_same(training.state.history, alone(member, tmp_path / "alone"))


@pytest.mark.parametrize("base", [pytest.param(FLAT, id="images"), pytest.param(TEXTS, id="texts")])
@SLOW
def test_a_checkpoint_of_a_stack_is_one_of_a_single_training(base: list[str], tmp_path: Path) -> None:
    base = [*base, "epochs=3"]
    members = [[*base, "optimizer.lr=1e-3"], [*base, "optimizer.lr=1e-2"]]
    folders = [tmp_path / "0", tmp_path / "1"]
    trainings = [started(*pair) for pair in zip(members, folders, strict=True)]
    epoch(trainings, folders)
    for index, member in enumerate(members):
        (tmp_path / "alone").mkdir(exist_ok=True)
        uninterrupted = alone(member, tmp_path / "alone")
        parts, splits = parts_of(member)
        next(fit(parts.model, splits, parts.optimizer, parts.schedule, parts.plan, tmp_path / "one epoch"))
        for name in ("last.pt", "best.pt"):
            sizes = [(folder / name).stat().st_size for folder in (folders[index], tmp_path / "one epoch")]
            assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
        assert_same(alone(member, tmp_path / "resumed", folders[index] / "last.pt"), uninterrupted)
        parts.model.load_state_dict(checkpoint.load(folders[index] / "best.pt")["model"])
    resumed = [started(member, folder, folder / "last.pt") for member, folder in zip(members, folders, strict=True)]
    for _ in range(2):
        epoch(resumed, folders)
    for training, member in zip(resumed, members, strict=True):
        assert_same(training.state.history, alone(member, tmp_path / "alone"))


@SLOW
def test_trials_that_differ_in_numbers_are_of_one_group_and_those_of_another_shape_are_not() -> None:
    def group(*overrides: str) -> str | None:
        cfg = config(list(overrides))
        return stack_group(cfg, build(cfg).model)

    same = {group("vae.lambda=0"), group("vae.lambda=7", "seed=3"), group("optimizer.lr=0.1", "clip_norm=2")}
    assert len(same) == 1
    assert group("vae.hidden=17") not in same
    assert group("batch_size=7") not in same
    assert group("model=vae_all_lambda") is None
