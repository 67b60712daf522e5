"""Which folder a command goes on in, without running anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize
from omegaconf import OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.study.folder import StudyFolder, open_folder

pytestmark = pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4
Opens = Callable[..., StudyFolder]


@pytest.fixture
def opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opens]:
    """opens("x=1,2", hidden=400): the folder of a sweep with this command and configuration, in an empty place."""
    monkeypatch.chdir(tmp_path)
    opened: list[StudyFolder] = []

    def make(*command: str, name: str | None = None, place: str | None = None, **config: Any) -> StudyFolder:
        with initialize(version_base="1.3", config_path="../stub_conf"):
            composed = compose("config", [f"hydra.sweep.dir={place}"] * bool(place), return_hydra_config=True)
        OmegaConf.clear_cache(composed)  # as in a new process, where another time is now
        composed.hydra.sweeper.study_name = name
        record = {"question": {"command": list(command), "config": config}, "grid": True}
        opened.append(open_folder(composed, record))
        return opened[-1]

    yield make
    for folder in opened:
        folder.lock.release()


def died(folder: StudyFolder) -> Path:
    """The folder of a sweep that was killed: the kernel frees its lock."""
    folder.lock.release()
    return folder.path


def test_the_same_command_goes_on_in_the_folder_of_the_interrupted_sweep(opens: Opens) -> None:
    left = died(opens("x=1,2", hidden=400))
    again = opens("x=1,2", hidden=400)
    assert (again.path, again.is_resumed) == (left, True)


def test_another_command_begins_a_study_of_its_own(opens: Opens) -> None:
    left = died(opens("x=1,2"))
    other = opens("x=1,3")
    assert other.path != left
    assert not other.is_resumed


def test_once_a_study_has_ended_the_same_command_begins_a_new_one(opens: Opens) -> None:
    first = opens("x=1,2")
    first.mark_over()
    first.mark_ended()
    left = died(first)
    assert opens("x=1,2").path != left


def test_an_unnamed_command_with_another_configuration_begins_a_new_study_and_shows_the_difference(
    opens: Opens, capsys: pytest.CaptureFixture[str]
) -> None:
    left = died(opens("x=1,2", vae={"hidden": 400}))
    assert opens("x=1,2", vae={"hidden": 500}).path != left
    assert "a new study begins\n  config.vae.hidden: 400 -> 500\n" in capsys.readouterr().out


def test_a_named_study_is_refused_for_another_question(opens: Opens) -> None:
    died(opens("x=1,2", name="night", seed=7))
    with pytest.raises(SweepError, match=r"(?s)'night' was begun with another config.*config\.seed: 7 -> 8"):
        opens("x=1,2", name="night", seed=8)
    with pytest.raises(SweepError, match=r"command: \['x=1,2'\] -> \['x=1,3'\]"):
        opens("x=1,3", name="night", seed=7)


def test_a_study_that_runs_is_left_alone(opens: Opens) -> None:
    running = opens("x=1,2", name="night")
    with pytest.raises(SweepError, match="'night' is running in another process"):
        opens("x=1,2", name="night")
    running.mark_ended()


def test_two_unnamed_sweeps_of_one_second_have_two_folders(opens: Opens) -> None:
    assert len({opens("x=1,2").path for _ in range(3)}) == 3


def test_a_folder_with_other_files_is_not_taken(opens: Opens, tmp_path: Path) -> None:
    (tmp_path / "outputs" / "mine").mkdir(parents=True)
    (tmp_path / "outputs" / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(SweepError, match=r"holds other files \(thesis\.txt"):
        opens("x=1,2", name="mine")
    assert (tmp_path / "outputs" / "mine" / "thesis.txt").read_text() == "dear"


def test_a_study_of_another_version_is_refused_by_name_and_left_alone_otherwise(
    opens: Opens, capsys: pytest.CaptureFixture[str]
) -> None:
    old = died(opens("x=1,2", name="night"))
    record = json.loads((old / "study.json").read_text())
    del record["format"]  # as the first version wrote it
    (old / "study.json").write_text(json.dumps(record))
    with pytest.raises(SweepError, match=r"'night' was begun by another version of hwsweep \(format 1, this one"):
        opens("x=1,2", name="night")
    assert opens("x=1,2").path != old
    assert "a new study begins: study 'night' was begun by another version" in capsys.readouterr().out


PLACES = [
    "logs/${now:%Y-%m-%d}_${now:%H-%M-%S.%f}",
    "'logs/[old]/${now:%Y/%m/%d}/multiruns/${now:%H-%M-%S.%f}'",
    "logs/${now:%H-%M-%S.%f}/${hydra.sweeper.study_name}",
]


@pytest.mark.parametrize("name", [None, "night"])
@pytest.mark.parametrize("place", PLACES)
def test_a_study_is_found_again_in_a_folder_with_the_time_of_its_start(
    opens: Opens, place: str, name: str | None
) -> None:
    died(opens("x=7", place=place, name=name and "other"))
    left = died(opens("x=1,2", place=place, name=name))
    again = opens("x=1,2", place=place, name=name)
    assert (again.path, again.is_resumed) == (left, True)
    again.mark_ended()
    assert opens("x=1,3", place=place, name="third").path != left


DAMAGED = [
    "",
    "{",
    '{"name": "night", "for',
    "[1]",
    "7",
    "{}",
    '{"name": 1, "question": 3, "status": 1, "grid": 1}',
    "\0",
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_study_hurts_no_other_and_is_refused_by_name(
    opens: Opens, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    damaged = died(opens("x=1,2", name="night"))
    (damaged / "study.json").write_text(text)
    assert opens("x=1,2").path != damaged
    assert f"note: {damaged / 'study.json'} is damaged" in capsys.readouterr().out
    with pytest.raises(SweepError, match=r"study\.json is damaged.*; move .*night away, or give another"):
        opens("x=1,2", name="night")
    assert (damaged / "study.json").read_text() == text


def test_only_what_a_new_study_has_made_is_removed(opens: Opens, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (tmp_path / "linked").symlink_to(theirs)
    for file in ("uv.lock", "notes.tmp"):
        (theirs / file).touch()
        for place in ("theirs", "linked"):
            with pytest.raises(SweepError, match=rf"holds other files \({file}"):
                opens("x=1,2", place=place)
        assert [entry.name for entry in theirs.iterdir()] == [file]
        (theirs / file).unlink()
    (theirs / "study.lock").touch()  # of a sweep that was killed at its start
    with pytest.raises(KeyError), opens("x=1,2", place="linked").deleted_if_unused():
        (theirs / "conf").mkdir()
        raise KeyError
    assert [entry.name for entry in theirs.iterdir()] == ["study.lock"]
    with pytest.raises(KeyError), opens("x=1,2", place="a/b/c").deleted_if_unused():
        raise KeyError
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["linked", "theirs"]


def test_a_place_that_is_no_folder_is_named(opens: Opens, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file")
    with pytest.raises(SweepError, match=r"outputs/night cannot be written: Not a directory; change that"):
        opens("x=1,2", name="night")
