"""What a run shows while it trains: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator

from hwsweep.training.checkpoint import EpochMetrics

log = logging.getLogger("hwsweep")


def show_progress(epochs: Iterable[EpochMetrics], n_epochs: int, objective: str) -> Iterator[EpochMetrics]:
    """The epochs as they come; each is shown when it has been trained."""
    if not sys.stderr.isatty():
        for metrics in epochs:
            log.info(f"epoch {metrics['epoch']:.0f}/{n_epochs}  {_summary(metrics, objective)}")
            yield metrics
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("epoch", MofNCompleteColumn(), BarColumn(), TimeRemainingColumn(), "{task.description}")
    with Progress(*columns, console=Console(stderr=True, markup=False, emoji=False)) as progress:
        task = progress.add_task("", total=n_epochs)
        for metrics in epochs:
            progress.update(task, completed=metrics["epoch"], description=_summary(metrics, objective))
            yield metrics


def _summary(metrics: EpochMetrics, objective: str) -> str:
    return (
        f"train/loss {metrics['train/loss']:.2f}  {objective} {metrics[objective]:.2f}  "
        f"{metrics['time/train_seconds']:.1f} s  {metrics['time/examples_per_second']:,.0f} examples/s"
    )
