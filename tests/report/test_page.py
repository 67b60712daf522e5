"""The page of planted studies: order, escaping, sorting, no requests."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from planted_studies import draw_curves, draw_images, failed, study, trial, with_verdict
from rich.console import Console

from hwsweep import run_folder
from hwsweep.report import terminal_table
from hwsweep.report.gather import wall_seconds
from hwsweep.report.naming import number_text
from hwsweep.report.tables import number_cell, pairs_table, trials_table
from hwsweep.report.write import results_csv, write_report
from hwsweep.sweep.outcome import Outcome
from hwsweep.sweep.study.view import StudyView

EVIL = "<script>alert(1)</script>"


class ParsedPage(HTMLParser):
    """The tags of a page, and the text of each headline, cell and paragraph."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.tags[-1][0], data.strip()))

    def text_of(self, *tags: str) -> list[str]:
        return [text for tag, text in self.texts if tag in tags]


def page_of(view: StudyView) -> ParsedPage:
    return ParsedPage(write_report(view).page.read_text(encoding="utf-8"))


def sweep(folder: Path, pictures: bool = False, **changes: Any) -> StudyView:
    """Two finished trials, with pictures on request, and a failed one between them."""
    trials = [
        trial(folder, 0, 0),
        failed(folder, 1, 5, "diverged", "the loss is inf"),
        trial(folder, 2, 1, values=[9.0]),
    ]
    for each, verdict in ((trials[0], "unregularised"), (trials[2], "healthy")):
        if pictures:
            draw_images(each)
            draw_curves(each, 3)
        with_verdict(each, verdict)
        run_folder.write_origin(each.directory, {"version.torch": "2.6", "digest": "d1", "seed": each.number})
    return study(folder, *trials, **changes)


def test_the_sections_are_in_order_and_nothing_is_loaded_from_outside(tmp_path: Path) -> None:
    read = page_of(sweep(tmp_path, pictures=True))
    assert read.text_of("h2") == [
        "Answer",
        "Trials",
        "Answer in detail",
        "Question",
        "Verdicts",
        "Curves",
        "How to reproduce",
    ]
    addresses = [attrs[name] or "" for _, attrs in read.tags for name in ("src", "href", "srcset") if name in attrs]
    assert addresses and all(address.startswith(("data:", "#")) for address in addresses)
    pictures = [attrs for tag, attrs in read.tags if tag == "img"]
    assert len(pictures) >= 2
    assert all(any(letter.isdigit() for letter in attrs["alt"] or "") for attrs in pictures)
    (policy,) = [attrs["content"] or "" for _, attrs in read.tags if "http-equiv" in attrs]
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy


def test_text_that_a_user_typed_is_escaped_everywhere(tmp_path: Path) -> None:
    evil = trial(tmp_path, 0, 0, params={EVIL: EVIL})
    with_verdict(evil, EVIL)
    bad = failed(tmp_path, 1, 5, EVIL, EVIL)._replace(command=["python", EVIL])
    view = study(tmp_path, evil, bad, name=EVIL, command=["python", EVIL], axes={EVIL: (EVIL,)})
    view.config.dataset = {"name": EVIL}
    view.config.objective = EVIL
    html = write_report(view).page.read_text(encoding="utf-8")
    assert EVIL not in html
    read = ParsedPage(html)
    scripts = [attrs.get("type", "code") for tag, attrs in read.tags if tag == "script"]
    assert sorted(scripts) == ["application/json", "code"]  # the first one is data, which no browser executes
    assert f"Study {EVIL}" in "".join(read.text_of("h1"))


def test_the_first_screen_is_the_answer_and_the_contents_name_all_sections(tmp_path: Path) -> None:
    html = write_report(sweep(tmp_path, pictures=True)).page.read_text(encoding="utf-8")
    places = [html.index(text) for text in ('id="answer"', "<img", "<table", "<nav", 'id="question"')]
    assert places == sorted(places)
    read = ParsedPage(html)
    anchors = [f"#{attrs['id']}" for tag, attrs in read.tags if tag == "section" and attrs.get("id")]
    assert [attrs["href"] for tag, attrs in read.tags if tag == "a"] == anchors
    assert [text for text in read.text_of("a") if text] == read.text_of("h2")


def test_wall_time_is_what_a_clock_shows_while_trials_run(tmp_path: Path) -> None:
    # two trials side by side from 10 to 16, a pause, and one from 100 to 103: 9 s, not 4 + 5 + 3
    times = [(4.0, 14.0), (5.0, 16.0), (3.0, 103.0), (1.0, None)]
    trials = []
    for number, (seconds, end) in enumerate(times):
        each = trial(tmp_path, number, number)
        outcome = Outcome("complete", [1.0], None, seconds, end)
        trials.append(each._replace(runs=[each.runs[0]._replace(outcome=outcome)]))
    assert wall_seconds(study(tmp_path, *trials)) == 4 + 2 + 3
    assert "wall time 9 s" in page_of(study(tmp_path, *trials)).text_of("p")[0]


