"""A sweep over a Python function: what `hwsweep.sweep` does."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, SupportsFloat, TypeAlias, overload

from omegaconf import DictConfig, OmegaConf, flag_override

from hwsweep.hydra_versions import version_base
from hwsweep.sweep import SweepError

if TYPE_CHECKING:
    from hwsweep.study.stored_study import StoredStudy

Result: TypeAlias = "SupportsFloat | Sequence[SupportsFloat] | Mapping[str, SupportsFloat]"
"""What a task returns: its objective, or one number per objective."""
Direction: TypeAlias = Literal["minimize", "maximize"]
OBSERVER = {"_target_": "hwsweep.study.study_page.StudyPage"}


class _DictionaryTask(NamedTuple):
    """A task function for Hydra, which gives its configuration to the function as a dictionary."""

    function: Callable[[dict[str, Any]], Result]

    def call(self, config: DictConfig) -> Result:
        values = OmegaConf.to_container(config, resolve=True)
        assert isinstance(values, dict)
        return self.function({str(key): value for key, value in values.items()})


@overload
def sweep(
    task: Callable[[dict[str, Any]], Result],
    space: Mapping[str, Any],
    *,
    config: Mapping[str, Any] | None = None,
    n_trials: int | None = None,
    n_jobs: int | None = None,
    direction: Direction | Sequence[Direction] | None = None,
    study: str | None = None,
    overrides: Sequence[str] = (),
) -> StoredStudy: ...


@overload
def sweep(
    task: Callable[[DictConfig], Result],
    space: Mapping[str, Any],
    *,
    config: DictConfig | Path | str,
    n_trials: int | None = None,
    n_jobs: int | None = None,
    direction: Direction | Sequence[Direction] | None = None,
    study: str | None = None,
    overrides: Sequence[str] = (),
) -> StoredStudy: ...


def sweep(
    task: Callable[[Any], Result],
    space: Mapping[str, Any],
    *,
    config: Mapping[str, Any] | DictConfig | Path | str | None = None,
    n_trials: int | None = None,
    n_jobs: int | None = None,
    direction: Direction | Sequence[Direction] | None = None,
    study: str | None = None,
    overrides: Sequence[str] = (),
) -> StoredStudy:
    """The study of the function over this space, once it has reached its total. What is None is as in conf/.

    Args:
        task: called for each trial in a process of its own, with a dictionary: a value for each key of the space, and
            the other values of `config`. It gets a DictConfig where `config` is one or a file.
        space: a list, a `range` or an `interval` for each key that is swept, one value for each that is not.
        config: values that are not swept: a dictionary, a DictConfig, or the YAML file of a Hydra application.
        n_trials: without it, each point of a finite space is a trial.
        n_jobs: trials at once.
        direction: minimize or maximize, or one of them per objective.
        study: its name; the same call goes on with a study that was interrupted.
        overrides: more of Hydra's command line, such as "hydra/sweeper/sampler=cmaes".

    Raises:
        SweepError: the sweep cannot begin or go on, or too many trials have failed.
        KeyboardInterrupt: Ctrl-C, or the stop button of a notebook.
    """
    from hwsweep.study.stored_study import StoredStudy
    from hwsweep.sweep.search.python_space import override_lines

    _check_caller()
    _check_task(task)
    if isinstance(overrides, str):
        raise SweepError(f"`overrides` must be a list of texts, but got one text, {overrides!r:.100}")
    arguments = override_lines(space)
    settings = {"n_trials": n_trials, "n_jobs": n_jobs, "direction": direction, "study_name": study}
    lines = ["hydra/sweeper=hwsweep", *_setting_lines(settings), *arguments, *overrides]
    with TemporaryDirectory(prefix="hwsweep-") as folder, _errors_in_one_line():
        file = _config_file(config, space, Path(folder))
        is_dictionary = config is None or (isinstance(config, Mapping) and not isinstance(config, DictConfig))
        directory = _run(task, _DictionaryTask(task).call if is_dictionary else task, file, lines)
    return StoredStudy.load(directory)


def _run(task: Callable[..., Any], function: Callable[[Any], Any], file: Path, lines: list[str]) -> Path:
    """The folder of the study, once the sweep has ended.

    Args:
        function: the task function as Hydra calls it.
        file: the YAML file that its configuration begins with.
    """
    from hydra.core.utils import JobRuntime, setup_globals
    from hydra.types import HydraContext, RunMode

    from hwsweep.sweep.engine import run_study
    from hwsweep.sweep.execution.fork_server import end_server
    from hwsweep.sweep.hydra_internals import application_loader, callbacks_of
    from hwsweep.sweep.study.view import Caller

    setup_globals()
    _set_version_base()
    JobRuntime.instance().set("name", re.sub(r"\W+", "_", _name(task)).strip("_"))
    loader = application_loader(str(file.parent.absolute()))
    config = loader.load_configuration(file.stem, lines, RunMode.MULTIRUN)
    if config.hydra.sweeper.get("observer") is None:
        with flag_override(config.hydra, ["readonly", "struct"], False):
            config.hydra.sweeper.observer = OBSERVER
    arguments = OmegaConf.to_container(config.hydra.overrides.task)
    assert isinstance(arguments, list)
    is_script = Path(getattr(sys.modules["__main__"], "__file__", "")).is_file()
    caller = Caller(list(sys.orig_argv) if is_script else [], [], f"{task.__module__}.{_name(task)}")
    context = HydraContext(config_loader=loader, callbacks=callbacks_of(config))
    try:
        return run_study(context, function, config, list(map(str, arguments)), caller)
    finally:
        end_server()


def _set_version_base() -> None:
    """Let Hydra 1.3 behave as Hydra 1.3, and not as 1.1; 1.4 has no such choice."""
    if base := version_base():
        from hydra import version

        version.setbase(base["version_base"])


def _name(task: Callable[..., Any]) -> str:
    """The name of a function; of any other callable that of its class."""
    return str(getattr(task, "__qualname__", type(task).__qualname__))


def _config_file(config: Mapping[str, Any] | Path | str | None, space: Mapping[str, Any], folder: Path) -> Path:
    """The YAML file that all trials begin with; one is written into the folder, unless `config` is a file."""
    from hwsweep.sweep.search.python_space import base_config

    if isinstance(config, Path | str):
        if not Path(config).is_file() or Path(config).suffix not in (".yaml", ".yml"):
            raise SweepError(f"`config` must be a dictionary, or a YAML file that is there, but got {str(config)!r}")
        return Path(config)
    if not (config is None or isinstance(config, Mapping | DictConfig)):
        raise SweepError(f"`config` must be a dictionary, or a YAML file, but got {config!r:.100}")
    whole = config if isinstance(config, DictConfig) else base_config(space, config or {})
    file = folder / "config.yaml"
    file.write_text(OmegaConf.to_yaml(OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])))
    return file


def _setting_lines(settings: Mapping[str, Any]) -> list[str]:
    """An override for each setting of the sweeper that has a value."""
    from hwsweep.sweep.command.params import override_line

    given = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
    return [override_line(f"hydra.sweeper.{key}", [value]) for key, value in given.items() if value is not None]


def _check_task(task: object) -> None:
    """Check that the task can be called with one argument.

    Raises:
        SweepError: it cannot.
    """
    if not callable(task):
        raise SweepError(f"`task` must be a function of a dictionary, but got {task!r:.100}")
    try:
        inspect.signature(task).bind({})
    except ValueError:  # a function of C, whose arguments are not known
        return
    except TypeError as error:
        raise SweepError(f"`task` must be a function of one argument, a dictionary: {error}") from error


def _check_caller() -> None:
    """Check that this process may begin a sweep, and that no trial would get here again.

    Raises:
        SweepError: it is the process of a trial, or the script has no guard.
    """
    from hwsweep.sweep.execution import main_module

    if main_module.is_executed_again():
        raise SweepError("a trial cannot begin a sweep, and a module that it imports must not call hwsweep.sweep")
    if (line := main_module.unguarded_call()) is not None:
        raise SweepError(
            f'each trial runs the script again, so a sweep must stand under `if __name__ == "__main__":`, but {line} '
            "does not; put it there, and the functions of the task above"
        )


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise inside into a SweepError, and an interruption into KeyboardInterrupt."""
    import signal

    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from hwsweep.signals import Interrupted

    try:
        yield
    except Interrupted as error:
        if error.signal != signal.SIGINT:
            raise
        raise KeyboardInterrupt(error.message) from None
    except (HydraException, OmegaConfBaseException) as error:
        raise SweepError(" ".join(str(error).split())) from error
