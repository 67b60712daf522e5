from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from small_texts import text_plan

from hwsweep.data import DataError, Splits
from hwsweep.data.data_files import MissingDataError, split_folders
from hwsweep.data.download import file_checksum
from hwsweep.data.texts.text_files import CsvTexts, FolderTexts
from hwsweep.data.texts.tokenizers import whitespace

CSV = "title,body,label\n" + "".join(f"t{i},words of {i},{'ab'[i % 2]}\n" for i in range(20))
REAL = Path(os.environ.get("HWSWEEP_DATA") or "nowhere") / "ag_news"  # before a fixture changes it
PLAN = text_plan()


def table(file: Path, content: str | bytes = CSV, **changes: object) -> CsvTexts:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    given: dict[str, object] = {
        "name": "text_csv",
        "source": "made for this test",
        "checksums": None,
        "path": str(file),
        "test_path": None,
        "encoding": None,
        "header": True,
        "delimiter": ",",
        "text": ["title", "body"],
        "label": "label",
        "classes": None,
        "replace": {},
        "valid": 3,
        "test": 5,
        "tokenizer": whitespace(),
        "plan": PLAN,
    }
    return CsvTexts(**{**given, **changes})  # type: ignore[arg-type]


def folder(path: Path, **changes: object) -> FolderTexts:
    given = {
        "name": "text_folder",
        "source": "made for this test",
        "path": str(path),
        "pattern": "*.txt",
        "replace": {},
    }
    settings = {"test_path": None, "encoding": None, "classes": None} | {
        "valid": 2,
        "test": 2,
        "tokenizer": whitespace(),
        "plan": PLAN,
    }
    return FolderTexts(**{**given, **settings, **changes})  # type: ignore[arg-type]


def pairs(splits: Splits, *names: str) -> set[tuple[str, str]]:
    """Text and class of every example in these splits."""
    assert splits.lexicon is not None
    return {
        (text, splits.lexicon.classes[label])
        for name in names
        for text, label in zip(splits.texts[name], getattr(splits, name)["label"], strict=True)
    }


def test_columns_are_joined_and_every_text_keeps_its_label(tmp_path: Path) -> None:
    splits = table(tmp_path / "t.csv").splits(0)
    assert [len(splits.texts[name]) for name in ("train", "valid", "test")] == [12, 3, 5]
    assert pairs(splits, "train", "valid", "test") == {(f"t{i} words of {i}", "ab"[i % 2]) for i in range(20)}


def test_columns_without_a_header_are_numbered_and_other_delimiters_are_read(tmp_path: Path) -> None:
    content = CSV.partition("\n")[2].replace(",", "\t")
    splits = table(tmp_path / "t.tsv", content, header=False, delimiter="\t", text=[2], label=3).splits(0)
    assert pairs(splits, "train", "valid", "test") == {(f"words of {i}", "ab"[i % 2]) for i in range(20)}


def test_classes_have_the_names_and_the_order_of_conf(tmp_path: Path) -> None:
    splits = table(tmp_path / "t.csv", classes={"b": "good", "a": "bad"}).splits(0)
    assert splits.lexicon is not None
    assert splits.lexicon.classes == ("good", "bad")
    assert ("t4 words of 4", "bad") in pairs(splits, "train", "valid", "test")


def test_a_second_table_is_the_test_split(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("title,body,label\nx,y,a\n")
    splits = table(tmp_path / "t.csv", test=None, test_path=str(own)).splits(0)
    assert splits.texts["test"] == ("x y",)
    assert len(splits.texts["train"]) == 17


def test_a_text_in_two_splits_stays_in_the_later_one_and_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "own.csv"
    own.write_text("title,body,label\nt7,words of 7,a\nt8,words of 8,a\n")
    repeated = CSV + "t3,words of 3,b\n" * 40  # valid draws from these nearly surely
    with caplog.at_level("INFO", "hwsweep"):
        splits = table(tmp_path / "t.csv", repeated, test=None, test_path=str(own), valid=20).splits(0)
    train, valid, test = (set(splits.texts[name]) for name in ("train", "valid", "test"))
    assert "t3 words of 3" in valid
    assert not train & valid | train & test | valid & test
    assert len(train | valid | test) == 20
    n_left = sum(len(splits.texts[name]) for name in ("train", "valid", "test"))
    assert splits.statistics["data/duplicates"] == 60 + 2 - n_left > 20
    assert f"{60 + 2 - n_left} texts are also in a later split" in caplog.text


@pytest.mark.parametrize(
    ("again", "message"),
    [
        ("t3,words of 3,b\n", "1 training text repeats an earlier one (1 with another label) and stays"),
        (
            "t3,words of 3,a\nt3,words of 3,a\n",
            "2 training texts repeat an earlier one (0 with another label) and stay",
        ),
    ],
)
def test_texts_that_training_repeats_stay_and_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, again: str, message: str
) -> None:
    own = tmp_path / "own.csv"
    own.write_text("title,body,label\nx,unlike all others,a\n")
    rows = "title,body,label\n" + "".join(f"t{k},words of {k},{'ab'[k > 3]}\n" for k in range(9))
    for seed in range(20):  # until the repeated text is not in the validation split
        caplog.clear()
        with caplog.at_level("INFO", "hwsweep"):
            splits = table(tmp_path / f"{seed}.csv", rows + again, test=None, test_path=str(own), valid=1).splits(seed)
        if "t3 words of 3" not in splits.texts["valid"]:
            break
    assert splits.statistics["data/repeated"] == again.count("t3")
    assert message in caplog.text
    assert splits.texts["train"].count("t3 words of 3") == 1 + again.count("t3")


