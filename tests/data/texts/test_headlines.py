from __future__ import annotations

import random
import re
from functools import partial

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from small_texts import text_plan

from hwsweep.data import Splits
from hwsweep.data.texts.headline_grammar import PHRASES, TOPICS, WORDS
from hwsweep.data.texts.headlines import CLASSES, RULES, Headline, Headlines, write_headline
from hwsweep.data.texts.tokenizers import basic_english, character, nltk, spacy, whitespace

TOPIC_OF = {word: topic for topic, kinds in TOPICS.items() for words in kinds.values() for word in words.split()}
UNLIKE = re.compile(rf"\b({'|'.join(PHRASES['unlike'])})\b", re.IGNORECASE)


def written(n: int, decoys: float) -> list[tuple[str, Headline]]:
    chance = random.Random(0)
    return [(CLASSES[i % 4], write_headline(CLASSES[i % 4], decoys, chance)) for i in range(n)]


def headlines(n_train: int = 40, seed: int = 0, tokenizer=basic_english) -> Splits:
    plan = text_plan()
    data = Headlines(n_train=n_train, n_valid=11, n_test=13, decoys=0.6, tokenizer=tokenizer(), plan=plan)
    return data.splits(seed)


def test_the_words_of_a_topic_belong_to_no_other_topic_and_are_not_neutral() -> None:
    named = [word for kinds in TOPICS.values() for words in kinds.values() for word in words.split()]
    assert len(named) == len(set(named)) == len(TOPIC_OF)
    neutral = " ".join([*WORDS.values(), *(phrase for phrases in PHRASES.values() for phrase in phrases)])
    assert not set(re.sub("<.+?>", "", neutral).lower().split()) & set(named)


def test_key_words_are_all_the_words_of_the_topic_and_of_no_other() -> None:
    for topic, (text, keys) in written(499, decoys=0.6):
        marked = [text[start:end] for start, end in keys]
        assert marked
        assert marked == [word for word in re.findall(r"[\w-]+", text) if TOPIC_OF.get(word) == topic]


def test_words_of_another_topic_stand_only_behind_a_word_such_as_unlike() -> None:
    decoyed = 0
    for topic, (text, _) in written(499, decoys=0.6):
        strangers = [word for word in TOPIC_OF if TOPIC_OF[word] != topic and re.search(rf"\b{word}\b", text)]
        decoyed += bool(strangers)
        assert len({TOPIC_OF[word] for word in strangers}) <= 1
        for word in strangers:
            (part,) = [part for part in text.split(", ") if re.search(rf"\b{word}\b", part)]
            assert UNLIKE.match(part), text
    assert abs(decoyed / 499 - 0.6) < 0.11  # five standard deviations of a share of 499 draws


def test_such_a_word_alone_does_not_tell_that_there_is_another_topic() -> None:
    plain = [text for _, (text, _) in written(499, decoys=0)]
    assert any(UNLIKE.search(text) for text in plain)


def test_headlines_have_8_to_25_tokens() -> None:
    lengths = [len(basic_english()(headline.text)) for _, headline in written(499, decoys=0.6)]
    assert min(lengths) >= 8
    assert max(lengths) <= 25


@pytest.mark.parametrize(("decoys", "least", "most"), [(0.0, 0.97, 1.0), (1.0, 0.25, 0.62)])
def test_a_bag_of_words_knows_the_topic_without_decoys_and_guesses_with_them(
    decoys: float, least: float, most: float
) -> None:
    # a key word and a decoy look alike to it: right or wrong as a coin falls, but for different numbers of them
    drawn = written(3000, decoys)
    texts, topics = [headline.text for _, headline in drawn], [topic for topic, _ in drawn]
    vectors = TfidfVectorizer().fit(texts[:2000])
    model = LogisticRegression(max_iter=1000, C=10).fit(vectors.transform(texts[:2000]), topics[:2000])
    assert least <= model.score(vectors.transform(texts[2000:]), topics[2000:]) <= most


def test_a_seed_means_the_same_headlines_everywhere() -> None:
    assert headlines().texts["test"][:2] == GOLDEN
    assert headlines(seed=1).texts["test"][:2] != GOLDEN


def test_a_longer_training_split_begins_like_a_shorter_one_and_changes_no_other() -> None:
    short, long = headlines(n_train=40), headlines(n_train=80)
    assert long.texts["train"][:40] == short.texts["train"]
    assert long.texts["valid"] == short.texts["valid"]
    assert long.texts["test"] == short.texts["test"]


def test_topics_come_in_turn() -> None:
    splits = headlines()
    assert splits.lexicon is not None
    assert splits.lexicon.classes == ("World", "Sports", "Business", "Sci/Tech")
    assert splits.train["label"].tolist() == [0, 1, 2, 3] * 10


def test_a_headline_that_another_split_has_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "plain", [["", "key person", " wins"]])  # about 30 headlines for each topic
    data = Headlines(28, 28, 28, 0.0, basic_english(), text_plan())
    texts = [text for split in data.splits(0).texts.values() for text in split]
    assert len(set(texts)) == len(texts) == 3 * 28


@pytest.mark.parametrize("tokenizer", [whitespace, basic_english, partial(spacy, "en"), nltk, character])
def test_key_tokens_are_the_key_words_whatever_the_tokenizer(tokenizer) -> None:
    splits = headlines(tokenizer=tokenizer)
    assert splits.lexicon is not None
    for token, key, label in zip(splits.train["token"], splits.train["key"], splits.train["label"], strict=True):
        marked = [splits.lexicon.words[word].strip(",") for word in token[key]]
        assert marked
        assert {TOPIC_OF[word] for word in marked} == {splits.lexicon.classes[label]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_train": 3}, "`dataset.n_train` must be a whole number of headlines .* from 4 to"),
        ({"n_test": 10.5}, "`dataset.n_test` must be"),
        ({"n_valid": True}, "`dataset.n_valid` must be"),
        ({"decoys": 1.01}, r"`dataset.decoys` must be a number in \[0, 1\] \(share of headlines\), but got 1.01"),
        ({"decoys": "many"}, "`dataset.decoys` must be"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, object], message: str) -> None:
    given = {"n_train": 4, "n_valid": 4, "n_test": 4, "decoys": 0.5}
    with pytest.raises(ValueError, match=message):
        Headlines(**{**given, **changes}, tokenizer=basic_english(), plan=text_plan())


GOLDEN = (
    "And also the hostage with the unhappy truce, one general from Chicago proves a success in Nairobi",
    "One striker from Manila surprises observers in Montreal for the first time",
)
