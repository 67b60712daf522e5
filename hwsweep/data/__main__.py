"""The data command: `python -m hwsweep.data` lists the data sets, `... fetch NAME` downloads one.

`... tokenizers "some text"` prints the tokens of a text by each tokenizer.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from hwsweep import conf_path
from hwsweep.data import DataError
from hwsweep.data.data_files import VARIABLE, DatasetInFiles, MissingDataError, data_folder, not_downloadable
from hwsweep.files import cache_folder
from hwsweep.signals import exit_on_signals

if TYPE_CHECKING:
    from hwsweep.data.texts.tokenizers import Tokenizer
    from hwsweep.data.texts.vectors import WordVectors

GROUPS = ("dataset", "vectors")
"""Folders of conf with data that this command lists and fetches."""

CACHES = {
    "decoded": "decoded images",
    "tokens": "tokens of texts",
    "vectors": "word vectors of vocabularies",
    "jieba": "dictionaries of Chinese words",
}
"""Content of the folders in the user's cache."""

EXAMPLES = """\
examples:
  python -m hwsweep.data                                   list all data sets, and how to get the missing ones
  python -m hwsweep.data fetch tibetan_mnist               download (or resume a download) and verify
  python -m hwsweep.data fetch mnist kmnist                several data sets
  python -m hwsweep.data fetch ag_news glove               texts, and word vectors for them
  python -m hwsweep.data tokenizers "SpaceX' s mission"    tokens of a text by each tokenizer
  python -m hwsweep.data tokenizers "我愛台灣的天氣"          the same, also by spaCy's rules for Chinese
  HWSWEEP_DATA=/disk/data python -m hwsweep.data           use another folder (default: the user's cache folder)

If a data set is present already, for instance because you copied it there, fetch only checks it.
"""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 for success, 1 if data is damaged or cannot be fetched, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="python -m hwsweep.data",
        description="Lists the data sets and word vectors of hwsweep, and downloads them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="list | fetch | tokenizers")
    commands.add_parser("list", help="list all data sets, and how to get the missing ones (the default)")
    fetch = commands.add_parser("fetch", help="download data sets, or check the present ones")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="a name of the list")
    tokenizers = commands.add_parser("tokenizers", help="print the tokens of a text by each tokenizer")
    tokenizers.add_argument("text", nargs="+", metavar="TEXT", help="the text, in quotation marks")
    chosen = parser.parse_args(arguments)
    if chosen.command == "tokenizers":
        return _print_tokens(" ".join(chosen.text))
    if chosen.command == "fetch":
        if unknown := [name for name in chosen.names if name not in _names()]:
            similar = difflib.get_close_matches(unknown[0], _names(), n=1)
            hint = f"; did you mean {similar[0]}?" if similar else ""
            parser.error(f"no data set `{unknown[0]}`; there are: {', '.join(_names())}{hint}")
        return max([_fetch(name) for name in chosen.names])
    return _list()


def _names() -> list[str]:
    """Names of the data sets, then of the word vectors."""
    return [file.stem for group in GROUPS for file in sorted((conf_path() / group).glob("*.yaml"))]


def _list() -> int:
    """Print a table of all data sets, the folders, and how to get the missing data sets."""
    rows = [("name", "state", "examples", "MB", "path")]
    instructions: list[str] = []
    damages: list[DataError] = []
    for name in _names():
        try:
            row, how_to_get = _row(name)
            instructions += [f"  {name}: {how_to_get}"] if how_to_get else []
        except DataError as error:
            damages.append(error)
            row = ("damaged", "", "", "see the error below")
        rows.append((name, *row))
    a, b, c, d, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    for name, state, examples, megabytes, path in rows:
        print(f"{name:{a}}  {state:{b}}  {examples:>{c}}  {megabytes:>{d}}  {path}")
    print(f"\n{VARIABLE} is {data_folder()}")
    for folder, content in CACHES.items():
        print(f"{content} (safe to delete): {cache_folder(folder)}")
    if instructions:
        print("\nhow to get the missing data sets:", *instructions, sep="\n")
    for damage in damages:
        print(f"error: {damage}", file=sys.stderr)
    return 1 if damages else 0


