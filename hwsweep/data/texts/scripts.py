"""Scripts that put no spaces between words, and texts written in them. Unicode's tables are those of `regex`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

WITHOUT_SPACES = {
    **dict.fromkeys(("Han", "Bopomofo"), "Chinese"),
    **dict.fromkeys(("Hiragana", "Katakana"), "Japanese"),
    **{script: script for script in ("Thai", "Lao", "Khmer", "Myanmar", "Tibetan")},
}
"""The writing of each script, in the word that messages use."""

LANGUAGES = {"Chinese": "zh", "Japanese": "ja", "Thai": "th"}
"""The code of the language that a writing is read as."""

JAPANESE_SHARE = 0.05
"""Of the characters of Japanese texts at least this many are kana; the others are Han, as in Chinese."""


def characters_and_words(text: str) -> list[str]:
    """The characters that a reader sees of scripts without spaces; words of other scripts, also with ' inside; signs.

    A character with its accents, or an emoji with its colour, is one token. White space is none.
    """
    return [str(token) for token in _patterns()[0].findall(text)]


def writing_without_spaces(texts: Iterable[str]) -> str | None:
    """The writing of most of the texts: Chinese, Japanese, Thai, ...; None for writing with spaces, or no letters.

    A character of a script without spaces counts as much as a whole word of another script.
    """
    counts = Counter[str]()
    for text in texts:
        counts.update(match.lastgroup for match in _patterns()[1].finditer(text))
    total = counts.total()
    unspaced = {script: n for script, n in counts.items() if script in WITHOUT_SPACES}
    if not unspaced or sum(unspaced.values()) < total / 2:
        return None
    if counts["Hiragana"] + counts["Katakana"] >= JAPANESE_SHARE * total:
        return "Japanese"
    return WITHOUT_SPACES[max(unspaced, key=unspaced.__getitem__)]


@cache
def _patterns() -> tuple[Any, Any]:
    """A token of `characters_and_words`; a letter or a whole word, with its script as the name of the group."""
    import regex

    unspaced = "".join(rf"\p{{{script}}}" for script in WITHOUT_SPACES) + "ー"  # the sign that lengthens a kana
    word = rf"(?:(?![{unspaced}])[\p{{L}}\p{{M}}\p{{N}}])+"
    token = regex.compile(rf"(?=[{unspaced}])\X|{word}(?:['’]{word})*|(?!\s)\X")
    scripts = "|".join(rf"(?P<{script}>\p{{{script}}})" for script in WITHOUT_SPACES)
    return token, regex.compile(rf"(?=\p{{L}})(?:{scripts}|(?P<other>{word}))")