def test_a_column_has_one_number_of_digits_and_keys_that_do_not_differ_are_in_the_caption(tmp_path: Path) -> None:
    points = [(3.21e-4, 0.1, 0.25), (0.0123456, 0.25, 0.5)]
    trials = [
        trial(tmp_path, n, n, params={"optimizer.lr": lr, "dropout": dropout, "layers": 2}, values=[value])
        for n, (lr, dropout, value) in enumerate(points)
    ]
    axes = {"optimizer.lr": None, "dropout": None, "layers": (2,)}
    table = trials_table(study(tmp_path, *trials, axes=axes, log_keys=frozenset({"optimizer.lr"})))
    assert table.columns[:4] == ["trial", "lr", "dropout", "valid/neg_elbo"]
    texts = [[cell.text for cell in row[1:4]] for row in table.rows]
    assert texts == [["3.21e-04", "0.1000", "0.2500"], ["1.23e-02", "0.2500", "0.5000"]]
    assert table.rows[0][1].title == "0.000321"
    assert "the same in all: layers = 2" in table.caption


def test_the_run_links_to_mlflows_page_where_the_store_is_known(tmp_path: Path) -> None:
    view = sweep(tmp_path)
    assert not any(cell.link for row in trials_table(view).rows for cell in row)
    for uri, server in (
        ("sqlite:///mlflow.db", "http://127.0.0.1:5000"),
        ("https://mlflow.example/", "https://mlflow.example"),
    ):
        view.config.tracking = {"uri": uri}
        assert [row[-1].link for row in trials_table(view).rows] == [f"{server}/#/runs/{'a' * 32}"] * 2
    assert "the links of the runs work while python -m hwsweep.ui runs" in trials_table(view).caption


def test_trials_of_the_pareto_front_are_marked(tmp_path: Path) -> None:
    values = [[1.0, 9.0], [2.0, 2.0], [3.0, 3.0]]
    trials = [trial(tmp_path, n, n, values=value) for n, value in enumerate(values)]
    table = trials_table(study(tmp_path, *trials, directions=["minimize", "minimize"]))
    at = table.columns.index("Pareto front")
    assert [row[at].text for row in table.rows] == ["front", "front", ""]


def test_failed_trials_are_last_with_the_reason_and_the_command_that_repeats_them(tmp_path: Path) -> None:
    table = trials_table(sweep(tmp_path))
    assert [row[0].text for row in table.rows] == ["0", "2"]
    (last,) = table.failed
    assert (last.reason, last.message, last.command) == (
        "diverged",
        "the loss is inf",
        "python -m hwsweep vae.lambda=5",
    )
    read = page_of(sweep(tmp_path / "again"))
    texts = [text for _, text in read.texts]
    assert texts.index("diverged") > texts.index("9")
    assert "python -m hwsweep vae.lambda=5" in read.text_of("code")


def test_the_best_row_is_highlighted(tmp_path: Path) -> None:
    table = trials_table(sweep(tmp_path))
    assert table.best is not None and table.rows[table.best][0].text == "2"
    assert trials_table(sweep(tmp_path / "more", directions=["maximize"])).best == 0


def test_a_table_sorts_by_the_number_and_not_by_its_text() -> None:
    values = [123.456789, 0.00012, 20.0, -3.25]
    cells = [number_cell(value) for value in values]
    assert [cell.number for cell in cells] == values
    assert [cell.text for cell in cells] == ["123.46", "0.0001200", "20", "-3.250"]
    assert number_cell(None).number == float("inf")  # after every number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0634e33, "2.0634e+33"),
        (-1234567.0, "-1.23457e+06"),
        (999999.0, "999999"),
        (12345.678, "12345.7"),
        (9999.25, "9999.25"),
        (0.01234567, "0.0123"),
    ],
)
def test_no_cell_has_more_than_six_significant_digits(value: float, text: str) -> None:
    assert number_cell(value).text == text
    assert number_cell(value).title == repr(value)
    assert len(re.sub(r"e.*|\D", "", number_text(value, 2)).lstrip("0")) <= 6


def test_a_bound_that_more_samples_would_lower_is_called_loose_and_errors_are_in_the_title(tmp_path: Path) -> None:
    metrics = {"test/iw_bound": 145.4, "test/iw_bound_loose": 1.0, "test/iw_bound_error": 1.058}
    loose = trial(tmp_path, 0, 0, metrics=metrics)
    tight = trial(tmp_path, 1, 1, metrics=metrics | {"test/iw_bound_loose": 0.0, "test/rate": 3.0})
    view = study(tmp_path, loose, tight)
    view.config.table = ["test/iw_bound", "test/rate"]
    cells = [row[3] for row in trials_table(view).rows]
    assert [cell.text for cell in cells] == ["145.40 (loose)", "145.40"]
    assert {cell.title for cell in cells} == {"145.4 ± 1.1 (standard error)"}
    assert [cell.number for cell in cells] == [145.4, 145.4]
    assert trials_table(view).rows[0][4].text == "–"
    file = io.StringIO()
    terminal_table.print_table(view, Console(file=file, width=80))
    assert "145.40 (loose)" in file.getvalue()


