"""What a run would take is known before it is begun; and memory that runs out halves the batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import VJEPA2Model

from worldprobe.config import make_experiment
from worldprobe.encoders.forward import Forward
from worldprobe.encoders.known import TINY, config_of
from worldprobe.errors import ConfigError
from worldprobe.pipeline.batches import Batches
from worldprobe.pipeline.encode import encode
from worldprobe.pipeline.encoders import load_encoder
from worldprobe.pipeline.estimate import as_lines, estimate
from worldprobe.store import Store
from worldprobe.video.scenes import render_scenes


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
    assert tiny.store_bytes == 2 * 512 * 192 * 2
    # 6 blocks of width 192: 12 D^2 weights a block and 2 x 3 x 16 x 16 x D for the patches, then attention.
    assert tiny.gflop == pytest.approx((2 * 512 * (6 * 12 * 192**2 + 1536 * 192) + 4 * 512**2 * 192 * 6) / 1e9)
    assert pixels.gflop is None
    assert tiny.seconds > 0
    assert tiny.price == pytest.approx(tiny.seconds / 1000)
    assert sorted(path.name for path in (tmp_path / "embeddings.zarr").rglob("*")) == before
    assert as_lines([tiny])[-1].endswith("Nothing was stored.")


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
        found = batches.encode(list(range(8)))
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
