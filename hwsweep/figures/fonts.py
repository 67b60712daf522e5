"""Installed fonts with the characters that Matplotlib's own font lacks (Chinese, Japanese, Korean, Thai, emoji)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MATPLOTLIBS_FONT = "DejaVu Sans"
OTHERS = (
    *("Noto Sans CJK TC", "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans TC", "Source Han Sans SC"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback"),
    *("PingFang TC", "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Microsoft JhengHei", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
    *("Noto Sans Thai", "Leelawadee UI", "Thonburi", "Noto Sans Devanagari", "Nirmala UI"),
    *("Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol"),
)
"""Fonts of Linux, macOS and Windows that are preferred to others."""

LAST_RESORT = "Last Resort"
"""Matplotlib's font of boxes for every character."""

PACKAGE = "noto_cjk_sans_jp_regular"
"""What the extra `fonts` of hwsweep installs: Noto Sans CJK, 16 MB, SIL Open Font License 1.1."""

EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH")
"""First words of the Unicode names of what that font has."""

VARIATION_SELECTORS = range(0xFE00, 0xFE10)


class Fonts(NamedTuple):
    """How a text can be drawn."""

    families: tuple[str, ...]
    """In the order in which a character is searched."""
    missing: str
    """The characters that no font has, which are drawn as boxes."""


def fonts_for(text: str) -> Fonts:
    """Installed fonts for this text. They are searched for only where it has a character that the usual ones lack."""
    families = [MATPLOTLIBS_FONT, *_preferred()]
    if missing := _without(set(filter(_is_drawn, text)), families):
        _add_new_fonts()
        families = [MATPLOTLIBS_FONT, *_preferred()]
        missing = _without(missing, families)
    others = [name for name in _files() if name not in families] if missing else []
    for name in sorted(others, key=lambda name: -len(missing & _characters(name))):
        if missing & _characters(name):
            families.append(name)
            missing -= _characters(name)
    return Fonts(tuple(families), "".join(sorted(missing)))


def has_remedy(missing: str) -> bool:
    """Whether the font that the extra `fonts` installs has one of these characters."""
    return any(unicodedata.name(character, "").split(" ")[0] in EAST_ASIAN for character in missing)


def text_of(value: Any) -> str:
    """All texts in the data of a figure, one after another."""
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray):
        return "".join(value.ravel().tolist()) if value.dtype.kind == "U" else ""
    if isinstance(value, Mapping):
        return text_of([*value, *value.values()])
    return "".join(map(text_of, value)) if isinstance(value, Iterable) else ""


def _is_drawn(character: str) -> bool:
    """Whether a character has a shape of its own; spaces, controls, joiners and variation selectors have none."""
    return unicodedata.category(character)[0] not in "CZ" and ord(character) not in VARIATION_SELECTORS


def _preferred() -> list[str]:
    return [name for name in OTHERS if name in _files()]


def _without(characters: set[str], families: Iterable[str]) -> set[str]:
    """The characters that none of these fonts has."""
    for name in families:
        if not characters:
            break
        characters = characters - _characters(name)
    return characters


def _files() -> dict[str, str]:
    """The file of each font, of several weights and styles that of plain text."""
    from matplotlib.font_manager import fontManager

    plain = sorted(fontManager.ttflist, key=lambda font: (font.style == "normal", font.weight in (400, "normal")))
    return {font.name: font.fname for font in plain if not font.name.startswith(LAST_RESORT)}


@cache
def _characters(name: str) -> frozenset[str]:
    """The characters that a font has; none if it is a font of pictures, which Matplotlib cannot draw."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(_files()[name])
        return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
    except (KeyError, OSError, RuntimeError):  # removed, or damaged
        return frozenset()


@cache
def _add_new_fonts() -> None:
    """Let Matplotlib know the fonts that are newer than its list of them, and that of the extra `fonts`."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    package = find_spec(PACKAGE)
    folders = package.submodule_search_locations or [] if package is not None else []
    of_package = [str(file) for folder in folders for file in Path(folder).glob("*.otf")]
    known = {font.fname for font in fontManager.ttflist}
    for file in [*findSystemFonts(), *of_package]:
        if file not in known:
            try:
                fontManager.addfont(file)
            except (OSError, RuntimeError):  # damaged, or a format that Matplotlib does not read
                continue
