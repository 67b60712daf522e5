"""Long documents made of AG News, in the number of BBC News: a CSV file with the columns `label` and `text`.

    python benchmarks/long_texts.py long_texts.csv
    python -m hwsweep experiment=long_texts dataset.path=long_texts.csv

BBC News has 2,225 articles, the longest of 5,004 tokens. Here are as many documents, in four classes. Their lengths are
log-normal; the first is about as long as the longest of BBC News. A document joins whole news, and no news is in two
documents: 7 of 10 are of the document's class, the others of any class, so that its first words do not decide it.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import random
from collections import defaultdict
from pathlib import Path

DOCUMENTS, LONGEST, MEDIAN, SPREAD = 2_225, 5_004, 370, 0.5
OWN_CLASS = 0.7
TOKENS_PER_WORD = 1.12
"""Of basic_english, which makes tokens of signs, too."""


def news(folder: Path, rng: random.Random) -> dict[str, list[str]]:
    """The texts of both files of AG News by class, in random order."""
    texts = defaultdict(list)
    for name in ("train.csv", "test.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            for label, title, description in csv.reader(file):
                texts[label].append(f"{title} {description}".replace("\\", " "))
    for of_class in texts.values():
        of_class.sort()  # the same documents, whatever the order of the files
        rng.shuffle(of_class)
    return dict(sorted(texts.items()))


def document(own: str, n_tokens: float, texts: dict[str, list[str]], rng: random.Random) -> str:
    """News of about so many tokens, taken from `texts`; the first is of the class `own`."""
    parts: list[str] = []
    length = 0.0
    while length < n_tokens:
        own_class = not parts or rng.random() < OWN_CLASS
        parts.append(texts[own if own_class else rng.choice(list(texts))].pop())
        length += TOKENS_PER_WORD * len(parts[-1].split())
    return " ".join(parts)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="the file to write")
    path = parser.parse_args().path
    rng = random.Random(0)
    texts = news(Path(os.environ["HWSWEEP_DATA"]) / "ag_news", rng)
    classes = list(texts)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("label", "text"))
        for number in range(DOCUMENTS):
            length = min(LONGEST, max(100, rng.lognormvariate(math.log(MEDIAN), SPREAD))) if number else LONGEST
            own = classes[number % len(classes)]
            rows.writerow((own, document(own, length, texts, rng)))


if __name__ == "__main__":
    main()
