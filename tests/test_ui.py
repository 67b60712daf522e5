"""`python -m hwsweep.ui`: how it starts and ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from hwsweep.tracking import chart_view, runs
from hwsweep.ui import __main__ as ui

URI, ARTIFACTS = "sqlite:///mlruns/mlflow.db", "mlruns/artifacts"


def trial_of(study: str, role: str = "trial") -> str:
    """Create a study with one run and return the id of its experiment."""
    store = runs.open_store(URI, ARTIFACTS)
    with runs.open_run(store, study, "run", {}, {"hwsweep.role": role}):
        pass
    return store.experiment(study)


def test_without_a_store_nothing_starts_and_the_message_gives_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ui.main([]) == 1
    message = capsys.readouterr().err
    assert f"no file {tmp_path / 'mlruns' / 'mlflow.db'}" in message
    assert "python -m hwsweep" in message and "--uri" in message
    assert not (tmp_path / "mlruns").exists()


def test_the_address_of_a_server_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert ui.main(["--uri", "http://127.0.0.1:5000"]) == 1
    assert "open that address" in capsys.readouterr().err


def test_a_taken_port_is_refused(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert ui.main(["--port", str(taken.getsockname()[1])]) == 1
    assert "is in use; give another --port" in capsys.readouterr().err


def test_the_first_free_port_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(ui, "FIRST_PORT", taken.getsockname()[1])
        assert ui._free_port() > taken.getsockname()[1]


def test_the_newest_study_has_the_latest_trial_and_single_runs_do_not_count(workplace: Path) -> None:
    store = runs.open_store(URI, ARTIFACTS)
    assert ui.page_addresses("http://here", store) == "no study yet; all experiments: http://here"
    trial_of("old")
    newest = trial_of("new")
    trial_of("single", role="run")
    addresses = ui.page_addresses("http://here", store)
    assert f"charts of study new: http://here/#/experiments/{newest}/runs?" in addresses
    assert "viewStateShareKey" not in addresses, "MLflow reports an error for a view that does not exist"
    chart_view.save(store, "new", {"vae.lambda": (0, 1)}, ["test/rate"], "valid/neg_elbo")
    assert f"viewStateShareKey={chart_view.KEY}" in ui.page_addresses("http://here", store)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_serves_with_two_processes_and_ends_both(workplace: Path, number: signal.Signals, code: int) -> None:
    trial_of("mine")
    command = [sys.executable, "-m", "hwsweep.ui"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as started:
        assert started.stdout is not None
        lines = [started.stdout.readline()]
        assert re.match(r"MLflow: http://127.0.0.1:\d+ ", lines[0]), "the first line is the address"
        while not lines[-1].startswith("ready"):
            lines.append(started.stdout.readline())
            assert lines[-1], "the server has ended"
        address = next(found[1] for line in lines if (found := re.match(r"charts of study mine: (\S+)", line)))
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address) as page:
            assert b"MLflow" in page.read()
        family = psutil.Process(started.pid).children(recursive=True)
        # do not count multiprocessing's resource tracker, which does nothing here
        assert len([member for member in family if "resource_tracker" not in " ".join(member.cmdline())]) == 2
        started.send_signal(number)
        assert started.wait(60) == code
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_the_first_address_is_printed_before_mlflow_is_imported(workplace: Path) -> None:
    trial_of("mine")
    script = (
        "import sys; from hwsweep.ui import __main__ as ui\n"
        "def start(*_): print('mlflow' in sys.modules); raise SystemExit(3)\n"
        "ui._start = start; ui.main([])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "False\n")