def test_texts_that_are_all_in_the_test_table_leave_nothing_to_train_on(tmp_path: Path) -> None:
    same = tmp_path / "same.csv"
    same.write_text(CSV)
    with pytest.raises(DataError, match="no text remains in the valid split"):
        table(tmp_path / "t.csv", test=None, test_path=str(same)).splits(0)


def test_replacements_are_made_before_anything_is_compared_or_split(tmp_path: Path) -> None:
    splits = table(tmp_path / "t.csv", CSV.replace("words of", "words\\of"), replace={"\\": " "}).splits(0)
    assert ("t4 words of 4", "a") in pairs(splits, "train", "valid", "test")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_latin_1_and_utf_8_survive(tmp_path: Path, encoding: str) -> None:
    letters = "Ærøskøbing naïve ÿ ¿ñ? 40 °C"
    content = CSV.replace("words of 4", letters).encode(encoding)
    assert (f"t4 {letters}", "a") in pairs(table(tmp_path / "t.csv", content).splits(0), "train", "valid", "test")


def test_quoted_texts_keep_delimiters_line_breaks_and_quotes(tmp_path: Path) -> None:
    content = CSV.replace("words of 4", '"a, ""b""\nc"')
    assert ('t4 a, "b"\nc', "a") in pairs(table(tmp_path / "t.csv", content).splits(0), "train", "valid", "test")


