"""Words in any script can be drawn, whatever fonts the machine has."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from hwsweep.figures import confusion, drawing, fonts
from hwsweep.figures.confusion import ConfusionInfo


def test_words_without_a_font_are_drawn_without_a_warning(tmp_path: Path) -> None:
    classes = np.array(["\u65e5\u672c\u8a9e", "\U0001f389", "\ud55c\uad6d\uc5b4"])
    info = ConfusionInfo("", classes, np.eye(3, dtype=np.int64), np.eye(3), 1.0)
    drawing.save(confusion, info, tmp_path / "classes.png")  # pytest makes an error of every warning
    assert (tmp_path / "classes.png").exists()


def test_fonts_that_the_machine_has_are_asked_after_matplotlibs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "OTHERS", ("No Such Font", "DejaVu Serif"))
    fonts.families.cache_clear()
    with drawing.style():
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans", "DejaVu Serif"]
    fonts.families.cache_clear()
