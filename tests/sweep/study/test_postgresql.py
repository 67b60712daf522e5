"""Both books in PostgreSQL: a study of hwsweep itself that three processes share, one of which is killed."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
import postgresql
import pytest
from joining import begin
from mlflow.entities import Run
from sqlalchemy import NullPool
from sqlalchemy.exc import OperationalError

from hwsweep.postgresql import exclusive_connection
from hwsweep.sweep import SweepError
from hwsweep.sweep.study.storage import open_storage
from hwsweep.tracking import runs

TINY = [
    *("dataset.n_train=157", "dataset.n_valid=31", "dataset.n_test=37", "vae.hidden=13", "vae.latent=3"),
    *("analysis.features.n_steps=3", "epochs=3", "figures=none", "optimizer.lr=1e-3,1e-2"),
    *("hydra.sweeper.study_name=shared", "hydra.sweeper.join=true", "hydra.sweeper.heartbeat=20"),
]
EPOCHS = Path(__file__).parents[1] / "epochs_app.py"
HOLD = """
import sys, time
from hwsweep.postgresql import exclusive_connection
with exclusive_connection(sys.argv[1], "turn"):
    print("in", flush=True)
    time.sleep(60)
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(postgresql.programs() is None, reason="PostgreSQL is not installed: no initdb, no pg_ctl"),
]


def cluster() -> AbstractContextManager[dict[str, str]]:
    """The URLs of two empty databases."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'hwsweep[postgresql]'")
    return postgresql.cluster(["studies", "mlflow"])


def trials(urls: dict[str, str]) -> list[optuna.trial.FrozenTrial]:
    storage = optuna.storages.RDBStorage(urls["studies"], engine_kwargs={"poolclass": NullPool})
    return optuna.load_study(study_name="shared", storage=storage).trials


def tracked(urls: dict[str, str]) -> list[Run]:
    """The MLflow runs of the study's trials."""
    with TemporaryDirectory() as unused:
        store = runs.open_store(urls["mlflow"], unused)
        found: list[Run] = store.client().search_runs([store.experiment("shared")], "tags.`hwsweep.role` = 'trial'")
    return found


def kill_in_training(sweep: subprocess.Popen[bytes], folder: Path) -> int:
    """SIGKILL the sweep on mars while one of its trials has an MLflow run and no outcome; the trial's number."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert sweep.poll() is None, (folder / "mars.err").read_text()
        begun = [
            line.split()[1] for line in (folder / "mars.out").read_text().splitlines() if line.startswith("trial ")
        ]
        for number in {name.rstrip(":") for name in begun}:
            trial = folder / "outputs" / "shared" / number
            if (trial / "result.json").exists() and not (trial / "outcome.json").exists():
                sweep.kill()
                sweep.wait()
                return int(number)
        time.sleep(0.02)
    raise AssertionError("no trial on mars in 300 s")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("apart", "n_seeds"), [(False, 15), (True, 6)], ids=["one folder", "a folder each"])
def test_the_trials_of_three_processes_one_killed_are_each_point_once_in_two_books_that_agree(
    tmp_path: Path, apart: bool, n_seeds: int
) -> None:
    names = ["mars", "venus", "earth"]
    places = [tmp_path / name if apart else tmp_path for name in names]
    with cluster() as urls:
        books = [f"hydra.sweeper.storage='{urls['studies']}'", f"tracking.uri='{urls['mlflow']}'"]
        own = [*books, f"tracking.artifacts={tmp_path}/artifacts", f"seed=range(0,{n_seeds})"]
        command = [sys.executable, "-m", "hwsweep", "-m", *TINY, *own]
        sweeps = []
        for place, name in zip(places, names, strict=True):
            place.mkdir(exist_ok=True)
            sweeps.append(begin(command, place, name, machine=name))
        killed = kill_in_training(sweeps[0], places[0])
        for sweep, place, name in zip(sweeps[1:], places[1:], names[1:], strict=True):
            assert sweep.wait() == 0, (place / f"{name}.err").read_text()
        found, runs = trials(urls), tracked(urls)

    points = [(t.params["optimizer.lr"], t.params["seed"]) for t in found]
    assert points == list(itertools.product((1e-3, 1e-2), range(n_seeds)))
    assert {t.state.name for t in found} == {"COMPLETE"}
    assert not found[killed].user_attrs["member"].startswith("mars/")
    # in one folder the killed trial goes on in its own run
    assert Counter(run.info.status for run in runs) == Counter(FINISHED=2 * n_seeds, KILLED=int(apart))
    finished = {int(run.data.tags["hwsweep.trial"]): run for run in runs if run.info.status == "FINISHED"}
    assert {t.number: t.user_attrs["mlflow_run_id"] for t in found} == {n: r.info.run_id for n, r in finished.items()}
    for trial in found:
        history = finished[trial.number].data.metrics
        assert trial.user_attrs["test/neg_elbo"] == pytest.approx(history["test/neg_elbo"])
    assert len(list(tmp_path.glob("**/outputs/shared/report.html"))) == 1


def test_two_machines_with_a_folder_each_promote_the_best_trials_from_their_checkpoints(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("mars", "venus")}
    points = [1, 7, 2, 6, 3, 5, 4, 8, 9]
    with cluster() as urls:
        command = [sys.executable, str(EPOCHS), "-m", f"x={','.join(map(str, points))}", "seconds=0.1"]
        command += [
            "hydra/sweeper=hwsweep",
            "hydra/sweeper/pruner=promotion",
            f"hydra.sweeper.storage='{urls['studies']}'",
        ]
        command += ["hydra.sweeper.join=true", "hydra.sweeper.study_name=shared", "hydra.sweeper.heartbeat=20"]
        for place in places.values():
            place.mkdir()
        sweeps = [begin(command, place, name, machine=name) for name, place in places.items()]
        for sweep, (name, place) in zip(sweeps, places.items(), strict=True):
            assert sweep.wait() == 0, (place / f"{name}.err").read_text()
        found = trials(urls)
    complete = {trial.number for trial in found if trial.state.name == "COMPLETE"}
    assert {points[number] for number in complete} >= {
        1,
        2,
        3,
    }  # the best third; a trial may have been among it earlier
    assert {trial.state.name for trial in found} == {"COMPLETE", "PRUNED"}
    logs = {int(log.parent.name): log.read_text().split("\n")[:-1] for log in tmp_path.glob("**/shared/*/output.log")}
    assert sorted(logs) == list(range(9))  # each trial has trained on one machine
    for number, log in logs.items():
        assert log[0] == "from epoch 0" and log[1:] in ([["from epoch 1"], []] if number in complete else [[]])


def test_the_two_books_are_two_databases(tmp_path: Path) -> None:
    with cluster() as urls:
        open_storage(urls["studies"], tmp_path)
        runs.open_store(urls["mlflow"], str(tmp_path))
        with pytest.raises(ValueError, match=r"Optuna's database; MLflow needs one of its own"):
            runs.open_store(urls["studies"], str(tmp_path))
        with pytest.raises(SweepError, match=r"MLflow's database; Optuna needs one of its own"):
            open_storage(urls["mlflow"], tmp_path)


def test_a_lock_of_the_database_is_free_once_its_holder_was_killed() -> None:
    with cluster() as urls:
        url = urls["studies"]
        with subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            with exclusive_connection(url, "another"):
                pass
            with pytest.raises(OperationalError, match="lock timeout"), exclusive_connection(impatient(url), "turn"):
                pass
            holder.kill()
        with exclusive_connection(impatient(url), "turn"):
            pass


def impatient(url: str) -> str:
    return f"{url}&options=-c%20lock_timeout%3D300"