def test_empty_texts_single_words_and_very_long_texts_are_read(tmp_path: Path) -> None:
    long = "x" * 200_000
    content = "text,label\n" + "".join(
        f"{text},{'ab'[i % 2]}\n" for i, text in enumerate(["", "one", long, "two", "3", "4"])
    )
    splits = table(tmp_path / "t.csv", content, text=["text"], valid=1, test=1).splits(0)
    assert {text for text, _ in pairs(splits, "train", "valid", "test")} == {"", "one", long, "two", "3", "4"}
    assert all(int(getattr(splits, name)["length"].min()) == 1 for name in ("train", "valid", "test"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"t\.csv has no rows: name a table"),
        ("title,body,label\n", r"t\.csv has no rows below its header"),
        (
            CSV.replace("body", "text"),
            r"t\.csv has no column `body` \(dataset\.text\); its columns: title, text, label",
        ),
        (CSV.replace("label", "labels"), r"no column `label` \(dataset\.label\).*did you mean labels\?"),
        (CSV + "only,two\n", r"t\.csv, line 22: 2 columns, but the first row has 3\. Put texts that contain"),
        (CSV.replace("t3,", "t3,more,"), r"t\.csv, line 5: 4 columns, but the first row has 3"),
        (CSV + "t,no label, \n", r"t\.csv, line 22: .*column `label` is empty"),
        (CSV + 't,"never closed,a\n', r"t\.csv, line 22: unexpected end of data"),
        (CSV + 't,"closed" early,a\n', r"t\.csv, line 22: .*Write a double quote inside a quoted text twice"),
        (
            CSV.replace("words of 3", '"words of 3'),
            r"t\.csv, line 5: unexpected end of data, in the row that begins here",
        ),
        (
            CSV.replace("title,body,label", "title,body,body"),
            r"t\.csv has 2 columns `body` \(dataset\.text\)\. Give each its own name",
        ),
        (CSV + CSV, r"t\.csv, line 22: the header stands here again\. Remove this row"),
        (
            CSV.replace("words", "言葉").encode("iso2022_jp"),
            r"t\.csv, line 2: .*ISO-2022.*dataset\.encoding=iso2022_jp",
        ),
        (CSV.replace("a\n", "a^1\n").replace(",", "^"), r"no column `title`.*dataset\.delimiter='\^'$"),
        (
            "title,body,label\n" + "".join(f"t{i},,{i}.5\n" for i in range(20)),
            r"several texts must share a label, but 20 texts, the first in .*line 2, have 20 labels, such as '0\.5'",
        ),
        ("title,body,label\n" + " ,,a\n,,b\n" * 20, r"all \d+ training texts are empty\. Is that the right column"),
        (CSV.replace(",b\n", ",a\n"), r"at least two classes, but all 20 texts, the first in .*line 2, are 'a'"),
        (CSV.encode() + b"\n\x89PNG\r\n\x00\x01,b,c\n", r"t\.csv, line 24: byte 0x00 is not text.*Save it as UTF-8"),
        (CSV.encode() + b"\xff\xd8\x81\x8d,b,c\n", r"t\.csv, line 22: byte 0x81 is not text"),
        (CSV.encode("utf-16"), r"t\.csv, line 1: byte 0x00 is not text.*UTF-16"),
    ],
)
def test_a_wrong_table_is_refused_with_file_line_and_way_out(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        table(tmp_path / "t.csv", content).splits(0)


def test_a_label_that_conf_does_not_name_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv, line 3: a label must be one of a, c, but is 'b'.*dataset\.classes"):
        table(tmp_path / "t.csv", classes={"a": "A", "c": "C"}).splits(0)


def test_a_label_that_only_the_test_table_has_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("title,body,label\nx,y,z\n")
    with pytest.raises(DataError, match=r"own\.csv, line 2: a label must be one of a, b, but is 'z'"):
        table(tmp_path / "t.csv", test=None, test_path=str(own)).splits(0)


def test_a_missing_table_is_reported_with_the_way_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no .*other\.csv\. To get it: name your table: dataset=text_csv dataset\.path="
    ):
        table(tmp_path / "t.csv", path=str(tmp_path / "other.csv")).splits(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_path": "x.csv"}, "either `dataset.test` or `dataset.test_path` must be null"),
        ({"test": None}, "either `dataset.test` or `dataset.test_path` must be null"),
        ({"test": 0}, "`dataset.test` must be a fraction"),
        ({"valid": 1.5}, "`dataset.valid` must be a fraction"),
        ({"text": "body"}, r"`dataset.text` must be a list of columns, such as \[title,text\], but got 'body'"),
        ({"text": []}, "`dataset.text` must be a list of columns"),
        ({"delimiter": "||"}, "`dataset.delimiter` must be one character"),
        ({"classes": {"a": "A"}}, "`dataset.classes` must be null or name at least two"),
    ],
)
def test_impossible_values_are_refused_before_anything_is_read(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        table(tmp_path / "t.csv", **changes)


CHINESE = "今天的天气很好，我们去公园散步"
LANGUAGES = [
    ("gb18030", CHINESE),
    ("big5", "今天的天氣很好，我們去公園散步"),
    ("cp932", "今日はとても良い天気なので、公園を散歩しましょう"),
    ("cp949", "오늘은 날씨가 매우 좋아서 공원에서 산책을 합니다"),
    ("cp1251", "Сегодня хорошая погода и мы пошли гулять в парк"),
    ("koi8_r", "Сегодня хорошая погода и мы пошли гулять в парк"),
    ("cp1252", "Heute fährt die süße Mönchsgrasmücke übers Haus"),
]


@pytest.mark.parametrize(("encoding", "sentence"), LANGUAGES)
def test_the_encoding_of_a_table_is_recognised_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, encoding: str, sentence: str
) -> None:
    content = CSV.replace("words of", sentence).encode(encoding)
    assert (f"t4 {sentence} 4", "a") in pairs(table(tmp_path / "t.csv", content).splits(0), "train", "valid", "test")
    assert "not UTF-8: 1 of 1 files" in caplog.text
    assert next(letter for letter in sentence if not letter.isascii()) in caplog.text
    assert "dataset.encoding" in caplog.text


