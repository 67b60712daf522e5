"""Words from the data as Matplotlib shows them."""

from __future__ import annotations

LONGEST = 16
"""Characters of a word that are shown."""


def plain(word: str) -> str:
    """The word itself, cut after `LONGEST` characters: two dollar signs would begin and end a formula."""
    cut = word if len(word) <= LONGEST else word[: LONGEST - 1] + "…"
    return cut.replace("$", r"\$")
