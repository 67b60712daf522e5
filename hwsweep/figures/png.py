"""A figure as a PNG file, cropped to its ink, with the places of its photographs."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image, ImageChops, ImageOps
from PIL.PngImagePlugin import PngInfo

from hwsweep.files import whole

if TYPE_CHECKING:
    from matplotlib.image import AxesImage

DOTS_PER_INCH = 150
"""The resolution of a figure, as near as its images allow."""
_MARGIN_INCHES, _SMALLEST_PIXEL = 0.12, 0.7
_EDGE = 4  # dots at each side that the layout leaves white; the gap between two letters is smaller
_COMPRESSION = 6  # of zlib: 9 takes three times as long, for files 3 % smaller
_FORMULA = re.compile(r"(?<!\\)\$(?!\\mathdefault)")
_FEW_COLOURS = 1024  # all greys and the edges of letters and lines
IMAGES = "images"
"""The text in a PNG that says where its images lie."""


class Box(NamedTuple):
    """A rectangle in a picture, in shares of its width and height."""

    left: float
    top: float
    width: float
    height: float


def write(figure: Figure, path: Path) -> None:
    """Write a figure that has a layout engine to a PNG, cropped to a white margin."""
    picture, boxes = _render(figure)
    facts = PngInfo()
    facts.add_text(IMAGES, json.dumps(boxes))
    if picture.getcolors(_FEW_COLOURS) is None:  # a palette makes files of photographs three times smaller
        picture = picture.quantize(256, Image.Quantize.FASTOCTREE)
    with whole(path) as part:
        picture.save(part, format="PNG", compress_level=_COMPRESSION, pnginfo=facts)


def image_boxes(png: bytes) -> list[Box]:
    """Where the images lie in a figure that `write` has written; empty for other pictures."""
    with Image.open(BytesIO(png)) as picture:
        return [Box(*box) for box in json.loads(picture.info.get(IMAGES, "[]"))]


def _render(figure: Figure) -> tuple[Image.Image, list[Box]]:
    """The figure, cropped to a white margin, and where its images lie.

    It is drawn once; `savefig` with a tight box draws three times.
    """
    for text in figure.findobj(Text):
        if _FORMULA.search(text.get_text()):  # in a title or a name of the user's; Matplotlib has not set its ticks yet
            text.set_parse_math(False)
    canvas, layout = FigureCanvasAgg(figure), figure.get_layout_engine()
    assert layout is not None
    layout.execute(figure)
    figure.set_layout_engine("none")  # from here on everything scales with the resolution
    figure.dpi = _dots_per_inch(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    page = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
    ink = ImageChops.invert(page).getbbox()
    if ink is not None and (ink[0] < _EDGE or ink[2] > page.width - _EDGE):  # a title wider than the page
        png = BytesIO()
        canvas.print_figure(png, format="png", dpi=figure.dpi, bbox_inches="tight", pad_inches=_MARGIN_INCHES)
        return Image.open(png).convert("RGB"), [Box(0, 0, 1, 1)] * bool(_photographs(figure))
    margin = round(_MARGIN_INCHES * figure.dpi)
    left, top = (ink[0], ink[1]) if ink is not None else (0, 0)
    picture = ImageOps.expand(page.crop(ink), margin, "white")
    boxes = []
    for image in _photographs(figure):
        extent = image.get_window_extent()
        corner = (extent.x0 - left + margin, page.height - extent.y1 - top + margin)
        shares = np.divide([*corner, extent.width, extent.height], [*picture.size] * 2)
        boxes.append(Box(*(round(float(share), 5) for share in shares)))
    return picture, boxes


def _photographs(figure: Figure) -> list[AxesImage]:
    """The images whose pixels are colours, not values of a scale."""
    return [image for axis in figure.axes for image in axis.images if getattr(image.get_array(), "ndim", 0) == 3]


def _dots_per_inch(figure: Figure) -> float:
    """The resolution near `DOTS_PER_INCH` at which each pixel of the images is a square of whole dots."""
    images = [image for axis in figure.axes for image in axis.images]
    if not images:
        return DOTS_PER_INCH
    images[0].axes.apply_aspect()
    (left, _), (right, _) = images[0].axes.transData.transform([(0, 0), (1, 0)])
    dots = float(right - left)
    if dots < _SMALLEST_PIXEL:  # too many images: Matplotlib shrinks them smoothly
        return DOTS_PER_INCH
    for image in images:
        image.set_interpolation("nearest")
    return DOTS_PER_INCH * max(1, round(dots)) / dots
