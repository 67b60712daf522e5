"""Letters that Matplotlib's own font lacks (Chinese, Japanese, Korean, emoji), from fonts of the machine."""

from __future__ import annotations

from functools import cache

OWN = "DejaVu Sans"
"""Comes with Matplotlib."""
OTHERS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Noto Sans Devanagari", "Nirmala UI"),
    *("Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol"),
)
"""Fonts of Linux, macOS and Windows."""


@cache
def families() -> tuple[str, ...]:
    """Fonts in the order in which a letter is looked for; one that none of them has is drawn as a box."""
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return (OWN, *(name for name in OTHERS if name in there))
