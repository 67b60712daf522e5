from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from hwsweep.figures import interpolation


def test_decoded_images_go_from_one_code_to_the_other_in_equal_steps(trained):
    info = interpolation.info(trained([0, 100, 200, 40]), n_pairs=2, n_steps=5)
    assert info.steps.shape == (2, 5, 3, 5, 1)
    assert info.steps[..., 0, 0, 0].tolist() == [[0, 25, 50, 75, 100], [200, 160, 120, 80, 40]]


def test_the_ends_are_the_real_images(trained):
    info = interpolation.info(trained([0, 100, 200, 40], labels=[0, 0, 1, 1]), n_pairs=2, n_steps=3)
    # labels in turn: 0, 200, then 100, 40
    assert info.start[:, 0, 0, 0].tolist() == [0, 100]
    assert info.end[:, 0, 0, 0].tolist() == [200, 40]


def test_an_odd_image_left_over_makes_no_pair(trained):
    info = interpolation.info(trained([1, 2, 3]), n_pairs=4, n_steps=2)
    assert (info.start[:, 0, 0, 0].tolist(), info.end[:, 0, 0, 0].tolist()) == ([1], [2])


def test_each_row_is_drawn_between_its_real_images(trained):
    info = interpolation.info(trained([10, 110, 200, 40]), n_pairs=2, n_steps=3)._replace(
        start=np.full((2, 3, 5, 1), 1, np.uint8), end=np.full((2, 3, 5, 1), 2, np.uint8)
    )
    axis = Figure().subplots()
    interpolation.draw(info, [axis])
    picture = axis.images[0].get_array()
    assert picture[0, ::6, 0].tolist() == [1, 10, 60, 110, 2]
    assert picture[4, ::6, 0].tolist() == [1, 200, 120, 40, 2]
