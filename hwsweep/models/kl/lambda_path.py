"""The KL term that walks lambda through a list: one training, with a stop at each lambda."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hwsweep.argument_checks import check_choice, check_count, check_number
from hwsweep.data import Examples
from hwsweep.models import Model, Progress, Stages
from hwsweep.models.kl_terms import KLTerm, Latents, PerImage, Weight
from hwsweep.models.vae import VAE, active_unit_statistic, active_units, pixels

MAX_STOPS = 1000
MEASURED = ("rate", "distortion", "active_units")
"""What is measured on the validation split at the end of each stop: nats per image, nats per image, a number."""
IMAGES_AT_ONCE = 1000
"""Images per pass of the encoder: bounds the memory."""
ROUNDING = 1e-4
"""More than the error of stops * share in single precision, less than a step of training."""


class Measurements(Stages):
    """What the model was like at the end of each stop.

    Args:
        active_threshold: variance of the posterior mean above which a latent is active (Burda et al. 2016).
    """

    rows: Float[Tensor, "stops measured"]
    """The numbers that `MEASURED` names; NaN of a stop that has not ended, and of the active units of one image."""

    def __init__(self, n_stops: int, *, restart: bool, active_threshold: float) -> None:
        super().__init__()
        self.number, self.restart, self.active_threshold = n_stops, restart, active_threshold
        self.register_buffer("rows", torch.full((n_stops, len(MEASURED)), math.nan))

    def measure(self, stage: int, model: Model, valid: Examples, losses: Mapping[str, float]) -> None:
        assert isinstance(model, VAE)
        active = _n_active(model, valid["image"], self.active_threshold)
        self.rows[stage] = torch.tensor([losses["valid/rate"], losses["valid/distortion"], active])


class LambdaPath(KLTerm):
    """The rate, with a lambda that takes each of `weights` for as many epochs.

    In training a step has the lambda of its own stop. An evaluation at the end of an epoch has the lambda that this
    epoch was trained with, so the model of a run has the last one of the list.

    Args:
        weights: lambda at each stop, in this order; each > 0. They are lambda itself, so that `vae.lambda` stays 1.
        epochs_each: epochs at each stop.
        restart: whether the optimizer forgets its state, such as the moments of Adam, at the beginning of each stop.
        epochs: of the training; the path must fill it.
        active_threshold: as in `Measurements`.
    """

    LAMBDAS = "[1, 1]"
    LAMBDAS_NOTE = "with kl=path, kl.weights are lambda"

    weights: Float[Tensor, " stops"]

    def __init__(
        self, *, weights: Sequence[float], epochs_each: int, restart: bool, epochs: int, active_threshold: float
    ) -> None:
        super().__init__()
        if not isinstance(weights, Sequence) or isinstance(weights, str) or not 1 <= len(weights) <= MAX_STOPS:
            raise ValueError(f"`kl.weights` must be a list of 1 to {MAX_STOPS} lambdas, but got {weights!r}")
        for weight in weights:
            check_number("kl.weights", weight, "(0, inf)", unit="lambda at each stop")
        check_count("kl.epochs_each", epochs_each)
        check_choice("kl.restart", restart, (True, False))
        check_count("epochs", epochs)
        check_number("analysis.plan.active_threshold", active_threshold, "[0, inf)")
        n_stops = len(weights)
        if epochs != n_stops * epochs_each:
            stops = f"{n_stops} stop{'s' * (n_stops > 1)} of kl.epochs_each={epochs_each}"
            raise ValueError(f"`epochs` must be {n_stops * epochs_each} for the {stops}, but got {epochs}")
        self.register_buffer("weights", torch.tensor([float(weight) for weight in weights]), persistent=False)
        self.progress = Progress()
        self.measurements = Measurements(n_stops, restart=restart, active_threshold=active_threshold)

    def penalty(self, kl: Latents) -> PerImage:
        return kl.sum(1)

    def weight(self, kl_weight: Weight) -> Float[Tensor, ""]:
        return kl_weight * self.weights.gather(0, self._stop()[None])[0]

    def posterior(self, mu: Latents, log_var: Latents) -> tuple[Latents, Latents]:
        return mu, log_var

    def unfinished(self) -> str:
        n_stops, stop = len(self.weights), int(self._stop())
        if stop == n_stops - 1:
            return ""
        return f"the path had reached stop {stop + 1} of {n_stops}, lambda = {float(self.weights[stop]):g}"

    def _stop(self) -> Tensor:
        """The number of the stop, from 0: of the step in training, else of the step before."""
        n_stops = len(self.weights)
        reached = self.progress.share * n_stops
        stop = torch.floor(reached + ROUNDING) if self.training else torch.ceil(reached - ROUNDING) - 1
        return stop.clamp(0, n_stops - 1).long()


@torch.no_grad()
def _n_active(model: VAE, image: Tensor, threshold: float) -> float:
    """The number of active units on these images; NaN for one image."""
    if len(image) < 2:
        return math.nan
    was_training = model.training
    model.eval()
    mu = torch.cat([model.encode(pixels(some))[0] for some in image.split(IMAGES_AT_ONCE)])
    model.train(was_training)
    return active_units(active_unit_statistic(mu.cpu()), threshold)
