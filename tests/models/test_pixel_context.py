"""A decoder that sees pixels, against torch's convolution, torch.distributions and what it must not see."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from small_vae import random_images, small_vae
from torch.distributions import Bernoulli
from torch.nn import functional as F

from hwsweep.models.pixel_context import PixelContext, pixel_context
from hwsweep.models.vae import VAE

SHAPE = (2, 5, 7)


def context(radius: int, features: int = 5, **changes: Any) -> partial[PixelContext | None]:
    settings = {"binarise": "static", "likelihood": "bernoulli"}
    return partial(pixel_context, radius=radius, features=features, **(settings | changes))


def model_with(radius: int, **changes: Any) -> VAE:
    """A VAE whose correction by pixels is as large as its decoder's output."""
    model = small_vae(SHAPE, pixel_context=context(radius), **changes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


def binary(n: int = 3) -> torch.Tensor:
    return (torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(3)) < 0.4).float()


def by_convolution(part: PixelContext, output: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """The same with torch's convolutions: the kernel is square, and zero from its middle on (mask A)."""
    r, (features, _) = part.radius, part.neighbours.weight.shape
    side = 2 * r + 1
    kernel = torch.zeros(features, SHAPE[0], side * side)
    kernel[:, :, : side * side // 2] = part.neighbours.weight.view(features, SHAPE[0], -1)
    hidden = F.conv2d(image, kernel.view(features, SHAPE[0], side, side), part.neighbours.bias, padding=r)
    hidden = F.relu(hidden + F.conv2d(output, part.decoded.weight[:, :, None, None]))
    hidden = F.relu(F.conv2d(hidden, part.hidden.weight[:, :, None, None], part.hidden.bias))
    return output + F.conv2d(hidden, part.correction.weight[:, :, None, None], part.correction.bias)


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_the_correction_is_a_masked_convolution_and_1x1_convolutions(radius: int) -> None:
    part = model_with(radius).pixel_context
    assert part is not None
    output, image = torch.randn(3, *SHAPE), binary()
    torch.testing.assert_close(part(output, image), by_convolution(part, output, image))


def test_images_in_several_parts_are_computed_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, z = model_with(2), torch.randn(3, 3)
    whole = model.distortion(z, binary())
    monkeypatch.setattr("hwsweep.models.pixel_context.PIXELS_AT_ONCE", 70)
    torch.testing.assert_close(model.distortion(z, binary()), whole)


def test_a_pixel_sees_the_earlier_pixels_within_the_radius_and_no_others() -> None:
    part = model_with(2).pixel_context
    assert part is not None
    image = binary(1).requires_grad_()
    seen = torch.autograd.grad(part(torch.randn(1, *SHAPE), image)[0, 0, 3, 4], image)[0][0]
    inside = {(row, column) for row in (1, 2) for column in (2, 3, 4, 5, 6)} | {(3, 2), (3, 3)}
    for channel in seen:  # of earlier pixels all channels are seen
        assert {tuple(place) for place in channel.nonzero().tolist()} == inside


def test_the_distortion_is_that_of_pixels_drawn_one_after_the_other() -> None:
    """-ln p(x | z) is the sum over pixels of -ln p(pixel | earlier pixels, z): later pixels may hold anything."""
    model, image, z = model_with(2), binary(), torch.randn(3, 3)
    part = model.pixel_context
    assert part is not None
    total = torch.zeros(3)
    for row in range(SHAPE[1]):
        for column in range(SHAPE[2]):
            known = image.clone()
            known[:, :, row, column:] = 9
            known[:, :, row + 1 :] = 9
            logits = by_convolution(part, model.decoder(z), known)[:, :, row, column]
            total -= Bernoulli(logits=logits).log_prob(image[:, :, row, column]).sum(1)
    torch.testing.assert_close(model.distortion(z, image), total)


def test_drawing_equals_the_whole_convolution_pixel_after_pixel() -> None:
    model, z = model_with(2), torch.randn(3, 3)
    part = model.pixel_context
    assert part is not None
    uniform = torch.rand(3, *SHAPE)
    image = torch.zeros(3, *SHAPE)
    with torch.no_grad():
        for row in range(SHAPE[1]):
            for column in range(SHAPE[2]):
                probability = by_convolution(part, model.decoder(z), image).sigmoid()[:, :, row, column]
                image[:, :, row, column] = (uniform[:, :, row, column] < probability).float()
        drawn = model.decode(z, uniform)
    assert 0.1 < drawn.mean() < 0.9
    torch.testing.assert_close(drawn, image, rtol=0, atol=0)


def test_drawn_images_have_the_probabilities_of_the_model() -> None:
    """All 2^2 images of two pixels: shares of 4,000 draws within 4.5 standard errors of exp(-distortion)."""
    torch.manual_seed(1)
    model = small_vae((1, 1, 2), pixel_context=context(1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
        z = torch.randn(1, 3)
        images = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).view(4, 1, 1, 2)
        probability = torch.exp(-model.distortion(z.expand(4, 3), images))
        uniform = model.draw_noise(4000, torch.Generator().manual_seed(0))
        drawn = model.decode(z.expand(4000, 3), uniform)
    share = torch.stack([(drawn == image).flatten(1).all(1).float().mean() for image in images])
    assert float(probability.sum()) == pytest.approx(1, abs=1e-5)
    error = (probability * (1 - probability) / 4000).sqrt()
    assert ((share - probability).abs() < 4.5 * error).all()


def test_by_default_images_are_drawn_with_the_same_noise_so_that_z_alone_makes_them_differ() -> None:
    model, z = model_with(2), torch.randn(1, 3)
    state = torch.get_rng_state()
    drawn = model.decode(torch.cat([z, z, z + 5]))
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0, atol=0)
    assert (drawn[0] != drawn[2]).any()
    assert torch.equal(torch.get_rng_state(), state)
    noise = model.draw_noise(2, torch.Generator().manual_seed(0))
    one, other = model.decode(torch.cat([z, z]), noise)
    assert (one != other).any()


def test_a_context_of_0_is_the_plain_decoder_with_the_same_weights_and_outputs() -> None:
    plain, without = small_vae(SHAPE), small_vae(SHAPE, pixel_context=context(0, binarise="none"))
    assert without.pixel_context is None and without.draw_noise(3, torch.Generator()) is None
    for (name, weights), (other_name, other) in zip(
        plain.state_dict().items(), without.state_dict().items(), strict=True
    ):
        assert name == other_name and torch.equal(weights, other)
    batch = random_images(3, SHAPE)
    for name, values in plain.outputs(batch).items():
        assert torch.equal(values, without.outputs(batch)[name])


def test_the_whole_model_learns_and_draws_only_black_and_white() -> None:
    model = model_with(1)
    batch = {"image": (binary(5) * 255).to(torch.uint8)}
    model.losses(batch)["loss"].mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert set(model.outputs(batch)["reconstruction"].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"binarise": "none"},
            "`vae.context=2` needs black and white images: set `dataset.binarise=static` or dynamic",
        ),
        ({"likelihood": "gaussian"}, "`vae.context=2` needs `vae.likelihood=bernoulli`, but got gaussian"),
        ({"radius": -1}, "`vae.context` must be a whole number of pixels from 0 to 64, but got -1"),
        ({"features": 0}, "`vae.context_features` must be a whole number, at least 1, but got 0"),
    ],
)
def test_what_a_context_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_vae(SHAPE, pixel_context=context(**({"radius": 2} | change)))
