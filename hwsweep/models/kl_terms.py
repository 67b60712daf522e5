"""The penalty in a VAE's loss: the plain rate, or a published remedy against posterior collapse.

loss = distortion + lambda * penalty, in nats per image; one class for each config of the group `kl`.
In evaluation mode every penalty is the one at the end of its schedule: losses of different epochs compare, and the best
epoch of a run (lowest `valid/loss`) is best by the loss that the schedule ends with, not by the smallest weight.
The rate and the negative ELBO that a model reports are the true ones, whatever the penalty.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hwsweep.argument_checks import check_count, check_number

Latents = Float[Tensor, "n latent"]
PerImage = Float[Tensor, " n"]


class KLTerm(nn.Module):
    """The penalty of a loss and the posteriors that it allows. Abstract."""

    @abstractmethod
    def penalty(self, kl: Latents) -> PerImage:
        """The factor of lambda, in nats per image, from the KL of each latent; counts a step in training mode."""

    @abstractmethod
    def posterior(self, mu: Latents, log_var: Latents) -> tuple[Latents, Latents]:
        """Mean and log-variance of q(z | x), from the output of the encoder."""


class FreePosterior(KLTerm):
    """A penalty with the posterior as the encoder gives it. Abstract."""

    def posterior(self, mu: Latents, log_var: Latents) -> tuple[Latents, Latents]:
        return mu, log_var


class Constant(FreePosterior):
    """The rate at every step (Higgins et al. 2017, beta-VAE; at lambda = 1 Kingma & Welling 2014)."""

    def penalty(self, kl: Latents) -> PerImage:
        return kl.sum(1)


class LinearAnnealing(FreePosterior):
    """The rate with a factor that grows linearly from 0 to 1 and stays at 1.

    KL annealing is Bowman et al. 2016 (arXiv:1511.06349), who use a sigmoid; the linear warm-up is
    Sønderby et al. 2016 (arXiv:1602.02282).

    Args:
        warmup_steps: training batches until the factor is 1, >= 1.
    """

    def __init__(self, *, warmup_steps: int) -> None:
        super().__init__()
        check_count("kl.warmup_steps", warmup_steps)
        self.warmup_steps = warmup_steps
        self.steps = Steps()

    def penalty(self, kl: Latents) -> PerImage:
        if not self.training:
            return kl.sum(1)
        return (self.steps.next() / self.warmup_steps).clamp(max=1) * kl.sum(1)


class CyclicalAnnealing(FreePosterior):
    """The rate with a factor that starts again from 0 at each cycle (Fu et al. 2019, arXiv:1903.10145).

    Args:
        cycle_steps: training batches of a cycle, >= 1. Fu et al.: a fourth of the training.
        cycles: number of cycles; after them the factor stays 1.
        ramp: share of a cycle in which the factor grows to 1 (their R), in (0, 1]; after it the factor is 1.
    """

    def __init__(self, *, cycle_steps: int, cycles: int, ramp: float) -> None:
        super().__init__()
        check_count("kl.cycle_steps", cycle_steps)
        self.cycle_steps = cycle_steps
        check_count("kl.cycles", cycles)
        self.cycles = cycles
        check_number("kl.ramp", ramp, "(0, 1]")
        self.ramp = ramp
        self.steps = Steps()

    def penalty(self, kl: Latents) -> PerImage:
        if not self.training:
            return kl.sum(1)
        step = self.steps.next()
        factor = (step % self.cycle_steps / (self.ramp * self.cycle_steps)).clamp(max=1)
        return factor.where(step < self.cycles * self.cycle_steps, 1.0) * kl.sum(1)


class FreeBits(FreePosterior):
    """The rate, but at least `free_nats` per latent (Kingma et al. 2016, arXiv:1606.04934).

    As in the paper, the threshold applies to the mean over the batch; each latent is a group of its own. A latent whose
    mean is below it costs `free_nats` for every image and has no gradient: the mean penalty is
    sum_j max(free_nats, mean KL_j). So an image's penalty depends on its batch, also in evaluation mode.

    Args:
        free_nats: nats per latent, >= 0; at 0 the penalty is the rate.
    """

    def __init__(self, *, free_nats: float) -> None:
        super().__init__()
        check_number("kl.free_nats", free_nats, "[0, inf)")
        self.free_nats = free_nats

    def penalty(self, kl: Latents) -> PerImage:
        return kl.where(kl.mean(0) >= self.free_nats, self.free_nats).sum(1)


class Capacity(FreePosterior):
    """|rate - capacity|, where the capacity grows (Burgess et al. 2018, arXiv:1804.03599).

    Lambda is their gamma. Their loss is written for one x, so this is each image's distance, not that of the mean rate.

    Args:
        capacity: nats per image at the end, >= 0; at 0 the penalty is the rate.
        warmup_steps: training batches in which the capacity grows linearly from 0, >= 1.
    """

    def __init__(self, *, capacity: float, warmup_steps: int) -> None:
        super().__init__()
        check_number("kl.capacity", capacity, "[0, inf)")
        self.capacity = capacity
        check_count("kl.warmup_steps", warmup_steps)
        self.warmup_steps = warmup_steps
        self.steps = Steps()

    def penalty(self, kl: Latents) -> PerImage:
        if not self.training:
            return (kl.sum(1) - self.capacity).abs()
        return (kl.sum(1) - self.capacity * (self.steps.next() / self.warmup_steps).clamp(max=1)).abs()


class Steps(nn.Module):
    """Counts training batches; the count is part of every checkpoint, so that a resumed run continues it."""

    count: Int[Tensor, ""]

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def next(self) -> Int[Tensor, ""]:
        """Number of this batch, from 0."""
        step = self.count.clone()
        self.count += 1
        return step
