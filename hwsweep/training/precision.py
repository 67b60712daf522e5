"""In what numbers a network computes while it is trained; weights, losses and evaluation are float32 always."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

PRECISIONS = ("float32", "bfloat16", "auto")


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context in which matrix products and convolutions are of that precision; "auto": the device's fastest."""
    low = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=low)


def flush_denormals() -> None:
    """Let the processor take numbers below 1.2e-38 for zero in all that this process computes from now on.

    Where gradients stay 0 (pixels that are always black, latents that have collapsed) Adam's averages of them fade to
    such numbers after some 800 steps, and a step then takes up to 1.7 times as long. Has to come before torch's first
    work on several threads, which take it from the one that starts them; processors that know no such mode go on as is.
    """
    torch.set_flush_denormal(True)


@contextmanager
def onednn_products() -> Iterator[None]:
    """Float32 products of matrices on the CPU by oneDNN instead of MKL inside, where it computes them in float32.

    MKL has its fast code for Intel's processors only; on an AMD Zen 5 oneDNN takes 0.46 of its time. torch asks oneDNN
    only where a product may be rounded to bfloat16, but without an instruction that multiplies matrices so (AMX),
    oneDNN does not round. Whether it does is tried once; if it does, nothing changes.
    """
    if not _onednn_is_exact():
        yield
        return
    with _allowed_to_round():
        yield


@contextmanager
def _allowed_to_round() -> Iterator[None]:
    products: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = products.fp32_precision
    products.fp32_precision = "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before


@cache
def _onednn_is_exact() -> bool:
    """Whether 1 + 2^-12, which bfloat16 takes for 1, stays itself in a product of oneDNN's."""
    if getattr(torch.backends.mkldnn, "matmul", None) is None:  # torch before 2.9
        return False
    matrix = torch.full((256, 256), 1 + 2**-12)
    with _allowed_to_round():
        product = (matrix @ matrix.T).double()
    return bool((product / 256 - (1 + 2**-12) ** 2).abs().max() < 2**-20)


def _has_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16; a processor without them emulates it slowly."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    there = torch.cpu.get_capabilities()
    return any(there.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
