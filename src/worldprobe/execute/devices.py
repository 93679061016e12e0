"""Where torch computes."""

from __future__ import annotations


def device_for(wanted: str) -> str:
    """The device of a name as torch has it; ``auto`` is a GPU where torch finds one, else the CPU."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
