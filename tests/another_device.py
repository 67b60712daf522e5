"""A device for tests that computes on the CPU and refuses what a GPU refuses, to find tensors on the wrong device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "elsewhere"
MAY_INDEX = ("aten::index.Tensor", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
"""A tensor on a device takes indices on the CPU, too."""

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "repeat_interleave", "_unique2", "equal", "is_nonzero")
"""Operations whose result or its shape the CPU waits for, which cannot be part of a CUDA graph."""

_is_capturing = False


@contextmanager
def capture() -> Iterator[None]:
    """Inside, the device refuses what a capture in a CUDA graph refuses: to wait for it, and to copy from the CPU."""
    global _is_capturing
    _is_capturing = True
    try:
        yield
    finally:
        _is_capturing = False


class Backend(_DummyBackendModule):
    """What torch asks of a device."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend(NAME, Backend())


class Elsewhere(torch.Tensor):
    """A tensor that says it is on the other device; its values are on the CPU."""

    values: torch.Tensor

    @staticmethod
    def __new__(cls, values: torch.Tensor) -> Elsewhere:
        made: Elsewhere = torch.Tensor._make_wrapper_subclass(
            cls, values.shape, strides=values.stride(), dtype=values.dtype, device=f"{NAME}:0"
        )
        made.values = values
        return made

    def __repr__(self, **_: Any) -> str:
        return f"Elsewhere({self.values})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.values.__reduce_ex__(protocol)  # a file has tensors of the CPU

    def tolist(self) -> Any:
        return self.values.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})


class AnotherDevice(TorchDispatchMode):
    """Inside the `with`, tensors can be made on the device `NAME` and moved to it; inference mode is `no_grad`."""

    def __enter__(self) -> AnotherDevice:
        self.patch = pytest.MonkeyPatch()
        for method in ("__enter__", "__exit__"):  # a tensor of a class of Python has no views in inference mode
            self.patch.setattr(torch.inference_mode, method, getattr(torch.no_grad, method))
        tensor = torch.tensor  # makes a tensor and moves it, without asking the mode

        def moved(data: Any, device: Any = None, **options: Any) -> torch.Tensor:
            return tensor(data, **options).to(device or "cpu")

        self.patch.setattr(torch, "tensor", moved)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.patch.undo()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with self:  # parts of a composition are on one device, too
            parts = func.decompose(*args, **(kwargs or {}))
        return compute(func, args, kwargs or {}) if parts is NotImplemented else parts


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The result of an operation of torch, on the device on which a GPU would leave it.

    Raises:
        RuntimeError: tensors, or a tensor and a generator, are on different devices.
    """
    leaves = pytree.tree_leaves((args, kwargs))
    wrappers = {id(leaf.values): leaf for leaf in leaves if isinstance(leaf, Elsewhere)}
    target = kwargs.get("device")
    is_there = bool(wrappers) if target is None else torch.device(target).type == NAME
    name = (
        func._schema.name if func._schema.overload_name == "" else f"{func._schema.name}.{func._schema.overload_name}"
    )
    if name not in ("aten::_to_copy", "aten::copy_"):
        _require_one_device(name, args, leaves, bool(wrappers))
    if _is_capturing:
        _require_no_wait(name, leaves, is_there)
    generator = kwargs.get("generator")
    if generator is not None and is_there:
        raise RuntimeError(f"{name}: a generator of the CPU for a tensor on another device")
    if target is not None:
        kwargs = kwargs | {"device": "cpu"}
    unwrapped = pytree.tree_map_only(Elsewhere, lambda leaf: leaf.values, (args, kwargs))
    result = func(*unwrapped[0], **unwrapped[1])
    if not is_there:
        return result

    def wrapped(made: torch.Tensor) -> torch.Tensor:
        return wrappers[id(made)] if id(made) in wrappers else Elsewhere(made)

    return pytree.tree_map_only(torch.Tensor, wrapped, result)


def _require_no_wait(name: str, leaves: list[Any], is_there: bool) -> None:
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    there = [isinstance(tensor, Elsewhere) for tensor in tensors]
    operation = name.removeprefix("aten::").partition(".")[0]
    by_mask = operation.startswith(("index", "_index_put")) and any(
        tensor.dtype in (torch.bool, torch.uint8) for tensor in tensors[1:]
    )
    crosses = operation in ("_to_copy", "copy_") and any(one != is_there for one in there)
    if crosses or (any(there) and (operation in WAITS or by_mask)):
        raise RuntimeError(f"{name}: not permitted when stream is capturing")


def _require_one_device(name: str, args: Any, leaves: list[Any], is_there: bool) -> None:
    if name.startswith(MAY_INDEX) and isinstance(args[0], Elsewhere):
        leaves = [args[0], *args[2:3]]
    here = [
        leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and not isinstance(leaf, Elsewhere) and leaf.dim()
    ]
    if is_there and here:
        raise RuntimeError(f"{name}: tensors on two devices, one on the CPU of shape {tuple(here[0].shape)}")
