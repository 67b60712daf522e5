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
    """Print a table of all data sets, and below it how to get those that are not there."""
    from hwsweep.data.home import data_home, decoded_home

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
    if ways:
        print("\nto get what is not there:", *ways, sep="\n")
    for found in damaged:
        print(f"error: {found}", file=sys.stderr)
    return 1 if damaged else 0


def _row(name: str) -> tuple[tuple[str, str, str, str], str]:
    """State, examples, megabytes and where, as text; and how to get it, empty if it is there."""
    from hwsweep.data.home import VARIABLE, data_home

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
    return ("present", f"{stock.n_examples:,}", f"{stock.n_bytes / 1e6:,.1f}", shown), ""


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
