"""Hiera: each of its stages is an encoder, whose cells lie where the picture has them."""

import json

import numpy as np
import pytest
import torch
from tests.builders.vision_checkpoints import FRAMES, PATCH, SIDE, written
from tests.encoders.test_vision import clips_of, normal, pixels

from worldprobe.encoders.load import load_encoder
from worldprobe.errors import RegistryError
from worldprobe.testing import check_encoder

CELLS = (16, 8, 4)  # along a side, by stage
DEPTHS = (1, 2, 3)


@pytest.mark.parametrize("stage", range(3))
def test_every_tap_of_every_stage_is_the_librarys_own(stage, tmp_path):
    model = written("hiera", tmp_path).hiera
    encoder = load_encoder(f"{tmp_path}?stage={stage}", device="cpu", precision="fp32")
    assert (encoder.blocks, encoder.width, encoder.patch) == (DEPTHS[stage], 12 * 2**stage, SIDE // CELLS[stage])
    values, seen = pixels(), {}
    for number, layer in enumerate(model.encoder.stages[stage].layers):
        layer.register_forward_hook(lambda *of, number=number: seen.update({number: of[2][0]}))
    with torch.no_grad():
        whole = model(normal(values, "hiera").flatten(0, 1), output_hidden_states=True)
    found = encoder.forward(torch.from_numpy(values.reshape(-1, *values.shape[2:])), set(range(encoder.blocks)))
    for block, hidden in seen.items():
        wanted = model.encoder.reroll(hidden, stage_idx=stage).flatten(1, 2)
        assert float((found[block] - wanted).norm() / wanted.norm()) < 1e-5, block
    last = whole.reshaped_hidden_states[stage + 1].flatten(1, 2)
    assert float((found[encoder.blocks - 1] - last).norm() / last.norm()) < 1e-5


@pytest.mark.parametrize("stage", range(3))
def test_stages_keep_their_promises_and_so_do_their_twins(stage, tmp_path):
    written("hiera", tmp_path)
    encoder = load_encoder(f"{tmp_path}?stage={stage}", device="cpu", precision="fp32")
    twin = load_encoder(encoder.twin)
    for one in (encoder, twin):
        check_encoder(one, frames=FRAMES)
        assert (one.grid(FRAMES).height, one.grid(FRAMES).tokens) == (CELLS[stage], FRAMES * CELLS[stage] ** 2)
    before = pixels(clips=1)
    after = before.copy()
    after[0, :, :, PATCH : 2 * PATCH, 2 * PATCH : 3 * PATCH] = 255
    a, b = (encoder.encode(clips_of(one), blocks=[0])[0][0].astype(np.float32) for one in (before, after))
    moved = np.abs(a - b).sum(axis=(0, 3)).reshape(4, CELLS[stage] // 4, 4, CELLS[stage] // 4).mean(axis=(1, 3))
    assert np.unravel_index(moved.argmax(), moved.shape) == (1, 2)


def test_stages_differ_in_what_is_stored_and_in_what_they_cost(tmp_path):
    written("hiera", tmp_path)
    found = [load_encoder(f"{tmp_path}?stage={stage}") for stage in range(3)]
    assert len({one.revision for one in found}) == 3
    assert 0 < found[0].flop(1) < found[1].flop(1) < found[2].flop(1)
    last = load_encoder(str(tmp_path))
    assert (last.width, last.blocks) == (found[2].width, found[2].blocks)


def test_cells_that_are_no_squares_are_refused(tmp_path):
    written("hiera", tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "patch_stride": [2, 4]}))
    with pytest.raises(RegistryError, match="are no squares, which is not read"):
        load_encoder(f"random:{tmp_path}?stage=0")
