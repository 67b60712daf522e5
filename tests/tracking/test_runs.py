"""The MLflow store and runs, read back through MLflow itself."""

from __future__ import annotations

import getpass
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from threading import Barrier

import pytest
from mlflow import entities

from hwsweep.processes import is_gone, this_process
from hwsweep.tracking import runs
from hwsweep.tracking.reading import read_run

URI, ARTIFACTS = "sqlite:///mlruns/mlflow.db", "mlruns/artifacts"


def only_run(store: runs.Store, experiment: str = "test") -> entities.Run:
    (run,) = store.client().search_runs([store.experiment(experiment)])
    return run


def test_params_metrics_tags_and_artifacts_come_back_as_they_were_logged(workplace: Path) -> None:
    store = runs.open_store(URI, ARTIFACTS)
    (workplace / "note.txt").write_text("hello")
    with runs.open_run(store, "test", "first", {"vae.lambda": "1"}, {"colour": "blue"}) as run:
        run.log_metrics({"train/loss": 3.0, "valid/loss": 4.0}, step=1)
        run.log_metrics({"train/loss": 2.0}, step=2)
        run.log_artifact(workplace / "note.txt", "notes")
        run.log_dataset("digits", "somewhere", "abc" * 30, {"train": 7})
    found = only_run(store)
    assert found.data.params == {"vae.lambda": "1"}
    assert found.data.metrics == {"train/loss": 2.0, "valid/loss": 4.0}
    assert found.data.tags["colour"] == "blue"
    assert found.data.tags["version.torch"].startswith("2.")
    history = store.client().get_metric_history(run.id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 3.0), (2, 2.0)]
    assert run.last_step("train/loss") == 2
    (data,) = found.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("digits", "abc" * 12)
    artifact = workplace / "mlruns" / "artifacts" / "test" / run.id / "artifacts" / "notes" / "note.txt"
    assert artifact.read_text() == "hello"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "FINISHED"),
        (RuntimeError("broken"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(1), "KILLED"),
    ],
)
def test_a_run_ends_as_what_ended_it(workplace: Path, error: BaseException | None, status: str) -> None:
    store = runs.open_store(URI, ARTIFACTS)
    try:
        with runs.open_run(store, "test", "run", {}, {}):
            if error is not None:
                raise error
    except BaseException as raised:
        assert raised is error
    assert only_run(store).info.status == status


def test_a_pruned_run_is_tagged_and_no_failure(workplace: Path) -> None:
    store = runs.open_store(URI, ARTIFACTS)
    with pytest.raises(RuntimeError), runs.open_run(store, "test", "run", {}, {}) as run:
        run.mark_pruned("valid/neg_elbo 300 at epoch 2")
        raise RuntimeError("given up")
    found = only_run(store)
    assert (found.info.status, found.data.tags["hwsweep.state"]) == ("KILLED", "pruned")
    assert "hwsweep.failure" not in found.data.tags


def test_a_paused_run_is_scheduled_then_promoted_or_in_the_end_pruned(workplace: Path) -> None:
    store, name = runs.open_store(URI, ARTIFACTS), "lambda=1"
    trial = {"hwsweep.role": "trial", "hwsweep.trial": "7", "mlflow.note.content": "Trial 7"}

    def run_until(epoch: int, run_id: str | None) -> str:
        with pytest.raises(RuntimeError), runs.open_run(store, "test", name, {}, trial, run_id) as run:
            run.mark_paused(f"valid/loss 0.5 at epoch {epoch}")
            raise RuntimeError("paused")
        return run.id

    def stands() -> tuple[str, str, str, str | None]:
        found = only_run(store)
        tags = found.data.tags
        return found.info.status, found.info.run_name, tags["hwsweep.state"], tags.get("hwsweep.promoted")

    run_id = run_until(1, None)
    assert stands() == ("SCHEDULED", "lambda=1: paused", "paused", None)
    with runs.open_run(store, "test", name, {}, trial, run_id):
        assert stands() == ("RUNNING", "lambda=1", "promoted", "valid/loss 0.5 at epoch 1")
    run_until(3, run_id)
    assert stands() == ("SCHEDULED", "lambda=1: paused", "paused", "valid/loss 0.5 at epoch 1")
    runs.end_paused_trials(store, "test", {6})
    assert stands()[0] == "SCHEDULED"
    runs.end_paused_trials(store, "test", {7})
    assert stands() == ("KILLED", "lambda=1: pruned", "pruned", "valid/loss 0.5 at epoch 1")
    tags = only_run(store).data.tags
    assert tags["hwsweep.pruned"] == "valid/loss 0.5 at epoch 3" and "hwsweep.failure" not in tags
    assert tags["mlflow.note.content"] == "pruned: valid/loss 0.5 at epoch 3\n\nTrial 7"


