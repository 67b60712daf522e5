"""The command line of the data: `python -m hwsweep.data` lists the data sets, `... fetch NAME` gets one."""

from __future__ import annotations

import argparse
import difflib
import sys
from typing import TYPE_CHECKING

from hwsweep.conf_path import conf_path
from hwsweep.data import DataError

if TYPE_CHECKING:
    from hwsweep.data.home import Stored

EXAMPLES = """\
examples:
  python -m hwsweep.data                                   what is there, and how to get the rest
  python -m hwsweep.data fetch tibetan_mnist               download, resume, verify
  python -m hwsweep.data fetch mnist kmnist                several at once
  HWSWEEP_DATA=/disk/data python -m hwsweep.data           look elsewhere (default: the user's cache folder)

fetch checks a data set that is there already, for instance one that was put there by hand.
"""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 if all went well, 1 if data could not be had or is damaged, 2 if the command is misspelt."""
    parser = argparse.ArgumentParser(
        prog="python -m hwsweep.data",
        description="Lists the data sets that hwsweep knows, and fetches them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="list | fetch")
    commands.add_parser("list", help="what is there, and how to get the rest (the default)")
    fetch = commands.add_parser("fetch", help="get data sets from upstream, or check what is there")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="as in the list")
    chosen = parser.parse_args(arguments)
    if chosen.command == "fetch":
        if unknown := [name for name in chosen.names if name not in _names()]:
            near = difflib.get_close_matches(unknown[0], _names(), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            parser.error(f"no data set `{unknown[0]}`; there are: {', '.join(_names())}{hint}")
        return max([_fetch(name) for name in chosen.names])
    return _list()


def _names() -> list[str]:
    return sorted(file.stem for file in (conf_path() / "dataset").glob("*.yaml"))


def _list() -> int:
    """Print a table of all data sets."""
    from rich.console import Console
    from rich.table import Table

    from hwsweep.data.home import data_home, decoded_home

    table = Table("name", "state", "examples", "MB", "where", "how to get it", box=None, pad_edge=False)
    damaged: list[DataError] = []
    for name in _names():
        try:
            table.add_row(name, *_row(name))
        except DataError as error:
            damaged.append(error)
            table.add_row(name, "damaged", "", "", "see below", f"python -m hwsweep.data fetch {name}")
    # not on a terminal, lines are for programs: one a data set, however long
    console = Console(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 400)
    console.print(table)
    print(f"\nHWSWEEP_DATA: {data_home()}\ndecoded images (safe to delete): {decoded_home()}")
    for found in damaged:
        print(f"error: {found}", file=sys.stderr)
    return 1 if damaged else 0


def _row(name: str) -> tuple[str, str, str, str, str]:
    """State, examples, megabytes, where, how to get it: as text."""
    dataset = _stored(name)
    if dataset is None:
        return "embedded", "any number", "", "", f"python -m hwsweep dataset={name}"
    if isinstance(dataset, str):
        return "not there", "", "", "", dataset
    stock = dataset.stock()
    if stock is None:
        return "not there", "", "", str(dataset.where), dataset.way_to_get
    megabytes = f"{stock.n_bytes / 1e6:,.1f}"
    return "present", f"{stock.n_examples:,}", megabytes, str(dataset.where), f"python -m hwsweep dataset={name}"


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


def _checked(dataset: Stored) -> str:
    """Read everything, as training would; what is there, in words."""
    splits = dataset.splits(seed=0)
    sizes = {"training": splits.train, "validation": splits.valid, "test": splits.test}
    counts = (f"{len(next(iter(split.values()))):,} {what}" for what, split in sizes.items())
    return f"checked, {', '.join(counts)} examples"


def _stored(name: str) -> Stored | str | None:
    """The data set; or what must be given first, in words; or None for one that is generated, not stored."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    config = OmegaConf.load(conf_path() / "dataset" / f"{name}.yaml")
    if OmegaConf.is_missing(config, "path"):
        return f"python -m hwsweep dataset={name} dataset.path=/path/of/your/data"
    if "path" not in config:
        return None
    dataset: Stored = instantiate(config)
    return dataset


if __name__ == "__main__":
    sys.exit(main())
