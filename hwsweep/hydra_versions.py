"""What differs by version: what Hydra 1.3 and 1.4 expect, and the configs that older versions of hwsweep stored."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig

MOVED = {
    "hwsweep.data.headlines": "hwsweep.data.texts.headlines",
    "hwsweep.data.text_files": "hwsweep.data.texts.text_files",
    "hwsweep.data.tokenizers": "hwsweep.data.texts.tokenizers",
    "hwsweep.data.tokens": "hwsweep.data.texts.tokens",
    "hwsweep.data.vectors": "hwsweep.data.texts.vectors",
    "hwsweep.analysis.baseline": "hwsweep.analysis.texts.baseline",
    "hwsweep.analysis.classifier": "hwsweep.analysis.texts.classifier",
    "hwsweep.figures.lambda_active_units": "hwsweep.figures.lambda_curve.lambda_active_units",
    "hwsweep.figures.lambda_images": "hwsweep.figures.lambda_curve.lambda_images",
    "hwsweep.figures.lambda_rate_distortion": "hwsweep.figures.lambda_curve.lambda_rate_distortion",
}
"""Modules by the names that stored configs have for them."""

_IMAGES = {"binarise": "none"}
ADDED: dict[str, dict[str, Any]] = {
    "hwsweep.data.images.NpzImages": _IMAGES,
    "hwsweep.data.images.FolderImages": _IMAGES,
    "hwsweep.data.strokes.TibetanStrokes": _IMAGES,
    "hwsweep.data.torchvision_images.TorchvisionImages": _IMAGES,
    "hwsweep.data.texts.tokenizers.spacy": {"language": "en"},
    "hwsweep.data.texts.tokens.TextPlan": {"warn_unknown": 0.2, "warn_unsplit": 0.5, "warn_letters": 1.0},
    "hwsweep.models.all_lambda_vae.AllLambdaVAE": {"collapse_draws": 0.0},
    "hwsweep.models.networks.convolutional": {"activation": "relu"},
    "hwsweep.models.networks.fully_connected": {"activation": "relu"},
    "hwsweep.models.transformer.Transformer": {"window": None, "word_dropout": 0.0, "word_mean": False},
    "hwsweep.models.vae.VAE": {"pixel_context": None},
    "hwsweep.training.optimizers.Adam": {"eps": 1e-8},
}
"""Settings that a class or function did not always have, with the values that do what it did without them.

Who adds a setting adds it here: models that were logged, and runs and studies that were begun, lack it.
"""


def version_base() -> dict[str, str]:
    """The argument `version_base`, which Hydra 1.3 wants to be given and 1.4 wants to be left out."""
    import hydra

    return {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}


@contextmanager
def without_whitelist_warnings() -> Iterator[None]:
    """A block in which Hydra 1.4 does not warn that `_target_` may name any class: here that is the purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"hydra\.utils\.instantiate\(\) resolved", UserWarning)
        yield


def instantiate(node: Any, **arguments: Any) -> Any:
    """What the section, perhaps of an older version, describes, as `hydra.utils.instantiate` makes it."""
    import hydra.utils

    with without_whitelist_warnings():
        return hydra.utils.instantiate(_current(node), **arguments)


def _current(node: Any) -> Any:
    """The section with the settings and the names of modules that this version has."""
    from omegaconf import OmegaConf

    stored = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    current = _with_settings(stored)
    return node if current == stored else current


def _with_settings(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_settings(item) for item in value]
    if not isinstance(value, dict):
        return value
    section = {key: _with_settings(item) for key, item in value.items()}
    if not isinstance(target := section.get("_target_"), str):
        return section
    module, _, name = target.rpartition(".")
    if module in MOVED:
        target = f"{MOVED[module]}.{name}"
    return {**ADDED.get(target, {}), **section, "_target_": target}


def compose_in(folder: Path, name: str, overrides: Sequence[str] = (), return_hydra_config: bool = False) -> DictConfig:
    """The configuration `name` of this folder with these overrides."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(folder), **version_base()):
        return compose(name, list(overrides), return_hydra_config=return_hydra_config)