def test_a_failed_run_says_why(workplace: Path) -> None:
    store = runs.open_store(URI, ARTIFACTS)
    with pytest.raises(RuntimeError), runs.open_run(store, "test", "run", {}, {}):
        raise RuntimeError("no more memory")
    found = only_run(store)
    assert found.data.tags["hwsweep.failure"] == "RuntimeError: no more memory"
    assert found.info.run_name == "run: failed"
    assert found.data.tags["mlflow.note.content"].startswith("failed: RuntimeError: no more memory")


def test_mlflow_sorts_runs_by_a_param_that_is_a_number(workplace: Path) -> None:
    store = runs.open_store(URI, ARTIFACTS)
    for value in (100, 2, 30):
        with runs.open_run(store, "test", str(value), {"a": str(value), "b": "x"}, {}, numbers={"a": value}):
            pass
    found = store.client().search_runs([store.experiment("test")], order_by=["metrics.`a` ASC"])
    assert [run.info.run_name for run in found] == ["2", "30", "100"]
    assert read_run(store, found[0].info.run_id).metrics == {}, "it is no measurement"


def test_a_run_has_the_user_and_the_commit_of_the_code(workplace: Path) -> None:
    store = runs.open_store(URI, ARTIFACTS)
    with runs.open_run(store, "test", "run", {}, {}):
        pass
    found = only_run(store)
    assert found.info.user_id == getpass.getuser()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert found.data.tags.get("mlflow.source.git.commit", "") == head.stdout.strip()


def test_the_result_of_a_run_that_goes_on_replaces_its_earlier_one(workplace: Path) -> None:
    store, tags = runs.open_store(URI, ARTIFACTS), {"mlflow.note.content": "a trial"}
    with runs.open_run(store, "test", "run", {}, tags) as first:
        first.mark_pruned("too slow")
    with runs.open_run(store, "test", "run", {}, tags, first.id) as run:
        run.set_result("all is well", "healthy", {})
    found = only_run(store)
    assert (found.info.run_name, found.data.tags["mlflow.note.content"]) == ("run: healthy", "all is well\n\na trial")


OPEN_AND_WAIT = """
import time
from hwsweep.tracking import runs
store = runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
with runs.open_run(store, "test", "run", {}, {}) as run:
    print(run.id, flush=True)
    time.sleep(60)
"""


