"""Stores that cannot be used, and those in folders and under names that mean something to a URL or to MLflow."""

from __future__ import annotations

import re
import shutil
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from hwsweep.reproduce.__main__ import main as reproduce
from hwsweep.tracking import database, runs
from hwsweep.tracking.database import UnusableStore
from hwsweep.tracking.reading import open_existing_store, read_run
from hwsweep.ui import __main__ as ui

ARTIFACTS = "mlruns/artifacts"
UNUSABLE = [
    (None, "but got None"),
    (5, "but got 5"),
    ("", "but got ''"),
    ("nonsense", "but got 'nonsense'"),
    ("file:///tmp/mlruns", "but got"),
    ("foo://x", "but got 'foo://x'"),
    ("sqlite://", "names no file"),
    ("sqlite:///:memory:", "names no file"),
    ("sqlite:///text.db", "file is not a database"),
    ("sqlite:////proc/x/mlflow.db", "No such file or directory"),
    ("mysql+pymysql://user:secret@127.0.0.1:1/x", r"but got 'mysql\+pymysql://user:\*\*\*@127.0.0.1:1/x'"),
    ("http://127.0.0.1:1", "but got 'http://127.0.0.1:1': .*refused"),
    ("http://nobody.invalid:5000", "but got 'http://nobody.invalid:5000': "),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.db").write_text("no database, but a text that is longer than the header of one" * 9)
    return tmp_path


@pytest.mark.parametrize(("uri", "message"), UNUSABLE)
def test_a_store_that_cannot_be_used_is_refused_in_seconds_and_one_line(folder: Path, uri: str, message: str) -> None:
    started = time.monotonic()
    with pytest.raises(UnusableStore, match=f"`tracking.uri` must be .*{message}") as refused:
        runs.open_store(uri, str(folder))
    assert time.monotonic() - started < database.TIMEOUT
    assert "\n" not in str(refused.value) and "secret" not in str(refused.value)
    assert [path.name for path in folder.iterdir()] == ["text.db"]


@pytest.mark.parametrize("uri", ["nonsense", "sqlite:///text.db", "http://127.0.0.1:1"])
def test_reproduce_and_ui_refuse_it_in_the_same_words(
    folder: Path, uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reproduce(["--uri", uri, "x"]) == 2
    assert "`tracking.uri` must be" in (said := capsys.readouterr().err)
    if not uri.startswith("http"):  # that of a server is opened in a browser
        assert ui.main(["--uri", uri]) == 1
        assert capsys.readouterr().err == said
    assert [path.name for path in folder.iterdir()] == ["text.db"]


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_named_after_the_timeout(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnusableStore, match=f"but got '{uri}': .*timed out"):
            runs.open_store(uri, ARTIFACTS)


@pytest.mark.parametrize(
    ("artifacts", "message"),
    [
        (None, "but got None"),
        ("/proc/x", "but got file:///proc/x: "),
        ("foo://x", "but got foo://x: "),
        ("text.db", ""),
    ],
)
def test_a_place_of_artifacts_that_cannot_be_used_is_refused(folder: Path, artifacts: str, message: str) -> None:
    with pytest.raises(UnusableStore, match=f"`tracking.artifacts` must be .*{message}") as refused:
        runs.open_store("sqlite:///mlruns/mlflow.db", artifacts)
    assert "\n" not in str(refused.value)
    assert [path.name for path in folder.iterdir()] == ["text.db"]


@pytest.mark.parametrize("name", ["a%20b", "100%", "what?", "a#b", "a b", "é&=;"])
def test_a_store_lies_where_it_is_named_whatever_characters_the_folder_has(
    folder: Path, migrated_store: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (folder / name / "mlruns").mkdir(parents=True)
    monkeypatch.chdir(folder / name)
    shutil.copy(migrated_store, "mlruns/mlflow.db")
    store = runs.open_store("sqlite:///mlruns/mlflow.db", ARTIFACTS)
    with runs.open_run(store, "test", "run", {}, {}) as run:
        run.log_metrics({"loss": 2.0}, 1)
        run.log_artifact(folder / "text.db")
    assert read_run(open_existing_store("sqlite:///mlruns/mlflow.db", ARTIFACTS), run.id).metrics == {(1, "loss"): 2.0}
    with sqlite3.connect(folder / name / "mlruns" / "mlflow.db") as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    connection.close()
    assert (folder / name / "mlruns/artifacts/test" / run.id / "artifacts/text.db").exists()
    assert {path.name for path in folder.iterdir()} == {"text.db", name}


def test_every_name_of_a_user_is_logged_under_a_key_that_mlflow_takes(workplace: Path) -> None:
    store = runs.open_store("sqlite:///mlruns/mlflow.db", ARTIFACTS)
    params = {"r.<": "1", "r.>": "2", "r.-": "3", "r./": "4", "/a": "5", "..": "6", "a//b": "7", "k" * 300: "8"}
    params |= {"k" * 299 + "!": "9", "": "10", "lr": "11"}
    with runs.open_run(store, "test", "run", params, {}) as run:
        run.log_metrics({"valid/recall@5": 0.5, "valid/recall#5": 0.25, "valid/loss": 1.0}, step=3)
        assert run.last_step("valid/recall@5") == 3
    found = store.client().get_run(run.id).data
    assert sorted(found.params.values(), key=int) == [str(number) for number in range(1, 12)]
    assert (found.params["lr"], found.params["r.-"]) == ("11", "3"), "a name that MLflow takes stays as it is"
    assert found.metrics == {"valid/recall-5": 0.5, "valid/recall-5-2": 0.25, "valid/loss": 1.0}


def test_an_experiment_that_was_deleted_is_restored(workplace: Path) -> None:
    store = runs.open_store("sqlite:///mlruns/mlflow.db", ARTIFACTS)
    deleted = store.experiment("test")
    store.client().delete_experiment(deleted)
    with runs.open_run(store, "test", "run", {}, {}) as run:
        pass
    assert store.client().get_run(run.id).info.experiment_id == deleted


@pytest.mark.parametrize(
    ("reason", "way_out"),
    [
        ("database is locked", "wait until the other program"),
        ("Detected out-of-date database schema (found version f)", "if a newer MLflow made it, install that one"),
        ("file is not a database", "move the file away"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_with_the_way_out(reason: str, way_out: str) -> None:
    message = f"'sqlite:///a.db': {re.escape(reason)}.*; {way_out}"
    with pytest.raises(UnusableStore, match=message), database.errors_as_unusable_store("sqlite:///a.db"):
        raise OSError(reason)


def test_a_store_that_is_lost_during_a_run_is_one_line(workplace: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = runs.open_store("sqlite:///mlruns/mlflow.db", ARTIFACTS)
    with pytest.raises(MlflowException) as raised, runs.open_run(store, "test", "run", {}, {}) as run:
        with sqlite3.connect("mlruns/mlflow.db") as connection:
            connection.execute("DROP TABLE latest_metrics")
        run.log_metrics({"valid/loss": 1.0}, 1)
    line = database.lost_store(raised.value)
    assert line is not None
    assert line.startswith("MLflow's store does not answer any more: (sqlite3.OperationalError) no such table")
    assert not caplog.records
    assert "\n" not in line
    assert database.lost_store(ValueError("of the program's own")) is None
