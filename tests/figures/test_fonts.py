"""Words in any script can be drawn, whatever fonts the machine has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hwsweep.figures import confusion, drawing, fonts
from hwsweep.figures.confusion import ConfusionInfo

CLASSES = np.array(["\u65e5\u672c\u8a9e", "\U0001f389", "\ud55c\uad6d\uc5b4"])
INFO = ConfusionInfo("", CLASSES, np.eye(3, dtype=np.int64), np.eye(3), 1.0)


@pytest.fixture
def only_dejavu(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A machine with no font but Matplotlib's own."""
    own = [font for font in font_manager.fontManager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    monkeypatch.setattr(fonts, "PACKAGE", "no_such_package")
    for function in (fonts._characters, fonts._add_new_fonts):
        function.cache_clear()
    yield monkeypatch
    for function in (fonts._characters, fonts._add_new_fonts):
        function.cache_clear()


def a_font(folder: Path, family: str, characters: str) -> str:
    """The path of a font whose characters are all black squares."""
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({ord(character): "square" for character in characters})
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (800, 800), (800, 0)):
        pen.lineTo(corner)
    pen.closePath()
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (800, 0), "square": (800, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(folder / f"{family}.ttf")
    return str(folder / f"{family}.ttf")


def test_words_without_a_font_are_drawn_without_a_warning(tmp_path: Path) -> None:
    drawing.save(confusion, INFO, tmp_path / "classes.png")  # pytest makes an error of every warning
    assert (tmp_path / "classes.png").exists()


def test_fonts_that_the_machine_has_are_asked_after_matplotlibs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "OTHERS", ("No Such Font", "DejaVu Serif"))
    with drawing.style():
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans", "DejaVu Serif"]


def test_a_font_that_was_installed_after_matplotlibs_list_draws_the_characters_that_it_has(
    only_dejavu: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = [a_font(tmp_path, "Some Han", "\u65e5\u672c"), a_font(tmp_path, "More Han", "\u65e5\u672c\u8a9e")]
    files.append(a_font(tmp_path, "Thai", "\u0e01"))
    only_dejavu.setattr(font_manager, "findSystemFonts", lambda: [*files, str(tmp_path / "damaged.ttf")])
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    assert fonts.fonts_for("caf\u00e9 \u03bb = 1") == (("DejaVu Sans",), "")
    found = fonts.fonts_for("a\u65e5\u672c\u8a9e \U0001f389\ufe0f\u200d")
    assert found == (("DejaVu Sans", "More Han"), "\U0001f389")  # the fewest fonts; joiners have no shape
    figure = Figure(dpi=100)
    with drawing.style("\u65e5"):
        figure.text(0.1, 0.5, "\u65e5", fontsize=72)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    ink = (255 - np.asarray(canvas.buffer_rgba())[..., 0]).sum() / 255
    assert ink == pytest.approx(80 * 80, rel=0.05)  # 0.8 of 72 points at 100 dots per inch, squared; a box is a rim


@pytest.mark.parametrize(
    ("classes", "named", "boxes", "remedy"),
    [
        (
            ["sport", "\u9ad4\u80b2"],
            "\u80b2 \u9ad4;",
            "U+80B2 U+9AD4",
            "pip install 'hwsweep[fonts]', or install a font",
        ),
        (["\u0e01", "\u0e02"], "\u0e01 \u0e02;", "U+0E01 U+0E02", "; install a font that has them"),
    ],
)
def test_characters_that_no_font_has_are_named_in_the_figure_and_in_the_log(
    classes: list[str],
    named: str,
    boxes: str,
    remedy: str,
    only_dejavu: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    figures = list[Figure]()
    only_dejavu.setattr(drawing, "write", lambda figure, path: figures.append(figure))
    info = INFO._replace(classes=np.array(classes), counts=np.eye(2, dtype=np.int64), share=np.eye(2))
    drawing.save(confusion, info, tmp_path / "confusion.png")
    assert figures[0].get_suptitle() == f"boxes: characters that no font of this machine has: {boxes}"
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith(f"confusion.png has boxes for characters that no font of this machine has: {named}")
    assert remedy in message
    drawing.save(confusion, info._replace(classes=np.array(["sport", "law"])), tmp_path / "confusion.png")
    assert figures[1].get_suptitle() == "" and len(caplog.records) == 1


@pytest.mark.slow
def test_the_font_of_the_extra_has_chinese_japanese_and_korean(only_dejavu: pytest.MonkeyPatch) -> None:
    pytest.importorskip("noto_cjk_sans_jp_regular", reason="pip install 'hwsweep[fonts]'")
    only_dejavu.setattr(fonts, "PACKAGE", "noto_cjk_sans_jp_regular")
    text = "\u9ad4\u4f53\u53f0\u30ab\ud55c\uff0c"  # traditional, simplified, kana, Hangul, a full-width comma
    assert fonts.fonts_for(text) == (("DejaVu Sans", "Noto Sans CJK JP"), "")
