"""Full disks, and places that cannot be written: the sweep stops with a line, and nothing is lost."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from stub_sweeps import Ran

import hwsweep.__main__ as command
from hwsweep import conf_path
from hwsweep.sweep import SweepError
from hwsweep.sweep.disk import disk_errors
from hwsweep.sweep.outcome import NO_SPACE, from_call

Sweep = Callable[..., Ran]
full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")


def torch_saves() -> None:
    torch.save({"weights": torch.zeros(10**6)}, "/dev/full")


def sqlite_writes() -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute("PRAGMA max_page_count = 3")
        database.execute("CREATE TABLE a (b)")
        database.executemany("INSERT INTO a VALUES (?)", [["long" * 1000]] * 10)


def wrapped() -> None:
    try:
        Path("/dev/full").write_text("long")
    except OSError as error:
        raise ValueError("the checkpoint cannot be written") from error


@full_device
@pytest.mark.parametrize("write", [torch_saves, sqlite_writes, wrapped])
def test_a_full_disk_is_no_failure_of_the_trial(write: Callable[[], None]) -> None:
    failure = from_call(write, 1).failure
    assert failure is not None and failure.reason == NO_SPACE
    with pytest.raises(SweepError, match="no space left on the disk of here; make room"), disk_errors(Path("here")):
        write()


@full_device
def test_a_single_run_on_a_full_disk_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hwsweep.run.run", lambda config: wrapped())
    with pytest.raises(SystemExit, match="2"):
        command.train(OmegaConf.create())
    line = "hwsweep: no space left on the disk (OSError: [Errno 28] No space left on device); make room\n"
    assert capsys.readouterr().err == line


def test_a_place_that_cannot_be_written_is_named_and_other_errors_pass() -> None:
    with pytest.raises(SweepError, match="there cannot be written: Read-only file"), disk_errors(Path("here")):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "there")
    with pytest.raises(BrokenPipeError), disk_errors(Path("here")):
        raise BrokenPipeError(errno.EPIPE, "nobody reads")


@full_device
@pytest.mark.slow
@pytest.mark.parametrize("seeds", [[], ["hydra.sweeper.seeds=2"]])
def test_a_sweep_stops_when_the_disk_is_full_and_goes_on_when_there_is_room(
    sweep: Sweep, tmp_path: Path, seeds: list[str]
) -> None:
    arguments = ("how=full,well,params", *seeds)
    for _ in range(2):
        ran = sweep(*arguments)
        assert ran.code == 1
        assert ran.err.startswith(f"no space left on the disk of {ran.studies[0] / '0'}")
        assert "[Errno 28]" in ran.err and len(ran.err.splitlines()) == 1
        assert [trial.state.name for trial in ran.trials()] == ["WAITING"]
    (tmp_path / "room").touch()
    ran = sweep(*arguments)
    assert (ran.code, len(ran.studies)) == (0, 1)
    assert [trial.state.name for trial in ran.trials()] == ["COMPLETE"] * 3


@pytest.mark.slow
def test_a_place_for_outputs_that_is_no_folder_is_one_line(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file")
    ran = sweep("x=1,2")
    assert (ran.code, len(ran.err.splitlines())) == (1, 1)
    assert "cannot be written: Not a directory; change that, or give another hydra.sweep.dir" in ran.err
    assert (tmp_path / "outputs").read_text() == "a file"


@pytest.mark.filterwarnings("ignore:hydra.utils.instantiate")  # Hydra 1.4, of its own callbacks
@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("file/run", "file/run cannot be written: Not a directory; change that, or give another hydra.run.dir"),
        ("file", "file cannot be written: File exists"),
        ("${nothing}", "hydra.run.dir cannot be written: Interpolation key 'nothing' not found"),
    ],
)
def test_a_single_run_whose_folder_cannot_be_made_ends_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        config = compose("config", [f"hydra.run.dir={folder}"], return_hydra_config=True)
    (callback,) = (instantiate(node) for node in config.hydra.callbacks.values())
    with pytest.raises(SystemExit, match=re.escape(message)):
        callback.on_run_start(config=config, config_name="config")
    assert os.listdir() == ["file"]  # noqa: PTH208
