"""Pickles for another process, also of functions that cannot be imported there, such as those of `__main__`."""

from __future__ import annotations

import io
from collections import ChainMap
from collections.abc import Callable
from types import CodeType
from typing import Any, ClassVar

import cloudpickle  # type: ignore[import-untyped]


def dumps(value: Any) -> bytes:
    """The pickled value, for `cloudpickle.loads`. Functions keep their file names, so a traceback shows their lines."""
    with io.BytesIO() as file:
        _Pickler(file).dump(value)
        return file.getvalue()


def _reduce_code(code: CodeType) -> tuple[Any, ...]:
    """What pickle needs to build the code again. Since cloudpickle 3.1.3 its file name would be `<dynamic-code>`."""
    build, arguments = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return _build_code, (build, arguments, code.co_filename)


def _build_code(build: Callable[..., CodeType], arguments: tuple[Any, ...], filename: str) -> CodeType:
    return build(*arguments).replace(co_filename=filename)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    dispatch_table: ClassVar[Any] = ChainMap({CodeType: _reduce_code}, cloudpickle.Pickler.dispatch_table)
