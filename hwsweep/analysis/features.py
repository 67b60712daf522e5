"""The feature space in which samples are compared with real images: made from the training split, then cached."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from hwsweep.analysis import IMAGES_AT_ONCE
from hwsweep.analysis.cache import cached
from hwsweep.argument_checks import check_count, check_number
from hwsweep.data import Examples
from hwsweep.models.vae import pixels

FORMAT = 1
"""Part of the cache key: raise it when the same settings give other features."""

PIXELS_FOR_PCA = 2**25
"""Pixels of the training images from which principal components are computed: 2,730 images of 64x64x3, 134 MB."""

SCALED_BY = 5000
"""Training images whose features set the unit of the features."""


@dataclass(frozen=True)
class FeaturePlan:
    """How features are made; every value comes from conf."""

    n_features: int
    """Width of the last hidden layer of the classifier, or number of principal components."""
    n_steps: int
    """Training steps of the classifier."""
    batch_size: int
    learning_rate: float
    seed: int

    def __post_init__(self) -> None:
        for name in ("n_features", "n_steps", "batch_size"):
            check_count(f"analysis.features.{name}", getattr(self, name))
        check_number("analysis.features.learning_rate", self.learning_rate, "(0, inf)")
        check_count("analysis.features.seed", self.seed, least=0, most=2**63 - 1)


def features_of(network: nn.Module, image: Num[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    """Features of images (bytes, or intensities in [0, 1]), on the CPU."""
    with torch.inference_mode():
        return torch.cat([network(pixels(chunk.cpu())) for chunk in image.split(IMAGES_AT_ONCE)])


def feature_network(train: Examples, plan: FeaturePlan, data_digest: str) -> nn.Module:
    """A frozen map from images to features whose variances on the training images sum to 1.

    With labels: all but the last layer of a small convolutional classifier of the training images. Without labels:
    their principal components. Cached for the same data and plan.
    """
    labelled = "label" in train

    def fit() -> dict[str, Tensor]:
        fitted = _classifier(train, plan) if labelled else _principal_components(train["image"], plan.n_features)
        _scale(fitted, train["image"][:SCALED_BY])
        return fitted.state_dict()

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        state = cached("features", f"{FORMAT} {labelled} {plan!r} {data_digest}", fit)
        build = _convolutional if labelled else _linear
        network = build(tuple(train["image"].shape[1:]), plan.n_features)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


@torch.enable_grad()
def _classifier(train: Examples, plan: FeaturePlan) -> nn.Sequential:
    """All but the last layer of a classifier trained on the CPU."""
    image, label = train["image"].cpu(), train["label"].cpu()
    network = _convolutional(tuple(image.shape[1:]), plan.n_features)
    head = nn.Linear(plan.n_features, int(label.max()) + 1)
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=plan.learning_rate, fused=True)
    for _ in range(plan.n_steps):
        chosen = torch.randint(len(image), (plan.batch_size,))
        loss = nn.functional.cross_entropy(head(network(pixels(image[chosen]))), label[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return network


def _principal_components(image: Num[Tensor, "n c h w"], n_features: int) -> nn.Sequential:
    """The projection on the leading principal components."""
    shape = tuple(image.shape[1:])
    chosen = torch.randperm(len(image))[: max(2, PIXELS_FOR_PCA // math.prod(shape))]
    points = pixels(image[chosen].cpu()).flatten(1)
    directions = torch.pca_lowrank(points, q=min(n_features, *points.shape))[2]
    weight = nn.functional.pad(directions.T, (0, 0, 0, n_features - directions.shape[1]))
    network = _linear(shape, n_features)
    network.load_state_dict({"1.weight": weight, "1.bias": torch.zeros(n_features)})
    return network


def _scale(network: nn.Sequential, image: Num[Tensor, "n c h w"]) -> None:
    """Make the total variance of the features 1; a ReLU behind the last linear layer does not change the scale."""
    deviation = float(features_of(network, image).double().var(0, correction=0).sum().sqrt()) or 1.0
    last = [layer for layer in network if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.div_(deviation)
        last.bias.div_(deviation)


def _linear(shape: tuple[int, ...], n_features: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), n_features))


def _convolutional(shape: tuple[int, ...], n_features: int) -> nn.Sequential:
    channels, height, width = shape
    n_positions = math.ceil(height / 4) * math.ceil(width / 4)  # each stride of 2 halves both sizes, rounding up
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * n_positions, n_features),
        nn.ReLU(),
    )
