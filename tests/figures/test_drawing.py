from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import matplotlib
import numpy as np
import pytest
import torch
import yaml
from matplotlib.figure import Figure
from PIL import Image

from hwsweep.figures import drawing, png, samples

CONF = Path(__file__).resolve().parents[2] / "conf"


class Stored(NamedTuple):
    title: str
    number: float
    count: int
    values: np.ndarray


class Other(NamedTuple):
    title: str
    speed: float


@pytest.mark.parametrize(
    ("kl_weight", "colour"),  # the table of Okabe & Ito (2008)
    [(0, "#D55E00"), (1e-9, "#E69F00"), (0.01, "#E69F00"), (1, "#009E73"), (100, "#0072B2"), (1e6, "#CC79A7")],
)
def test_a_lambda_has_one_colour_of_okabe_and_ito(kl_weight, colour):
    assert drawing.colour_of(kl_weight) == colour


def test_a_lambda_between_two_colours_is_mixed_by_its_logarithm():
    mixed = matplotlib.colors.to_rgb(drawing.colour_of(10))
    np.testing.assert_allclose(mixed, np.array([0, 0x9E + 0x72, 0x73 + 0xB2]) / 2 / 255, atol=0.51 / 255)


@pytest.mark.parametrize("kl_weight", [-1, float("nan"), float("inf")])
def test_what_is_no_lambda_has_no_colour(kl_weight):
    with pytest.raises(ValueError, match=f"finite and not negative, but is {kl_weight}"):
        drawing.colour_of(kl_weight)


def test_the_style_ends_with_its_block_also_after_an_error():
    matplotlib.rcParams["font.size"] = 31  # as a user's own settings would
    try:
        with pytest.raises(KeyError), drawing.style():
            assert matplotlib.rcParams["font.size"] == 9
            raise KeyError
        assert matplotlib.rcParams["font.size"] == 31
    finally:
        matplotlib.rcdefaults()


def test_pixels_are_clipped_scaled_and_channels_last():
    images = torch.tensor([-0.2, 0.5, 1.3]).reshape(1, 3, 1, 1)
    assert drawing.to_uint8(images).tolist() == [[[[0, 128, 255]]]]
    assert drawing.to_uint8(torch.tensor([7, 8, 9], dtype=torch.uint8).reshape(1, 3, 1, 1)).tolist() == [[[[7, 8, 9]]]]


def test_a_grid_is_filled_by_rows_with_white_lines_and_white_rest():
    images = np.array([10, 20, 30], dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((1, 1, 2, 1), dtype=np.uint8)
    grid = drawing.tile(images, 2)
    assert grid[..., 0].tolist() == [[10, 10, 255, 20, 20], [255] * 5, [30, 30, 255, 255, 255]]
    assert (grid == grid[..., :1]).all()


def test_a_grid_keeps_colours():
    assert drawing.tile(np.array([[[[1, 2, 3]]]], dtype=np.uint8), 4).tolist() == [[[1, 2, 3]]]


def test_an_empty_grid_is_refused():
    with pytest.raises(ValueError, match="got 0 images and columns=3"):
        drawing.tile(np.zeros((0, 2, 2, 1), np.uint8), 3)


def test_every_pixel_of_a_grey_image_is_a_square_of_the_png(tmp_path):
    images = np.random.default_rng(0).integers(0, 250, (28, 28, 28, 1), dtype=np.uint8)
    drawing.save(samples, samples.SamplesInfo("lambda = 1", images, 14), tmp_path / "samples.png")
    with Image.open(tmp_path / "samples.png") as picture:
        page = np.asarray(picture.convert("L"))
    scale = round(page.shape[1] / (14 * 29 - 1))
    expected = drawing.tile(images, 14)[..., 0].repeat(scale, 0).repeat(scale, 1)
    windows = np.lib.stride_tricks.sliding_window_view(page, expected.shape)
    places = ((y, x) for y in range(windows.shape[0]) for x in range(windows.shape[1]))
    assert any(np.array_equal(windows[place], expected) for place in places)


def test_a_png_is_opaque_white_small_and_about_1200_wide(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64, 3), dtype=np.uint8)
    drawing.save(samples, samples.SamplesInfo("lambda = 1", noise, 10), tmp_path / "samples.png")
    with Image.open(tmp_path / "samples.png") as picture:
        assert "transparency" not in picture.info
        assert min(picture.convert("RGB").getpixel((0, 0))) >= 254  # a palette may round white by one
        assert 900 <= picture.width <= 1600
    # noise cannot be compressed: with three bytes a pixel the file could not be smaller than `noise.size`
    assert (tmp_path / "samples.png").stat().st_size < 0.75 * noise.size


def test_a_title_wider_than_the_page_is_drawn_whole(tmp_path):
    widths = []
    for repeats in (1, 2):
        images = np.zeros((2, 28, 28, 1), np.uint8)
        info = samples.SamplesInfo("a long name of a run, with words " * 6 * repeats, images, 2)
        drawing.save(samples, info, tmp_path / "samples.png")
        with Image.open(tmp_path / "samples.png") as picture:
            ink = 255 - np.asarray(picture.convert("L"))
            widths.append(picture.width)
        assert not ink[:, :3].any() and not ink[:, -3:].any()
    assert widths[1] > 1.8 * widths[0]  # twice the words, one margin


