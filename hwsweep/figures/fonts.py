"""Installed fonts with letters that Matplotlib's own font lacks (Chinese, Japanese, Korean, emoji)."""

from __future__ import annotations

from functools import cache

MATPLOTLIBS_FONT = "DejaVu Sans"
OTHERS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Noto Sans Devanagari", "Nirmala UI"),
    *("Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol"),
)
"""Fonts of Linux, macOS and Windows."""


@cache
def families() -> tuple[str, ...]:
    """Fonts in the order in which a letter is searched; a letter that no font has is drawn as a box."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return (MATPLOTLIBS_FONT, *(name for name in OTHERS if name in installed))