def test_an_encoding_in_conf_is_used_and_bytes_that_it_has_not_are_refused_with_their_line(tmp_path: Path) -> None:
    for encoding in ("gb18030", "utf-16", "utf-16-le", "utf-8"):
        content = f"\ufeff{CSV}".replace("words", CHINESE).encode(encoding)
        dataset = table(tmp_path / "t.csv", content, encoding=encoding)
        assert (f"t4 {CHINESE} of 4", "a") in pairs(dataset.splits(0), "train", "valid", "test")
    with pytest.raises(DataError, match=r"t\.csv, line 6: byte 0x\w\w is not text in utf-8.*dataset\.encoding"):
        table(tmp_path / "t.csv", CSV.replace("of 4", "café 4").encode("cp1252"), encoding="utf-8").splits(0)
    with pytest.raises(ValueError, match=r"`dataset\.encoding` must be null or an encoding.*but got 'klingon'"):
        table(tmp_path / "t.csv", encoding="klingon")


def test_labels_and_class_names_may_be_numbers_in_conf_but_not_yes_and_no(tmp_path: Path) -> None:
    content = CSV.replace(",a\n", ",0\n").replace(",b\n", ",1\n")
    splits = table(tmp_path / "t.csv", content, classes={0: "bad", 1: 5}, replace={4: 7}).splits(0)
    assert splits.lexicon is not None
    assert splits.lexicon.classes == ("bad", "5")
    assert ("t7 words of 7", "bad") in pairs(splits, "train", "valid", "test")
    with pytest.raises(ValueError, match=r"`dataset\.classes` must map text to text, but got False: 'bad'.*quotes"):
        table(tmp_path / "t.csv", classes={False: "bad", True: "good"})


@pytest.mark.parametrize(("delimiter", "spelling"), [("\t", "tab"), (";", "semicolon"), ("|", "pipe")])
def test_the_delimiter_of_the_header_is_suggested_and_read(tmp_path: Path, delimiter: str, spelling: str) -> None:
    content = CSV.replace(",", delimiter)
    with pytest.raises(DataError, match=f"no column `title`.*dataset.delimiter={spelling}$"):
        table(tmp_path / "t.csv", content).splits(0)
    assert len(pairs(table(tmp_path / "t.csv", content, delimiter=spelling).splits(0), "train")) == 12


def test_empty_texts_are_counted_and_are_no_duplicates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = CSV + ",,a\n" * 10 + " , ,b\n" * 10
    with caplog.at_level("INFO", "hwsweep"):
        splits = table(tmp_path / "t.csv", content, valid=10, test=10).splits(0)
    assert sum(len(texts) for texts in splits.texts.values()) == 40
    assert (splits.statistics["data/empty"], splits.statistics["data/duplicates"]) == (20, 0)
    assert "20 of 40 texts are empty" in caplog.text
    assert "later split" not in caplog.text


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    """Nine texts in two folders, one of them in a subfolder, and files that are not texts."""
    for i in range(9):
        file = tmp_path / "groups" / ("sci.space" if i % 3 else "rec.autos") / ("deep" if i == 4 else "") / f"{i}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"message {i} caf\xe9".encode("latin-1"))
    (tmp_path / "groups" / "README").write_text("no text")
    (tmp_path / "groups" / ".git").mkdir()
    (tmp_path / "groups" / ".git" / "x.txt").write_text("no text")
    return tmp_path / "groups"


def test_a_folders_texts_have_the_class_of_their_folder(groups: Path) -> None:
    splits = folder(groups).splits(0)
    assert splits.lexicon is not None
    assert splits.lexicon.classes == ("rec.autos", "sci.space")
    expected = {(f"message {i} café", "sci.space" if i % 3 else "rec.autos") for i in range(9)}
    assert pairs(splits, "train", "valid", "test") == expected
    assert folder(groups).inventory() == (9, 9 * len("message 0 café"))


