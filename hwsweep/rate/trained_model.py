"""The model of a run for every lambda, rebuilt from what MLflow stores of it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hwsweep.rate.search import Found, find_lambda
from hwsweep.tracking.reading import download, run_status

if TYPE_CHECKING:
    from hwsweep.tracking.runs import Store


class NoSuchModel(Exception):
    """The run has no model for every lambda; the message says what it has."""


def find_in_run(store: Store, run_id: str, quantity: str, value: float) -> Found:
    """The lambda at which the model of the run has this rate or distortion on its test split.

    Args:
        quantity: rate or distortion.
        value: in nats per image.

    Raises:
        NotInStore: there is no such run.
        NoSuchModel: it has not finished, or its model is not one for every lambda.
        OutOfRange: the model has no such value.
    """
    from hydra.errors import InstantiationException
    from omegaconf import DictConfig, OmegaConf

    from hwsweep.analysis.all_lambda.contract import EveryLambda
    from hwsweep.components import load_model
    from hwsweep.components.config_values import first_line
    from hwsweep.hydra_versions import instantiate

    if (status := run_status(store, run_id)) != "FINISHED":
        raise NoSuchModel(f"run {run_id} has no finished model, it is {status}")
    with TemporaryDirectory() as temporary:
        cfg = OmegaConf.load(download(store, run_id, "config.yaml", Path(temporary)))
        assert isinstance(cfg, DictConfig)
        other = f"run {run_id} has no VAE for every lambda; train one with `python -m hwsweep model=vae_all_lambda`"
        if "stops" not in cfg.get("analysis", {}):
            raise NoSuchModel(other)
        try:
            model = load_model(cfg, download(store, run_id, "checkpoints/best.pt", Path(temporary)))
        except (RuntimeError, InstantiationException) as error:
            message = f"run {run_id} has a model that this version of hwsweep cannot load: {first_line(error)}"
            raise NoSuchModel(message) from error
    if not isinstance(model, EveryLambda):
        raise NoSuchModel(other)
    splits = instantiate(cfg.dataset).splits(cfg.seed)
    analysis = cfg.analysis
    return find_lambda(model, splits, instantiate(analysis.plan), analysis.stops.number, quantity, value)
