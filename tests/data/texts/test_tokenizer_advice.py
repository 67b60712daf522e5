"""A user whose tokenizer does not split the texts is told so before training."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_texts import text_plan

from hwsweep.data.texts.text_files import CsvTexts, FolderTexts
from hwsweep.data.texts.tokenizer_advice import Limits, advice
from hwsweep.data.texts.tokenizers import Tokenizer, character, jieba, spacy, whitespace
from hwsweep.data.texts.tokens import encode_splits

WORDS = {
    "體育": ["球隊", "教練", "決賽", "冠軍", "投手", "籃球", "裁判", "主場"],
    "財經": ["股市", "央行", "匯率", "銀行", "通膨", "營收", "房價", "債券"],
}
"""Two topics and their words."""


def chinese_texts(n: int) -> list[tuple[str, str]]:
    """Texts of four words of a topic without spaces, and their labels; all are different."""
    generator, texts = random.Random(3), dict[str, str]()
    while len(texts) < n:
        label = list(WORDS)[len(texts) % 2]
        texts["的".join(generator.choices(WORDS[label], k=4)) + "。"] = label
    return list(texts.items())


def as_table(folder: Path, tokenizer: Tokenizer) -> CsvTexts:
    with (folder / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *chinese_texts(200)])
    columns = {"header": True, "delimiter": ",", "text": ["text"], "label": "label", "checksums": None}
    return CsvTexts(name="t", path=str(folder / "texts.csv"), tokenizer=tokenizer, **columns, **common())


def as_folder(folder: Path, tokenizer: Tokenizer) -> FolderTexts:
    for number, (text, label) in enumerate(chinese_texts(200)):
        (folder / "texts" / label).mkdir(parents=True, exist_ok=True)
        (folder / "texts" / label / f"{number}.txt").write_text(text, encoding="utf-8")
    return FolderTexts(name="t", path=str(folder / "texts"), pattern="*.txt", tokenizer=tokenizer, **common())


def common() -> dict[str, object]:
    splits = {"test_path": None, "valid": 0.2, "test": 0.2, "plan": text_plan()}
    return {"source": "", "encoding": None, "classes": None, "replace": {}, **splits}


@pytest.mark.parametrize("data", [as_table, as_folder])
def test_chinese_texts_that_are_one_token_each_are_reported_with_the_tokenizers_that_help(
    data: Callable[[Path, Tokenizer], CsvTexts | FolderTexts], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    splits = data(tmp_path, whitespace()).splits(seed=0)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "100% of the tokens of the validation texts are not in the vocabulary (<unk>) and 100% of these texts are one "
        "token, by the tokenizer whitespace; for Chinese, which has no spaces between words, try tokenizer=jieba or "
        "tokenizer=character"
    )
    assert splits.statistics["data/unknown_share"] == 1


@pytest.mark.parametrize(
    ("limits", "beginning"),
    [
        ({"warn_unknown": 1}, "100% of the validation texts are one token, by the tokenizer whitespace"),
        ({"warn_unsplit": 1}, "100% of the tokens of the validation texts are not in the vocabulary (<unk>), by the"),
        ({"warn_unknown": 1, "warn_unsplit": 1}, None),
    ],
)
def test_the_shares_above_which_a_run_warns_are_settings(
    limits: dict[str, float], beginning: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = as_table(tmp_path, whitespace())
    data.plan = text_plan(**limits)
    data.splits(seed=0)
    assert [record.getMessage()[: len(beginning or "")] for record in caplog.records] == ([beginning] * bool(beginning))


@pytest.mark.parametrize("tokenizer", [jieba(None), character()])
def test_with_these_tokenizers_there_is_no_warning_and_most_tokens_are_known(
    tokenizer: Tokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    splits = as_table(tmp_path, tokenizer).splits(seed=0)
    assert not caplog.records
    assert splits.statistics["data/unknown_share"] < 0.05
    assert splits.lexicon is not None
    assert {"的", "。"} < set(splits.lexicon.words)
    assert ("教練" in splits.lexicon.words) == tokenizer.name.startswith("jieba")


@pytest.mark.parametrize(
    ("text", "n_tokens", "unknown", "tokenizer", "sentence"),
    [
        ("plain words of English", 4, 0.2, "nltk 3.9", None),
        ("Yamaguchi", 1, 0.1, "nltk 3.9", None),  # names, a word each: the usual tokens of such texts
        (
            "plain words of English",
            4,
            0.21,
            "nltk 3.9",
            "21% of the tokens of the validation texts are not in the vocabulary (<unk>), by the tokenizer nltk 3.9",
        ),
        ("Words, of English", 3, 0.3, "whitespace", "; tokenizer=basic_english separates punctuation from words"),
        (
            "台灣的天氣",
            1,
            0.0,
            "spacy 3.8 en",
            "100% of the validation texts are one token, by the tokenizer spacy 3.8",
        ),
        (
            "台灣的天氣",
            3,
            0.3,
            "jieba 0.42.1",
            "for Chinese, which has no spaces between words, try tokenizer=character",
        ),
        (
            "東京都に住む",
            1,
            0.9,
            "basic_english 0.6",
            "try tokenizer=spacy tokenizer.language=ja or tokenizer=character",
        ),
        ("東京都に住む", 4, 0.9, "spacy 3.8 ja sudachipy 0.7", "between words, try tokenizer=character"),
        ("ภาษาไทย", 1, 0.9, "nltk 3.9", "try tokenizer=spacy tokenizer.language=th or tokenizer=character"),
        ("ខ្មែរ", 1, 0.9, "nltk 3.9", "for Khmer, which has no spaces between words, try tokenizer=character"),
        ("ខ្មែរ", 4, 0.9, "character 2026", "90% of the tokens of the validation texts are not in the vocabulary"),
    ],
)
def test_the_advice_depends_on_the_writing_and_the_tokenizer(
    text: str, n_tokens: int, unknown: float, tokenizer: str, sentence: str | None
) -> None:
    found = advice(
        [text] * 7, np.full(7, n_tokens), unknown, 0.0, tokenizer, Limits(unknown=0.2, unsplit=0.5, letters=0.2)
    )
    assert found is None if sentence is None else sentence in (found or "")
    if tokenizer.startswith(("nltk", "character")) and n_tokens > 1:
        assert "try" not in (found or "")


@pytest.mark.parametrize(
    ("text", "tokenizer", "sentence"),
    [
        ("ты учил", spacy("zh"), "100% of the tokens of the validation texts are single letters of longer words"),
        ("나는 좋다", spacy("zh"), "; tokenizer=character keeps words whole"),
        # 5 of 10 tokens; B is a word of one letter
        ("股票B上漲nokia", spacy("zh"), "50% of the tokens of the validation texts are single letters of longer words"),
        ("股票B上漲nokia", spacy("zh"), "for Chinese, which has no spaces between words, try tokenizer=jieba or"),
        ("股票上漲的市場AI很好", spacy("zh"), None),  # 2 of 12 tokens
        ("나는 좋다", jieba(None), None),
        ("ты учил", whitespace(), None),
        ("I a b", whitespace(), None),  # words of one letter
    ],
)
def test_a_tokenizer_that_splits_words_into_letters_is_reported(
    text: str, tokenizer: Tokenizer, sentence: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    texts = {split: [text] * 3 for split in ("train", "valid", "test")}
    labels = {split: [0] * 3 for split in texts}
    encode_splits(texts, labels, ["c"], tokenizer, text_plan(warn_letters=1), None)
    assert not caplog.records
    encode_splits(texts, labels, ["c"], tokenizer, text_plan(), None)
    assert [sentence is not None and sentence in record.getMessage() for record in caplog.records] == (
        [True] * (sentence is not None)
    )
