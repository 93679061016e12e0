"""V-JEPA 2's preprocessing in plain torch, bit-equal to transformers' ``VJEPA2VideoProcessor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.geometry import resize_and_crop

if TYPE_CHECKING:
    import torch

# ImageNet's, in 0-255 units, as transformers folds the rescaling into the normalisation.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def first_settings(side: int) -> dict[str, Any]:
    """How the first V-JEPA's evaluations bring frames to a side in px, as a processor's settings."""
    crop = {"height": side, "width": side}
    return {
        "size": {"shortest_edge": side * 256 // 224}, "do_center_crop": True, "crop_size": crop, "resample": 2,
        "image_mean": list(MEAN), "image_std": list(STD),
    }  # fmt: skip


def crop_frames(frames: NDArray[np.uint8], *, crop: int) -> NDArray[np.uint8]:
    """Resize and centre-crop source frames uint8 [n, h, w, 3] to uint8 [n, 3, crop, crop].

    Bilinear with antialias on the bytes themselves: resizing in float rounds differently.
    """
    import torch
    from torch.nn.functional import interpolate

    _, height, width, _ = frames.shape
    (new_width, new_height), view = resize_and_crop(width, height, crop=crop)
    left, top = int(view.offset[0]), int(view.offset[1])
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    if (new_height, new_width) != (height, width):
        pixels = interpolate(
            pixels, size=(new_height, new_width), mode="bilinear", antialias=True, align_corners=False
        )
    # Copied by numpy: torch would share out so small a copy among threads, and wait for them where cores are busy.
    found: NDArray[np.uint8] = np.ascontiguousarray(pixels.numpy()[:, :, top : top + crop, left : left + crop])
    return found


def sight(crop: int) -> str:
    """What is the same of encoders that see frames alike, through ``crop_frames``: they are preprocessed once."""
    return f"V-JEPA 2's view, {crop} px"


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 [..., 3, h, w] to float32 by ``(x - 255 mean) / (255 std)``."""
    import torch

    mean = torch.tensor(MEAN, device=pixels.device) * 255.0
    std = torch.tensor(STD, device=pixels.device) * 255.0
    return (pixels.to(torch.float32) - mean[:, None, None]) / std[:, None, None]
