"""The penalty in a VAE's loss: the plain rate, or a published remedy against posterior collapse.

loss = distortion + lambda * penalty, in nats per image; one class for each config of the group `kl`.
A schedule counts in shares of the training. In evaluation mode every penalty is the one at its end: losses of different
epochs compare, and the best epoch of a run (lowest `valid/loss`) is best by the loss that the schedule ends with, not
by the smallest weight.
The rate and the negative ELBO that a model reports are the true ones, whatever the penalty.
"""

from __future__ import annotations

import math
from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from hwsweep.argument_checks import check_count, check_number
from hwsweep.models import Progress

Latents = Float[Tensor, "n latent"]
PerImage = Float[Tensor, " n"]
Weight = Float[Tensor, ""] | float
"""A tensor where models train as one: each has its own."""


class KLTerm(nn.Module):
    """The penalty of a loss and the posteriors that it allows. Abstract."""

    LAMBDAS = "[0, inf)"
    """What conf may give as lambda."""
    LAMBDAS_NOTE = ""
    """What the message says beside it."""
    NUMBERS: tuple[str, ...] = ()
    """Attributes that may be a tensor in place of a number."""

    @abstractmethod
    def penalty(self, kl: Latents) -> PerImage:
        """The factor of lambda, in nats per image, from the KL of each latent."""

    @abstractmethod
    def weight(self, kl_weight: Weight) -> Weight:
        """Lambda now, from the one that conf gives: the same object, or a tensor that changes during the training."""

    @abstractmethod
    def posterior(self, mu: Latents, log_var: Latents) -> tuple[Latents, Latents]:
        """Mean and log-variance of q(z | x), from the output of the encoder."""

    @abstractmethod
    def unfinished(self) -> str:
        """What the schedule had reached when these weights were trained, as a clause; empty if it was at its end."""


class GivenWeight(KLTerm):
    """A penalty with the lambda that conf gives. Abstract."""

    def weight(self, kl_weight: Weight) -> Weight:
        return kl_weight


class FreePosterior(GivenWeight):
    """A penalty with the posterior as the encoder gives it. Abstract."""

    def posterior(self, mu: Latents, log_var: Latents) -> tuple[Latents, Latents]:
        return mu, log_var


class Constant(FreePosterior):
    """The rate at every step (Higgins et al. 2017, beta-VAE; at lambda = 1 Kingma & Welling 2014)."""

    def penalty(self, kl: Latents) -> PerImage:
        return kl.sum(1)

    def unfinished(self) -> str:
        return ""


class LinearAnnealing(FreePosterior):
    """The rate with a factor that grows linearly from 0 to 1 and stays at 1.

    KL annealing is Bowman et al. 2016 (arXiv:1511.06349), who use a sigmoid; the linear warm-up is
    Sønderby et al. 2016 (arXiv:1602.02282).

    Args:
        warmup: share of the training until the factor is 1, in (0, 1].
    """

    NUMBERS = ("warmup",)

    def __init__(self, *, warmup: float) -> None:
        super().__init__()
        check_number("kl.warmup", warmup, "(0, 1]", unit="share of the training")
        self.warmup = warmup
        self.progress = Progress()

    def penalty(self, kl: Latents) -> PerImage:
        return self._factor() * kl.sum(1) if self.training else kl.sum(1)

    def unfinished(self) -> str:
        return _share_of_weight(float(self._factor()))

    def _factor(self) -> Float[Tensor, ""]:
        return (self.progress.share / self.warmup).clamp(max=1)


class CyclicalAnnealing(FreePosterior):
    """The rate with a factor that starts again from 0 at each cycle (Fu et al. 2019, arXiv:1903.10145).

    Args:
        cycles: number of cycles, of equal length, that fill the training (their M).
        ramp: share of a cycle in which the factor grows to 1 (their R), in (0, 1]; after it the factor is 1.
    """

    def __init__(self, *, cycles: int, ramp: float) -> None:
        super().__init__()
        check_count("kl.cycles", cycles)
        self.cycles = cycles
        check_number("kl.ramp", ramp, "(0, 1]", unit="share of a cycle")
        self.ramp = ramp
        self.progress = Progress()

    def penalty(self, kl: Latents) -> PerImage:
        if not self.training:
            return kl.sum(1)
        return (self.progress.share * self.cycles % 1 / self.ramp).clamp(max=1) * kl.sum(1)

    def unfinished(self) -> str:
        cycles = round(float(self.progress.share) * self.cycles, 5)  # the share is rounded to single precision
        cycle = max(1, math.ceil(cycles))  # an epoch that ends with a cycle belongs to that cycle
        clause = _share_of_weight(min(1.0, (cycles - cycle + 1) / self.ramp))
        return f"{clause} in cycle {cycle} of {self.cycles}" if clause else ""


class FreeBits(FreePosterior):
    """The rate, but at least `free_nats` per latent (Kingma et al. 2016, arXiv:1606.04934).

    As in the paper, the threshold applies to the mean over the batch; each latent is a group of its own. A latent whose
    mean is below it costs `free_nats` for every image and has no gradient: the mean penalty is
    sum_j max(free_nats, mean KL_j). So an image's penalty depends on its batch, also in evaluation mode.

    Args:
        free_nats: nats per latent, >= 0; at 0 the penalty is the rate.
    """

    NUMBERS = ("free_nats",)

    def __init__(self, *, free_nats: float) -> None:
        super().__init__()
        check_number("kl.free_nats", free_nats, "[0, inf)")
        self.free_nats = free_nats

    def penalty(self, kl: Latents) -> PerImage:
        return kl.where(kl.mean(0) >= self.free_nats, self.free_nats).sum(1)

    def unfinished(self) -> str:
        return ""


class Capacity(FreePosterior):
    """|rate - capacity|, where the capacity grows (Burgess et al. 2018, arXiv:1804.03599).

    Lambda is their gamma. Their loss is written for one x, so this is each image's distance, not that of the mean rate.

    Args:
        capacity: nats per image at the end, >= 0; at 0 the penalty is the rate.
        warmup: share of the training in which the capacity grows linearly from 0, in (0, 1].
    """

    NUMBERS = ("capacity", "warmup")

    def __init__(self, *, capacity: float, warmup: float) -> None:
        super().__init__()
        check_number("kl.capacity", capacity, "[0, inf)")
        self.capacity = capacity
        check_number("kl.warmup", warmup, "(0, 1]", unit="share of the training")
        self.warmup = warmup
        self.progress = Progress()

    def penalty(self, kl: Latents) -> PerImage:
        return (kl.sum(1) - (self.reached() if self.training else self.capacity)).abs()

    def unfinished(self) -> str:
        reached = float(self.reached())
        return "" if reached >= self.capacity else f"the capacity reached {reached:.3g} of {self.capacity:g} nats"

    def reached(self) -> Float[Tensor, ""]:
        """The capacity that these weights were trained with last, in nats per image."""
        return (self.progress.share / self.warmup).clamp(max=1) * self.capacity


def _share_of_weight(factor: float) -> str:
    """A clause about a factor on lambda below 1; else an empty text."""
    return "" if factor >= 1 else f"the weight of the rate reached {math.floor(round(100 * factor, 3))} % of lambda"
