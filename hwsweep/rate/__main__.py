"""`python -m hwsweep.rate RUN_ID --rate 10`: the lambda at which the model of a run has a rate of 10 nats."""

from __future__ import annotations

import argparse
import math
import sys

from hwsweep.signals import exit_on_signals
from hwsweep.tracking.store_option import parser_with_store

EXAMPLES = """\
examples:
  python -m hwsweep.rate 6fcfd07bc64c41f8bf19daf031aa40d6 --rate 10
  python -m hwsweep.rate 6fcfd07bc64c41f8bf19daf031aa40d6 --distortion 150
  python -m hwsweep.rate --uri sqlite:////elsewhere/mlruns/mlflow.db 6fcfd07bc64c41f8bf19daf031aa40d6 --rate 10

The run is one of `python -m hwsweep model=vae_all_lambda`, which prints its id when it ends. The rate is measured on
the run's test split.
"""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, or 2 and one message if there is no such lambda."""
    parser = parser_with_store(
        "python -m hwsweep.rate",
        "Prints the lambda at which a model for every lambda has a rate or a distortion, and the other numbers there.",
        EXAMPLES,
    )
    parser.add_argument("run", metavar="RUN_ID", help="the MLflow id of the run")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--rate", type=_nats, metavar="NATS", help="nats per image")
    wanted.add_argument("--distortion", type=_nats, metavar="NATS", help="nats per image")
    chosen = parser.parse_args(arguments)
    quantity = "distortion" if chosen.rate is None else "rate"
    from hwsweep.data import DataError
    from hwsweep.rate.search import OutOfRange
    from hwsweep.rate.trained_model import NoSuchModel, find_in_run
    from hwsweep.tracking.database import UnusableStore
    from hwsweep.tracking.reading import NotInStore, open_existing_store

    try:
        store = open_existing_store(chosen.uri, chosen.artifacts)
        print(find_in_run(store, chosen.run, quantity, getattr(chosen, quantity)))
    except (NotInStore, UnusableStore, NoSuchModel, OutOfRange, DataError) as error:
        print(f"hwsweep: {error}", file=sys.stderr)
        return 2
    return 0


def _nats(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number of nats, but got {text!r}")
    return value


if __name__ == "__main__":
    with exit_on_signals():
        sys.exit(main())
