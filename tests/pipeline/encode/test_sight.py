"""Encoders that see frames in ways of their own are given them so, whatever is encoded beside them."""

import numpy as np

from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.vjepa2 import VJEPA2Encoder
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.job import Beside
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes


class Mirrored(VJEPA2Encoder):
    def preprocess(self, frames):
        return np.ascontiguousarray(super().preprocess(frames)[..., ::-1])


def test_a_subclass_with_its_own_view_of_frames_keeps_it(tmp_path):
    films, own = render_scenes(1, 5, tmp_path / "films"), load_encoder("vjepa2-tiny")
    mirrored = load_encoder("vjepa2-tiny")
    mirrored.__class__ = Mirrored
    twin = Beside(load_encoder("random:vjepa2-tiny"), [3])

    def tokens(name, encoder, beside):
        store = Store(str(tmp_path / name))
        done = encode(films, encoder=encoder, store=store, blocks=[3], beside=beside)
        return store.clip(done.series[0], 3, 0).values

    alone, beside, plain = (
        tokens("alone", mirrored, []), tokens("beside", mirrored, [twin]), tokens("plain", own, [twin])
    )  # fmt: skip
    np.testing.assert_array_equal(alone, beside)
    assert np.abs(alone.astype(float) - plain.astype(float)).max() > 0.1
