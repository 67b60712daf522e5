"""What a VAE's layers change by with ln lambda; for one lambda it becomes part of the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

AFFINE = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
MIN_GATE = 1e-3
"""Softens the square root of a gate where it closes: there its slope is infinite."""

TAU_SPEED = 10.0
"""Adam moves every parameter by about its learning rate; ln tau must cross several units."""


class Change(NamedTuple):
    """A matrix that is added to a layer's weight: a mixture of some, with shares that depend on lambda."""

    shares: Float[Tensor, "n knots"]
    matrices: Float[Tensor, "knots outputs inputs"]

    def __call__(self, values: Float[Tensor, "n inputs"]) -> Float[Tensor, "n outputs"]:
        """The product of each example's matrix with its values."""
        products = nn.functional.linear(values, self.matrices.flatten(0, 1)).unflatten(1, self.matrices.shape[:2])
        return torch.bmm(self.shares[:, None], products)[:, 0]


class Affine(NamedTuple):
    """What a layer's weight and output change by; one row per lambda."""

    scale: Float[Tensor, "n channels"]
    shift: Float[Tensor, "n channels"]
    change: Change | None = None


class Conditions(NamedTuple):
    """All that a VAE's layers take from lambda; one row per lambda."""

    encoder: list[Affine]
    """Of each affine layer, in order."""
    gate: Float[Tensor, "n latent"]
    """Factor on the latents where the decoder takes them in; 0 to 1."""
    decoder: list[Affine]
    """Of each affine layer but the last."""


class LambdaConditioning(nn.Module):
    """Conditions from ln lambda: a gate per latent, scale and shift of each layer, and matrices at some lambdas.

    The optimal linear VAE (Lucas et al. 2019, arXiv:1911.02469) has for each latent a lambda tau of its collapse. With
    g^2 = 1 - lambda / tau, or 0 beyond tau, its posterior has the variance 1 - g^2, and its mean and the decoder's
    column are those of lambda = 0 times g (the decoder's gate of Bae et al. 2023, arXiv:2212.03905). So each latent
    has a learned tau, and g scales posterior and decoder: beyond tau the posterior is the prior.
    Scale and shift of each layer before its activation (FiLM: Perez et al. 2018, arXiv:1709.07871) come from a network
    with one hidden layer; at the start they are 1 and 0. The encoder's last layer and the decoder's first one, between
    code and hidden layers, also have a matrix at each of some lambdas, interpolated between them and 0 at the start:
    few latents carry another code than many, which scales and shifts cannot express.

    Args:
        range_: lambdas from which training draws.
        width: of the network's hidden layer.
        knots: number of lambdas that have matrices of their own.
        log_var_limit: of the VAE.
    """

    log_tau_start: Float[Tensor, " latent"]

    def __init__(
        self,
        encoder: nn.Sequential,
        decoder: nn.Sequential,
        latent: int,
        range_: tuple[float, float],
        width: int,
        knots: int,
        log_var_limit: float,
    ) -> None:
        super().__init__()
        low, high = (math.log(end) for end in range_)
        self.middle, self.half_width = (low + high) / 2, (high - low) / 2
        self.log_var_limit, self.latent = log_var_limit, latent
        self.knots = knots
        self.head_change, self.input_change = (_changes(knots, layers) for layers in (encoder, decoder[::-1]))
        channels = [_n_outputs(layer) for layer in encoder if isinstance(layer, AFFINE)]
        self.n_encoder = len(channels)
        channels += [_n_outputs(layer) for layer in decoder if isinstance(layer, AFFINE)][:-1]
        self.sizes = [size for count in channels for size in (count, count)]
        last = nn.Linear(width, sum(self.sizes))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(nn.Linear(1, width), nn.SiLU(), last)
        self.register_buffer("log_tau_start", torch.linspace(high, self.middle, latent + 1)[:-1])
        self.tau_change = nn.Parameter(torch.zeros(latent))

    def log_tau(self) -> Float[Tensor, " latent"]:
        """ln of each latent's learned lambda of collapse."""
        return self.log_tau_start + TAU_SPEED * self.tau_change

    def forward(self, log_weight: Float[Tensor, " n"]) -> Conditions:
        """The conditions of each ln lambda."""
        offset = (log_weight[:, None] - self.middle) / self.half_width
        films = self.network(offset).split(self.sizes, dim=1)
        affine = [Affine(1 + films[i], films[i + 1]) for i in range(0, len(films), 2)]
        encoder, decoder = affine[: self.n_encoder], affine[self.n_encoder :]
        gate, log_var = self._linear_optimum(log_weight)
        both, added = torch.cat([gate, gate], dim=1), torch.cat([torch.zeros_like(log_var), log_var], dim=1)
        shares = self._shares(offset)
        head = encoder[-1]
        change = None if self.head_change is None else Change(shares, self.head_change)
        encoder[-1] = Affine(both * head.scale, both * head.shift + added, change)
        if self.input_change is not None:
            decoder[0] = decoder[0]._replace(change=Change(shares, self.input_change))
        return Conditions(encoder, gate, decoder)

    def _linear_optimum(self, log_weight: Float[Tensor, " n"]) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
        """Gate and log-variance of each latent; the latter as the encoder gives it, before the VAE limits it."""
        log_share = (log_weight[:, None] - self.log_tau()).clamp(max=0)  # ln(lambda / tau), 0 beyond tau
        square = 1 - torch.exp(log_share)
        gate = square / torch.sqrt(square + MIN_GATE)  # about sqrt(square)
        limit = self.log_var_limit
        return gate, limit * torch.atanh((log_share / limit).clamp(min=-0.99))

    def _shares(self, offset: Float[Tensor, "n 1"]) -> Float[Tensor, "n knots"]:
        """Of each knot: falls linearly from 1 at the knot to 0 at its neighbours; they sum to 1."""
        place = (offset + 1) / 2 * (self.knots - 1)
        return (1 - (place - torch.arange(self.knots, device=offset.device)).abs()).clamp(min=0)


