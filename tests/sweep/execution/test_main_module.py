"""A user's own script: in a trial its `__main__` is what it is without a sweep."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from stub_sweeps import Ran

SCRIPT = """
import atexit, multiprocessing, pickle, sys, threading
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.utils import instantiate
from omegaconf import OmegaConf

class Net:
    pass

class Kind(Enum):
    ROUND = 1

@dataclass
class Config:
    x: int = 0
    kind: Kind = Kind.ROUND
    path: Path = Path("images")
    raw: bytes = b"raw"
    net: dict = field(default_factory=lambda: {"_target_": "__main__.Net"})
    eleven: int = "${eleven:}"

ConfigStore.instance().store(name="config", node=Config)
N_CALLS = 0

def double(value):
    return 2 * value

@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    global N_CALLS
    N_CALLS += 1
    atexit.register(Path("exit handler").touch)
    return sum(checks(cfg))

def checks(cfg):
    yield type(pickle.loads(pickle.dumps(Net()))) is Net
    yield isinstance(instantiate(cfg.net), Net)
    yield OmegaConf.get_type(cfg) is Config
    yield (cfg.kind, cfg.path, cfg.raw) == (Kind.ROUND, Path("images"), b"raw")
    yield cfg.eleven == 11
    yield STARTED == "started"
    with multiprocessing.get_context("fork").Pool(1) as pool:
        yield pool.map(double, [3, 5]) == [6, 10]
    yield __name__ == "__main__" and sys.modules["__main__"].N_CALLS == 1
    if HAS_GUARD:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            yield type(pool.apply(Net)) is Net

"""
NO_GUARD = "HAS_GUARD = False\nmultiprocessing.set_start_method('spawn')\nif True:\n"
GUARD = 'HAS_GUARD = True\nif __name__ == "__main__":\n'
START = """
    STARTED = "started"
    OmegaConf.register_new_resolver("eleven", lambda: 11)
    %s
"""


def write(folder: Path, guard: str, start: str) -> Path:
    (folder / "own.py").write_text(SCRIPT + guard + START % start)
    return folder / "own.py"


def values(ran: Ran) -> list[list[float] | None]:
    return [trial.values for trial in ran.trials()]


def sweep_of(
    folder: Path, program: str, *arguments: str, script: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The finished sweep of x=0,1 in a process of its own; `script` goes to its standard input."""
    text = None if script is None else script.read_text()
    return subprocess.run(
        [sys.executable, program, "-m", *arguments, "x=0,1"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        input=text,
    )


@pytest.mark.slow
@pytest.mark.parametrize("guard", [GUARD, NO_GUARD], ids=["guard", "no guard"])
def test_a_trial_has_the_classes_functions_and_names_of_its_script_once(
    tmp_path: Path, sweep: Callable[..., Ran], guard: str
) -> None:
    ran = sweep("hydra/sweeper=hwsweep", "x=5", app=write(tmp_path, guard, "main()"))
    assert values(ran) == [[9.0 if guard == GUARD else 8.0]], ran.out
    assert (tmp_path / "exit handler").exists()


@pytest.mark.slow
def test_a_sweep_may_start_from_a_thread(tmp_path: Path, sweep: Callable[..., Ran]) -> None:
    start = "thread = threading.Thread(target=main); thread.start(); thread.join()"
    assert values(sweep("hydra/sweeper=hwsweep", "x=5", app=write(tmp_path, GUARD, start))) == [[9.0]]


@pytest.mark.slow
def test_a_script_from_standard_input_has_its_classes_and_functions_too(tmp_path: Path) -> None:
    script = write(tmp_path, NO_GUARD, "main()")
    done = sweep_of(tmp_path, "-", "hydra/sweeper=hwsweep", script=script)
    assert "trial 1: 8 (" in done.stdout, done.stdout + done.stderr


LAUNCHED = """
    from hydra._internal.hydra import Hydra
    multirun = Hydra.multirun
    def noted(*args, **settings):
        [jobs] = multirun(*args, **settings)
        print([type(job.return_value) is Net for job in jobs])
    Hydra.multirun = noted
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("guard", [GUARD, NO_GUARD], ids=["guard", "no guard"])
def test_a_launcher_gives_the_sweeper_objects_of_its_own_classes(tmp_path: Path, guard: str) -> None:
    script = write(tmp_path, guard, LAUNCHED)
    script.write_text(script.read_text().replace("return sum(checks(cfg))", "assert all(checks(cfg)); return Net()"))
    done = sweep_of(tmp_path, str(script), "hydra/sweeper=basic", "hydra/launcher=hwsweep")
    assert "[True, True]" in done.stdout, done.stdout + done.stderr


def test_what_cannot_be_sent_to_a_trial_is_named_before_the_first(tmp_path: Path, sweep: Callable[..., Ran]) -> None:
    script = write(tmp_path, GUARD, "main()")
    text = script.read_text().replace('STARTED = "started"', "STARTED = threading.Lock()")
    script.write_text(text)
    ran = sweep("hydra/sweeper=hwsweep", "x=5", app=script)
    assert ran.code == 1
    assert (
        "the task cannot be sent to another process: cannot pickle '_thread.lock' object; what it uses must be "
        f'importable, or defined in {script} outside `if __name__ == "__main__":`'
    ) in ran.err
    assert "Traceback" not in ran.err
    assert not ran.studies


def test_a_script_that_raises_when_a_trial_executes_it_again_fails_with_its_message(
    tmp_path: Path, sweep: Callable[..., Ran]
) -> None:
    script = write(tmp_path, NO_GUARD, "main()")
    once = 'if Path("mark").exists(): raise OSError("the port is in use")\nPath("mark").touch()\n'
    script.write_text(script.read_text().replace("class Net:", f"{once}class Net:", 1))
    ran = sweep("hydra/sweeper=hwsweep", "x=5", app=script)
    failure = ran.outcome(0)["failure"]
    assert (failure["reason"], failure["message"]) == ("error", "OSError: the port is in use")
    assert f'File "{script}", line' in failure["traceback"]
