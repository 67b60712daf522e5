"""Pickles for another process, also of classes and functions of `__main__`."""

from __future__ import annotations

import io
import operator
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, ClassVar

import cloudpickle  # type: ignore[import-untyped]

from hwsweep.sweep import SweepError
from hwsweep.sweep.execution import main_module
from hwsweep.sweep.execution.main_module import MainModule
from hwsweep.sweep.hydra_internals import add_resolvers, resolvers


def dumps(program: Any) -> bytes:
    """The pickled program, for `loads` in a new process, with what makes `__main__` the same there.

    Raises:
        SweepError: something in it cannot be pickled.
    """
    main = main_module.read()
    if main.source is None:  # a notebook has functions that the task does not use
        main = main._replace(values={name: main.values[name] for name in _picklable(main.values, main)})
    try:
        inner = _dumps((main.values, program), main)
    except Exception as error:
        raise SweepError(
            f"the task cannot be sent to another process: {error}; what it uses must be importable, or defined in "
            f'{main.path or "a file"} outside `if __name__ == "__main__":`'
        ) from error
    return pickle.dumps((main._replace(values={}), _picklable(resolvers(), main), inner))


def loads(pickled: bytes) -> Any:
    """The program; `__main__` in this process is that of the program from now on."""
    main, more_resolvers, inner = pickle.loads(pickled)  # noqa: S301  # the sweep wrote it
    module = main_module.execute(main)
    add_resolvers({name: _loads(value) for name, value in more_resolvers.items()})
    values, program = _loads(inner)
    vars(module).update(values)
    return program


def dumps_result(value: Any) -> bytes:
    """The pickled result of a job, for `pickle.loads` in the process that began the program."""
    return _dumps(value, None)


def _dumps(value: Any, main: MainModule | None) -> bytes:
    with io.BytesIO() as file:
        _Pickler(file, main).dump(value)
        return file.getvalue()


def _loads(pickled: bytes) -> Any:
    return _Unpickler(io.BytesIO(pickled)).load()


def _picklable(values: dict[str, Any], main: MainModule) -> dict[str, bytes]:
    """Those of the values that can be pickled."""
    pickled = {}
    for name, value in values.items():
        try:
            pickled[name] = _dumps(value, main)
        except Exception:  # the program may add it again when it is imported
            continue
    return pickled


def _find_in_main(name: str, depth: int) -> Any:
    """What `__main__` defines under this name, or what lies this many `functools.wraps` below it."""
    found = operator.attrgetter(name)(sys.modules["__main__"])
    for _ in range(depth):
        found = found.__wrapped__
    return found


def _depth_in_main(value: Any) -> int | None:
    """How many decorators lie above the function in `__main__`: 1 for the task function of `hydra.main`; None: no."""
    try:
        found, depth = _find_in_main(value.__qualname__, 0), 0
        while found is not value:
            found, depth = found.__wrapped__, depth + 1
        return depth
    except AttributeError:
        return None


def _reduce_code(code: CodeType) -> tuple[Any, ...]:
    """What pickle needs to build the code again. Since cloudpickle 3.1.3 its file name would be `<dynamic-code>`."""
    build, arguments = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return _build_code, (build, arguments, code.co_filename)


def _build_code(build: Callable[..., CodeType], arguments: tuple[Any, ...], filename: str) -> CodeType:
    return build(*arguments).replace(co_filename=filename)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles functions with their file names, so a traceback shows their lines; and those of `__main__` by name."""

    dispatch_table: ClassVar[Any] = ChainMap({CodeType: _reduce_code}, cloudpickle.Pickler.dispatch_table)

    def __init__(self, file: io.BytesIO, main: MainModule | None) -> None:
        super().__init__(file)
        self.by_value = frozenset() if main is None else main.unsourced
        """Names in `__main__` that the other process cannot look up."""
        self.main_globals = {"__name__": "__main__"}
        """Stands for the variables of `__main__`, where they cannot be made again from a source."""
        if main is not None and main.source is None:
            self.globals_ref[id(vars(sys.modules["__main__"]))] = self.main_globals

    def persistent_id(self, value: Any) -> str | None:
        """The name of `__main__`, for its variables: its functions then share them with the module."""
        return "__main__" if value is self.main_globals else None

    def reducer_override(self, value: Any) -> Any:
        """The reference to a class or function of `__main__`; else as cloudpickle."""
        is_of_main = isinstance(value, (type, FunctionType)) and value.__module__ == "__main__"
        if is_of_main and value.__qualname__.partition(".")[0] not in self.by_value:
            depth = _depth_in_main(value)
            if depth is not None:
                return _find_in_main, (value.__qualname__, depth)
        return super().reducer_override(value)


class _Unpickler(pickle.Unpickler):
    """Reads what `_Pickler` has written, after `__main__` was executed."""

    def persistent_load(self, name: str) -> dict[str, Any]:
        return vars(sys.modules[name])
