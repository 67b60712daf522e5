"""How a processor computes while a network is trained: precision, algorithms, denormal numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hwsweep.startup import plain

PRECISIONS = ("float32", "tf32", "bfloat16", "auto")
TF32_CAPABILITY = (8, 0)
"""The first GPUs of NVIDIA with tf32, and with bfloat16: Ampere."""


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context in which matrix products and convolutions are in bfloat16, if that is the precision.

    "auto" is bfloat16 on a processor that has instructions for it. On a GPU it is tf32 (`products`), which rounds to 10
    bits and not to 7, and takes no operations more: bfloat16 copies weights and activations at each step.
    """
    low = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=low)


@contextmanager
def products(precision: str, device: torch.device) -> Iterator[None]:
    """Inside, a GPU rounds the factors of float32 products to tf32 if that is the precision; outside they stay exact.

    Also around the backward pass. A GPU without tf32 computes in float32, as every other device does.
    """
    rounds = device.type == "cuda" and (precision == "tf32" or (precision == "auto" and _has_tf32(device)))
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = rounds
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def choose_algorithms(device: torch.device, *, deterministic: bool) -> None:
    """Let a GPU compute float32 products exactly and, if `deterministic`, take only algorithms that repeat every bit.

    Then torch raises RuntimeError where it has none. On a CPU every run repeats its bits without it.
    """
    torch.backends.cudnn.allow_tf32 = False  # torch's default rounds convolutions, also in an evaluation
    if device.type == "cuda":  # torch reads it at a process's first product, and a later training may be deterministic
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic and device.type == "cuda")


def flush_denormals() -> None:
    """Let the processor take numbers below 1.2e-38 for zero in all that this process computes from now on.

    Where gradients stay 0 (pixels that are always black, collapsed latents) Adam's averages of them fade to such
    numbers after some 800 steps, which processors compute with slowly. Call it before torch's first work on several
    threads: they take the mode from the thread that starts them.
    """
    # gain: 40 % of a step of the VAE at lambda = 100 from epoch 8 on, on an Intel Xeon; none on an AMD EPYC
    # (benchmarks/denormals.py)
    if not plain():
        torch.set_flush_denormal(True)


def _has_bfloat16(device: torch.device) -> bool:
    """Whether a processor has instructions for bfloat16; one without them emulates it slowly."""
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def _has_tf32(device: torch.device) -> bool:
    return torch.version.hip is None and torch.cuda.get_device_capability(device) >= TF32_CAPABILITY
