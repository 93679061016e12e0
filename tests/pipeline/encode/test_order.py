"""Clips that are seen shuffled or backwards, and several encoders that are served by one pass."""

from pathlib import Path

import numpy as np
import pytest

from worldprobe.encoders.load import load_encoder
from worldprobe.errors import ConfigError
from worldprobe.pipeline.encode import read_ahead
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.job import Beside
from worldprobe.pipeline.encode.order import frame_order, in_video_order
from worldprobe.pipeline.encode.workers import EncodeParts, Part
from worldprobe.records import ClipSpec, VideoRef
from worldprobe.store import Store


@pytest.fixture(scope="module")
def scenes(rendered, tmp_path_factory):
    return rendered(3, 5, tmp_path_factory.mktemp("scenes"))


def contents(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def spec(frames=16, *, start=0, video="a"):
    return ClipSpec(VideoRef(video * 64, "made.mp4", 64, 64, 100, 24.0), start, frames, 1)


@pytest.mark.parametrize(("frames", "tubelet"), [(16, 2), (15, 2), (16, 1), (12, 4), (2, 2), (3, 2), (5, 4)])
def test_a_shuffled_clip_keeps_tubelets_whole_and_never_its_own_order(frames, tubelet):
    whole = frames // tubelet * tubelet
    for start in range(40):
        order = frame_order(spec(frames, start=start), "shuffled", tubelet=tubelet)
        assert sorted(order) == list(range(frames))
        assert (order != np.arange(frames)).any()
        assert (order == frame_order(spec(frames, start=start), "shuffled", tubelet=tubelet)).all()
        held = order[:whole].reshape(-1, tubelet) // tubelet
        assert (held == held[:, :1]).all()
        assert order[whole:].tolist() == list(range(whole, frames))


def test_orders_differ_from_clip_to_clip_and_from_video_to_video():
    ways = [spec(), spec(start=1), spec(video="b")]
    assert len({tuple(frame_order(one, "shuffled", tubelet=2)) for one in ways}) == 3


def test_a_reversed_clip_is_backwards():
    assert frame_order(spec(6), "reversed", tubelet=2).tolist() == [5, 4, 3, 2, 1, 0]
    assert frame_order(spec(7), "reversed", tubelet=2).tolist() == [5, 4, 3, 2, 1, 0, 6]
    assert frame_order(spec(4), "native", tubelet=2).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("input", ["native", "still", "shuffled", "reversed"])
def test_tokens_return_to_where_the_video_has_their_frames(input):
    order = frame_order(spec(14), input, tubelet=2)
    seen = (order[::2] // 2).astype(np.float16)[:, None]
    assert in_video_order(seen, spec(14), input, tubelet=2)[:, 0].tolist() == list(range(7))


def stored(store, done):
    return [next(iter(store.read(one, 0)))[1].values for one in done.series]


@pytest.mark.parametrize("input", ["shuffled", "reversed"])
def test_tokens_of_pixels_hold_the_frames_of_their_tubelet_in_the_order_in_which_they_were_seen(
    scenes, tmp_path, input
):
    store, encoder = Store(str(tmp_path / "s")), load_encoder("pixels")
    how = {"encoder": encoder, "store": store, "blocks": [0]}
    native, other = encode(scenes, **how), encode(scenes, **how, input=input)
    assert (other.made, other.series[0].input) == (3, input)
    assert {one.path for one in native.series}.isdisjoint(one.path for one in other.series)
    flipped = 0
    for one, a, b in zip(other.series, stored(store, native), stored(store, other), strict=True):
        order = frame_order(one.specs[0], input, tubelet=2)
        for tubelet in range(8):
            first = int(np.flatnonzero(order // 2 == tubelet)[0])
            backwards = order[first] % 2
            flipped += backwards
            expected = (
                np.concatenate([a[tubelet, ..., 3:], a[tubelet, ..., :3]], axis=-1) if backwards else a[tubelet]
            )
            assert (b[tubelet] == expected).all()
    assert flipped == 24 if input == "reversed" else 0 < flipped < 24
    again = encode(scenes, **how, input=input)
    assert (again.made, again.found) == (0, 3)


def test_a_worker_shuffles_as_this_process_does(scenes, tmp_path):
    encoder, here, there = load_encoder("pixels"), Store(str(tmp_path / "here")), Store(str(tmp_path / "there"))
    done = encode(scenes[:1], encoder=encoder, store=here, blocks=[0], input="shuffled")
    (series,) = done.series
    work = EncodeParts(
        "pixels", encoder.revision, "cpu", "auto", str(tmp_path / "there"), (0,), 16, "shuffled", "none"
    )
    assert work(Part(str(scenes[0]), series.specs, series.shots, (0,), (series.path,))).clips == 1
    assert (stored(here, done)[0] == next(iter(there.read(series, 0)))[1].values).all()


@pytest.mark.parametrize("input", ["native", "still", "shuffled"])
def test_several_encoders_are_served_by_one_decoding_and_store_what_each_would_alone(
    scenes, tmp_path, monkeypatch, input
):
    # Of the same view (the floors), of another one (the network), and of clips that begin elsewhere: with a tubelet
    # of one frame, flow has a still for each frame.
    opened, seen = [], []
    was = read_ahead.open_source
    monkeypatch.setattr(read_ahead, "open_source", lambda path: opened.append(path) or was(path))
    store, apart = Store(str(tmp_path / "s")), Store(str(tmp_path / "apart"))
    pixels, flow, network = (load_encoder(name) for name in ("pixels", "flow", "vjepa2-tiny"))
    floor = type(pixels).__mro__[1]
    see = floor.preprocess

    def counted(self, frames):
        seen.append(len(frames))
        return see(self, frames)

    counted.__module__ = see.__module__  # what others bring along is not known to see frames alike
    monkeypatch.setattr(floor, "preprocess", counted)
    encode(scenes[:1], encoder=pixels, store=store, blocks=[0], input=input)
    opened.clear(), seen.clear()
    beside = [Beside(flow, [0]), Beside(network, [1, 3])]
    stages = set[str]()
    done = encode(
        scenes, encoder=pixels, store=store, blocks=[0], beside=beside, input=input,
        progress=lambda stage, *_: stages.add(stage),
    )  # fmt: skip
    assert stages == {"encode pixels and 2 others" + ("" if input == "native" else f", {input}")}
    assert sorted(opened) == sorted(scenes)
    assert sum(seen) == 3 * 16  # every frame once for both floors
    clips = 8 if input == "still" else 1  # of 16 frames a scene
    flows = 16 if input == "still" else 1
    assert (done.made, done.found) == (2 * clips, clips)
    assert [made for made, _ in done.beside] == [3 * flows, 3 * clips]
    assert all(seconds > 0 for _, seconds in done.beside)
    for encoder, blocks in ((pixels, [0]), (flow, [0]), (network, [1, 3])):
        encode(scenes, encoder=encoder, store=apart, blocks=blocks, input=input)
    held, alone = (
        {
            file.relative_to(one.location): file.read_bytes()
            for file in Path(one.location).rglob("*.*")
            if file.is_file()
        }
        for one in (store, apart)
    )
    assert held.keys() == alone.keys()
    assert [name for name in held if held[name] != alone[name]] == []
    again = encode(scenes, encoder=pixels, store=store, blocks=[0], beside=beside, input=input)
    assert (again.made, [made for made, _ in again.beside]) == (0, [0, 0])


def test_a_number_of_frames_that_suits_one_encoder_alone_is_refused_before_anything_is_read(scenes, tmp_path):
    odd, flow, network = Store(str(tmp_path / "s")), load_encoder("flow"), load_encoder("vjepa2-tiny")
    with pytest.raises(ConfigError, match="vjepa2-tiny joins 2 frames"):
        encode(scenes, encoder=flow, store=odd, blocks=[0], beside=[Beside(network, [3])], frames=5)
    assert odd.videos() == []
