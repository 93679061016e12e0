"""Where an encoder computes, and in what: what a user wanted, held against what this machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worldprobe.errors import ConfigError
from worldprobe.execute.devices import device_for

if TYPE_CHECKING:
    import torch


def device_of(wanted: str) -> str:
    """The device of a name; ``auto`` is the GPU where there is one.

    Raises:
        ConfigError: no device, or a GPU that torch does not find.
    """
    import torch

    if wanted == "auto":
        return device_for(wanted)
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"--device {wanted} was asked for, but torch finds no CUDA GPU here. Use --device cpu.")
    try:
        return str(torch.device(wanted))
    except RuntimeError as error:
        raise ConfigError(f"no device {wanted!r}: use auto, cpu, cuda or cuda:N") from error


def precision_of(wanted: str, device: str) -> str:
    """fp32, bf16 or fp16; ``auto`` is bf16 on a GPU and fp32 elsewhere.

    Raises:
        ConfigError: none of these, or fp16 on a CPU.
    """
    if wanted == "auto":
        return "bf16" if device.startswith("cuda") else "fp32"
    if wanted not in ("fp32", "bf16", "fp16"):
        raise ConfigError(f"no precision {wanted!r}: use auto, fp32, bf16 or fp16")
    if wanted == "fp16" and device == "cpu":
        raise ConfigError("--precision fp16 is for GPUs: on a CPU it is several times slower than fp32. Use bf16.")
    return wanted


def dtype_of(precision: str) -> torch.dtype:
    """fp32, bf16 or fp16 as torch names it."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
