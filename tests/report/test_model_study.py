"""What a model adds to the report of its study: the object that the configuration names as `study`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planted_studies import draw_curves, draw_images, study, trial, with_verdict

import hwsweep.report
from hwsweep.figures.study import trial_curves
from hwsweep.report.html.page import Section
from hwsweep.report.model_study import DrawFigures, StudyFigure
from hwsweep.report.study_figures import save_figure
from hwsweep.report.write import write_report
from hwsweep.sweep import SweepError
from hwsweep.sweep.study.view import StudyView


class Bakery:
    """The report of a model that bakes: a sentence, two sections and three figures, one of which fails."""

    def predictions(self, view: StudyView) -> list[str]:
        return []

    def answer(self, view: StudyView, general: list[str]) -> list[str]:
        return [*general, "The bread is done."]

    def sections(self, view: StudyView) -> list[Section]:
        return [Section("Bread", ["Crust:"]), Section("Empty")]

    def figures(self) -> list[DrawFigures]:
        return [draw_loaves, draw_nothing]

    def comparison(self, views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
        return iter(())


def draw_loaves(view: StudyView) -> Iterator[StudyFigure]:
    line = trial_curves.Line("loaf", "#000000", view.trials[0].directory / "figures", 1.0)
    for section in ("Bread", "Cake"):
        path = view.directory / f"{section}.png"
        yield save_figure(trial_curves, trial_curves.info([line]), path, section, f"A {section}.", "1 loaf")


def draw_nothing(view: StudyView) -> Iterator[StudyFigure]:
    raise ValueError("the oven is cold")


def planted(folder: Path) -> StudyView:
    first = with_verdict(trial(folder, 0, 0), "healthy")
    draw_images(first)
    draw_curves(first, 3)
    return study(folder, first)


def titles(html: str) -> list[str]:
    return re.findall(r"<h2>(.*)</h2>", html)


def test_the_page_has_the_sentence_the_sections_and_the_figures_of_the_model(tmp_path: Path) -> None:
    view = planted(tmp_path)
    view.config.study = {"_target_": f"{__name__}.Bakery"}
    report = write_report(view)
    html = report.page.read_text(encoding="utf-8")
    assert titles(html) == [
        "Answer",
        "Trials",
        "Answer in detail",
        "Question",
        "Verdicts",
        "Bread",
        "Cake",
        "How to reproduce",
    ]
    assert "<p>The bread is done.</p>" in html and "A Bread." in html
    assert report.problems == ["nothing: ValueError: the oven is cold"] and report.problems[0] in html
    assert [path.name for path in report.figures] == ["Bread.png", "Cake.png"]


@pytest.mark.parametrize("study_key", [{}, {"study": None}], ids=["absent", "null"])
def test_a_model_without_a_study_gets_the_plain_page(tmp_path: Path, study_key: dict[str, None]) -> None:
    view = planted(tmp_path)
    del view.config.study
    view.config.update(study_key)
    html = write_report(view).page.read_text(encoding="utf-8")
    assert titles(html) == ["Answer", "Trials", "Answer in detail", "Question", "Verdicts", "How to reproduce"]


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": "os.system", "command": "touch executed"}, "must name a class that can be imported"),
        ({"_target_": "subprocess.Popen", "args": ["touch", "executed"]}, "must name a class with the methods of"),
        ({"_target_": "no.such.Study"}, "must name a class that can be imported"),
        ({"target": "misspelt"}, "must name a class that can be imported"),
        ("text", "must name a class that can be imported"),
    ],
)
def test_nothing_else_in_a_strangers_folder_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    view = planted(tmp_path)
    view.config.study = node
    with pytest.raises(SweepError, match=message):
        write_report(view)
    assert not (tmp_path / "executed").exists()


def test_what_stands_inside_the_node_of_a_study_is_not_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    view = planted(tmp_path)
    inner = {"_target_": "os.system", "command": "touch executed"}
    view.config.study = {"_target_": f"{__name__}.Bakery", "oven": inner}
    with pytest.raises(Exception, match="takes no arguments"):
        write_report(view)
    assert not (tmp_path / "executed").exists()


def test_only_one_folder_of_the_report_names_a_vae() -> None:
    pattern = re.compile(r"vae|lambda[^ :]|latent", re.IGNORECASE)
    files = Path(hwsweep.report.__file__).parent.rglob("*.*")
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix != ".pyc"}
    assert {path.parent.name for path, text in texts.items() if pattern.search(text)} == {"posterior_collapse"}
