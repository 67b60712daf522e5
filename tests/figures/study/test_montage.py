from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure

from hwsweep.figures import drawing
from hwsweep.figures.interpolation import InterpolationInfo
from hwsweep.figures.reconstructions import ReconstructionsInfo
from hwsweep.figures.samples import SamplesInfo
from hwsweep.figures.study import montage


def plain(*greys, shape=(28, 28, 1)):
    return np.array(greys, dtype=np.uint8)[:, None, None, None] * np.ones(shape, dtype=np.uint8)


@pytest.fixture
def run(tmp_path):
    """Makes the folder of a run: real images 0, 1, ..., the others start at 50, 100 and 150, all plus `shift`."""

    def make(shift=0, shape=(28, 28, 1), n=24, title="lambda = 1000", note="distortion 1234, rate 567.89 nats"):
        folder = tmp_path / f"{shift}_{shape}_{n}_{title}"
        folder.mkdir()
        real, reconstructed, sampled = (plain(*range(k, k + n), shape=shape) for k in (0, 50 + shift, 100 + shift))
        steps = np.stack([plain(*range(k, k + 10), shape=shape) for k in (150 + shift, 160 + shift, 170 + shift)])
        drawing.store(ReconstructionsInfo("t", real, reconstructed, 5), folder / "reconstructions.npz")
        drawing.store(SamplesInfo("t", sampled, 5), folder / "samples.npz")
        drawing.store(InterpolationInfo("t", real[:3], steps, real[:3]), folder / "interpolation.npz")
        return montage.Column(title, note, drawing.colour_of(shift), folder)

    return make


def greys(cell):
    """The values of a grid's small images, row by row."""
    return cell[::29, ::29, 0].tolist()


def test_three_runs_show_four_images_side_by_side_in_two_lines(run):
    info = montage.info([run(0), run(1), run(2)])
    assert info.cells.shape == (4, 3, 57, 115, 3)
    for column in range(3):
        real, reconstructed, sampled, steps = (greys(cell) for cell in info.cells[:, column])
        assert real == [[0, 1, 2, 3], [4, 5, 6, 7]]
        assert (np.array(reconstructed) == np.array(real) + 50 + column).all()
        assert (np.array(sampled) == np.array(real) + 100 + column).all()
        # of ten steps the first, the last and the thirds of the way between
        assert (np.array(steps) == np.array([[150, 153, 156, 159], [160, 163, 166, 169]]) + column).all()
    assert info.colours.tolist() == [drawing.colour_of(kl_weight) for kl_weight in (0, 1, 2)]


@pytest.mark.parametrize(
    ("runs", "columns", "across"), [(1, 1, 10), (2, 2, 6), (6, 6, 3), (8, 8, 3), (9, 5, 3), (16, 8, 3)]
)
def test_runs_share_the_width_and_wrap_after_eight(run, runs, columns, across):
    info = montage.info([run(shift) for shift in range(runs)])
    assert (info.columns, info.cells.shape[1], info.cells.shape[3]) == (columns, runs, across * 29 - 1)


def test_few_images_make_narrow_columns(run):
    assert montage.info([run(0, n=24), run(1, n=4)]).cells.shape[3] == 2 * 29 - 1


@pytest.mark.parametrize("n", [2, 3])
def test_the_pairs_that_few_test_images_do_not_give_are_white(run, n):
    column = run(0, n=n)
    interpolation = drawing.load(InterpolationInfo, column.folder / "interpolation.npz")
    one = InterpolationInfo("t", *(images[:1] for images in interpolation[1:]))
    drawing.store(one, column.folder / "interpolation.npz")
    cells = montage.info([column, run(1)]).cells[:, 0]
    assert [greys(cell) for cell in cells] == [[[0], [1]], [[50], [51]], [[100], [101]], [[150], [255]]]


def test_a_montage_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs a run"):
        montage.info([])


def test_runs_on_different_data_are_refused_with_both_shapes(run):
    with pytest.raises(ValueError, match=r"\(28, 28, 1\), \(32, 32, 3\).*one montage per data set"):
        montage.info([run(0), run(1, shape=(32, 32, 3))])


def test_every_cell_is_drawn_once_at_its_place(run):
    info = montage.info([run(shift) for shift in range(10)])  # two bands of five
    axis = Figure().subplots()
    montage.draw(info, [axis])
    for cell, image in zip(info.cells.swapaxes(0, 1).reshape(-1, *info.cells.shape[2:]), axis.images, strict=True):
        np.testing.assert_array_equal(image.get_array(), cell)
    corners = np.array([image.get_extent() for image in axis.images])[:, [0, 3]].reshape(10, 4, 2)
    assert (np.diff(corners[..., 1]) > 0).all()  # rows go down
    assert (corners[:5, :, 0] == corners[5:, :, 0]).all()  # the second band is below the first
    assert (np.diff(corners[:5, 0, 0]) == info.cells.shape[3] + info.gap).all()
    bottom = axis.images[3].get_extent()[2]
    assert corners[5:, 0, 1].min() > bottom


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 64, 3)])
@pytest.mark.parametrize("runs", [1, 3, 6, 7, 12])
def test_no_text_covers_another_or_an_image(run, runs, shape):
    info = montage.info([run(shift, shape) for shift in range(runs)])
    with drawing.style():
        figure = Figure(figsize=(8, 24), dpi=150, layout="compressed")
        axis = figure.subplots()
        montage.draw(info, [axis])
        figure.draw_without_rendering()
        boxes = [part.get_window_extent() for part in (*axis.texts, *axis.images)]
    assert len(axis.texts) == 2 * runs + 4 * -(-runs // info.columns)
    # boxes of text have some air around the letters: a dot or two may be shared
    assert not [pair for pair in combinations(boxes, 2) if pair[0].padded(-1.5).overlaps(pair[1].padded(-1.5))]


def test_titles_and_notes_stand_above_their_own_column(run):
    columns = [run(shift, title=f"lambda = {shift}", note=f"rate {shift}") for shift in range(3)]
    axis = Figure().subplots()
    montage.draw(montage.info(columns), [axis])
    places = {text.get_text(): text.xy[0] for text in axis.texts}
    centres = [sum(axis.images[4 * column].get_extent()[:2]) / 2 for column in range(3)]
    assert [places[f"lambda = {column}"] for column in range(3)] == centres
    assert [places[f"rate {column}"] for column in range(3)] == centres
    assert [text.get_text() for text in axis.texts if text.xy[0] == 0] == list(montage.ROWS)
