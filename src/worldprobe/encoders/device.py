"""In what numbers an encoder computes: what a user wanted, held against where it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worldprobe.errors import ConfigError

if TYPE_CHECKING:
    import torch


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