def _row(name: str) -> tuple[tuple[str, str, str, str], str]:
    """State, examples, megabytes and path as text; and how to get the data set, "" if it is present."""
    data = _load(name)
    if data is None:
        return ("embedded", "any number", "", ""), ""
    if isinstance(data, str):
        return ("missing", "", "", "your own path"), data
    root = data_folder()
    path = f"{VARIABLE}/{data.path.relative_to(root)}" if data.path.is_relative_to(root) else str(data.path)
    try:
        inventory = data.inventory()
    except MissingDataError:
        return ("missing", "", "", path), data.instructions
    count = "" if inventory.n_examples is None else f"{inventory.n_examples:,}"
    return ("present", count, f"{inventory.n_bytes / 1e6:,.1f}", path), ""


def _fetch(name: str) -> int:
    """Download the data set if it is missing, and check all of it in either case."""
    data = _load(name)
    if data is None:
        print(f"{name}: embedded, nothing to fetch: python -m hwsweep dataset={name}")
        return 0
    try:
        if isinstance(data, str):
            raise not_downloadable(name, data)
        try:
            data.inventory()
        except MissingDataError:
            data.fetch()
        print(f"{name}: checked, {_contents(data)} in {data.path}")
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _contents(data: DatasetInFiles | WordVectors) -> str:
    """Numbers of examples or words, after reading everything as training does."""
    if not hasattr(data, "splits"):
        return f"{data.check():,} words of {data.dim} values"
    splits = data.splits(seed=0)
    sizes = {"training": splits.train, "validation": splits.valid, "test": splits.test}
    counts = (f"{len(next(iter(split.values()))):,} {name}" for name, split in sizes.items())
    return f"{', '.join(counts)} examples"


def _print_tokens(text: str) -> int:
    """Print the tokens of the text by each tokenizer of conf, side by side, and their numbers; then what is missing."""
    from itertools import zip_longest

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    tokens: dict[str, list[str]] = {}
    missing = list[str]()
    for title, tokenizer in _tokenizers(text):
        try:
            tokens[title] = tokenizer()(text)
        except Exception as error:
            if not isinstance(error.__cause__, ValueError):  # what Hydra wraps: a library is not installed
                raise
            missing.append(str(error.__cause__))
    table = Table("", show_footer=True, highlight=False)
    for title, column in tokens.items():
        count = f"{len(column)} token{'s' * (len(column) != 1)}"
        table.add_column(title, footer=count, overflow="fold")
    for number, row in enumerate(zip_longest(*tokens.values(), fillvalue=""), start=1):
        table.add_row(str(number), *map(Text, row))  # Text, because [b] in a token is not markup
    Console(markup=False, emoji=False).print(table)
    print(*(f"not installed: {line}" for line in missing), sep="\n", end="\n" * bool(missing))
    return 0


def _tokenizers(text: str) -> Iterator[tuple[str, Callable[[], Tokenizer]]]:
    """Title and maker of each tokenizer of conf; spaCy's also in the language that the script of the text points to."""
    from omegaconf import OmegaConf

    from hwsweep.data.texts.scripts import LANGUAGES, writing_without_spaces
    from hwsweep.hydra_versions import instantiate

    for file in sorted((conf_path() / "tokenizer").glob("*.yaml")):
        yield file.stem, partial(instantiate, OmegaConf.load(file))
        language = LANGUAGES.get(writing_without_spaces([text]) or "")
        if file.stem == "spacy" and language is not None:
            yield f"spacy {language}", partial(instantiate, OmegaConf.load(file), language=language)


def _load(name: str) -> DatasetInFiles | WordVectors | str | None:
    """The data set; or what the user must give first, as a command; or None if it is generated."""
    from omegaconf import OmegaConf

    from hwsweep.hydra_versions import compose_in, instantiate

    group = next(group for group in GROUPS if (conf_path() / group / f"{name}.yaml").exists())
    config = compose_in(conf_path(), f"{group}/{name}")[group]
    if OmegaConf.is_missing(config, "path"):
        model = "model=transformer " if "tokenizer" in config else ""
        return f"python -m hwsweep {model}dataset={name} dataset.path=/path/of/your/data"
    if "path" not in config:
        return None
    data: DatasetInFiles | WordVectors = instantiate(config)
    return data


if __name__ == "__main__":
    with exit_on_signals():
        sys.exit(main())
