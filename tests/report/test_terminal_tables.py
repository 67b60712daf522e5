"""The tables on a terminal: narrow ones, and texts that look like markup."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from planted_studies import failed, study, trial, with_verdict
from rich.console import Console

from hwsweep.report import terminal_table
from hwsweep.report.observer import StudyReport
from hwsweep.sweep import SweepError, table
from hwsweep.sweep.study.view import StudyView

HOSTILE = ["[b]data/[/a].csv", "[/b]", "[enforce fail at inline.cc:67]", ":bug: [link=x]", "[red", "\\[x]"]
KEYS = {
    "dataset.path": "data/a/long/way/down/to/one/file/of/texts.csv",
    "optimizer.betas": "[0.9,0.999]",
    "transformer.width": 256,
    "optimizer.lr": 0.00123456,
    "a": True,
}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is printed on a terminal of 80 columns."""
    file = io.StringIO()
    console = Console(file=file, width=80, markup=False, emoji=False, highlight=False)
    monkeypatch.setattr(table, "plain_console", lambda: console)
    return file


def wide_study(folder: Path, params: dict[str, object]) -> StudyView:
    point = {"params": params, "values": [123.456], "seconds": 1234.5}
    good = with_verdict(trial(folder, 0, 0, **point), "partial collapse")
    bad = failed(folder, 1, 0, "out-of-memory", "too much")._replace(params=params)
    return study(folder, good, bad, axes=dict.fromkeys(params))


def test_with_five_keys_the_table_keeps_trial_value_and_state(tmp_path: Path, terminal: io.StringIO) -> None:
    table.print_table(wide_study(tmp_path, KEYS))
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines[:6])) <= 80
    group, header, _, first, second = lines[1:6]
    assert group.split() == ["valid/"]
    assert header.split()[0] == "trial" and header.split()[-3:] == ["neg_elbo", "state", "seconds"]
    assert first.split()[0] == "0" and first.split()[-3:] == ["123.456", "complete", "1234.5"]
    assert second.split()[0] == "1" and "out-of-memory" in second
    assert [word[-2:] for word in header.split()[1:6]] == ["th", "as", "th", "lr", "a"]  # a key keeps its end


def test_keys_that_have_no_place_are_named(tmp_path: Path, terminal: io.StringIO) -> None:
    table.print_table(wide_study(tmp_path, {f"layer.number_{n}": 123456789 for n in range(12)}))
    text = terminal.getvalue()
    assert "complete" in text and "123.456" in text
    assert "no place for layer.number_4, layer.number_5" in text  # trial, 4 keys, value, state, seconds: 80 columns


def test_a_sampled_value_has_at_most_six_digits(tmp_path: Path, terminal: io.StringIO) -> None:
    table.print_table(
        study(tmp_path, trial(tmp_path, 0, 0)._replace(params={"lr": 0.11962989611045072, "n": 12345678}))
    )
    assert terminal.getvalue().splitlines()[4].split()[1:3] == ["0.11963", "12345678"]


def test_the_table_of_a_program_keeps_its_metrics_in_80_columns(tmp_path: Path) -> None:
    file = io.StringIO()
    terminal_table.print_table(wide_study(tmp_path, KEYS), Console(file=file, width=80))
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for shown in ("distortion", "rate", "neg_elbo", "verdict", "10.00", "partial collapse", "1234.5", "out-of-me"):
        assert shown in text


def test_the_value_that_decides_the_best_trial_is_a_column_with_its_error(tmp_path: Path) -> None:
    trials = [trial(tmp_path, n, n, values=[100.25 + n], errors=[0.5]) for n in range(2)]
    file = io.StringIO()
    terminal_table.print_table(study(tmp_path, *trials), Console(file=file, width=120))
    first, second, _, row, *_ = file.getvalue().splitlines()[2:]
    assert first.split()[0] == "valid/" and second.split()[:2] == ["lambda", "neg_elbo"]
    assert row.split()[:4] == ["0", "100.25", "±", "0.5"]


def test_an_objective_that_is_in_the_list_of_metrics_is_one_column(tmp_path: Path) -> None:
    view = study(tmp_path, trial(tmp_path, 0, 0))
    view.config.table = ["test/rate", "valid/neg_elbo"]
    file = io.StringIO()
    terminal_table.print_table(view, Console(file=file, width=120))
    assert file.getvalue().count("neg_elbo") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_brackets_and_colons_of_a_user_are_printed_as_they_are(
    text: str,
    tmp_path: Path,
    terminal: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = study(tmp_path, trial(tmp_path, 0, 0)._replace(params={text: text}), failed(tmp_path, 1, 1, "error", text))
    view = view._replace(name=text, axes={text: (text,)})
    table.print_table(view)
    assert terminal.getvalue().count(text) == 3  # key, value, message

    def refuse(*_: object) -> None:
        raise ValueError(text)

    monkeypatch.setattr("hwsweep.report.observer.write_report", refuse)
    with pytest.raises(SweepError, match=re.escape(text)):
        StudyReport().finished(view)
    assert capsys.readouterr().out.count(text) >= 3  # name, value, message