def conditioned(network: nn.Sequential, values: Tensor, affine: Sequence[Affine]) -> Tensor:
    """The network's output, with these scales and shifts after its first affine layers; one row per example."""
    remaining = iter(affine)
    for layer in network:
        inputs, values = values, layer(values)
        if isinstance(layer, AFFINE) and (condition := next(remaining, None)) is not None:
            if condition.change is not None:
                values = values + condition.change(inputs)
            shape = condition.scale.shape + (1,) * (values.dim() - 2)
            values = torch.addcmul(condition.shift.view(shape), values, condition.scale.view(shape))
    return values


@torch.no_grad()
def fold(encoder: nn.Sequential, decoder: nn.Sequential, conditions: Conditions) -> None:
    """Change the weights so that the networks alone do what they did with the first row of these conditions."""
    for network, affine in ((encoder, conditions.encoder), (decoder, conditions.decoder)):
        layers = [layer for layer in network if isinstance(layer, AFFINE)]
        for layer, condition in zip(layers, affine, strict=False):
            if condition.change is not None:
                layer.weight.add_(torch.tensordot(condition.change.shares[0], condition.change.matrices, 1))
        if network is decoder:
            layers[0].weight.mul_(conditions.gate[0])
        for layer, condition in zip(layers, affine, strict=False):
            axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            shape = [-1 if i == axis else 1 for i in range(layer.weight.dim())]
            layer.weight.mul_(condition.scale[0].view(shape))
            assert layer.bias is not None
            layer.bias.mul_(condition.scale[0]).add_(condition.shift[0])


def _n_outputs(layer: nn.Module) -> int:
    assert isinstance(layer, AFFINE)
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def _changes(knots: int, layers: nn.Sequential) -> nn.Parameter | None:
    """One matrix of zeros per knot for the last linear layer; None if it is the only affine one, and so linear."""
    affine = [layer for layer in layers if isinstance(layer, AFFINE)]
    last = affine[-1]
    assert isinstance(last, nn.Linear)
    return None if len(affine) == 1 else nn.Parameter(torch.zeros(knots, last.out_features, last.in_features))
