"""What goes to the device and what comes back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from worldprobe.encoders.transfer import to_device, to_host
from worldprobe.encoders.vjepa2 import tiny

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU")),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pixels_arrive_and_tokens_come_back_rounded_once(device: str, dtype: torch.dtype) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 5), np.uint8)
    there = to_device(pixels, device)
    assert there.device.type == device
    tokens = (there.to(dtype) + 0.3).to(dtype)
    found = to_host({7: tokens, 9: -tokens})
    assert found[7].dtype == np.float16
    np.testing.assert_array_equal(found[7], tokens.float().cpu().numpy().astype(np.float16))
    np.testing.assert_array_equal(found[9], -found[7])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU")
def test_a_gpu_encodes_what_a_cpu_does() -> None:
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (4, 8, 3, 64, 64), dtype=torch.uint8, generator=random)
    here, there = (tiny(device=device, precision="fp32").tokens(pixels).float().cpu() for device in ("cpu", "cuda"))
    assert float((here - there).norm() / here.norm()) < 1e-2  # TF32 is allowed
