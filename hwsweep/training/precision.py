"""In what numbers a network computes while it is trained; weights, losses and evaluation are float32 always."""

from __future__ import annotations

import torch

from hwsweep.startup import plain

PRECISIONS = ("float32", "bfloat16", "auto")


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context in which matrix products and convolutions are of that precision; "auto": the device's fastest."""
    low = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=low)


def flush_denormals() -> None:
    """Let the processor take numbers below 1.2e-38 for zero in all that this process computes from now on.

    Where gradients stay 0 (pixels that are always black, collapsed latents) Adam's averages of them fade to such
    numbers after some 800 steps, which processors compute with slowly. Call it before torch's first work on several
    threads: they take the mode from the thread that starts them.
    """
    # gain: 40 % of a step of the VAE at lambda = 100 from epoch 8 on (benchmarks/denormals.py)
    if not plain():
        torch.set_flush_denormal(True)


def _has_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16; a processor without them emulates it slowly."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