def test_columns_without_any_value_are_left_out(tmp_path: Path) -> None:
    trials = [trial(tmp_path, n, n, metrics={"test/rate": 1.0} if n else {}, run_id=None) for n in range(2)]
    view = study(tmp_path, *trials)
    table = trials_table(view)
    assert table.columns == ["trial", "lambda", "valid/neg_elbo", "test/rate", "seconds"]
    assert [row[3].text for row in table.rows] == ["–", "1"]
    file = io.StringIO()
    terminal_table.print_table(view, Console(file=file, width=120))
    assert file.getvalue().splitlines()[2].split() == ["valid/", "test/"]


def test_the_section_on_reproduction_names_changes_versions_data_and_seeds(tmp_path: Path) -> None:
    cells = page_of(sweep(tmp_path)).text_of("td")
    start = cells.index("objective")
    assert cells[start : start + 3] == ["objective", "valid/loss", "valid/neg_elbo"]
    assert cells[cells.index("torch") + 1] == "2.6"
    assert cells[cells.index("SHA-256 of the data") + 1] == "d1"
    assert cells[cells.index("seed") + 1] == "0 (trials 0); 2 (trials 2)"


def test_the_exact_command_is_shown_without_the_folder_of_the_interpreter(tmp_path: Path) -> None:
    assert page_of(sweep(tmp_path)).text_of("pre") == ["python -m hwsweep -m vae.lambda=0,1"] * 2


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+x", "-2+3+cmd|' /C calc'!A0", "\t=1", "--1"])
def test_no_cell_of_the_csv_is_a_formula(text: str, tmp_path: Path) -> None:
    one = trial(tmp_path, 0, 0)._replace(params={text: text, "n": -1.5, "m": "-1e-3"})
    view = study(tmp_path, one, failed(tmp_path, 1, 1, "error", text), axes={text: (text,), "n": None, "m": None})
    header, first, second = csv.reader(io.StringIO(results_csv(view)))
    assert header[2] == first[2] == second[header.index("message")] == f"'{text}"
    assert first[3:5] == ["-1.5", "-1e-3"]


def test_the_csv_has_every_trial_with_every_number(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(results_csv(sweep(tmp_path)))))
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    assert [row["valid/neg_elbo"] for row in rows] == ["10.0", "", "9.0"]
    assert [row["test/rate"] for row in rows] == ["3.0", "", "3.0"]
    assert (rows[1]["reason"], rows[1]["message"]) == ("diverged", "the loss is inf")
    assert [row["verdict"] for row in rows] == ["unregularised: an example", "", "healthy: an example"]


def test_a_study_of_one_trial_has_a_page_too(tmp_path: Path) -> None:
    read = page_of(study(tmp_path, trial(tmp_path, 0, 3)))
    assert "The only finished trial is lambda = 3 (trial 0): valid/neg_elbo = 10." in read.text_of("p")


def test_the_page_of_a_killed_study_says_what_is_not_finished(tmp_path: Path) -> None:
    waiting = trial(tmp_path, 1, 1, state="interrupted", values=[], metrics={})
    read = page_of(study(tmp_path, trial(tmp_path, 0, 0), waiting))
    assert "The sweep is not finished (1 interrupted). Give the same command again to continue it." in read.text_of("p")
    assert "interrupted" in read.text_of("td")


def test_the_best_trials_own_figures_are_in_a_section_of_their_own(tmp_path: Path) -> None:
    first, second = trial(tmp_path, 0, 1), trial(tmp_path, 1, 2, values=[9.0])
    Image.new("L", (3, 2)).save(second.directory / "figures" / "confusion.png")
    read = page_of(study(tmp_path, first, second))
    assert "The best trial" in read.text_of("h2") and "Trial 1: lambda = 2." in read.text_of("p")


def test_the_page_replaces_an_older_one(tmp_path: Path) -> None:
    view = sweep(tmp_path)
    first = write_report(view)
    before = first.page.read_text(encoding="utf-8")
    assert write_report(view).page == first.page
    assert abs(len(first.page.read_text(encoding="utf-8")) - len(before)) < 100
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_prediction_for_the_test_split_stands_between_the_prediction_and_the_measurement(tmp_path: Path) -> None:
    numbers = {"predicted/rate": 8.79, "predicted/test_rate": 8.7, "test/rate": 8.68}
    one, other = trial(tmp_path, 0, 0), trial(tmp_path, 1, 1)
    view = study(tmp_path, one._replace(metrics=numbers), other._replace(metrics={"test/rate": 3.0}))
    (table,) = pairs_table(view, "predicted", "caption")
    assert table.columns == ["trial", "rate, predicted", "rate, predicted for the test split", "rate, measured"]
    assert [cell.text for cell in table.rows[0]][1:] == ["8.790", "8.700", "8.680"]
    assert [cell.text for cell in table.rows[1]][1:] == ["\u2013", "\u2013", "3.000"]
