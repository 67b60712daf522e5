"""Tokenizers. Each one is a YAML file under conf/tokenizer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Protocol

from hwsweep.data.texts import torchtext_api

LONG_WORD = re.compile(r"\S{300}(?=\S)")
"""spaCy scans the rest of a word again after each punctuation mark: 100,000 brackets take a quarter of an hour."""


class Tokenizer(Protocol):
    """What conf/tokenizer/*.yaml instantiates. It can be pickled, and imports its library at the first call."""

    @property
    def name(self) -> str:
        """As in conf/tokenizer, and the version of the library: `spacy 3.8.18`. Equal names, equal tokens."""
        ...

    def __call__(self, text: str) -> list[str]:
        """The tokens of a text, in order; none of them is only white space."""
        ...


@dataclass(frozen=True)
class _FunctionTokenizer:
    """A tokenizer that calls a function of a library."""

    name: str
    function: Callable[[str], Iterable[str]]

    def __call__(self, text: str) -> list[str]:
        return [token for token in self.function(text) if token.strip()]


def whitespace() -> Tokenizer:
    """Words between white space, unchanged."""
    return _FunctionTokenizer("whitespace", str.split)


def basic_english() -> Tokenizer:
    """Lower-case words and common punctuation, by torchtext."""
    return _FunctionTokenizer(f"basic_english {version('torchtext')}", torchtext_api.basic_english)


def spacy() -> Tokenizer:
    """Words and punctuation by spaCy's rules for English, without a model. Words of over 300 characters are cut."""
    return _FunctionTokenizer(f"spacy {version('spacy')}", _spacy)


def nltk() -> Tokenizer:
    """Words and punctuation by NLTK's Treebank rules, sentence by sentence as in `word_tokenize`, without a corpus."""
    return _FunctionTokenizer(f"nltk {version('nltk')}", _nltk)


def _spacy(text: str) -> list[str]:
    return [token.text for token in _spacy_rules()(LONG_WORD.sub(r"\g<0> ", text))]


def _nltk(text: str) -> list[str]:
    sentences, words = _nltk_rules()
    return [word for sentence in sentences.tokenize(text) for word in words.tokenize(sentence)]


@cache
def _spacy_rules() -> Any:
    import spacy

    return spacy.blank("en").tokenizer


@cache
def _nltk_rules() -> tuple[Any, Any]:
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    return PunktSentenceTokenizer(), NLTKWordTokenizer()  # untrained: it splits at . ? ! before a new word
