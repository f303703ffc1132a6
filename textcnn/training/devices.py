"""Where to compute, and what a device can do."""

from __future__ import annotations

import torch

from textcnn.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is CUDA where present.

    Raises:
        ConfigError: an unknown name, or a device that this machine lacks.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: expected auto, cpu, cuda or cuda:N, found {name!r}") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device: expected a device of this machine, found {name!r}; use cpu or auto")
    return device


def multiplies_bf16(device: torch.device) -> bool:
    """Return whether a device has instructions for matrix products in bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Torch's checks of the CPU, which not every version has.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check)() for check in checks if hasattr(torch.cpu, check))
