"""The floors: flow tells how fast a picture shifts, and in which direction."""

import numpy as np
import pytest

from worldprobe.encoders.floors import Flow
from worldprobe.encoders.load import control_encoders, load_encoder
from worldprobe.errors import ConfigError, StoreError
from worldprobe.geometry import TokenGrid, resize_and_crop
from worldprobe.records import Clip, ClipSpec, VideoRef
from worldprobe.series import Series, by_clock

SIDE = 128


def shifting(across=0.0, down=0.0, frames=6):
    """A smooth pattern that moves so many px a frame, as the encoder sees it: grey on average."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    grey = [
        0.5 + 0.2 * np.sin(2 * np.pi * (x - across * t) / 32) + 0.2 * np.sin(2 * np.pi * (y - down * t) / 32)
        for t in range(frames)
    ]
    pixels = np.round(255 * np.stack(grey)).astype(np.uint8)[:, None].repeat(3, axis=1)
    ref = VideoRef(id="0" * 64, path="made.mp4", width=SIDE, height=SIDE, frames=frames, rate=24.0)
    return Clip(ClipSpec(ref, 0, frames, 1), np.arange(frames) / 24, Flow().view(SIDE, SIDE), pixels)


def flow(clip):
    return Flow().encode([clip], blocks=[0])[0][0].astype(np.float64)


def series(encoder, frames, tubelet):
    ref = VideoRef(id="0" * 64, path="made.mp4", width=SIDE, height=SIDE, frames=frames, rate=24.0)
    return Series(
        video=ref, specs=(ClipSpec(ref, 0, frames, 1),), encoder=encoder, revision="0" * 64, status="floor",
        twin=None, input="native", pool="none", grid=TokenGrid(frames // tubelet, 8, 8, tubelet, 16),
        view=resize_and_crop(SIDE, SIDE, crop=SIDE)[1],
    )  # fmt: skip


def test_flow_is_the_shift_times_the_squared_slope_of_the_picture():
    found = flow(shifting(across=1.0)).sum(axis=(1, 2))
    # I_t = -v I_x. At half the size v is a half, a wave is 16 px; weights 1, 2, 1 twice leave cos(w / 2)^4 of it.
    w = 2 * np.pi / 16
    squared_slope = (0.2 * w * np.cos(w / 2) ** 4) ** 2 / 2 * np.sin(w) / w * 64 * 64
    assert found[:, 0] == pytest.approx(-0.5 * squared_slope, rel=0.06)
    assert np.abs(found[:, 1]).max() < 0.05 * np.abs(found[:, 0]).min()


@pytest.mark.parametrize(("across", "down"), [(2.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (1.0, -2.0)])
def test_flow_is_linear_in_speed_and_knows_its_direction(across, down):
    unit = -flow(shifting(across=1.0)).sum(axis=(1, 2))[:, 0].mean()
    found = -flow(shifting(across, down)).sum(axis=(1, 2)).mean(axis=0) / unit
    assert found == pytest.approx([across, down], abs=0.1)


def test_flow_of_a_still_is_nothing_and_a_clips_first_frame_has_the_pair_after_it():
    assert not flow(shifting()).any()
    moving = flow(shifting(across=1.5))
    assert (moving[0] == moving[1]).all()
    assert moving.shape == (6, 8, 8, 2)


def test_flow_of_a_tubelet_is_the_sum_over_its_frames():
    values = np.random.default_rng(0).normal(size=(7, 8, 8, 2)).astype(np.float16)
    for tubelet in (2, 3):
        found = by_clock(values, series("flow", 7, 1), tubelet=tubelet)
        assert found.dtype == np.float16
        expected = [values[k : k + tubelet].astype(np.float64).sum(axis=0) for k in range(0, 8 - tubelet, tubelet)]
        assert found == pytest.approx(np.stack(expected), abs=1e-2)
    squashed = by_clock(values, series("squashed:flow", 7, 1), tubelet=2)
    assert (squashed == by_clock(values, series("flow", 7, 1), tubelet=2)).all()
    with pytest.raises(StoreError, match="leave the control out"):
        by_clock(values, series("own", 7, 1), tubelet=2)


def test_flow_stands_beside_every_encoder_but_floors():
    assert control_encoders("own:E", None) == {"pixels": "pixels", "flow": "flow"}
    assert control_encoders("squashed:own:E", None)["flow"] == "squashed:flow"
    assert load_encoder("squashed:flow").tubelet == 1
    assert all(control_encoders(name, None) == {} for name in ("flow", "pixels", "gaussian", "squashed:pixels"))


@pytest.mark.parametrize(("name", "frames"), [("flow", 0), ("pixels", 7)])
def test_frames_that_cannot_be_taken_are_refused_and_what_can_is_said(name, frames):
    with pytest.raises(ConfigError, match=f"{name} takes an even number of frames a clip, or one, got {frames}"):
        load_encoder(name).grid(frames)


@pytest.mark.parametrize(("name", "width"), [("flow", 2), ("pixels", 3), ("gaussian", 192)])
def test_a_single_frame_is_a_tokens_by_itself_and_holds_no_motion(name, width):
    floor, one = load_encoder(name), shifting(across=1.5, frames=1)
    assert floor.grid(1) == TokenGrid(1, 8, 8, 1, 16)
    found = floor.encode([one], blocks=[0])[0]
    assert found.shape == (1, 1, 8, 8, width)
    if name == "pixels":
        assert found[0, 0, 2, 5, 1] == pytest.approx(one.pixels[0, 1, 32:48, 80:96].mean() / 255, abs=1e-3)
    assert found.any() == (name != "flow")
