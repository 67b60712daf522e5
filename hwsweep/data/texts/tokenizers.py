"""Tokenizers. Each one is a YAML file under conf/tokenizer."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from hwsweep.data import DataError
from hwsweep.data.data_files import absolute_path
from hwsweep.data.texts import torchtext_api
from hwsweep.files import cache_folder

LONG_WORD = re.compile(r"\S{300}(?=\S)")
"""spaCy scans the rest of a word again after each punctuation mark: 100,000 brackets take a quarter of an hour."""

PIECE = re.compile(r"(?s).{1,10000}(?<=[\s。．！？])|.{1,10000}")
"""SudachiPy takes 49,149 bytes at most, and jieba's time is the square of the length of a run of unknown words."""

SEGMENTERS = {"ja": ("japanese", "sudachipy", "sudachidict_core"), "th": ("thai", "pythainlp")}
"""Languages for which spaCy needs more: the extra of hwsweep, and the libraries that it installs."""


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


def character() -> Tokenizer:
    """Characters of scripts that put no spaces between words (see scripts.py); the words and signs of other scripts."""
    return _FunctionTokenizer(f"character {version('regex')}", _characters)


def jieba(dictionary: str | None) -> Tokenizer:
    """Chinese words by jieba, which also splits words of ASCII letters from signs; tokens of `character` of the rest.

    jieba alone splits words of each other script, and words with accents, into letters.

    Args:
        dictionary: a file with a word, its count and its part of speech on each line; None for jieba's own.

    Raises:
        ValueError: jieba is not installed, or there is no such file.
    """
    name = f"{_releases('tokenizer=jieba', 'chinese', 'jieba')} regex {version('regex')}"
    if dictionary is None:
        return _FunctionTokenizer(name, partial(_jieba, None, name))
    path = absolute_path(dictionary)
    if not path.is_file():
        raise ValueError(f"`tokenizer.dictionary` must be null or a file of words for jieba, but got {dictionary!r}")
    name += f" with {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    return _FunctionTokenizer(name, partial(_jieba, str(path), name))


def spacy(language: str) -> Tokenizer:
    """Words and punctuation by spaCy's rules for a language, without a model.

    Words of over 300 characters are cut, except in languages that a library of their own splits.

    Args:
        language: code of the language, as `en`; `zh` splits every character, also of other scripts.

    Raises:
        ValueError: spaCy does not know the language, or a library for it is not installed.
    """
    if language not in (known := _spacy_languages()):
        raise ValueError(f"`tokenizer.language` must be one of {', '.join(known)}, but got {language!r}")
    extra, *libraries = SEGMENTERS.get(language, ("",))
    others = _releases(f"tokenizer=spacy tokenizer.language={language}", extra, *libraries)
    return _FunctionTokenizer(f"spacy {version('spacy')} {language} {others}".rstrip(), partial(_spacy, language))


def nltk() -> Tokenizer:
    """Words and punctuation by NLTK's Treebank rules, sentence by sentence as in `word_tokenize`, without a corpus."""
    return _FunctionTokenizer(f"nltk {version('nltk')}", _nltk)


def _releases(setting: str, extra: str, *libraries: str) -> str:
    """Names and versions of libraries, as `jieba 0.42.1`.

    Raises:
        ValueError: one is not installed; `setting` needs it.
    """
    try:
        return " ".join(f"{library} {version(library)}" for library in libraries)
    except PackageNotFoundError:
        raise ValueError(f"{setting} needs {' and '.join(libraries)}: pip install 'hwsweep[{extra}]'") from None


def _pieces(text: str) -> Iterator[str]:
    """The text in parts of at most 10,000 characters, cut after a sentence or a space where there is one."""
    return (piece.group() for piece in PIECE.finditer(text))


def _characters(text: str) -> list[str]:
    from hwsweep.data.texts.scripts import characters_and_words

    return characters_and_words(text)


def _jieba(dictionary: str | None, name: str, text: str) -> list[str]:
    from hwsweep.data.texts.scripts import parts_beside_han

    words = _jieba_words(dictionary, name)
    tokens: list[str] = []
    for part, is_token in parts_beside_han(text):
        tokens += [part] if is_token else [word for piece in _pieces(part) for word in words.cut(piece)]
    return tokens


def _spacy(language: str, text: str) -> list[str]:
    pieces = _pieces(text) if language in SEGMENTERS else [LONG_WORD.sub(r"\g<0> ", text)]
    rules = _spacy_rules(language)
    return [token.text for piece in pieces for token in rules(piece)]


def _nltk(text: str) -> list[str]:
    sentences, words = _nltk_rules()
    return [word for sentence in sentences.tokenize(text) for word in words.tokenize(sentence)]


@cache
def _jieba_words(dictionary: str | None, name: str) -> Any:
    """jieba with its dictionary, which it reads once and keeps in the user's cache."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pkg_resources, and of escape sequences when Python compiles jieba
        import jieba

    jieba.setLogLevel("CRITICAL")  # it reports on its cache
    words = jieba.Tokenizer(dictionary or jieba.DEFAULT_DICT)
    words.tmp_dir = str(
        cache_folder("jieba") / name
    )  # by default a file in /tmp, which another user may have put there
    try:
        Path(words.tmp_dir).mkdir(parents=True, exist_ok=True)
        words.initialize()
    except (OSError, ValueError) as error:
        raise DataError(f"jieba cannot read its dictionary {dictionary or ''}: {error}") from error
    return words


def _spacy_languages() -> list[str]:
    """Codes of the languages that spaCy has rules for."""
    spec = find_spec("spacy")  # does not import it
    folder = Path(((spec and spec.submodule_search_locations) or [""])[0], "lang")
    return sorted(file.parent.name for file in folder.glob("*/__init__.py"))


@cache
def _spacy_rules(language: str) -> Any:
    import spacy

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # spaCy calls SudachiPy in its older way
            return spacy.blank(language).tokenizer
    except ImportError as error:  # of a language that needs a library for which hwsweep has no extra
        raise DataError(f"tokenizer.language={language}: {' '.join(str(error).split())}") from error


@cache
def _nltk_rules() -> tuple[Any, Any]:
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    return PunktSentenceTokenizer(), NLTKWordTokenizer()  # untrained: it splits at . ? ! before a new word