def test_a_folder_in_another_encoding_gives_one_message(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(9):
        file = tmp_path / "set" / "ab"[i % 2] / f"{i}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"{i}: {CHINESE}".encode("gb18030" if i else "utf-8"))
    splits = folder(tmp_path / "set").splits(0)
    expected = {(f"{i}: {CHINESE}", "ab"[i % 2]) for i in range(9)}
    assert pairs(splits, "train", "valid", "test") == expected
    assert caplog.text.count("UTF-8") == 1
    assert "not UTF-8: 8 of 9 files" in caplog.text


def test_folders_of_splits_are_recognised_by_their_names() -> None:
    assert split_folders(["TEST", "TRAIN", "notes"]) == ["TRAIN", "TEST"]
    assert split_folders(["val", "train"]) == ["train", "val"]
    assert split_folders(["train", "plane"]) == split_folders(["test", "valid"]) == []


def test_folders_of_splits_are_no_classes_and_the_message_says_how_to_use_them(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for i in range(8):
            file = tmp_path / split / ("pos", "neg", "unsup")[i % 3] / f"{i}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{split} {i}")
    way = r"dataset\.path=\S*/train dataset\.test_path=\S*/test dataset\.test=null"
    with pytest.raises(DataError, match=rf"holds splits.*{way}"):
        folder(tmp_path).splits(0)
    classes = {"neg": "negative", "pos": "positive"}
    parts = {"test_path": str(tmp_path / "test"), "test": None}
    splits = folder(tmp_path / "train", classes=classes, **parts).splits(0)
    assert splits.lexicon is not None
    assert splits.lexicon.classes == ("negative", "positive")
    names = {i: ("positive", "negative")[i % 3] for i in range(8) if i % 3 < 2}
    assert pairs(splits, "test") == {(f"test {i}", name) for i, name in names.items()}
    assert pairs(splits, "train", "valid") == {(f"train {i}", name) for i, name in names.items()}
    (tmp_path / "test" / "pos").rename(tmp_path / "test" / "good")
    with pytest.raises(DataError, match=r"0\.txt: a label must be one of neg, pos, unsup, but is 'good'"):
        folder(tmp_path / "train", **parts).splits(0)


def test_links_are_followed_system_files_skipped_and_other_endings_counted(
    groups: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (groups / "rec.autos").rename(tmp_path / "autos")
    (groups / "rec.autos").symlink_to(tmp_path / "autos")
    (tmp_path / "autos" / "loop").symlink_to(groups)
    (groups / "__MACOSX").mkdir()
    (groups / "__MACOSX" / "0.txt").write_text("no text")
    (groups / "sci.space" / "Thumbs.db").write_text("no text")
    (groups / "sci.space" / "notes.doc").write_text("no text")
    assert len(pairs(folder(groups).splits(0), "train", "valid", "test")) == 9
    assert re.search(r"left out in .*groups: 1 \.doc; only \*\.txt \(dataset\.pattern\) are read", caplog.text)


def test_a_binary_file_in_a_folder_is_named(groups: Path) -> None:
    (groups / "sci.space" / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    with pytest.raises(DataError, match=r"picture\.txt, line 3: byte 0x00 is not text"):
        folder(groups).splits(0)


def test_a_folder_without_texts_or_with_one_class_is_refused(groups: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"must hold folders \(one for each class\) with files \*\.eml.*dataset\.pattern"
    ):
        folder(groups, pattern="*.eml").splits(0)
    with pytest.raises(DataError, match=r"must hold folders"):
        folder(groups / "rec.autos").splits(0)
    with pytest.raises(DataError, match=r"at least two classes, but the only text, in .*, is 'deep'"):
        folder(groups / "sci.space").splits(0)
    with pytest.raises(DataError, match=r"name your folder: dataset=text_folder dataset\.path="):
        folder(tmp_path / "nothing").splits(0)


def test_fetching_downloads_the_missing_files(tmp_path: Path, upstream) -> None:
    upstream.content = CSV.encode()
    checksum = "md5:" + file_checksum(table(tmp_path / "t.csv").path, "md5")
    dataset = table(
        tmp_path / "hand.csv",
        CSV.replace("words", "texts"),
        source=upstream.address,
        checksums={"hand.csv": checksum, "test.csv": checksum},
        test=None,
        test_path=str(tmp_path / "test.csv"),
    )
    with pytest.raises(MissingDataError):
        dataset.inventory()
    dataset.fetch()
    assert len(upstream.requests) == 1
    assert (tmp_path / "test.csv").read_text() == CSV
    assert dataset.inventory() == (40, 2 * len(CSV))


@pytest.mark.skipif(not REAL.exists(), reason="HWSWEEP_DATA holds no ag_news")
def test_ag_news_is_read_as_upstream_describes_it(tmp_path: Path) -> None:
    names = {"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"}
    layout = {"header": False, "text": [2, 3], "label": 1, "classes": names, "replace": {"\\": " "}}
    files = {"path": str(REAL / "train.csv"), "test": None, "test_path": str(REAL / "test.csv"), "valid": 0.1}
    dataset = table(tmp_path / "t.csv", **layout, **files)
    splits = dataset.splits(0)
    assert splits.test["label"].bincount().tolist() == [1900] * 4
    assert splits.texts["test"][0].startswith("Fears for T N pension after talks Unions representing workers")
    assert splits.lexicon is not None
    assert splits.lexicon.classes[splits.test["label"][0]] == "Business"
    assert dataset.inventory().n_examples >= 18_278 + 7600
