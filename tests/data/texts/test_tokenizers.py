from __future__ import annotations

import pickle
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from nltk.tokenize.destructive import NLTKWordTokenizer
from omegaconf import OmegaConf
from rich.cells import cell_len

from hwsweep import conf_path
from hwsweep.data.__main__ import main
from hwsweep.data.texts import tokenizers
from hwsweep.data.texts.scripts import writing_without_spaces
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
    assert len(tokenizers.spacy("en")(HOMEWORK)) == 56
    # taken whole, the full stop of the first sentence stays with its word
    assert len(NLTKWordTokenizer().tokenize(HOMEWORK)) == 49


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("whitespace", ["He", "said", "\"Don't,", "Dr.", 'Who".', "A", "re-run?"]),
        ("basic_english", ["he", "said", "don", "'", "t", ",", "dr", ".", "who", ".", "a", "re-run", "?"]),
        ("spacy", ["He", "said", '"', "Do", "n't", ",", "Dr.", "Who", '"', ".", "A", "re", "-", "run", "?"]),
        ("character", ["He", "said", '"', "Don't", ",", "Dr", ".", "Who", '"', ".", "A", "re", "-", "run", "?"]),
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
    import jieba
    import nltk
    import regex
    import spacy
    from torchtext import __version__ as of_torchtext

    names = {name: built(name).name for name in FILES}
    assert names == {
        "whitespace": "whitespace",
        "basic_english": f"basic_english {of_torchtext}",
        "spacy": f"spacy {spacy.__version__} en",
        "nltk": f"nltk {nltk.__version__}",
        "character": f"character {regex.__version__}",
        "jieba": f"jieba {jieba.__version__} regex {regex.__version__}",
    }
    assert tokenizers.spacy("zh").name == f"spacy {spacy.__version__} zh"


def test_a_tokenizer_loads_its_library_at_the_first_call_only() -> None:
    code = (
        "import sys; from hwsweep.data.texts import tokenizers as t;"
        "t.spacy('zh'), t.nltk(), t.basic_english(), t.whitespace(), t.character(), t.jieba(None);"
        "print({'spacy', 'nltk', 'torchtext', 'torch', 'regex', 'jieba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [  # the words of jieba's README; the second needs its model of unknown words
        ("我来到北京清华大学", ["我", "来到", "北京", "清华大学"]),
        ("他来到了网易杭研大厦", ["他", "来到", "了", "网易", "杭研", "大厦"]),
        ("台灣 AI，3.5%", ["台灣", "AI", "，", "3.5%"]),
        # jieba alone splits each of these into letters; the words of other scripts are those between spaces and signs
        ("我爱한국어와 Việt Nam的Кино", ["我", "爱", "한국어와", "Việt", "Nam", "的", "Кино"]),
        ("أنا أحب، אני", ["أنا", "أحب", "،", "אני"]),
        ("मैं हिन्दी।", ["मैं", "हिन्दी", "।"]),
        ("naïve cafe\u0301, d'été ２０２４年", ["naïve", "cafe\u0301", ",", "d'été", "２０２４", "年"]),
        ("ที่น้ำ", ["ที่", "น้ำ"]),
        ("好\U0001f44d\U0001f3fd\U0001f1f9\U0001f1fc", ["好", "\U0001f44d\U0001f3fd", "\U0001f1f9\U0001f1fc"]),
    ],
)
def test_jieba_splits_chinese_into_words_and_keeps_those_of_other_scripts(text: str, tokens: list[str]) -> None:
    assert built("jieba")(text) == tokens


