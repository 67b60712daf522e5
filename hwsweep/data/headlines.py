"""Headlines written by a grammar, where it is known which words decide the topic: texts that need no download."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from hwsweep.data import Shapes, Splits
from hwsweep.data.headline_grammar import PHRASES, TOPICS, WORDS

if TYPE_CHECKING:
    from hwsweep.data.tokenizers import Tokenizer
    from hwsweep.data.tokens import TextPlan

Choice = TypeVar("Choice")

CLASSES: Final = tuple(TOPICS)
KEYS: Final = {topic: {kind: words.split() for kind, words in kinds.items()} for topic, kinds in TOPICS.items()}
RULES: Final = {  # phrases by name, each cut into literal text (even places) and names (odd places)
    name: [re.split("<(.+?)>", phrase) for phrase in phrases]
    for name, phrases in [*PHRASES.items(), *((name, words.split()) for name, words in WORDS.items())]
}


class Headline(NamedTuple):
    """A text, and where in it the words stand that decide its topic."""

    text: str
    keys: tuple[tuple[int, int], ...]
    """First character of each key word, and the first one after it."""


class Headlines:
    """Splits of headlines on four topics, in turn; every text occurs once, and its key words are marked.

    Args:
        decoys: share of headlines that also speak, after a word such as `unlike`, of another topic.
    """

    name: str = "headlines"
    source: str = "hwsweep.data.headlines"

    def __init__(
        self, n_train: int, n_valid: int, n_test: int, decoys: float, tokenizer: Tokenizer, plan: TextPlan
    ) -> None:
        self.sizes = {"test": n_test, "valid": n_valid, "train": n_train}
        for split, n in self.sizes.items():
            if isinstance(n, bool) or not isinstance(n, int) or n < len(CLASSES):
                raise ValueError(
                    f"`dataset.n_{split}` must be a whole number of headlines, at least {len(CLASSES)} (one a topic), "
                    f"but got {n!r}"
                )
        if isinstance(decoys, bool) or not isinstance(decoys, int | float) or not 0 <= decoys <= 1:
            raise ValueError(f"`dataset.decoys` must be a share from 0 to 1, but got {decoys!r}")
        self.decoys, self.tokenizer, self.plan = decoys, tokenizer, plan

    @property
    def shapes(self) -> Shapes:
        """Four classes; the sizes of texts and vocabulary are placeholders."""
        return {"token": (1,), "word": (2,), "class": (len(CLASSES),)}

    def splits(self, seed: int) -> Splits:
        """The same for the same seed; test headlines depend on no other split, and a longer split begins alike."""
        from hwsweep.data.tokens import prepare

        seen: set[str] = set()
        drawn = {split: list(self._draw(n, f"{seed} {split}", seen)) for split, n in self.sizes.items()}
        splits = ("train", "valid", "test")
        return prepare(
            {split: [headline.text for headline in drawn[split]] for split in splits},
            {split: [row % len(CLASSES) for row in range(self.sizes[split])] for split in splits},
            CLASSES,
            self.tokenizer,
            self.plan,
            {split: [headline.keys for headline in drawn[split]] for split in splits},
        )

    def _draw(self, n: int, seed: str, seen: set[str]) -> Iterator[Headline]:
        """The next headlines that are not in `seen`, which then holds them."""
        chance = random.Random(seed)
        for row in range(n):
            headline = write_headline(CLASSES[row % len(CLASSES)], self.decoys, chance)
            while headline.text in seen:
                headline = write_headline(CLASSES[row % len(CLASSES)], self.decoys, chance)
            seen.add(headline.text)
            yield headline


def write_headline(topic: str, decoys: float, chance: random.Random) -> Headline:
    """A headline about `topic`; with probability `decoys`, another topic is mentioned but does not count."""
    kind = "contrasted" if chance.random() < decoys else "plain"
    words = {"key": KEYS[topic], "decoy": KEYS[_pick([name for name in CLASSES if name != topic], chance)]}
    pieces: list[str] = []
    keys: list[tuple[int, int]] = []
    _write(kind, words, chance, pieces, keys)
    text = "".join(pieces)
    return Headline(text[0].upper() + text[1:], tuple(keys))


def _write(
    name: str,
    words: Mapping[str, Mapping[str, Sequence[str]]],
    chance: random.Random,
    pieces: list[str],
    keys: list[tuple[int, int]],
) -> None:
    """Append to `pieces` a phrase of this name, and to `keys` where its key words stand in what `pieces` say."""
    for place, part in enumerate(_pick(RULES[name], chance)):
        if place % 2 == 0:
            pieces.append(part)
        elif part in RULES:
            _write(part, words, chance, pieces, keys)
        else:
            kind, _, which = part.partition(" ")
            word = _pick(words[kind][which], chance)
            if kind == "key":
                start = sum(map(len, pieces))
                keys.append((start, start + len(word)))
            pieces.append(word)


def _pick(choices: Sequence[Choice], chance: random.Random) -> Choice:
    # `random` is the one method whose numbers Python promises to keep in later versions
    return choices[int(chance.random() * len(choices))]
