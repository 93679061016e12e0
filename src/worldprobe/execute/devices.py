"""Where torch computes."""

from __future__ import annotations

from worldprobe.errors import ConfigError


def device_for(wanted: str) -> str:
    """Find the device of a name as torch has it; ``auto`` is a GPU where torch finds one, else the CPU.

    Raises:
        ConfigError: no device, or a GPU that torch does not find.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"--device {wanted} was asked for, but torch finds no CUDA GPU here. Use --device cpu.")
    try:
        found = torch.device(wanted)
    except RuntimeError as error:
        raise ConfigError(f"no device {wanted!r}: use auto, cpu, cuda or cuda:N") from error
    if found.type == "cuda" and (found.index or 0) >= (count := torch.cuda.device_count()):
        there = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise ConfigError(f"--device {wanted} was asked for, and torch finds the GPUs {there} here. Use one.")
    return str(found)
