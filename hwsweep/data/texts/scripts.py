"""Scripts that put no spaces between words, and texts written in them. Unicode's tables are those of `regex`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

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
    return [str(token) for token in _patterns().token.findall(text)]


def parts_beside_han(text: str) -> Iterator[tuple[str, bool]]:
    """The text in order: tokens of `characters_and_words` that need more than Han and ASCII, and the text between.

    The second value is whether the part is such a token.
    """
    start = 0
    for match in _patterns().han_or_token.finditer(text):
        if match.lastgroup != "han" and not match.group().isascii():
            yield text[start : match.start()], False
            yield match.group(), True
            start = match.end()
    yield text[start:], False


def letters_alone(tokens: Iterable[str]) -> list[bool]:
    """Whether each token is one letter, with its accents, of a script that puts spaces between words."""
    return [_patterns().letter.fullmatch(token) is not None for token in tokens]


def writing_without_spaces(texts: Iterable[str]) -> str | None:
    """The writing of most of the texts: Chinese, Japanese, Thai, ...; None for writing with spaces, or no letters.

    A character of a script without spaces counts as much as a whole word of another script.
    """
    counts = Counter[str]()
    for text in texts:
        counts.update(match.lastgroup for match in _patterns().writing.finditer(text))
    total = counts.total()
    unspaced = {script: n for script, n in counts.items() if script in WITHOUT_SPACES}
    if not unspaced or sum(unspaced.values()) < total / 2:
        return None
    if counts["Hiragana"] + counts["Katakana"] >= JAPANESE_SHARE * total:
        return "Japanese"
    return WITHOUT_SPACES[max(unspaced, key=unspaced.__getitem__)]


class _Patterns(NamedTuple):
    """Regular expressions of `regex`."""

    token: Any
    """A token of `characters_and_words`."""
    han_or_token: Any
    """The same, but Han characters without marks are one match, the group `han`."""
    letter: Any
    """One letter of a script with spaces, and its accents."""
    writing: Any
    """A letter of a script without spaces or a whole word of another one; the group is the script or `other`."""


@cache
def _patterns() -> _Patterns:
    import regex

    unspaced = "".join(rf"\p{{{script}}}" for script in WITHOUT_SPACES) + "ー"  # the sign that lengthens a kana
    word = rf"(?:(?![{unspaced}])[\p{{L}}\p{{M}}\p{{N}}])+"
    token = rf"(?=[{unspaced}])\X|{word}(?:['’]{word})*|(?!\s)\X"
    scripts = "|".join(rf"(?P<{script}>\p{{{script}}})" for script in WITHOUT_SPACES)
    return _Patterns(
        regex.compile(token),
        regex.compile(rf"(?P<han>(?:\p{{Han}}(?!\p{{M}}))+)|{token}"),
        regex.compile(rf"(?![{unspaced}])\p{{L}}\p{{M}}*"),
        regex.compile(rf"(?=\p{{L}})(?:{scripts}|(?P<other>{word}))"),
    )