def test_a_run_has_its_owner_before_anything_else(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    store = runs.open_store(URI, ARTIFACTS)
    monkeypatch.setattr("mlflow.tracking.MlflowClient.log_batch", killed)
    with pytest.raises(SystemExit), runs.open_run(store, "test", "run", {}, {}):
        pass
    monkeypatch.setattr(runs, "is_gone", lambda process: process == this_process())
    assert runs.end_orphaned_runs(store) == 1


def test_a_run_that_was_created_but_not_noted_is_adopted_by_its_trial(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    store = runs.open_store(URI, ARTIFACTS)
    tags = {"hwsweep.trial": "3", "hwsweep.folder": "/some/'where'/3", "hwsweep.role": "trial"}
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("mlflow.tracking.MlflowClient.log_batch", killed)
        with runs.open_run(store, "test", "run", {"a": "1"}, tags, numbers={"a": 1}):
            pass
    assert only_run(store).data.tags.items() >= tags.items()
    monkeypatch.setattr(runs, "is_gone", lambda process: process == this_process())
    with runs.open_run(store, "test", "run", {"a": "1"}, tags) as run:
        run.log_metrics({"loss": 1.0}, 1)
        assert only_run(store).info.status == "RUNNING"
    found = only_run(store)
    assert (found.info.status, found.data.params) == ("FINISHED", {"a": "1"})
    for other in ({**tags, "hwsweep.folder": "/else/3"}, {**tags, "hwsweep.trial": "4"}, tags):
        with runs.open_run(store, "test", "run", {}, other) as another:
            assert another.id != run.id


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_does_not_stay_running(workplace: Path, number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", OPEN_AND_WAIT], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    store = runs.open_store(URI, ARTIFACTS)
    assert runs.end_orphaned_runs(store) == 0, "its process is alive"
    process.send_signal(number)
    process.communicate()
    assert runs.end_orphaned_runs(store) == (1 if number == signal.SIGKILL else 0)
    assert only_run(store).info.status == "KILLED"


def test_a_run_that_goes_on_keeps_its_id_and_params_and_takes_new_tags(workplace: Path) -> None:
    store = runs.open_store(URI, ARTIFACTS)
    with pytest.raises(RuntimeError), runs.open_run(store, "test", "run", {"a": "1"}, {"colour": "blue"}) as run:
        raise RuntimeError
    with runs.open_run(store, "test", "run", {"a": "2"}, {"colour": "red"}, run.id) as again:
        pass
    found = only_run(store)
    assert found.data.tags["colour"] == "red"
    assert (again.id, found.info.status, found.data.params) == (run.id, "FINISHED", {"a": "1"})


def test_a_param_whose_name_mlflow_would_refuse_is_kept_under_one_that_it_takes(workplace: Path) -> None:
    store = runs.open_store(URI, ARTIFACTS)
    with runs.open_run(store, "test", "run", {"dataset.replace.\\": " ", "a(é)/b c:d": "1", "k" * 300: "2"}, {}):
        pass
    assert only_run(store).data.params == {"dataset.replace.-": " ", "a---/b c:d": "1", "k" * 250: "2"}


def test_a_param_too_long_for_mlflow_keeps_its_beginning_and_its_hash(workplace: Path) -> None:
    store = runs.open_store(URI, ARTIFACTS)
    with runs.open_run(store, "test", "run", {"long": "x" * 10_000}, {}):
        pass
    value = only_run(store).data.params["long"]
    assert len(value) == 6000
    # sha256 of 10,000 times "x", by coreutils: printf 'x%.0s' {1..10000} | sha256sum
    assert value.endswith("... sha256 e4ee97ec252749d2096447e849628d0d7734f51700416eefbb33574bf0b3ee75")


def test_a_new_store_is_in_write_ahead_mode(migrated_store: Path) -> None:
    connection = sqlite3.connect(migrated_store)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_runs_that_log_the_same_data_at_the_same_moment_all_have_it(workplace: Path) -> None:
    """MLflow looks whether the data is known and inserts it if not, and another run inserts it in between."""
    store = runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
    ready = Barrier(8)

    def log_data(number: int) -> str:
        with runs.open_run(store, "test", f"run {number}", {}, {}) as run:
            ready.wait(60)
            run.log_dataset("digits", "somewhere", "abc", {"train": 3})
        return run.id

    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(log_data, range(8)))
    inputs = [store.client().get_run(run).inputs.dataset_inputs for run in ids]
    assert [[item.dataset.digest for item in items] for items in inputs] == [["abc"]] * 8


@pytest.mark.parametrize("damage", [b"", b"garbage" * 999, b"SQLite format 3\0" + b"x" * 9000])
def test_a_damaged_copy_of_the_tables_in_the_cache_is_made_again(
    damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HWSWEEP_PLAIN", "0")
    damaged = tmp_path / "cache" / "hwsweep" / "mlflow" / f"{version('mlflow')}.db"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(damage)
    store = runs.open_store(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path))
    assert [experiment.name for experiment in store.client().search_experiments()] == ["Default"]
    assert damaged.read_bytes()[:6] == (b"SQLite" if damage else b"")  # an empty file is an empty database


def test_a_second_store_is_a_copy_of_the_tables_and_otherwise_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HWSWEEP_PLAIN", "0")

    def rows(path: Path) -> dict[str, list[object]]:
        with sqlite3.connect(path) as connection:
            tables = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            names = [name for name, sql in tables if sql and sql.startswith("CREATE TABLE")]
            found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
        connection.close()
        return {"tables": tables, **{name: values for name, values in found.items() if name != "experiments"}}

    stores = [
        runs.open_store(f"sqlite:///{tmp_path}/{name}/mlflow.db", str(tmp_path / name)) for name in ("first", "second")
    ]
    assert len(list((tmp_path / "cache").rglob("*.db"))) == 1
    assert rows(tmp_path / "first" / "mlflow.db") == rows(tmp_path / "second" / "mlflow.db")
    for name, store in zip(("first", "second"), stores, strict=True):
        (default,) = store.client().search_experiments()
        assert (default.experiment_id, default.name) == ("0", "Default")
        assert default.artifact_location == (tmp_path / name / "0").as_uri()
        assert store.experiment("test") == "1"


def test_a_store_whose_creation_was_interrupted_is_created_again(tmp_path: Path) -> None:
    (tmp_path / ".mlflow.db.1.tmp").write_text("half a database")
    store = runs.open_store(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"))
    assert store.experiment("test")
    assert not (tmp_path / ".mlflow.db.1.tmp").exists()


OPEN_AT_ONCE = """
import sys
from hwsweep.tracking import runs
store = runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
with runs.open_run(store, "test", "run", {"process": sys.argv[1]}, {}) as run:
    run.log_metrics({"loss": float(sys.argv[1])}, step=1)
"""


@pytest.mark.slow
def test_eight_processes_that_start_on_a_fresh_store_at_once_all_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [[sys.executable, "-W", "ignore", "-c", OPEN_AT_ONCE, str(number)] for number in range(8)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, errors
    store = runs.open_store(URI, ARTIFACTS)
    found = store.client().search_runs([store.experiment("test")])
    assert sorted(run.data.params["process"] for run in found) == [str(number) for number in range(8)]
    assert {run.info.status for run in found} == {"FINISHED"}


def test_a_process_is_gone_only_when_it_is_gone_from_this_machine() -> None:
    assert not is_gone(this_process())
    assert not is_gone("elsewhere 1 0.0")
    assert not is_gone("")
    host = this_process().split()[0]
    assert is_gone(f"{host} {os.getpid()} 1.0"), "the id belongs to another process now"


def test_a_run_stores_no_password(workplace: Path) -> None:
    store = runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
    url = "postgresql://me:hunter2@host/db"
    with pytest.raises(ValueError, match="hunter2"), runs.open_run(store, "e", url, {"uri": url}, {"t": url}) as run:
        run.log_dataset("d", f"{url}/data.zip", "0" * 36, {"train": 1})
        raise ValueError(url)
    stored = store.client().get_run(run.id)
    assert stored.data.params["uri"] == stored.data.tags["t"] == url.replace("hunter2", "***")
    assert stored.info.run_name == f"{url.replace('hunter2', '***')}: failed"
    assert "hunter2" not in str(stored.to_dictionary())
