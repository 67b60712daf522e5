"""In what numbers a network computes while it is trained; weights, losses and evaluation are float32 always."""

from __future__ import annotations

import torch

PRECISIONS = ("float32", "bfloat16", "auto")


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context in which matrix products and convolutions are of that precision; "auto": the device's fastest."""
    low = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=low)


def _has_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16; a processor without them emulates it slowly."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    there = torch.cpu.get_capabilities()
    return any(there.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
