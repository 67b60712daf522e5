"""Passwords: a sweep uses them, and shows and stores none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from stub_sweeps import Ran

from hwsweep import conf_path
from hwsweep.components.config_values import flatten
from hwsweep.files import without_passwords
from hwsweep.sweep.command.params import override_line, params_of
from hwsweep.sweep.config_snapshot import mask_run_config

PROGRAM = """
import hydra

@hydra.main(version_base="1.3", config_path="source", config_name="config")
def main(cfg):
    if cfg.x == 3:
        raise ValueError(f"cannot reach {cfg.db}")
    return len(cfg.db) + len(cfg.key)

if __name__ == "__main__":
    main()
"""
CONFIG = """
x: 1
db: null
plain: redis://:hunter5@nowhere
key: ${oc.env:HWSWEEP_TEST_KEY}
hydra: {sweeper: {max_failure_rate: 1}}
"""
URL = "postgresql://me:hunter2@nowhere/db"


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, config: str) -> Path:
    """The program, written to this folder with its configuration and a secret in the environment."""
    monkeypatch.setenv("HWSWEEP_TEST_KEY", "hunter3")
    (folder / "app.py").write_text(PROGRAM)
    (folder / "source").mkdir()
    (folder / "source" / "config.yaml").write_text(config)
    return folder / "app.py"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (URL, "postgresql://me:***@nowhere/db"),
        ("mysql+pymysql://me:p@ss:/w@h/d?x=1", "mysql+pymysql://me:***@h/d?x=1"),
        ("redis://:secret@h", "redis://:***@h"),
        ("python app.py 'uri=http://me:se%20c@h:5000' y=1", "python app.py 'uri=http://me:***@h:5000' y=1"),
        ("postgresql:///d?host=h&password=secret&x=1", "postgresql:///d?host=h&password=***&x=1"),
        ("http://localhost:5000 or me@h", "http://localhost:5000 or me@h"),
        ('["http://h:80","me@h"]', '["http://h:80","me@h"]'),
        ("sqlite:///mlruns/mlflow.db", "sqlite:///mlruns/mlflow.db"),
        ("git@github.com:me/it", "git@github.com:me/it"),
    ],
)
def test_the_password_of_a_url_is_masked_and_nothing_else(text: str, shown: str) -> None:
    assert without_passwords(text) == without_passwords(shown) == shown


@pytest.mark.slow
def test_a_sweep_uses_passwords_and_neither_shows_nor_stores_them(
    tmp_path: Path, sweep: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = program(tmp_path, monkeypatch, CONFIG)
    mine = ["hydra/sweeper=hwsweep", "hydra.sweeper.study_name=mine"]
    ran = sweep("x=1,3", f"db={URL}", *mine, app=app)
    assert ran.code == 0, ran.err
    assert [trial.value for trial in ran.trials()] == [len(URL) + len("hunter3"), None]
    assert "hunter" not in ran.out + ran.err and "cannot reach postgresql://me:***@nowhere/db" in ran.out
    holders = [path for path in ran.outputs.rglob("*") if path.is_file() and b"hunter" in path.read_bytes()]
    assert [path.name for path in holders] == ["config.yaml"] and holders[0].parent.parent.name == "conf"
    assert holders[0].stat().st_mode & 0o077 == 0  # each trial is composed from this copy
    again = sweep("x=1,3", "db=postgresql://me:changed@nowhere/db", *mine, app=app)
    assert again.code == 0 and "2 done" in again.out
    by_name = sweep(*mine, app=app)
    assert by_name.code == 1 and "give the whole command again" in by_name.err and "Traceback" not in by_name.err
    assert os.environ["HWSWEEP_TEST_KEY"] == "hunter3"


def test_a_value_from_the_environment_is_logged_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWSWEEP_TEST_KEY", "hunter3")
    key = "${oc.env:HWSWEEP_TEST_KEY}"
    config = OmegaConf.create({"key": key, "path": f"{key}/a", "n": 3, "l": [key], "again": "${key}"})
    shown = {"key": key, "path": f"{key}/a", "n": "3", "l": f"['{key}']"}  # a repetition is left out
    assert flatten(config) == shown
    assert config.key == "hunter3"  # for the run itself


@pytest.mark.parametrize(
    ("params", "line"),
    [
        ({"db": "${oc.env:NAME}"}, "db=${oc.env:NAME}"),
        ({"db": "${again}"}, "db=${oc.env:NAME}"),
        ({"db": "postgresql://me:${oc.env:NAME}@h/db"}, "db=postgresql://me:${oc.env:NAME}@h/db"),
        ({"db": "${oc.env:NAME,default}"}, "db=${oc.env:NAME,default}"),
        ({"db": ["a,b", "${oc.env:NAME}"]}, "db='a,b',${oc.env:NAME}"),
        ({"x": "${oc.env:N}"}, "x=3"),
        ({"x": "${oc.env:LIST}"}, "x=1,2"),
        ({"x": "${n}"}, "x=5"),
    ],
)
def test_in_params_a_text_of_the_environment_stays_as_written_and_numbers_and_lists_are_read(
    monkeypatch: pytest.MonkeyPatch, params: dict[str, object], line: str
) -> None:
    for name, value in (("NAME", "hunter3"), ("N", "3"), ("LIST", "1,2")):
        monkeypatch.setenv(name, value)
    section = {"params": params}
    config = OmegaConf.create({"hydra": {"sweeper": section}, "again": "${oc.env:NAME}", "n": 5})
    resolved = OmegaConf.to_container(config.hydra.sweeper.params, resolve=True)
    assert isinstance(resolved, dict)
    written = [override_line(key, value) for key, value in params_of(config, resolved).items()]
    assert written == [line]
    OverridesParser.create().parse_overrides(written)


def test_a_sweep_over_passwords_says_what_to_write_and_stores_nothing(sweep: Callable[..., Ran]) -> None:
    ran = sweep(f"+db={URL},redis://:hunter5@nowhere")
    assert (ran.code, ran.outputs.exists()) == (1, False)
    assert ran.err.splitlines() == [
        "a study stores the values of +db, and postgresql://me:***@nowhere/db holds a password; "
        "write '${oc.env:NAME}' for each, with NAME in the environment"
    ]


def test_the_files_that_hydra_has_written_for_a_single_run_lose_their_passwords(tmp_path: Path) -> None:
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        config = compose("config", [f"tracking.uri={URL}"], return_hydra_config=True)
    config.hydra.runtime.output_dir = str(tmp_path)
    HydraConfig.instance().set_config(config)
    (tmp_path / "config").mkdir()
    for name, part in (("config.yaml", config), ("overrides.yaml", config.hydra.overrides.task)):
        OmegaConf.save(part, tmp_path / "config" / name)
    mask_run_config()
    for name in ("config.yaml", "overrides.yaml"):
        text = (tmp_path / "config" / name).read_text()
        assert "hunter2" not in text and "postgresql://me:***@nowhere/db" in text


@pytest.mark.slow
def test_our_launcher_masks_what_hydras_own_sweeper_stores(
    tmp_path: Path, sweep: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = program(tmp_path, monkeypatch, "x: 1\ndb: null\nkey: ${oc.env:HWSWEEP_TEST_KEY}\n")
    ran = sweep("x=1,2", f"db={URL}", "hydra/launcher=hwsweep", app=app)
    assert ran.code == 0 and "hunter" not in ran.out + ran.err, ran.err
    stored = [path for path in (tmp_path / "multirun").rglob("*") if path.is_file()]
    assert len(stored) > 6 and not [path for path in stored if b"hunter" in path.read_bytes()]
