from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from hwsweep.figures import drawing, samples


def test_images_are_decoder_means_at_standard_normal_noise_clipped_to_grey(trained):
    torch.manual_seed(11)
    noise = torch.randn(7, 2).numpy()[:, 0]  # the planted decoder shows the first latent
    info = samples.info(trained([0]), n_samples=7, columns=3, seed=11)
    assert noise.min() < 0 < noise.max()
    expected = np.rint(np.clip(noise, 0, 1) * 255)
    np.testing.assert_array_equal(info.images, np.tile(expected[:, None, None, None], (1, 3, 5, 1)))


def test_the_noise_is_the_same_whatever_the_run_drew_before_and_takes_nothing_from_it(trained):
    torch.manual_seed(1)
    first = samples.info(trained([0]), n_samples=5, columns=3, seed=0)
    after = torch.rand(1)
    second = samples.info(trained([99]), n_samples=5, columns=3, seed=0)
    np.testing.assert_array_equal(first.images, second.images)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))


def test_another_seed_is_other_noise(trained):
    one, two = (samples.info(trained([0]), n_samples=5, columns=3, seed=seed).images for seed in (0, 1))
    assert not np.array_equal(one, two)


def test_all_samples_are_drawn_under_the_title_of_the_run(trained):
    info = samples.info(trained([0]), n_samples=5, columns=3, seed=0)
    axis = Figure().subplots()
    samples.draw(info, [axis])
    np.testing.assert_array_equal(axis.images[0].get_array(), drawing.tile(info.images, 3))
    assert axis.get_title() == "samples from the prior, lambda = 3"
