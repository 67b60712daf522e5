"""What a run shows while it trains: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence

from hwsweep.training.checkpoint import EpochMetrics

log = logging.getLogger("hwsweep")

STILL_FALLING = 0.01
"""Share of what all epochs after the first gained: a last epoch that gained more leaves something to gain."""


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


def under_training(history: Sequence[EpochMetrics], select: str) -> str:
    """That the last epoch is the best and gained more than `STILL_FALLING` of all; empty if not, or after one epoch.

    Empty as well if `select` is no metric: then losses of different epochs do not compare.
    """
    values = [metrics[select] for metrics in history if select in metrics]
    if len(values) < 2 or min(values[:-1]) <= values[-1]:
        return ""
    gain = min(values[:-1]) - values[-1]
    if gain <= STILL_FALLING * (values[0] - values[-1]):
        return ""
    return f"under-trained: the last of {len(values)} epochs is the best and still lowered {select} by {gain:.3g}"


def _summary(metrics: EpochMetrics, objective: str) -> str:
    return (
        f"train/loss {metrics['train/loss']:.2f}  {objective} {metrics[objective]:.2f}  "
        f"{metrics['time/train_seconds']:.1f} s  {metrics['time/examples_per_second']:,.0f} examples/s"
    )
