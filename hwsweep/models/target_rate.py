"""The KL term that holds the rate at a target: lambda follows the rate."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from hwsweep.argument_checks import check_number
from hwsweep.models import Schedule
from hwsweep.models.kl_terms import KLTerm, Latents, PerImage, Weight

MEMORY = 100
"""Steps of training over which the rate and lambda are averaged, to tell whether they have settled."""


class Multiplier(Schedule):
    """Lambda as a factor on the given one, and what the last steps of training were like."""

    log_factor: Float[Tensor, ""]
    """ln(lambda / given lambda) of the next step."""
    steps: Float[Tensor, ""]
    """Steps of training so far."""
    mean_rate: Float[Tensor, ""]
    """Of the last steps, in nats per image."""
    mean_log_factor: Float[Tensor, ""]
    """Of the last steps."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("log_factor", "steps", "mean_rate", "mean_log_factor"):
            self.register_buffer(name, torch.zeros(()))

    def record(self, rate: Float[Tensor, ""]) -> None:
        """Take the step's mean rate and its factor into the means, which forget what is older than `MEMORY` steps."""
        self.steps.add_(1)
        share = 1 / self.steps.clamp(max=MEMORY)
        self.mean_rate.add_(share * (rate - self.mean_rate))
        self.mean_log_factor.add_(share * (self.log_factor - self.mean_log_factor))


class Settled(NamedTuple):
    """The end of a training at a target rate; rates in nats per image."""

    n_steps: int
    """The last steps of training, which `rate` is of: `MEMORY`, or all of a shorter training."""
    rate: float
    """Mean of these steps."""
    change: float
    """Share by which lambda was above its mean of these steps at the end; about what it changes in so many steps."""
    at_limit: bool
    """Whether lambda was as small or as large as it can be."""


class TargetRate(KLTerm):
    """The rate, with a lambda that rises while the mean rate is above a target and falls while it is below.

    The model with the lowest distortion among those whose mean rate is `rate` has the lowest distortion + lambda * rate
    at one lambda, the Lagrange multiplier (GECO: Rezende & Viola 2018, arXiv:1810.00597; ControlVAE: Shao et al. 2020,
    arXiv:2004.05988). Each step of training adds gain * (mean rate of the batch / `rate` - 1) to ln lambda; the number
    in brackets is at most 1.

    Args:
        rate: nats per image, mean over the training images.
        gain: change of ln lambda in one step at twice the rate, in (0, 1].
        factor: largest factor between lambda and the given one, up or down, > 1.
    """

    LAMBDAS = "(0, inf)"
    NUMBERS = ("rate", "gain")

    def __init__(self, *, rate: float, gain: float, factor: float) -> None:
        super().__init__()
        check_number("kl.rate", rate, "(0, inf)", unit="nats per image")
        check_number("kl.gain", gain, "(0, 1]", unit="change of ln lambda in a step")
        check_number("kl.factor", factor, "(1, inf)")
        self.rate, self.gain, self.limit = rate, gain, math.log(factor)
        self.multiplier = Multiplier()

    def penalty(self, kl: Latents) -> PerImage:
        rate = kl.sum(1)
        if self.training:
            self._follow(rate.detach().mean())
        return rate

    def weight(self, kl_weight: Weight) -> Float[Tensor, ""]:
        return kl_weight * torch.exp(self.multiplier.log_factor)

    def posterior(self, mu: Latents, log_var: Latents) -> tuple[Latents, Latents]:
        return mu, log_var

    def unfinished(self) -> str:
        return ""

    def settled(self) -> Settled:
        """What the last steps of training were like."""
        state = self.multiplier
        change = float(torch.exp(state.log_factor - state.mean_log_factor)) - 1
        n_steps = min(MEMORY, int(state.steps))
        return Settled(n_steps, float(state.mean_rate), change, bool(state.log_factor.abs() >= self.limit))

    def _follow(self, rate: Float[Tensor, ""]) -> None:
        """Set lambda for the next step from the mean rate of this one."""
        self.multiplier.record(rate)
        error = (rate / self.rate - 1).clamp(max=1)
        log_factor = self.multiplier.log_factor + self.gain * error
        self.multiplier.log_factor.copy_(log_factor.clamp(-self.limit, self.limit))