def test_jieba_knows_the_words_of_a_dictionary(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("杭研大厦 100 n\n網易 100 n\n", encoding="utf-8")
    tokenizer = tokenizers.jieba(str(words))
    assert tokenizer("網易杭研大厦") == ["網易", "杭研大厦"]
    first = tokenizer.name
    words.write_text("杭研 100 n\n大厦 100 n\n網易 100 n\n", encoding="utf-8")
    tokenizer = tokenizers.jieba(str(words))
    assert tokenizer("網易杭研大厦") == ["網易", "杭研", "大厦"]
    assert tokenizer.name != first  # the key of the cache of tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("我愛AI，台灣is nice。", ["我", "愛", "AI", "，", "台", "灣", "is", "nice", "。"]),
        ("東京スーパー", ["東", "京", "ス", "ー", "パ", "ー"]),
        ("ที่น้ำ", ["ที่", "น้ำ"]),  # a vowel and a tone above belong to their consonant
        ("한국어 좋다", ["한국어", "좋다"]),  # Korean has spaces
        ("cafe\u0301 \U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f1f9\U0001f1fc", None),
    ],
)
def test_characters_are_those_that_a_reader_sees(text: str, tokens: list[str] | None) -> None:
    emoji = ["cafe\u0301", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1f9\U0001f1fc"]
    assert built("character")(text) == (emoji if tokens is None else tokens)


def test_spacy_splits_each_chinese_character() -> None:
    assert tokenizers.spacy("zh")("我愛台灣 。") == ["我", "愛", "台", "灣", "。"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "library", "text", "tokens"),
    [  # the examples of spaCy's tests and of PyThaiNLP's documentation
        ("ja", "sudachidict_core", "日本語だよ", ["日本", "語", "だ", "よ"]),
        ("th", "pythainlp", "คุณรักผมไหม", ["คุณ", "รัก", "ผม", "ไหม"]),
    ],
)
def test_spacy_splits_japanese_and_thai(language: str, library: str, text: str, tokens: list[str]) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed: pip install 'hwsweep[japanese,thai]'")
    tokenizer = tokenizers.spacy(language)
    assert tokenizer(text) == tokens
    assert library in tokenizer.name
    long = f"{text}。\n" * 10_000  # more than SudachiPy takes at once
    assert "".join(tokenizer(long)) == "".join(long.split())


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        ("jieba", {}, "tokenizer=jieba needs jieba: pip install 'hwsweep[chinese]'"),
        ("spacy", {"language": "ja"}, "needs sudachipy and sudachidict_core: pip install 'hwsweep[japanese]'"),
        ("spacy", {"language": "th"}, "tokenizer.language=th needs pythainlp: pip install 'hwsweep[thai]'"),
        ("spacy", {"language": "english"}, "`tokenizer.language` must be one of af, .*, zh, but got 'english'"),
        ("jieba", {"dictionary": "no.txt"}, "must be null or a file of words for jieba, but got 'no.txt'"),
    ],
)
def test_a_tokenizer_that_cannot_work_is_refused_before_it_reads_a_text(
    file: str, settings: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_installed(library: str) -> str:
        if library in ("sudachipy", "pythainlp") or (library == "jieba" and not settings):
            raise PackageNotFoundError(library)
        return "1.0"

    monkeypatch.setattr(tokenizers, "version", not_installed)
    with pytest.raises(InstantiationException) as caught:
        instantiate(OmegaConf.load(FILES[file]), **settings)
    assert isinstance(caught.value.__cause__, ValueError)
    assert re.search(message.replace("[", r"\["), str(caught.value.__cause__))


@pytest.mark.parametrize(
    ("text", "writing"),
    [
        ("台灣的天氣AI and the rest", "Chinese"),
        ("ㄅㄆㄇ", "Chinese"),
        ("東京都に住む", "Japanese"),
        ("ภาษาไทย", "Thai"),
        ("ខ្មែរ", "Khmer"),
        ("the 台 and the rest", None),
        ("한국어", None),
        ("\U0001f389 12", None),
    ],
)
def test_the_writing_of_a_text_is_told_by_its_letters(text: str, writing: str | None) -> None:
    assert writing_without_spaces([text]) == writing


def shown(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The cells of the table that the command prints."""
    return [
        [cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")]
        for line in capsys.readouterr().out.splitlines()
        if line[0] in "┃│"
    ]


def test_the_command_shows_the_tokens_of_all_tokenizers_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokenizers", "It's", "[b] 100%"]) == 0
    assert shown(capsys) == [
        ["", "basic_english", "character", "jieba", "nltk", "spacy", "whitespace"],
        ["1", "it", "It's", "It", "It", "It", "It's"],
        ["2", "'", "[", "'", "'s", "'s", "[b]"],
        ["3", "s", "b", "s", "[", "[", "100%"],
        ["4", "[b]", "]", "[", "b", "b", ""],
        ["5", "100%", "100", "b", "]", "]", ""],
        ["6", "", "%", "]", "100", "100", ""],
        ["7", "", "", "100%", "%", "%", ""],
        ["", "5 tokens", "6 tokens", "7 tokens", "7 tokens", "7 tokens", "3 tokens"],
    ]


def test_the_command_shows_chinese_in_columns_and_names_what_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_jieba(library: str) -> str:
        if library == "jieba":
            raise PackageNotFoundError(library)
        return version(library)

    monkeypatch.setattr(tokenizers, "version", without_jieba)
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["tokenizers", "我愛AI"]) == 0
    out = capsys.readouterr().out
    table, last = out.splitlines()[:-1], out.splitlines()[-1]
    assert last == "not installed: tokenizer=jieba needs jieba: pip install 'hwsweep[chinese]'"
    assert {cell_len(line) for line in table} == {cell_len(table[0])}  # a Chinese character has the width of two
    assert [cell.strip() for cell in table[1].strip("┃").split("┃")] == [
        *("", "basic_english", "character", "nltk", "spacy", "spacy zh", "whitespace")
    ]
    assert [cell.strip() for cell in table[3].strip("│").split("│")] == [
        *("1", "我愛ai", "我", "我愛AI", "我愛AI", "我", "我愛AI")
    ]
