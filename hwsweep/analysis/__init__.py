"""What a trained model does on the test split: metrics, predictions and a verdict, as functions over tensors.

Rates, distances between distributions and bounds are in nats per image unless a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from numpy.typing import NDArray

IMAGES_AT_ONCE = 1000
"""Images per pass of a network: bounds the memory."""

PAIRS_AT_ONCE = 2_000_000
"""Distances or densities of two examples that are held at a time: 16 MB, whatever the split's size."""


class Verdict(NamedTuple):
    """The name of what a run has learned, and the reason."""

    label: str
    """For instance "healthy" or "partly collapsed (17 of 20 latents)"."""
    sentence: str
    """One sentence that begins with the label and gives the numbers."""


class Analysis(NamedTuple):
    """What the function that conf/analysis/*.yaml names returns for a trained model."""

    metrics: dict[str, float]
    """By key, `test/...` or `predicted/...`."""
    arrays: dict[str, NDArray[Any]]
    """Input of figures, of the run (`Trained.arrays`) and of its study (from the run's analysis.npz)."""
    tags: dict[str, str]
    """Texts by name, for instance `verdict`; MLflow shows them as tags `hwsweep.verdict`, ..."""
    sentences: list[str]
    """Printed when the run ends."""
    series: Mapping[str, Sequence[float]] = MappingProxyType({})
    """Numbers in order, such as the rate by rising lambda, by key; MLflow draws each as a line over its steps, from 1.
    """

    def with_note(self, note: str) -> Analysis:
        """The same with a note beside the verdict; unchanged if the note is empty or there is no verdict."""
        if not note or "why" not in self.tags:
            return self
        why = self.tags["why"]
        longer = f"{why}; {note}"
        sentences = [longer if sentence == why else sentence for sentence in self.sentences]
        return self._replace(tags=self.tags | {"why": longer}, sentences=sentences)
