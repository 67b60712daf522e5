"""The command line of the data: `python -m hwsweep.data` lists the data sets, `... fetch NAME` gets one.

`... tokenizers "some text"` shows what each tokenizer makes of a text.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from typing import TYPE_CHECKING

from hwsweep.conf_path import conf_path
from hwsweep.data import DataError

if TYPE_CHECKING:
    from hwsweep.data.locations import Stored
    from hwsweep.data.vectors import WordVectors

GROUPS = ("dataset", "vectors")
"""Folders of conf whose files this command knows."""

EXAMPLES = """\
examples:
  python -m hwsweep.data                                   what is there, and how to get the rest
  python -m hwsweep.data fetch tibetan_mnist               download, resume, verify
  python -m hwsweep.data fetch mnist kmnist                several at once
  python -m hwsweep.data fetch ag_news glove               texts, and word vectors for them
  python -m hwsweep.data tokenizers "SpaceX' s mission"    what each tokenizer makes of a text
  HWSWEEP_DATA=/disk/data python -m hwsweep.data           look elsewhere (default: the user's cache folder)

fetch checks a data set that is there already, for instance one that was put there by hand.
"""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 if all went well, 1 if data could not be had or is damaged, 2 if the command is misspelt."""
    parser = argparse.ArgumentParser(
        prog="python -m hwsweep.data",
        description="Lists the data sets and word vectors that hwsweep knows, and fetches them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="list | fetch | tokenizers")
    commands.add_parser("list", help="what is there, and how to get the rest (the default)")
    fetch = commands.add_parser("fetch", help="get data sets from upstream, or check what is there")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="as in the list")
    show = commands.add_parser("tokenizers", help="what each tokenizer makes of a text, side by side")
    show.add_argument("text", nargs="+", metavar="TEXT", help="in quotation marks, for the shell's sake")
    chosen = parser.parse_args(arguments)
    if chosen.command == "tokenizers":
        return _show_tokens(" ".join(chosen.text))
    if chosen.command == "fetch":
        if unknown := [name for name in chosen.names if name not in _names()]:
            near = difflib.get_close_matches(unknown[0], _names(), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            parser.error(f"no data set `{unknown[0]}`; there are: {', '.join(_names())}{hint}")
        return max([_fetch(name) for name in chosen.names])
    return _list()


def _names() -> list[str]:
    """Of data sets, then of word vectors."""
    return [file.stem for group in GROUPS for file in sorted((conf_path() / group).glob("*.yaml"))]


def _list() -> int:
    """Print a table of all data sets, and below it how to get those that are not there."""
    from hwsweep.data.locations import data_home, decoded_home, tokens_home

    rows = [("name", "state", "examples", "MB", "where")]
    ways: list[str] = []
    damaged: list[DataError] = []
    for name in _names():
        try:
            row, way = _row(name)
            ways += [f"  {name}: {way}"] if way else []
        except DataError as error:
            damaged.append(error)
            row = ("damaged", "", "", "see below")
        rows.append((name, *row))
    a, b, c, d, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    for name, state, examples, megabytes, where in rows:
        print(f"{name:{a}}  {state:{b}}  {examples:>{c}}  {megabytes:>{d}}  {where}")
    print(f"\nHWSWEEP_DATA is {data_home()}\ndecoded images (safe to delete): {decoded_home()}")
    print(f"tokens of texts (safe to delete): {tokens_home()}")
    if ways:
        print("\nto get what is not there:", *ways, sep="\n")
    for found in damaged:
        print(f"error: {found}", file=sys.stderr)
    return 1 if damaged else 0


def _row(name: str) -> tuple[tuple[str, str, str, str], str]:
    """State, examples, megabytes and where, as text; and how to get it, empty if it is there."""
    from hwsweep.data.locations import VARIABLE, data_home

    dataset = _stored(name)
    if dataset is None:
        return ("embedded", "any number", "", ""), ""
    if isinstance(dataset, str):
        return ("not there", "", "", "where you say"), dataset
    where, home = dataset.where, data_home()
    shown = f"{VARIABLE}/{where.relative_to(home)}" if where.is_relative_to(home) else str(where)
    stock = dataset.stock()
    if stock is None:
        return ("not there", "", "", shown), dataset.way_to_get
    count = "" if stock.n_examples is None else f"{stock.n_examples:,}"
    return ("present", count, f"{stock.n_bytes / 1e6:,.1f}", shown), ""


def _fetch(name: str) -> int:
    """Get the data set if it is not there, and check all of it in either case."""
    dataset = _stored(name)
    if dataset is None:
        print(f"{name}: embedded, nothing to fetch: python -m hwsweep dataset={name}")
        return 0
    try:
        if isinstance(dataset, str):
            raise DataError(f"`{name}` cannot be fetched without you: {dataset}")
        if dataset.stock() is None:
            dataset.fetch()
        print(f"{name}: {_checked(dataset)} in {dataset.where}")
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _checked(dataset: Stored | WordVectors) -> str:
    """Read everything, as training would; what is there, in words."""
    if not hasattr(dataset, "splits"):
        return f"checked, {dataset.check():,} words of {dataset.dim} values"
    splits = dataset.splits(seed=0)
    sizes = {"training": splits.train, "validation": splits.valid, "test": splits.test}
    counts = (f"{len(next(iter(split.values()))):,} {what}" for what, split in sizes.items())
    return f"checked, {', '.join(counts)} examples"


def _show_tokens(text: str) -> int:
    """Print the tokens that each tokenizer of conf makes of the text, and how many, side by side."""
    from itertools import zip_longest

    from hydra.utils import instantiate
    from omegaconf import OmegaConf
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    files = sorted((conf_path() / "tokenizer").glob("*.yaml"))
    tokens = [instantiate(OmegaConf.load(file))(text) for file in files]
    table = Table("", show_footer=True, highlight=False)
    for file, column in zip(files, tokens, strict=True):
        table.add_column(file.stem, footer=f"{len(column)} tokens", overflow="fold")
    for number, row in enumerate(zip_longest(*tokens, fillvalue=""), start=1):
        table.add_row(str(number), *map(Text, row))  # as it stands: [b] is no markup
    Console().print(table)
    return 0


def _stored(name: str) -> Stored | WordVectors | str | None:
    """The data set; or what must be given first, in words; or None for one that is generated, not stored."""
    from hydra import compose, initialize_config_dir
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    group = next(group for group in GROUPS if (conf_path() / group / f"{name}.yaml").exists())
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        config = compose(f"{group}/{name}")[group]
    if OmegaConf.is_missing(config, "path"):
        model = "model=transformer " if "tokenizer" in config else ""
        return f"python -m hwsweep {model}dataset={name} dataset.path=/path/of/your/data"
    if "path" not in config:
        return None
    dataset: Stored | WordVectors = instantiate(config)
    return dataset


if __name__ == "__main__":
    sys.exit(main())
