from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from hydra.utils import instantiate
from nltk.tokenize.destructive import NLTKWordTokenizer
from omegaconf import OmegaConf

from hwsweep import conf_path
from hwsweep.data.__main__ import main
from hwsweep.data.texts import tokenizers
from hwsweep.data.texts.tokenizers import Tokenizer

FILES = {file.stem: file for file in sorted((conf_path() / "tokenizer").glob("*.yaml"))}
HOMEWORK = (
    "Founded in 2002, SpaceX' s mission is to enable humans to become a spacefaring civilization and a multi-planet "
    "species by building a self-sustaining city on Mars. In 2008, SpaceX' s Falcon 1 became the first privately "
    "developed liquid-fuel launch vehicle to orbit the Earth."
)


def built(name: str) -> Tokenizer:
    tokenizer: Tokenizer = instantiate(OmegaConf.load(FILES[name]))
    return tokenizer


def test_the_paragraph_of_the_homework_has_50_tokens_for_nltk_and_56_for_spacy() -> None:
    assert len(tokenizers.nltk()(HOMEWORK)) == 50
    assert len(tokenizers.spacy()(HOMEWORK)) == 56
    # taken whole, the full stop of the first sentence stays with its word
    assert len(NLTKWordTokenizer().tokenize(HOMEWORK)) == 49


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("whitespace", ["He", "said", "\"Don't,", "Dr.", 'Who".', "A", "re-run?"]),
        ("basic_english", ["he", "said", "don", "'", "t", ",", "dr", ".", "who", ".", "a", "re-run", "?"]),
        ("spacy", ["He", "said", '"', "Do", "n't", ",", "Dr.", "Who", '"', ".", "A", "re", "-", "run", "?"]),
        ("nltk", ["He", "said", "``", "Do", "n't", ",", "Dr", ".", "Who", "''", ".", "A", "re-run", "?"]),
    ],
)
def test_tokens_are_those_that_the_library_documents(name: str, tokens: list[str]) -> None:
    assert built(name)('He said "Don\'t, Dr. Who". A re-run?') == tokens


@pytest.mark.parametrize("name", FILES)
def test_no_token_is_only_white_space(name: str) -> None:
    tokenizer = built(name)
    assert tokenizer("") == tokenizer(" \n\t \u00a0\u2003") == []
    assert tokenizer("one  \n two\u00a0\u00a0 \t three ") == ["one", "two", "three"]
    assert tokenizer("one") == ["one"]


@pytest.mark.parametrize("name", FILES)
def test_a_tokenizer_survives_pickling_before_and_after_its_first_call(name: str) -> None:
    tokenizer = built(name)
    fresh = pickle.loads(pickle.dumps(tokenizer))  # noqa: S301
    tokens = tokenizer(HOMEWORK)
    used = pickle.loads(pickle.dumps(tokenizer))  # noqa: S301
    assert fresh(HOMEWORK) == used(HOMEWORK) == tokens


@pytest.mark.timeout(60)  # 15 minutes where each bracket costs the rest of the word
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("text", ["(" * 100_000, "word " * 20_000, "a" * 100_000], ids=["brackets", "words", "letters"])
def test_a_text_of_100_000_characters_is_split_in_seconds(name: str, text: str) -> None:
    assert "".join(built(name)(text)) == text.replace(" ", "")


def test_names_tell_tokenizers_and_their_libraries_releases_apart() -> None:
    import nltk
    import spacy
    from torchtext import __version__ as of_torchtext

    names = {name: built(name).name for name in FILES}
    assert names == {
        "whitespace": "whitespace",
        "basic_english": f"basic_english {of_torchtext}",
        "spacy": f"spacy {spacy.__version__}",
        "nltk": f"nltk {nltk.__version__}",
    }


def test_a_tokenizer_loads_its_library_at_the_first_call_only() -> None:
    code = (
        "import sys; from hwsweep.data.texts import tokenizers as t;"
        "t.spacy(), t.nltk(), t.basic_english(), t.whitespace();"
        "print({'spacy', 'nltk', 'torchtext', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_command_shows_the_tokens_of_all_tokenizers_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokenizers", "It's", "[b] 100%"]) == 0
    table = [
        [cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")]
        for line in capsys.readouterr().out.splitlines()
        if line[0] in "┃│"
    ]
    assert table == [
        ["", "basic_english", "nltk", "spacy", "whitespace"],
        ["1", "it", "It", "It", "It's"],
        ["2", "'", "'s", "'s", "[b]"],
        ["3", "s", "[", "[", "100%"],
        ["4", "[b]", "b", "b", ""],
        ["5", "100%", "]", "]", ""],
        ["6", "", "100", "100", ""],
        ["7", "", "%", "%", ""],
        ["", "5 tokens", "7 tokens", "7 tokens", "3 tokens"],
    ]
