"""From labelled rows to splits: drawn at random, without a text that is in two of them, encoded."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hwsweep.data import DataError, Splits
from hwsweep.data.splitting import random_rows
from hwsweep.data.text_reading import Row

if TYPE_CHECKING:
    from hwsweep.data.tokenizers import Tokenizer
    from hwsweep.data.tokens import TextPlan

log = logging.getLogger(__name__)


def drawn_rows(
    rows: Sequence[Row], own_test: Sequence[Row] | None, valid: int | float, test: int | float, seed: int
) -> dict[str, list[Row]]:
    """Rows by split, the same for the same seed; `own_test`, if there is one, is the test split instead of `test`.

    Raises:
        DataError: nothing is left for training, or all rows are of one class.
    """
    if len(labels := {row.label for row in rows}) < 2:
        raise DataError(
            f"there must be at least two classes, but all {len(rows)} texts, the first in {rows[0].where}, are "
            f"{labels.pop()[:40]!r}. Is that the right column or folder of labels?"
        )
    chosen = random_rows(len(rows), valid, test, seed)
    drawn = {split: [rows[i] for i in indices] for split, indices in chosen._asdict().items()}
    return drawn if own_test is None else {**drawn, "test": list(own_test)}


def encoded_splits(
    drawn: Mapping[str, Sequence[Row]],
    names: Mapping[str, str],
    replacements: Mapping[str, str],
    tokenizer: Tokenizer,
    plan: TextPlan,
) -> Splits:
    """The rows as a model takes them. A text that is in two splits stays in the later one only: train, valid, test.

    Args:
        names: of the classes, by what rows call them, in the order of the labels.
        replacements: what is replaced in every text, and by what.

    Raises:
        DataError: nothing is left for training.
    """
    from hwsweep.data.tokens import prepare

    index = {label: i for i, label in enumerate(names)}
    texts: dict[str, list[str]] = {}
    labels: dict[str, list[int]] = {}
    elsewhere: set[str] = set()
    for split in ("test", "valid", "train"):
        read = [(_replaced(row.text, replacements), index[row.label]) for row in drawn[split]]
        kept = [(text, label) for text, label in read if text not in elsewhere]
        texts[split], labels[split] = [text for text, _ in kept], [label for _, label in kept]
        elsewhere |= set(texts[split])
    n_repeated = sum(len(drawn[split]) - len(texts[split]) for split in texts)
    if n_repeated:
        log.info("%d texts were also in a later split (train, valid, test): kept there only", n_repeated)
    if empty := [split for split in texts if not texts[split]]:
        raise DataError(
            f"no text is left in the {empty[0]} split: all of them are also in a later one (train, valid, test). "
            "Add texts that differ"
        )
    splits = prepare(texts, labels, tuple(names.values()), tokenizer, plan, None)
    return dataclasses.replace(splits, facts={**splits.facts, "data/duplicates": float(n_repeated)})


def _replaced(text: str, replacements: Mapping[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text
