"""Configs and data of benchmarks/gpu.py: those of HWSWEEP_DATA, or random ones of the same sizes."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from gpu_floor import Device, measure_device
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from hwsweep import conf_path
from hwsweep.components import build
from hwsweep.data import PAD, DataError, Lexicon, Splits
from hwsweep.training.batches import n_examples

VAE = ("dataset=tibetan_mnist", "vae.hidden=400", "vae.latent=20", "batch_size=128")
SIZES = {"tibetan_mnist": (14216, 1776, 1776), "anime_faces": (50906, 6363, 6363), "ag_news": (20000, 2000, 2000)}
"""Examples of each split, also of the synthetic ones. Of AG News this is a part."""


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


def lambdas(n: int) -> list[float]:
    """From 0.1 to 100, log-spaced; the one is 1."""
    return [1.0] if n == 1 else [0.1 * 1000 ** (index / (n - 1)) for index in range(n)]


def config_of(setup: Setup, weight: float, epochs: int) -> DictConfig:
    """The config of a point of (b)."""
    cfg = _composed(setup, epochs).copy()  # to compose it takes longer than to train it
    cfg.vae["lambda"] = weight
    return cfg


@cache
def _composed(setup: Setup, epochs: int) -> DictConfig:
    return setup.config(*VAE, f"epochs={epochs}")


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
