"""Style, colours, grids of images, and the PNG and .npz files of all figures."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

import matplotlib
import numpy as np
from jaxtyping import Float64, UInt8
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from hwsweep import run_folder
from hwsweep.figures.fonts import Fonts, fonts_for, has_remedy, text_of
from hwsweep.figures.png import DOTS_PER_INCH, write
from hwsweep.files import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

log = logging.getLogger(__name__)

Info = TypeVar("Info", bound=NamedTuple)

BLACK, GREY = "#000000", "#999999"
"""For lines that belong to no lambda, such as validation and training curves."""
VERMILLION, ORANGE, GREEN, BLUE, PURPLE = "#D55E00", "#E69F00", "#009E73", "#0072B2", "#CC79A7"
"""The colours of Okabe & Ito (2008), which colour-blind readers can distinguish, in the order of hue."""
RED = "#C00000"
"""For words that a figure calls red."""

_ANCHORS = {-2: ORANGE, 0: GREEN, 2: BLUE, 4: PURPLE}  # log10(lambda) -> colour
_WIDTH_INCHES = 8.0
_ASPECT = 0.6  # height by width
_MOST_BOXES = 6
"""Characters that a message names."""
LONGEST_WORD = 16
"""Largest number of characters of a word in a figure."""
_STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",  # also on a page with a dark background
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "lines.markersize": 3.5,
}


class Drawable(Protocol):
    """The part of a figure's module that `save` needs."""

    PANELS: int

    def draw(self, info: Any, axes: Sequence[Axes]) -> None:
        """Draw `info` on `PANELS` axes."""


@contextmanager
def style(text: str = "") -> Iterator[Fonts]:
    """Matplotlib's defaults with the common style and fonts for this text, inside the `with` only."""
    fonts = fonts_for(text)
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # `save` says so
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE | {"font.family": list(fonts.families)})
        yield fonts


def colour_of(kl_weight: float) -> str:
    """The colour ("#rrggbb") of a lambda, the same in every figure and study.

    Zero, which has no logarithm, is vermillion; 0.01 and less orange, 1 green, 100 blue, 10,000 and more purple. In
    between the colour is linear in log10(lambda).
    """
    if not 0 <= kl_weight < math.inf:
        raise ValueError(f"`kl_weight` must be finite and not negative, but is {kl_weight}")
    if kl_weight == 0:
        return VERMILLION
    anchors = np.array([to_rgb(colour) for colour in _ANCHORS.values()])
    red, green, blue = (float(np.interp(math.log10(kl_weight), list(_ANCHORS), rgb)) for rgb in anchors.T)
    return to_hex((red, green, blue)).upper()


def to_uint8(images: Tensor) -> UInt8[np.ndarray, "n h w c"]:
    """Images as uint8 with channels last; floats are clipped to [0, 1] first."""
    if images.is_floating_point():
        images = images.detach().float().clamp(0, 1).mul(255).round().byte()
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).cpu().numpy())


def tile(images: UInt8[np.ndarray, "n h w c"], columns: int) -> UInt8[np.ndarray, "height width 3"]:
    """One RGB picture of all images, row by row, with thin white lines between them; unused cells are white."""
    n, height, width, _ = images.shape
    if n == 0 or columns < 1:
        raise ValueError(f"a grid needs an image and a column, but got {n} images and columns={columns}")
    columns, gap = min(columns, n), gap_of(height)
    rows = math.ceil(n / columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8)
    for cell, image in enumerate(images):
        top, left = cell // columns * (height + gap), cell % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def gap_of(height: int) -> int:
    """Pixels between two images of this height: 1 for 28, 2 for 64."""
    return max(1, round(height / 28))


def draw_grid(axis: Axes, images: UInt8[np.ndarray, "n h w c"], columns: int, title: str) -> None:
    """Draw a grid of images under a title."""
    axis.imshow(tile(images, columns))
    axis.set_axis_off()
    axis.set_title(title)


def stack_rows(rows: Sequence[NDArray[np.float64]], fill: float) -> Float64[np.ndarray, "rows longest"]:
    """Rows of different lengths as one array, filled up at their ends."""
    table = np.full((len(rows), max(map(len, rows), default=0)), fill)
    for padded, row in zip(table, rows, strict=True):
        padded[: len(row)] = row
    return table


def name_rows(axis: Axes, heights: ArrayLike, titles: Iterable[str], colours: Iterable[str]) -> None:
    """Write each run's title, in the run's colour, left of its row."""
    axis.spines["left"].set_visible(False)
    axis.set_yticks(heights, titles)
    axis.tick_params("y", length=0)
    for label, colour in zip(axis.get_yticklabels(), colours, strict=True):
        label.set_color(colour)


def save(module: Drawable, info: Any, path: Path) -> None:
    """Draw `info` and write it to a PNG about 1200 pixels wide.

    Axes for which `draw` sets no shape (`set_box_aspect`, or the aspect of images) are wider than high.
    """
    with style(text_of(info)) as fonts:
        # A long page: `write` cuts off the empty part.
        figure = Figure(figsize=(_WIDTH_INCHES, 3 * _WIDTH_INCHES), dpi=DOTS_PER_INCH, layout="compressed")
        axes = list(figure.subplots(1, module.PANELS, squeeze=False)[0])
        module.draw(info, axes)
        for axis in axes:
            if axis.axison and axis.get_box_aspect() is None and axis.get_aspect() == "auto":
                axis.set_box_aspect(_ASPECT)
        if fonts.missing:
            _report_boxes(figure, fonts.missing, path)
        write(figure, path)


def _report_boxes(figure: Figure, missing: str, path: Path) -> None:
    """Say above the figure and in the log which characters are boxes."""
    shown = " ".join(f"U+{ord(character):04X}" for character in missing[:_MOST_BOXES])
    shown += f" and {len(missing) - _MOST_BOXES} more" * (len(missing) > _MOST_BOXES)
    note = f"boxes: characters that no font of this machine has: {shown}"
    figure.suptitle("\n".join(filter(None, (figure.get_suptitle(), note))), fontsize=9)
    remedy = "pip install 'hwsweep[fonts]', or install" if has_remedy(missing) else "install"
    log.warning(
        "%s has boxes for characters that no font of this machine has: %s; %s a font that has them",
        path.name,
        " ".join(missing[:_MOST_BOXES]) + " …" * (len(missing) > _MOST_BOXES),
        remedy,
    )


def store(info: NamedTuple, path: Path) -> None:
    """Write `info` to an .npz, from which it can be drawn again without a model."""
    with whole(path) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **info._asdict())


def load(info_class: type[Info], path: Path) -> Info:
    """The value that `store` wrote: arrays, and numbers and strings for single values.

    Raises:
        ValueError: the file is damaged, or holds the fields of another figure.
    """
    stored = run_folder.read_npz(path)
    if stored.keys() != set(info_class._fields):
        raise ValueError(
            f"{path} must hold {', '.join(info_class._fields)}, but holds {', '.join(stored)}; "
            "draw the run's figures again"
        )
    fields = {name: values if values.ndim else values.item() for name, values in stored.items()}
    return cast("Callable[..., Info]", info_class)(**fields)


def word_label(word: str) -> str:
    """The word, cut to `LONGEST_WORD` characters, with `$` escaped because Matplotlib reads $...$ as a formula."""
    cut = word if len(word) <= LONGEST_WORD else word[: LONGEST_WORD - 1] + "…"
    return cut.replace("$", r"\$")
