"""What is sent to another process, with functions of the user's program that cannot be imported there."""

from __future__ import annotations

import io
from collections import ChainMap
from collections.abc import Callable
from types import CodeType
from typing import Any, ClassVar

import cloudpickle  # type: ignore[import-untyped]


def dumps(thing: Any) -> bytes:
    """The thing for `cloudpickle.loads`; its functions know their files, so that a traceback shows their lines."""
    with io.BytesIO() as file:
        _Pickler(file).dump(thing)
        return file.getvalue()


def _reduced(code: CodeType) -> tuple[Any, ...]:
    """How to make the code again; cloudpickle from 3.1.3 on calls every file `<dynamic-code>`."""
    make, arguments = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return _made, (make, arguments, code.co_filename)


def _made(make: Callable[..., CodeType], arguments: tuple[Any, ...], filename: str) -> CodeType:
    return make(*arguments).replace(co_filename=filename)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    dispatch_table: ClassVar[Any] = ChainMap({CodeType: _reduced}, cloudpickle.Pickler.dispatch_table)
