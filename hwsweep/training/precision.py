"""How a processor computes while a network is trained: precision, denormal numbers, random bits of dropout."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hwsweep.startup import plain

PRECISIONS = ("float32", "bfloat16", "auto")
DROPOUT_LEVELS = 2**16
"""A number is dropped if its 16 random bits are below a threshold: the probability is exact to 1 / 65,536."""


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
    # gain: 40 % of a step of the VAE at lambda = 100 from epoch 8 on, on an Intel Xeon; none on an AMD EPYC
    # (benchmarks/denormals.py)
    if not plain():
        torch.set_flush_denormal(True)


def dropout(x: Tensor, p: float) -> Tensor:
    """`x` with each number set to 0 with probability `p` and the others divided by 1 - p.

    On a CPU one draw of 64 bits serves four numbers; torch draws one float for each.
    """
    # gain: 18 % of a training step of the Transformer on one thread, 34 % on two (AMD EPYC)
    if x.device.type != "cpu" or plain():
        return F.dropout(x, p)
    bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    threshold = min(round(p * DROPOUT_LEVELS), DROPOUT_LEVELS - 1)
    stays = bits[: x.numel()].view(x.shape) >= threshold - DROPOUT_LEVELS // 2
    return x * stays.to(x.dtype).mul_(DROPOUT_LEVELS / (DROPOUT_LEVELS - threshold))


def _has_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16; a processor without them emulates it slowly."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