def test_letters_are_drawn_whole_where_the_page_ends_in_the_gap_between_two(tmp_path):
    """The page moves over the title in steps of a seventh of a letter: everywhere there are as many letters."""
    for shift in range(7):
        figure = Figure(figsize=(4, 1), dpi=150, layout="compressed")
        figure.subplots().set_axis_off()
        figure.text(0.95 + 0.002 * shift, 0.5, "I" * 12)
        png.write(figure, tmp_path / "letters.png")
        with Image.open(tmp_path / "letters.png") as picture:
            is_ink = (np.asarray(picture.convert("L")) < 128).any(0)
        assert np.count_nonzero(np.diff(is_ink.astype(int)) == 1) == 12


def test_dollars_of_a_user_are_no_formula_and_powers_of_ten_are(tmp_path):
    def draw(info: str, axes):
        axis = axes[0]
        axis.set(title=info, xlabel=info, ylabel=info, yscale="log", ylim=(1, 1e4))
        axis.set_xticks([0, 1], [info, info])
        axis.plot([0, 1], [1, 1e4], label=info)
        axis.annotate(info, (0, 1))
        axis.legend()
        draws.append(axis)

    draws = []
    for number, text in enumerate(["$x^", "from $5_ to $6", "$\\frac$"]):
        drawing.save(SimpleNamespace(PANELS=1, draw=draw), text, tmp_path / f"{number}.png")
    axis = draws[0]
    powers, texts = axis.yaxis.get_majorticklabels(), [axis.title, axis.xaxis.label, *axis.get_xticklabels()]
    assert all(label.get_parse_math() for label in powers) and not any(text.get_parse_math() for text in texts)


def test_a_figure_that_cannot_be_drawn_leaves_the_old_file_alone(tmp_path):
    def draw(info, axes):
        raise RuntimeError("no ink")

    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(RuntimeError, match="no ink"):
        drawing.save(SimpleNamespace(PANELS=1, draw=draw), None, tmp_path / "a.png")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"old")]


def test_what_is_stored_comes_back_with_its_types(tmp_path):
    stored = Stored("λ = 1, a/b", 0.1, 7, np.array([[1, 2]], dtype=np.uint8))
    drawing.store(stored, tmp_path / "info.npz")
    back = drawing.load(Stored, tmp_path / "info.npz")
    assert back[:3] == stored[:3]
    assert [type(value) for value in back] == [str, float, int, np.ndarray]
    assert back.values.dtype == np.uint8
    np.testing.assert_array_equal(back.values, stored.values)
    assert [path.name for path in tmp_path.iterdir()] == ["info.npz"]


def test_another_figures_file_is_refused_by_its_fields(tmp_path):
    drawing.store(Other("a", 1.0), tmp_path / "other.npz")
    with pytest.raises(ValueError, match="must hold title, number, count, values, but holds title, speed"):
        drawing.load(Stored, tmp_path / "other.npz")


def test_python_objects_are_never_stored(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        drawing.store(Other("a", {"speed": print}), tmp_path / "other.npz")
    assert not (tmp_path / "other.npz").exists()


@pytest.mark.parametrize("group", ["vae", "transformer"])
def test_conf_sets_every_setting_of_every_figure_and_no_other(group):
    for name, node in yaml.safe_load((CONF / "figures" / f"{group}.yaml").read_text()).items():
        module, _, function = node.pop("_target_").rpartition(".")
        assert (module, function, node.pop("_partial_")) == (f"hwsweep.figures.{name}", "info", True)
        settings = inspect.signature(import_module(module).info).parameters
        assert ["trained", *node] == list(settings)
        assert all(setting.default is inspect.Parameter.empty for setting in settings.values())


def test_a_montage_is_drawn_by_a_process_without_torch_and_pyplot():
    code = "import sys, hwsweep.figures.study.montage as m; print({'torch', 'matplotlib.pyplot'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("title", ["two", "wide " * 60])
def test_the_boxes_of_a_png_are_its_photographs_and_no_map_of_values(tmp_path, title):
    red, path = np.full((28, 28, 3), (255, 0, 0), np.uint8), tmp_path / "images.png"
    with drawing.style():
        figure = Figure(figsize=(8, 4), dpi=100, layout="compressed")
        for axis, image in zip(figure.subplots(1, 3), (red, red[:, :14], np.ones((5, 5))), strict=True):
            axis.imshow(image)
            axis.set_axis_off()
        figure.axes[0].set_title(title)
        png.write(figure, path)
    boxes = png.image_boxes(path.read_bytes())
    if title != "two":
        assert boxes == [(0, 0, 1, 1)], "the whole picture where Matplotlib cuts it"
        return
    pixels = np.asarray(Image.open(path).convert("RGB"))
    inside = np.zeros(pixels.shape[:2], bool)
    for left, top, width, height in boxes:
        rows, columns = np.multiply([(top, top + height), (left, left + width)], [[len(pixels)], [len(pixels[0])]])
        inside[slice(*rows.round().astype(int)), slice(*columns.round().astype(int))] = True
    is_red = (pixels == (255, 0, 0)).all(axis=2)
    assert (is_red & inside).sum() == is_red.sum() > 10_000
    assert is_red.sum() > 0.97 * inside.sum(), "an edge of half a dot"
