"""What a model adds to the report of a study: the contract, which a class named by conf/model/*.yaml fulfils."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from hwsweep.report.html.page import Section
from hwsweep.sweep import SweepError
from hwsweep.sweep.study.view import StudyView

ANSWER = "Answer"
"""Title of the first section; a model adds the figure that answers its studies."""


class StudyFigure(NamedTuple):
    """A figure of a study, stored as PNG."""

    path: Path
    section: str
    """Title of the section of the page that shows the figure."""
    caption: str
    alt: str
    """The numbers in the figure, for readers who cannot see it."""
    chart: bytes = b""
    """The same figure for the browser, as in `html.page.Picture`; empty: the PNG is all."""


DrawFigures = Callable[[StudyView], Iterator[StudyFigure]]
"""Draws figures into the study's folder."""


@runtime_checkable
class ModelStudy(Protocol):
    """What only one kind of model can say and draw of its study; `study: {_target_: ...}` in conf names the class."""

    def predictions(self, view: StudyView) -> list[str]:
        """Sentences that are printed before the first trial; may read the data set."""

    def answer(self, view: StudyView, general: list[str]) -> list[str]:
        """The sentences under `ANSWER`, the most important one first.

        Args:
            general: the answer without knowledge of the model: first the best trial, then how certain that is.
        """

    def sections(self, view: StudyView) -> list[Section]:
        """The model's sections of the page, in order; figures are added to the section that they name."""

    def figures(self) -> list[DrawFigures]:
        """Functions that draw the study, the slowest one first; each may run in a process of its own."""

    def comparison(self, views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
        """Figures that show several studies together, drawn into `folder`; skips studies of other models."""


class PlainStudy:
    """The report of a model that adds nothing."""

    def predictions(self, view: StudyView) -> list[str]:
        return []

    def answer(self, view: StudyView, general: list[str]) -> list[str]:
        return general

    def sections(self, view: StudyView) -> list[Section]:
        return []

    def figures(self) -> list[DrawFigures]:
        return []

    def comparison(self, views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
        return iter(())


def model_study(view: StudyView) -> ModelStudy:
    """The object that the study's configuration names as `study`; `PlainStudy` where it names none.

    The configuration may come with a stranger's folder, so only a class with the methods of ModelStudy is called.

    Raises:
        SweepError: it names something else.
    """
    from hydra.utils import get_class

    from hwsweep.hydra_versions import instantiate

    node = view.config.get("study")
    if node is None:
        return PlainStudy()
    try:
        is_study = issubclass(get_class(node["_target_"]), ModelStudy)
    except Exception as error:  # of the import, or of a node without a target
        raise SweepError(f"`study` must name a class that can be imported, but got {node}: {error}") from error
    if not is_study:
        raise SweepError(
            f"`study._target_` must name a class with the methods of {__name__}.ModelStudy, but got {node['_target_']}"
        )
    study: ModelStudy = instantiate(node, _recursive_=False)
    return study
