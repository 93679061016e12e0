"""What a run would take is known before it is begun; and memory that runs out halves the batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import VJEPA2Config, VJEPA2Model

from worldprobe.config import make_experiment
from worldprobe.encoders import checkpoint
from worldprobe.encoders.forward import Forward
from worldprobe.encoders.known import TINY, config_of
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import ConfigError
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.here import Batches
from worldprobe.pipeline.encode.stage import encode_all
from worldprobe.pipeline.estimate.facts import as_lines, foretell
from worldprobe.pipeline.estimate.machine import calibrate
from worldprobe.pipeline.estimate.run import estimate
from worldprobe.pipeline.ledger import Ledger, foretold
from worldprobe.pipeline.progress import silent
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes


def test_clips_operations_bytes_and_price_are_told_and_nothing_is_stored(tmp_path: Path) -> None:
    films = render_scenes(3, 4, tmp_path / "scenes")
    store = Store(str(tmp_path / "embeddings.zarr"))
    experiment = make_experiment({"videos": ["scenes:3"], "controls": ["random-init", "pixels"]})
    encoder = load_encoder(TINY)
    encode(films[:1], encoder=encoder, store=store, blocks=[encoder.blocks - 1])
    before = sorted(path.name for path in (tmp_path / "embeddings.zarr").rglob("*"))
    tiny, twin, pixels = estimate(experiment, films, store, price=3.6, seconds=0.1)
    assert (tiny.clips, tiny.stored, tiny.tokens) == (3, 1, 512)
    assert (twin.pending, pixels.pending) == (3, 3)
    assert tiny.store_bytes == 2 * 512 * 128 * 2
    # 4 blocks of width 128: 12 D^2 weights a block and 2 x 3 x 8 x 8 x D for the patches, then attention.
    assert tiny.gflop == pytest.approx((2 * 512 * (4 * 12 * 128**2 + 384 * 128) + 4 * 512**2 * 128 * 4) / 1e9)
    assert pixels.gflop is None
    assert tiny.seconds > 0
    assert tiny.price == pytest.approx(tiny.seconds / 1000)
    assert sorted(path.name for path in (tmp_path / "embeddings.zarr").rglob("*")) == before
    assert "Nothing was stored" in as_lines([tiny])[-1]
    assert foretold(tmp_path) == {}
    foretell(tmp_path, [tiny, twin, pixels])
    ledger = Ledger(expected=foretold(tmp_path))
    _, failures = encode_all(films, experiment, store, progress=silent, ledger=ledger)
    assert not failures
    assert [cost.items for cost in ledger.costs] == [2, 3, 3]
    # What a dry run saw, clip for clip: the one that was stored already had cost nothing.
    found = [cost.expected_seconds for cost in ledger.costs]
    assert found == pytest.approx([tiny.seconds, twin.seconds, pixels.seconds], abs=1e-3)


def test_a_forecast_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "expected.json").write_text("[3")
    assert foretold(tmp_path) == {}


def test_the_machine_is_calibrated_and_the_larger_models_go_by_their_operations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worldprobe.pipeline.estimate.machine._LEAST_REPEATS", 1)

    def of_small_frames(config: VJEPA2Config, *, seed: int) -> VJEPA2Model:
        config.crop_size = 64  # what is timed: a sixteenth of ViT-L's tokens
        return fresh(config, seed=seed)

    fresh = checkpoint.fresh
    monkeypatch.setattr(checkpoint, "fresh", of_small_frames)
    rates, speeds = calibrate(seconds=0.1, price=2.0)
    tiny, large, huge, *_ = speeds
    assert (large.tokens, large.measured, huge.measured) == (2048, True, False)
    assert large.gflop == pytest.approx(1656, abs=1)
    # What a machine does in a block it does in all of them, and no faster than its matrix products.
    assert huge.seconds / large.seconds == pytest.approx(huge.gflop / large.gflop)
    assert rates.gflop_per_second > 1
    assert rates.gbyte_per_second > 0.1
    assert tiny.seconds < large.seconds
    assert tiny.price_per_hour_of_video == pytest.approx(2.0 * tiny.seconds * 30 / 16)


def test_vit_l_takes_the_operations_that_were_counted_for_it() -> None:
    with torch.device("meta"):  # shapes alone
        model = VJEPA2Model(config_of("facebook/vjepa2-vitl-fpc64-256"))
        forward = Forward(model.encoder, device="meta", dtype=torch.bfloat16)
    assert forward.flop(2048) / 1e9 == pytest.approx(1656, abs=1)


class Small:
    """An encoder whose memory holds so many clips."""

    name = "small"

    def __init__(self, most: int, error: Exception) -> None:
        self.most, self.error, self.tried = most, error, []

    def encode(self, clips: list[int], *, blocks: list[int]) -> dict[int, np.ndarray]:
        self.tried.append(len(clips))
        if len(clips) > self.most:
            raise self.error
        return {block: np.array(clips, dtype=np.float16)[:, None] for block in blocks}


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("[enforce] DefaultCPUAllocator: can't allocate")],
)
def test_a_batch_that_does_not_fit_is_halved_and_not_tried_again(error: Exception) -> None:
    small = Small(3, error)
    batches = Batches(small, blocks=[5], most=8)
    with pytest.warns(UserWarning, match="clips of small at once are more than memory holds") as said:
        (found,) = batches.encode(list(range(8)))
    assert [str(one.message).rpartition(" ")[2] for one in said] == ["4.", "2."]
    assert found[5][:, 0].tolist() == list(range(8))
    assert small.tried == [8, 4, 2, 2, 2, 2]
    batches.encode([1, 2])
    assert small.tried[6:] == [2]


def test_one_clip_that_does_not_fit_and_other_errors_are_said() -> None:
    none = Batches(Small(0, torch.OutOfMemoryError("CUDA out of memory")), blocks=[0], most=1)
    with pytest.raises(ConfigError, match=r"memory does not hold one clip of small.*fewer --frames"):
        none.encode([1])
    with pytest.raises(RuntimeError, match="other"):
        Batches(Small(0, RuntimeError("other")), blocks=[0], most=1).encode([1])
