"""The program's `__main__` in a job's process: executed there again, so that its classes and functions exist once.

multiprocessing would import it under another name and would run a script without `if __name__ == "__main__":` again.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import multiprocessing
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

from hwsweep.sweep.hydra_internals import runs_replaced

_swap = threading.Lock()
_is_executed_again = False


class MainModule(NamedTuple):
    """What a process needs to have the same `__main__`."""

    source: str | None
    """As it was when the sweep began; None for `python -` and notebooks, which have no file."""
    path: str | None
    name: str | None
    """With `python -m`, the name of the module."""
    package: str | None
    unsourced: frozenset[str]
    """Names that the source does not define unless it is the program: those under `if __name__ == "__main__":`."""
    values: dict[str, Any]
    """The values of those names that other code reads; they are pickled."""


class _Started(BaseException):
    """Ends the execution of `__main__` where it would begin the sweep again."""


def read() -> MainModule:
    """The `__main__` of this process."""
    main = sys.modules["__main__"]
    defined = vars(main)
    try:
        source = inspect.getsource(main)
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError):  # there is no file, or none with Python code
        source = None
        kinds = (type, FunctionType)
        unsourced = {name for name, value in defined.items() if isinstance(value, kinds) and _is_of_main(value)}
        values = {name: defined[name] for name in unsourced}
    else:
        guards = _guards(tree)
        unsourced = {name for guard in guards for name in _bound(guard)}
        read_elsewhere = {name for node in tree.body if node not in guards for name in _read(node)}
        values = {name: defined[name] for name in unsourced & read_elsewhere if name in defined}
    spec = defined.get("__spec__")
    package = defined.get("__package__")
    return MainModule(source, defined.get("__file__"), spec and spec.name, package, frozenset(unsourced), values)


def execute(main: MainModule) -> ModuleType:
    """The `__main__` of this process from now on: that of the program, as it was before the sweep began."""
    global _is_executed_again
    _is_executed_again = True
    module = ModuleType("__main__")
    spec = importlib.util.find_spec(main.name) if main.name not in (None, "__main__") else None
    vars(module).update(__spec__=spec, __package__=main.package)
    if main.path is not None:
        module.__file__ = main.path
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    if main.source is not None:
        tree = ast.parse(main.source)
        for node in _guards(tree):
            node.test = _Renamed().visit(node.test)
        code = compile(tree, main.path or "<main>", "exec", dont_inherit=True)
        # a script without a guard ends here: what follows belongs to the sweep's own process
        with suppress(_Started), runs_replaced(_Started()), _start_method_unset():
            exec(code, vars(module))
    return module


def is_executed_again() -> bool:
    """Whether this process runs the program for a trial."""
    return _is_executed_again


def unguarded_call() -> str | None:
    """The line of the script, outside `if __name__ == "__main__":`, that is under way; None without such a line.

    A trial would get there again. Code without a file, such as a notebook's, is not executed again.
    """
    main = sys.modules["__main__"]
    frame: FrameType | None = sys._getframe()
    while frame is not None and (frame.f_globals is not vars(main) or frame.f_code.co_name != "<module>"):
        frame = frame.f_back
    try:
        tree = ast.parse(inspect.getsource(main))
    except (OSError, TypeError, SyntaxError):
        return None
    if frame is None or any(node.lineno <= frame.f_lineno <= (node.end_lineno or 0) for node in _guards(tree)):
        return None
    return f"{vars(main).get('__file__')}, line {frame.f_lineno}"


@contextmanager
def hidden() -> Iterator[None]:
    """Hide `__main__` from a process that multiprocessing starts inside, which would import it."""
    with _swap:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextmanager
def _start_method_unset() -> Iterator[None]:
    """Let the program choose a start method inside, which it may do once; else that of the sweep's process stays."""
    inherited = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(None, force=True)
    try:
        yield
    finally:
        if multiprocessing.get_start_method(allow_none=True) is None:
            multiprocessing.set_start_method(inherited, force=True)


def _is_of_main(value: Any) -> bool:
    return getattr(value, "__module__", None) == "__main__"


def _guards(tree: ast.Module) -> list[ast.If]:
    return [node for node in tree.body if isinstance(node, ast.If) and "__name__" in _read(node.test)]


def _read(node: ast.AST) -> set[str]:
    """The names that this code reads."""
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load)}


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that this code gives a value."""
    for inner in ast.walk(node):
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield inner.name
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id
        elif isinstance(inner, ast.alias):
            yield (inner.asname or inner.name).partition(".")[0]


class _Renamed(ast.NodeTransformer):
    """Makes the test of a guard false, as in a module that is imported."""

    def visit_Name(self, node: ast.Name) -> ast.expr:  # ast's own naming
        return ast.copy_location(ast.Constant("__mp_main__"), node) if node.id == "__name__" else node
