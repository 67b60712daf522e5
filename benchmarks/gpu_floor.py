"""The floor of a training step: its bytes and operations at the rates that this device reaches, measured here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hwsweep.models import Model
from hwsweep.training.precision import autocast, products

PASSES = 10
"""Of all weights in a step with Adam: read forward and backward; the gradient written and read; weight and two averages
read and written by the optimizer."""


class Device(NamedTuple):
    """A device and its rates."""

    device: torch.device
    name: str
    bandwidth: float
    """Bytes per second of a copy, read and written bytes together."""
    rates: dict[str, float]
    """Operations per second of a product of square matrices, by precision."""

    def __str__(self) -> str:
        products = ", ".join(f"{name} {rate / 1e12:.3g}" for name, rate in self.rates.items())
        return f"{self.name}: copies {self.bandwidth / 1e9:,.0f} GB/s; products [10^12 operations/s] {products}"


class Work(NamedTuple):
    """What one step of a training cannot do without."""

    n_bytes: float
    operations: float

    def seconds(self, device: Device, precision: str) -> float:
        """The time of a step at the device's rates: of the bytes or of the operations, whichever takes longer."""
        return max(self.n_bytes / device.bandwidth, self.operations / device.rates[precision])


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Time of `work` until the device has done it."""
    synchronise(device)
    started = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - started


def measure_device(device: torch.device, repeats: int) -> Device:
    """The best of some copies and products on this device."""
    is_gpu = device.type == "cuda"
    source = torch.zeros(2**28 if is_gpu else 2**22, device=device)
    target = torch.empty_like(source)
    copy = min(seconds(lambda: target.copy_(source), device) for _ in range(repeats + 1))
    width = 8192 if is_gpu else 256
    matrix = torch.randn(width, width, device=device)
    rates = {}
    for precision in ("float32", "tf32", "bfloat16"):
        with products(precision, device), autocast(precision, device):
            factor = matrix.bfloat16() if precision == "bfloat16" else matrix
            best = min(seconds(lambda factor=factor: factor @ factor, device) for _ in range(repeats + 2))
        rates[precision] = 2 * width**3 / best
    name = torch.cuda.get_device_name(device) if is_gpu else "CPU"
    return Device(device, name, 2 * source.nbytes / copy, rates)


def work_of_step(model: Model, batch: dict[str, Tensor]) -> Work:
    """Bytes and operations of forward pass, backward pass and Adam for this batch.

    The bytes are those of the batch, of the weights (`PASSES` times), and of all that the forward pass keeps for the
    backward pass, written once and read once. What a cache of the device holds costs less.
    """
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(values: Tensor) -> Tensor:
        storage = values.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = values.nbytes
        return values

    model.train()
    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept):
        model.losses(batch)["loss"].mean().backward()
    model.zero_grad(set_to_none=True)
    of_weights = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    of_batch = sum(values.nbytes for values in batch.values())
    return Work(of_batch + PASSES * of_weights + 2 * sum(kept.values()), float(counter.get_total_flops()))
