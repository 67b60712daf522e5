"""How a text is split into tokens; each way is one YAML under conf/tokenizer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Protocol

ENDLESS = re.compile(r"\S{300}(?=\S)")
"""spaCy reads the rest of a word again for each mark it peels off: 100,000 brackets take it a quarter of an hour."""


class Tokenizer(Protocol):
    """What conf/tokenizer/*.yaml instantiates; can be pickled, and loads its library at the first call."""

    @property
    def name(self) -> str:
        """As in conf/tokenizer, and the version of the library: `spacy 3.8.18`. Equal names, equal tokens."""
        ...

    def __call__(self, text: str) -> list[str]:
        """The tokens of a text, in order; none of them is only white space."""
        ...


@dataclass(frozen=True)
class _Split:
    """A tokenizer made of a library's function."""

    name: str
    tokens: Callable[[str], Iterable[str]]

    def __call__(self, text: str) -> list[str]:
        return [token for token in self.tokens(text) if token.strip()]


def whitespace() -> Tokenizer:
    """Words between white space, as they stand."""
    return _Split("whitespace", str.split)


def basic_english() -> Tokenizer:
    """Lower-case words and the commonest punctuation, as torchtext has it."""
    return _Split(f"basic_english {version('torchtext')}", _basic_english)


def spacy() -> Tokenizer:
    """Words and punctuation by spaCy's rules for English, without a model; what is longer than any word is cut."""
    return _Split(f"spacy {version('spacy')}", _spacy)


def nltk() -> Tokenizer:
    """Words and punctuation by NLTK's Treebank rules, sentence by sentence as `word_tokenize`, without a corpus."""
    return _Split(f"nltk {version('nltk')}", _nltk)


def _basic_english(text: str) -> list[str]:
    return [str(token) for token in _torchtext_function()(text)]


def _spacy(text: str) -> list[str]:
    return [token.text for token in _spacy_rules()(ENDLESS.sub(r"\g<0> ", text))]


def _nltk(text: str) -> list[str]:
    sentences, words = _nltk_rules()
    return [word for sentence in sentences.tokenize(text) for word in words.tokenize(sentence)]


@cache
def _torchtext_function() -> Any:
    from torchtext.data import get_tokenizer

    return get_tokenizer("basic_english")


@cache
def _spacy_rules() -> Any:
    import spacy

    return spacy.blank("en").tokenizer


@cache
def _nltk_rules() -> tuple[Any, Any]:
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    return PunktSentenceTokenizer(), NLTKWordTokenizer()  # untrained: it splits at . ? ! before a new word
