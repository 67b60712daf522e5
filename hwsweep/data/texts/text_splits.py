"""From labelled texts to splits: drawn at random, without a text in two splits, encoded."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from hwsweep.data import DataError, Splits
from hwsweep.data.splitting import random_rows
from hwsweep.data.texts.text_reading import LabelledText

if TYPE_CHECKING:
    from hwsweep.data.texts.tokenizers import Tokenizer
    from hwsweep.data.texts.tokens import TextPlan

log = logging.getLogger(__name__)


def draw_splits(
    texts: Sequence[LabelledText],
    test_texts: Sequence[LabelledText] | None,
    valid: int | float,
    test: int | float,
    seed: int,
) -> dict[str, list[LabelledText]]:
    """Texts by split, the same for the same seed.

    Args:
        test_texts: the test split; None to draw it from `texts`.
        test: number or fraction of `texts` for the test split; 0 if there are `test_texts`.

    Raises:
        DataError: no text remains for training, all texts are of one class, or most have a class of their own.
    """
    if len(labels := {text.label for text in texts}) < 2:
        every = f"all {len(texts)} texts, the first in {texts[0].origin}, are"
        only = f"the only text, in {texts[0].origin}, is"
        raise DataError(
            f"there must be at least two classes, but {only if len(texts) == 1 else every} {labels.pop()[:40]!r}. "
            "Is that the right column or folder of labels?"
        )
    if len(labels) > max(2, len(texts) / 2):
        raise DataError(
            f"several texts must share a label, but {len(texts)} texts, the first in {texts[0].origin}, have "
            f"{len(labels)} labels, such as {texts[0].label[:40]!r}. Is that the right column or folder of labels?"
        )
    rows = random_rows(len(texts), valid, test, seed)
    drawn = {split: [texts[row] for row in numbers] for split, numbers in rows._asdict().items()}
    return drawn if test_texts is None else {**drawn, "test": list(test_texts)}


def check_labels(texts: Sequence[LabelledText], known: Collection[str]) -> None:
    """Check that every text has one of these labels.

    Raises:
        DataError: one has not; the message names it.
    """
    for text in texts:
        if text.label not in known:
            raise DataError(
                f"{text.origin}: a label must be one of {', '.join(sorted(known)[:20])}, but is "
                f"{text.label[:40]!r}. Correct it, or name the class in dataset.classes"
            )


def deduplicate_and_encode(
    drawn: Mapping[str, Sequence[LabelledText]],
    classes: Mapping[str, str],
    replacements: Mapping[str, str],
    tokenizer: Tokenizer,
    plan: TextPlan,
) -> Splits:
    """Encoded splits. A text in two splits stays only in the later one of train, valid, test; empty texts stay in each.

    Args:
        classes: names of the classes by label, in order.
        replacements: new strings by old ones, for all texts.

    Raises:
        DataError: no text remains in a split, or all training texts are empty.
    """
    from hwsweep.data.texts.tokens import encode_splits

    index = {label: number for number, label in enumerate(classes)}
    texts: dict[str, list[str]] = {}
    labels: dict[str, list[int]] = {}
    later: set[str] = set()
    for split in ("test", "valid", "train"):
        examples = [(_replace(text.text, replacements), index[text.label]) for text in drawn[split]]
        unique = [(text, label) for text, label in examples if text not in later or not text.strip()]
        texts[split], labels[split] = [text for text, _ in unique], [label for _, label in unique]
        later |= set(texts[split])
    n_duplicates = sum(len(drawn[split]) - len(texts[split]) for split in texts)
    n_empty = sum(not text.strip() for split in texts.values() for text in split)
    if not any(text.strip() for text in texts["train"]) and texts["train"]:
        n_texts = len(texts["train"])
        every = "the only training text is" if n_texts == 1 else f"all {n_texts} training texts are"
        raise DataError(f"{every} empty. Is that the right column of texts?")
    _report_empty_and_duplicates(n_empty, n_duplicates, sum(map(len, drawn.values())))
    n_repeated = _report_repetitions(texts["train"], labels["train"])
    if empty := [split for split in texts if not texts[split]]:
        raise DataError(
            f"no text remains in the {empty[0]} split: all of them are also in a later one (train, valid, test). "
            "Add other texts"
        )
    splits = encode_splits(texts, labels, tuple(classes.values()), tokenizer, plan, None)
    counts = {"data/duplicates": n_duplicates, "data/repeated": n_repeated, "data/empty": n_empty}
    statistics = {name: float(count) for name, count in counts.items()}
    return dataclasses.replace(splits, statistics={**splits.statistics, **statistics})


def _report_empty_and_duplicates(n_empty: int, n_duplicates: int, n_texts: int) -> None:
    if n_empty:
        be, them = ("is", "it") if n_empty == 1 else ("are", "them")
        log.warning("%d of %d texts %s empty: all a model sees of %s is <unk>", n_empty, n_texts, be, them)
    if n_duplicates:
        what = "1 text is" if n_duplicates == 1 else f"{n_duplicates} texts are"
        stay = "stays" if n_duplicates == 1 else "stay"
        log.info("%s also in a later split (train, valid, test) and %s only there", what, stay)


def _report_repetitions(texts: Sequence[str], labels: Sequence[int]) -> int:
    """How many texts are equal to an earlier one, empty ones left out; a message, also on other labels, if any are."""
    first_label: dict[str, int] = {}
    n_repeated = n_contradictory = 0
    for text, label in zip(texts, labels, strict=True):
        if text.strip() and text in first_label:
            n_repeated += 1
            n_contradictory += label != first_label[text]
        first_label.setdefault(text, label)
    if n_repeated:
        what = "1 training text repeats" if n_repeated == 1 else f"{n_repeated} training texts repeat"
        log.info("%s an earlier one (%d with another label) and stay%s", what, n_contradictory, "s" * (n_repeated == 1))
    return n_repeated


def _replace(text: str, replacements: Mapping[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text
