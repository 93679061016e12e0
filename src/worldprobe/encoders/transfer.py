"""Pixels to the device and tokens back: through pinned memory where a GPU copies from and to it by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def to_device(pixels: NDArray[np.uint8], device: str | torch.device) -> Tensor:
    """A batch of clips, uint8 of any shape, on the device.

    On a GPU the copy may still be under way: it is ordered before whatever its stream is given next.
    """
    import torch

    found = torch.from_numpy(pixels)
    if torch.device(device).type != "cuda":
        return found.to(device)
    return found.pin_memory().to(device, non_blocking=True)


def to_host(outputs: Mapping[int, Tensor]) -> dict[int, NDArray[np.float16]]:
    """Tokens of each block as float16 arrays: all copies are begun before one is waited for."""
    import torch

    host = {}
    for block, tokens in outputs.items():
        there = tokens.to(torch.float16)
        if there.is_cuda:
            here = torch.empty(there.shape, dtype=torch.float16, pin_memory=True)
            host[block] = here.copy_(there, non_blocking=True)
        else:
            host[block] = there.cpu()
    for device in {tokens.device for tokens in outputs.values() if tokens.is_cuda}:
        torch.cuda.synchronize(device)
    return {block: tokens.numpy() for block, tokens in host.items()}
