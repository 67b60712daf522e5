from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from hwsweep.figures import reconstructions

GREYS, LABELS = [0, 10, 20, 30, 40], [1, 1, 0, 0, 2]


def test_labels_take_turns_in_the_order_of_the_data(trained):
    info = reconstructions.info(trained(GREYS, LABELS), n_images=4, columns=2)
    assert info.real.shape == (4, 3, 5, 1)
    assert info.real[:, 0, 0, 0].tolist() == [20, 0, 40, 30]


def test_without_labels_the_first_images_are_shown(trained):
    assert reconstructions.info(trained(GREYS), n_images=3, columns=2).real[:, 0, 0, 0].tolist() == [0, 10, 20]


def test_each_reconstruction_belongs_to_the_image_at_its_place(trained):
    info = reconstructions.info(trained(GREYS, LABELS), n_images=5, columns=2)
    np.testing.assert_array_equal(info.reconstructed, 255 - info.real)
    assert info.title == "lambda = 3"


def test_a_small_test_split_is_shown_whole(trained):
    assert len(reconstructions.info(trained(GREYS, LABELS), n_images=100, columns=2).real) == 5


def test_real_is_drawn_left_and_reconstructed_right(trained):
    info = reconstructions.info(trained([7, 9]), n_images=2, columns=1)
    axes = list(Figure().subplots(1, reconstructions.PANELS))
    reconstructions.draw(info, axes)
    for axis, greys in zip(axes, ([7, 9], [248, 246]), strict=True):
        picture = axis.images[0].get_array()
        assert picture.shape == (7, 5, 3)  # one below the other, a line between
        assert [picture[0, 0, 0], picture[3, 0, 0], picture[4, 0, 0]] == [greys[0], 255, greys[1]]
    assert [axis.get_title() for axis in axes] == ["real", "reconstructed, lambda = 3"]
