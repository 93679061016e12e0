"""What runs on a CUDA device alone, on one that is none (``builders.pretend_gpu``): what would a card refuse?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.builders.decoder_training import Blobs, module
from tests.builders.pretend_gpu import GARBAGE, pretended

from worldprobe.decoders.trained import TrainedDecoder
from worldprobe.encoders import forward
from worldprobe.encoders.transfer import to_device, to_host
from worldprobe.encoders.vjepa2 import tiny
from worldprobe.geometry import View
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.records import Clip, ClipSpec, VideoRef

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="a card is here, which the other files ask")


def clip(pixels: np.ndarray) -> Clip:
    ref = VideoRef("0" * 64, "film.mp4", 64, 64, 16, 24.0)
    view = View((1.0, 1.0), (0.0, 0.0), (64, 64))
    return Clip(ClipSpec(ref, 0, 16, 1), np.arange(16) / 24, view, pixels)


PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 3, 64, 64), np.uint8)


def test_the_device_is_as_strict_as_a_card() -> None:
    with pretended() as device:
        there = torch.ones(2, 3, device="cuda")
        assert (there.is_cuda, there.device.index) == (True, 0)
        for refused in (
            lambda: there + torch.ones(2, 3),
            lambda: torch.rand(2, device="cuda", generator=torch.Generator("cpu")),
            lambda: torch.rand(2, generator=torch.Generator("cuda")),
        ):
            with pytest.raises(AssertionError, match="aten"):
                refused()
        with pytest.raises(RuntimeError):
            there.numpy()
        here = torch.empty(2, 3, pin_memory=True).copy_(there, non_blocking=True)
        assert (here == GARBAGE).all()
        device.synchronize()
        assert (here == 1).all()


def test_tokens_are_not_read_before_they_have_come() -> None:
    with pretended() as device:
        tokens = {block: to_device(PIXELS, "cuda").to(torch.bfloat16) + block for block in (0, 1)}
        found = to_host(tokens)
        assert not device.late
    for block, values in found.items():
        np.testing.assert_array_equal(values, (PIXELS.astype(np.float32) + block).astype(np.float16))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_encoder_gives_what_it_gives_on_a_cpu(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "_WORTH_FUSING", 1)  # so that the kernel's function is what turns
    clips = [clip(pixels) for pixels in PIXELS]
    here = tiny(device="cpu", precision=precision).encode(clips, blocks=[1, 3])
    with pretended():
        encoder = tiny(precision=precision)
        assert encoder.device == "cuda"
        there = encoder.encode(clips, blocks=[1, 3])
    bar = 1e-3 if precision == "fp32" else 2e-2
    for block, values in here.items():
        wanted = values.astype(np.float32)
        assert np.linalg.norm(there[block] - wanted) < bar * np.linalg.norm(wanted)


@pytest.mark.parametrize("mode", ["joint", "rolling"])
def test_a_predictor_tells_what_it_tells_on_a_cpu(mode: Any) -> None:
    def told(device: str) -> np.ndarray:
        predictor = VJEPA2Predictor.from_encoder(tiny(device=device, precision="fp32"))
        return predictor.predict(PIXELS, context=4, horizon=4, mode=mode)

    here = told("cpu")
    with pretended():
        there = told("cuda")
    assert np.linalg.norm(there - here) < 1e-4 * np.linalg.norm(here)


@pytest.mark.parametrize("name", ["cnn", "flow"])
def test_a_decoder_draws_on_the_device(name: str) -> None:
    if name == "flow":
        pytest.importorskip("diffusers", reason="needs diffusers (extra [flow])")
    tokens = Blobs().read(0)[0].astype(np.float32)
    made = module(name)
    if hasattr(made, "recalibration"):  # draws that are smoothed take another way
        made.recalibration.blur.data.fill_(1.0)
    here = TrainedDecoder(made, {}, device="cpu").decode(tokens)
    with pretended():
        there = TrainedDecoder(made, {}, device="cuda").decode(tokens)
    np.testing.assert_allclose(there, here, atol=1e-4)  # the pretended generator draws as a CPU's does
