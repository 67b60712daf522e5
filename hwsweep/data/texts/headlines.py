"""Headlines from a grammar, with known key words that decide the topic: texts that need no download."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from hwsweep.argument_checks import check_count, check_number, most_in_memory
from hwsweep.data import Shapes, Splits
from hwsweep.data.texts.headline_grammar import PHRASES, TOPICS, WORDS
from hwsweep.data.texts.tokenizers import Tokenizer
from hwsweep.data.texts.tokens import TextPlan

Choice = TypeVar("Choice")

CLASSES: Final = tuple(TOPICS)
TOPIC_WORDS: Final = {topic: {kind: words.split() for kind, words in kinds.items()} for topic, kinds in TOPICS.items()}
RULES: Final = {  # phrases by name; each is cut into literal text (even positions) and names (odd positions)
    name: [re.split("<(.+?)>", phrase) for phrase in phrases]
    for name, phrases in [*PHRASES.items(), *((name, words.split()) for name, words in WORDS.items())]
}


BYTES_PER_HEADLINE: Final = 500
"""Of a text with its key words while it is drawn."""


class Headline(NamedTuple):
    """A text, and the positions of the words that decide its topic."""

    text: str
    key_spans: tuple[tuple[int, int], ...]
    """For each key word, its first character and the character after its last one."""


class Headlines:
    """Splits of headlines on four topics, in turn. Every text occurs once, and its key words are marked.

    Args:
        decoys: share of headlines that also mention another topic, after a word such as `unlike`.
    """

    name: str = "headlines"
    source: str = "hwsweep.data.texts.headlines"

    def __init__(
        self, n_train: int, n_valid: int, n_test: int, decoys: float, tokenizer: Tokenizer, plan: TextPlan
    ) -> None:
        self.sizes = {"test": n_test, "valid": n_valid, "train": n_train}
        for split, n in self.sizes.items():
            most = most_in_memory(BYTES_PER_HEADLINE)
            check_count(f"dataset.n_{split}", n, least=len(CLASSES), most=most, unit="headlines that fit in memory")
        check_number("dataset.decoys", decoys, "[0, 1]", unit="share of headlines")
        self.decoys, self.tokenizer, self.plan = decoys, tokenizer, plan

    @property
    def shapes(self) -> Shapes:
        return {"token": (1,), "word": (2,), "class": (len(CLASSES),)}

    def splits(self, seed: int) -> Splits:
        """The same for the same seed. The test split depends on no other; a longer split begins with a shorter one."""
        from hwsweep.data.texts.tokens import encode_splits

        used: set[str] = set()
        drawn = {split: list(self._draw(n, f"{seed} {split}", used)) for split, n in self.sizes.items()}
        return encode_splits(
            {split: [headline.text for headline in headlines] for split, headlines in drawn.items()},
            {split: [row % len(CLASSES) for row in range(n)] for split, n in self.sizes.items()},
            CLASSES,
            self.tokenizer,
            self.plan,
            {split: [headline.key_spans for headline in headlines] for split, headlines in drawn.items()},
        )

    def _draw(self, n: int, seed: str, used: set[str]) -> Iterator[Headline]:
        """The next `n` headlines that are not in `used`; their texts are added to it."""
        generator = random.Random(seed)
        for row in range(n):
            topic = CLASSES[row % len(CLASSES)]
            headline = write_headline(topic, self.decoys, generator)
            while headline.text in used:
                headline = write_headline(topic, self.decoys, generator)
            used.add(headline.text)
            yield headline


def write_headline(topic: str, decoys: float, generator: random.Random) -> Headline:
    """A headline about `topic`; with probability `decoys` it mentions another topic too, which does not count."""
    rule = "contrasted" if generator.random() < decoys else "plain"
    decoy = _pick([name for name in CLASSES if name != topic], generator)
    text, key_spans = "", list[tuple[int, int]]()
    for piece, is_key in _pieces(rule, {"key": TOPIC_WORDS[topic], "decoy": TOPIC_WORDS[decoy]}, generator):
        if is_key:
            key_spans.append((len(text), len(text) + len(piece)))
        text += piece
    return Headline(text[0].upper() + text[1:], tuple(key_spans))


def _pieces(
    rule: str, words: Mapping[str, Mapping[str, Sequence[str]]], generator: random.Random
) -> Iterator[tuple[str, bool]]:
    """The pieces of a phrase of this rule, and whether each is a key word."""
    for position, part in enumerate(_pick(RULES[rule], generator)):
        if position % 2 == 0:
            yield part, False
        elif part in RULES:
            yield from _pieces(part, words, generator)
        else:
            topic, _, kind = part.partition(" ")
            yield _pick(words[topic][kind], generator), topic == "key"


def _pick(choices: Sequence[Choice], generator: random.Random) -> Choice:
    # `random` is the only method whose numbers Python promises to keep in later versions
    return choices[int(generator.random() * len(choices))]
