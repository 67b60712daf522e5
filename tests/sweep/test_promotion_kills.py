"""Sweeps whose trials pause, killed at every moment: they decide as the undisturbed one and train nothing twice."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from stub_sweeps import command, trials

import hwsweep
from hwsweep import files
from hwsweep.sweep.command.planning import make_plan
from hwsweep.sweep.command.settings import Settings
from hwsweep.sweep.execution.executor import Answer, AskedToPrune, Job, JobEnd, Reported
from hwsweep.sweep.open_study import OpenStudy
from hwsweep.sweep.outcome import Outcome, write_outcome
from hwsweep.sweep.ownership.ownership import SoleOwner
from hwsweep.sweep.proposals import Proposals
from hwsweep.sweep.queue import Queue
from hwsweep.sweep.runner import Runner
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.study.folder import StudyFolder
from hwsweep.sweep.study.record import FORMAT, RECORD
from hwsweep.sweep.study.trial_store import TrialStore
from hwsweep.sweep.study.view import Caller

PROMOTION = {"_target_": "hwsweep.sweep.search.promotion.Promotion", "min": 1, "eta": 2, "max": 4, "brackets": 1}
FIRST_EPOCH = {"_target_": "hwsweep.sweep.search.promotion.FirstEpoch", "epochs": 1, "keep": 2}
DEFAULTS: Any = OmegaConf.to_container(
    OmegaConf.load(
        Path(hwsweep.__file__).parent / "hydra_plugins/hydra_plugins/hwsweep/conf/hydra/sweeper/hwsweep.yaml"
    )
)
N_TRIALS, EPOCHS = 7, 4
CURVES = [[round(random.Random(x).random() / epoch, 3) for epoch in range(1, EPOCHS + 1)] for x in range(N_TRIALS)]


class Killed(BaseException):
    """The process is dead from now on."""


class Fuse:
    """Kills the process at its n-th write."""

    def __init__(self, n: int) -> None:
        self.left = n

    def burn(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


class Journal(BaseJournalBackend):
    """A journal in memory; each process appends until its fuse has burnt."""

    def __init__(self, records: list[str], fuse: Fuse) -> None:
        self.records = records
        self.fuse = fuse

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return [json.loads(record) for record in self.records[log_number_from:]]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.fuse.burn()
        self.records.extend(map(json.dumps, logs))


class Training:
    """An executor of one slot: a job trains epoch by epoch in this process, with a checkpoint in its folder."""

    def __init__(self, fuse: Fuse, trained: list[tuple[int, int]]) -> None:
        self.fuse = fuse
        self.trained = trained
        self.jobs: list[Job] = []

    @property
    def free(self) -> bool:
        return not self.jobs

    def prepare(self, job: Job) -> None: ...
    def stop(self) -> None: ...
    def stop_job(self, job: Job) -> None: ...
    def kill(self) -> None: ...

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def wait(self, answer: Answer, seconds: float) -> list[JobEnd]:
        job = self.jobs.pop()
        directory = Path(job.directory)
        write_outcome(directory, self._outcome(job, directory / "checkpoint", lambda message: answer(job, message)))
        return [JobEnd(job, 0, None, 0.0)]

    def _outcome(self, job: Job, checkpoint: Path, send: Callable[[Any], bool | None]) -> Outcome:
        done = int(checkpoint.read_text()) if checkpoint.exists() else 0
        curve = CURVES[int(job.params["x"])]
        for epoch in range(1, EPOCHS + 1):
            if epoch > done:
                self.fuse.burn()
                self.trained.append((job.trial, epoch))
                checkpoint.write_text(str(epoch))
            send(Reported(curve[epoch - 1], epoch))
            if epoch < EPOCHS and send(AskedToPrune()):
                return Outcome("pruned", [], None, 1.0)
        return Outcome("complete", [curve[-1]], None, 1.0)


def start(folder: Path, records: list[str], trained: list[tuple[int, int]], pruner: dict[str, Any], fuse: Fuse) -> None:
    """The life of one process of the sweep."""
    space = Space([Axis("x", tuple(range(N_TRIALS)))], [], [], [], {}, {})
    values = {name: DEFAULTS.get(name) for name in Settings._fields}
    settings = Settings(**values)._replace(pruner=pruner)
    plan = make_plan(settings, space, OmegaConf.create(), None)
    store = TrialStore("night", JournalStorage(Journal(records, fuse)), ["minimize"])
    proposals = Proposals(plan, store, OmegaConf.create())
    paper = StudyFolder("night", folder, None, is_resumed=True)  # type: ignore[arg-type]
    if not (folder / RECORD).exists():
        paper.write({"name": "night", "status": "open", "question": {"command": []}, "grid": True, "format": FORMAT})
    study = OpenStudy(settings, paper, proposals, SoleOwner(proposals, folder, None), Caller([], [], None))
    checker = SimpleNamespace(refusal_message=lambda point: None)
    observer = SimpleNamespace(started=lambda view: None, finished=lambda view: None)
    Runner(study, Queue(study, checker), Training(fuse, trained), observer).run()  # type: ignore[arg-type]


def decisions(records: list[str]) -> list[tuple[Any, ...]]:
    """What the study holds in the end."""
    store = TrialStore("night", JournalStorage(Journal(records, Fuse(10**6))), ["minimize"])
    keys = ("paused", "promoted", "seconds")
    return [
        (
            trial.number,
            trial.state.name,
            trial.values,
            trial.intermediate_values,
            [trial.user_attrs.get(k) for k in keys],
        )
        for trial in store.trials()
    ]


@pytest.mark.parametrize(
    ("pruner", "every"),
    [
        pytest.param(PROMOTION, 17, id="promotion"),
        pytest.param(FIRST_EPOCH, 17, id="first epoch"),
        pytest.param(PROMOTION, 1, id="promotion, every write", marks=pytest.mark.slow),
    ],
)
def test_a_sweep_killed_before_any_of_its_writes_decides_as_the_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pruner: dict[str, Any], every: int
) -> None:
    whole_write, rename = files.write_json, Path.replace
    fuse = Fuse(10**6)
    monkeypatch.setattr(files, "write_json", lambda path, value: (fuse.burn(), whole_write(path, value)))
    monkeypatch.setattr(Path, "replace", lambda path, target: (fuse.burn(), rename(path, target))[1])

    def sweep(name: str, kills: Iterable[int]) -> tuple[list[tuple[Any, ...]], list[tuple[int, int]]]:
        """What is decided and what is trained, if the processes are killed at these writes of theirs."""
        nonlocal fuse
        folder = tmp_path / name
        folder.mkdir()
        records: list[str] = []
        trained: list[tuple[int, int]] = []
        for n in kills:
            fuse = Fuse(n)
            try:
                start(folder, records, trained, pruner, fuse)
            except Killed:
                continue
            break
        used.append(n - fuse.left)
        return decisions(records), trained

    used: list[int] = []
    expected = sweep("calm", [10**6])
    states = [row[1] for row in expected[0]]
    assert {"COMPLETE", "PRUNED"} == set(states)
    assert len({row[4][1] for row in expected[0]}) > 1, "none was promoted"
    for moment in range(2, used[0], every):
        assert sweep(f"killed {moment}", [moment, 10**6]) == expected, f"killed at write {moment}"
    assert sweep("killed often", [*range(3, 30), 10**6]) == expected


ETA_2 = ["hydra/sweeper/pruner=promotion", "hydra.sweeper.pruner.eta=2", "epochs=4", "hydra.sweeper.study_name=kept"]
EPOCHS_APP = Path(__file__).parent / "epochs_app.py"


def begin(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command(*arguments, *ETA_2, app=EPOCHS_APP), cwd=folder, stdout=log, stderr=log)


def n_decisions(folder: Path) -> int:
    """How often a trial was told to pause or to go on, as the journal has it."""
    path = folder / "outputs" / "kept" / "journal.log"
    return len(re.findall(r'"(paused|promoted)": ?\d', path.read_text())) if path.exists() else 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sweep_killed_after_each_decision_at_a_rung_ends_as_the_undisturbed_one(tmp_path: Path) -> None:
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    assert begin(calm, "x=5,3,4").wait() == 0, (calm / "log").read_text()
    n_kills, n_seen, rng = -1, 0, random.Random(0)
    code = -signal.SIGKILL
    while code == -signal.SIGKILL:
        running = begin(wild, "x=5,3,4")
        while running.poll() is None and (n_decisions(wild) <= n_seen or n_kills == 6):
            time.sleep(0.002)
        time.sleep(rng.choice([0.0, 0.05, 0.2]))
        running.kill()
        code, n_seen, n_kills = running.wait(), n_decisions(wild), n_kills + 1
    assert code == 0, (wild / "log").read_text()
    ends = [
        [
            (
                t.params,
                t.state.name,
                t.values,
                t.intermediate_values,
                t.user_attrs.get("paused"),
                t.user_attrs.get("promoted"),
            )
            for t in trials(folder / "outputs" / "kept")
        ]
        for folder in (calm, wild)
    ]
    assert n_kills >= 4
    assert [row[1] for row in ends[0]].count("COMPLETE") == 1
    assert ends[1] == ends[0]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_of_two_processes_that_share_paused_trials_one_is_killed_and_the_best_trial_still_reaches_the_end(
    tmp_path: Path,
) -> None:
    arguments = ["x=8,3,5,1,7,2,6,4", "seconds=0.1", "hydra.sweeper.join=true"]
    victim, other = (begin(tmp_path / "both", *arguments) for _ in range(2))
    while n_decisions(tmp_path / "both") < 4:
        assert victim.poll() is None, (tmp_path / "both" / "log").read_text()
        time.sleep(0.01)
    victim.kill()
    victim.wait()
    assert other.wait() == 0, (tmp_path / "both" / "log").read_text()
    study = tmp_path / "both" / "outputs" / "kept"
    found = trials(study)
    assert {trial.state.name for trial in found} == {"COMPLETE", "PRUNED"}
    assert min(found, key=lambda trial: trial.params["x"]).state.name == "COMPLETE"
    for trial in found:
        last = max(trial.intermediate_values)
        assert trial.intermediate_values == {epoch: trial.params["x"] / epoch for epoch in range(1, last + 1)}
        assert (last == 4) == (trial.state.name == "COMPLETE")
        starts = [
            int(n) for n in re.findall(r"from epoch (\d+)", (study / str(trial.number) / "output.log").read_text())
        ]
        assert starts == sorted(starts) and starts[0] == 0  # each stretch goes on from a checkpoint
