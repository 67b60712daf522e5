"""`python -m hwsweep.reproduce RUN_ID`: train a run again from its record in MLflow, and compare every number."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from hwsweep.signals import exit_on_signals
from hwsweep.tracking.store_option import parser_with_store

EXAMPLES = """\
examples:
  python -m hwsweep.reproduce 6fcfd07bc64c41f8bf19daf031aa40d6
  python -m hwsweep.reproduce --best outputs/2026-01-31_12-00-00
  python -m hwsweep.reproduce --uri sqlite:////elsewhere/mlruns/mlflow.db 6fcfd07bc64c41f8bf19daf031aa40d6

Results are bit-identical on the same machine with the same versions and the same number of threads. Each run records
that number, and this program uses it again. On a GPU they are so if the run was trained with deterministic=true. A run
of another device is near if valid/loss differs by at most 0.5 nats in every epoch.
"""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 if every number is the same (near, on another device), 1 if not, 2 if it cannot be trained again."""
    parser = parser_with_store(
        "python -m hwsweep.reproduce",
        "Trains a run again from its record in MLflow; prints bit-identical, or what differs.",
        EXAMPLES,
    )
    parser.add_argument("run", nargs="?", metavar="RUN_ID", help="the MLflow id of the run")
    parser.add_argument("--best", metavar="STUDY", help="the best trial of the study in this folder instead")
    chosen = parser.parse_args(arguments)
    if (chosen.run is None) == (chosen.best is None):
        parser.error("name a run, or a study with --best")
    from hwsweep.reproduce.comparison import report
    from hwsweep.reproduce.retrain import NotReproducible, best_run, train_again
    from hwsweep.sweep import SweepError
    from hwsweep.tracking.database import UnusableStore
    from hwsweep.tracking.reading import NotInStore, open_existing_store, read_run

    logging.getLogger("hwsweep").addHandler(logging.StreamHandler(sys.stdout))
    logging.getLogger("hwsweep").setLevel(logging.INFO)
    try:
        store = open_existing_store(chosen.uri, chosen.artifacts)
        before = read_run(store, chosen.run or best_run(Path(chosen.best)))
        after = train_again(before, store, chosen.uri)
    except (NotInStore, UnusableStore, NotReproducible, SweepError) as error:
        print(f"hwsweep: {error}", file=sys.stderr)
        return 2
    return report(before, after, store)


if __name__ == "__main__":
    with exit_on_signals():
        sys.exit(main())
