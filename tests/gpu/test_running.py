"""Whole commands on a device: batches that memory does not hold, stores begun elsewhere, two processes at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from worldprobe.encoders.transfer import to_device, to_host
from worldprobe.encoders.vjepa2 import tiny
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.failures import Encoded
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A clip each, together a batch: enough for a GPU to turn queries and keys by a kernel of its own."""
    return render_scenes(8, 5, tmp_path_factory.mktemp("scenes"), workers=1)


def tokens_of(store: Store, encoded: Encoded, block: int = 3) -> np.ndarray:
    parts = [values.values for one in encoded.series for _, values in store.read(one, block)]
    return np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts]).astype(np.float32)


def test_pixels_and_tokens_pass_through_pinned_memory_unchanged(device: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 3, 64, 64), np.uint8)
    found = to_host({0: to_device(pixels, device).to(torch.float16)})[0]
    np.testing.assert_array_equal(found, pixels.astype(np.float16))


def test_a_store_that_was_begun_on_another_device_is_finished(
    device: str, scenes: list[Path], tmp_path: Path
) -> None:
    begun, whole = Store(tmp_path / "begun"), Store(tmp_path / "whole")
    encode(scenes[:3], encoder=tiny(device="cpu", precision="fp32"), store=begun, blocks=[3])
    first = encode(scenes, encoder=tiny(device="cpu", precision="fp32"), store=whole, blocks=[3])

    second = encode(scenes, encoder=tiny(device=device, precision="fp32"), store=begun, blocks=[3])

    assert (len(second.series), second.made) == (len(scenes), len(scenes) - 3), (
        "what the other device had encoded was encoded again"
    )
    found, wanted = tokens_of(begun, second), tokens_of(whole, first)
    assert np.linalg.norm(found - wanted) < 1e-2 * np.linalg.norm(wanted)  # TF32 is allowed


def test_a_batch_that_the_gpu_does_not_hold_is_halved(gpu: str, scenes: list[Path], tmp_path: Path) -> None:
    encoder = tiny(device=gpu, precision="fp32")
    # The first pass also takes what libraries keep for good.
    free = encode(scenes, encoder=encoder, store=Store(tmp_path / "free"), blocks=[3])
    _, total = torch.cuda.mem_get_info()

    def held(clips: int) -> int:
        """Bytes that a pass over so many clips makes torch take from the card, in pieces of up to 20 MiB."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        encoder.forward(torch.zeros((clips, 16, 3, 64, 64), dtype=torch.uint8, device=gpu), {3})
        return torch.cuda.max_memory_reserved()

    one, every = held(1), held(len(scenes))
    assert one < every
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((one + every) / 2 / total)
    try:
        with pytest.warns(UserWarning, match="more than memory holds"):
            tight = encode(scenes, encoder=encoder, store=Store(tmp_path / "tight"), blocks=[3])
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert tight.made == len(scenes)
    found, wanted = (tokens_of(Store(tmp_path / name), of) for name, of in (("tight", tight), ("free", free)))
    assert np.linalg.norm(found - wanted) < 1e-3 * np.linalg.norm(wanted)


def test_two_processes_fill_one_store_on_one_gpu(gpu: str, scenes: list[Path], tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "worldprobe", "encode", *map(str, scenes), "--store", str(tmp_path / "store"),
        "--device", gpu,
    ]  # fmt: skip
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in "ab"]
    for one in both:
        said, _ = one.communicate(timeout=600)
        assert one.returncode == 0, said
    assert len(Store(tmp_path / "store").videos()) == len(scenes)
