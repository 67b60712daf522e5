"""Files of a study that a disk has lost in part: what can be made again is made again, else the file is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from stub_sweeps import Ran

from hwsweep.run_folder import read_arrays, read_origin, read_result, write_arrays
from hwsweep.sweep import SweepError
from hwsweep.sweep.outcome import from_value, read_outcome, write_outcome
from hwsweep.sweep.ownership.orphans import kill_orphans
from hwsweep.sweep.ownership.ownership import Ownership, SoleOwner
from hwsweep.sweep.ownership.shared_ownership import SharedOwner
from hwsweep.sweep.proposals import Proposals
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.study.storage import open_storage
from hwsweep.sweep.study.stored_view import stored_view
from hwsweep.sweep.study.trial_store import TrialResult, TrialStore

Sweep = Callable[..., Ran]
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "garbage": lambda content: b"\xff\x00{]garbage" * 20 + b"\n",
    "zeros": lambda content: bytes(len(content)),
    "another value": lambda content: b"[1, 2]\n",
}
SPACE = Space([Axis("x", (1, 2, 3))], [], [], [], {}, {})
PLAN = SearchPlan(SPACE, [{"x": 1}, {"x": 2}, {"x": 3}], 3, 0, None, None, ["minimize"], None, None, None)
KEPT = ("x=1,2,3", "hydra.sweeper.study_name=kept")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_of_a_run_is_as_absent(tmp_path: Path, damage: str) -> None:
    write_outcome(tmp_path, from_value(3.0, 1, 0.1))
    outcome = read_outcome(tmp_path)
    assert outcome is not None and outcome.values == [3.0]
    content = DAMAGES[damage]((tmp_path / "outcome.json").read_bytes())
    for name in ("outcome.json", "result.json", "origin.json", "process.json"):
        (tmp_path / name).write_bytes(content)
    assert (read_outcome(tmp_path), read_result(tmp_path), read_origin(tmp_path)) == (None, {}, {})
    kill_orphans(tmp_path)
    assert not (tmp_path / "process.json").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_arrays_of_a_run_are_named(tmp_path: Path, damage: str) -> None:
    write_arrays(tmp_path, {"rate": np.arange(7.0)})
    path = tmp_path / "analysis.npz"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ValueError, match=r"analysis\.npz is damaged; move it away to draw the other runs without it"):
        read_arrays(tmp_path)


@pytest.mark.parametrize(
    "fields",
    [{"state": "done"}, {"values": ["3"]}, {"values": None}, {"values": [float("nan")]}, {"failure": {}}, {"more": 1}],
)
def test_an_outcome_that_no_run_stores_is_none(tmp_path: Path, fields: dict[str, object]) -> None:
    whole = {"state": "complete", "values": [3.0], "failure": None, "seconds": 0.1}
    (tmp_path / "outcome.json").write_text(json.dumps({**whole, **fields}))
    assert read_outcome(tmp_path) is None


@pytest.mark.parametrize("owner", ["sole", "shared"])
def test_an_outcome_that_the_storage_did_not_ask_for_never_becomes_a_trial(tmp_path: Path, owner: str) -> None:
    store = TrialStore("kept", open_storage(None, tmp_path), ["minimize"])
    proposals = Proposals(PLAN, store, OmegaConf.create())
    own: Ownership = (
        SharedOwner(proposals, tmp_path, None, 60) if owner == "shared" else SoleOwner(proposals, tmp_path, None)
    )
    own.begin()
    trial = own.take()
    assert trial is not None and trial.number == 0
    (tmp_path / "1").mkdir()
    write_outcome(tmp_path / "1", from_value(-999.0, 1, 0.1))
    for _ in range(2):
        with pytest.raises(SweepError, match="1 exists, but the storage knows no such trial; move it away, or give"):
            own.take()
        assert store.n_trials() == 1
    own.leave(False)


@pytest.mark.slow
def test_a_study_whose_journal_is_gone_adopts_no_outcome(sweep: Sweep) -> None:
    study = sweep(*KEPT).studies[0]
    (study / "journal.log").unlink()
    for _ in range(2):
        ran = sweep(*KEPT)
        assert (ran.code, ran.trials()) == (1, [])
        assert ran.err.startswith(f"{study / '0'} exists, but the storage knows no such trial; ")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a study with two complete trials."""
    store = TrialStore("kept", open_storage(None, tmp_path), ["minimize"])
    for number in range(2):
        store.add({}, {}, {})
        store.finish(number, TrialResult("complete", [float(number)], {}))
    return tmp_path / "journal.log"


@pytest.mark.parametrize("line", [b"\0\0\0\0", b"\0\0\0\n", b"garbage\n", b'{"op_code": 4, "worker', b"[1]\n"])
def test_a_damaged_end_of_the_journal_costs_one_record(journal: Path, line: bytes) -> None:
    journal.write_bytes(journal.read_bytes() + line)
    store = TrialStore("kept", open_storage(None, journal.parent), ["minimize"])
    assert store.values() == [0.0, 1.0]
    store.add({}, {}, {})
    assert TrialStore("kept", open_storage(None, journal.parent), ["minimize"]).n_trials() == 3


@pytest.mark.parametrize("line", [b"\0\0\0", b"garbage", b"[1]", b"{}"])
def test_a_damaged_line_of_the_journal_is_named(journal: Path, line: bytes) -> None:
    lines = journal.read_bytes().splitlines()
    journal.write_bytes(b"\n".join([*lines[:2], line, *lines[3:], b""]))
    with pytest.raises(SweepError, match=r"journal\.log is damaged in line \d+; put a copy of the file in its place"):
        open_storage(None, journal.parent)


def one_of_each_kind(study: Path) -> list[Path]:
    """The study's files, of those that differ in the trial's number alone one, and of a group's unused options one."""
    used = set(OmegaConf.load(study / "multirun.yaml").hydra.runtime.choices.values())
    kinds: dict[tuple[object, ...], list[Path]] = {}
    for path in sorted(path for path in study.rglob("*") if path.is_file()):
        place = path.relative_to(study).parts
        kind = (place[:-1], path.stem in used) if len(place) > 3 else place[1:] if place[0].isdigit() else place
        kinds.setdefault(kind, []).append(path)
    return [paths[number % len(paths)] for number, paths in enumerate(kinds.values())]  # of each trial some


@pytest.mark.slow
def test_a_study_with_a_damaged_file_is_shown_and_goes_on_or_names_it_in_a_line(sweep: Sweep, tmp_path: Path) -> None:
    sweep(*KEPT)
    study = tmp_path / "outputs" / "kept"
    kinds = one_of_each_kind(study)
    assert len(kinds) > 20
    for path in kinds:
        for damage in DAMAGES.values():
            content = path.read_bytes()
            path.write_bytes(damage(content))
            try:
                found = [trial.values for trial in stored_view(study).trials if trial.values]
                assert found == [[0.0], [1.0], [4.0]][: len(found)], path  # half a journal is one of fewer trials
            except SweepError as error:
                assert str(study) in str(error)
            path.write_bytes(content)
        path.write_bytes(content[: len(content) // 2])
        ran = sweep(*KEPT)
        if ran.code == 0:
            assert [trial.value for trial in ran.trials()] == [0.0, 1.0, 4.0], path
        else:
            assert str(study) in ran.err and len(ran.err.splitlines()) <= 2, (path, ran.err)
            path.write_bytes(content)
    for path in study.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    assert sweep("x=1").code == 0
