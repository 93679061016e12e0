"""Films that say other things of their length and their rate than they hold, and pictures that move."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.builders.checks import some
from tests.builders.film_making import encode, of_rgb

from worldprobe.errors import VideoError
from worldprobe.pipeline.failures import cut_short
from worldprobe.video.cut import ends_early
from worldprobe.video.decode import open_stream, packets
from worldprobe.video.read import open_video

UNKNOWN = "the file is cut short: how many frames are missing cannot be told"


def noise(i: int) -> NDArray[np.uint8]:
    rgb = np.random.default_rng(i).integers(0, 256, (32, 64, 3)).astype(np.uint8)
    rgb[:8] = i
    return rgb


def film(path: Path, *, count: int = 40, codec: str = "libx264", **options: Any) -> Path:
    return encode(path, (of_rgb(noise(i)) for i in range(count)), codec=codec, **options)


def cut(path: Path, share: float) -> Path:
    part = path.with_name(f"cut-{path.name}")
    raw = path.read_bytes()
    part.write_bytes(raw[: int(len(raw) * share)])
    return part


@pytest.mark.parametrize("share", [0.4, 0.7, 0.9])
@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.mkv", "mpeg4")])
def test_matroska_cut_short_says_how_many_frames_it_lacks(
    name: str, codec: str, share: float, tmp_path: Path
) -> None:
    whole = film(tmp_path / name, codec=codec)
    with open_video(whole) as video:
        assert (video.ref.frames, video.ref.missing, video.ref.notes) == (40, 0, ())
    with open_video(cut(whole, share)) as video:
        assert 0 < video.ref.frames < 40
        assert abs(video.ref.frames + video.ref.missing - 40) <= 1
        assert video.ref.notes == ()


def test_fragments_cut_short_are_said_to_be(tmp_path: Path) -> None:
    whole = tmp_path / "a.mp4"
    with av.open(str(whole), "w", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"g": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for i in range(30):
            frame = of_rgb(noise(i))
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_video(whole) as video:
        assert (video.ref.frames, video.ref.notes, video.ref.cut) == (30, (), False)
    with open_video(cut(whole, 0.5)) as video:
        assert 5 < video.ref.frames < 30
        assert UNKNOWN in cut_short(video.ref)[0].error
        assert video.ref.notes == ()


@pytest.mark.parametrize(("name", "codec", "form"), [("a.gif", "gif", "rgb8"), ("a.apng", "apng", "rgb24")])
def test_moving_pictures_cut_short_are_said_to_be(name: str, codec: str, form: str, tmp_path: Path) -> None:
    whole = encode(tmp_path / name, (of_rgb(noise(i), form) for i in range(12)), codec=codec)
    with open_video(whole) as video:
        assert (video.ref.frames, cut_short(video.ref), video.ref.notes) == (12, [], ())
    with open_video(cut(whole, 0.6)) as video:
        assert 3 < video.ref.frames < 12
        assert UNKNOWN in cut_short(video.ref)[0].error
        assert video.ref.notes == ()


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.ts", "mpeg2video"), ("a.m2ts", "libx264"), ("a.flv", "flv1"), ("a.wmv", "wmv2"), ("a.mpg", "mpeg2video")],
)
@pytest.mark.parametrize("share", [0.57, 0.83])
def test_streams_cut_within_a_packet_are_said_to_be(name: str, codec: str, share: float, tmp_path: Path) -> None:
    whole = film(tmp_path / name, count=30, codec=codec)
    with open_video(whole) as video:
        assert (video.ref.frames, cut_short(video.ref)) == (30, [])
    with open_video(cut(whole, share)) as video:
        assert 3 < video.ref.frames < 30
        assert "the file is cut short" in cut_short(video.ref)[0].error


def test_boxes_and_elements_of_every_size_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    long_box = struct.pack(">I4sQ", 1, b"mdat", 16 + 100)
    segment = b"\x1a\x45\xdf\xa3\x80" + b"\x18\x53\x80\x67"
    pack, packet = b"\0\0\1\xba\x44" + bytes(9), b"\0\0\1\xe0\0\x09" + bytes(9)
    cases: dict[str, list[tuple[bytes, bool]]] = {
        "mov,mp4": [
            (b"\0\0\0\x08ftyp" + long_box + bytes(100), False),
            (b"\0\0\0\x08ftyp" + long_box + bytes(99), True),
            (b"\0\0\0\x08ftyp" + b"\0\0\0\0mdat" + bytes(9), False),
            (b"\0\0\0\x08ftyp" + b"\0\0", True),
            (b"\0\0\0\x01mdat" + b"\0\0", True),
        ],
        "matroska,webm": [
            (segment + b"\x90" + bytes(16), False),
            (segment + b"\x90" + bytes(15), True),
            (segment + b"\x40\x10" + bytes(15), True),
            (segment + b"\x01" + b"\xff" * 7 + bytes(3), False),
            (segment + b"\xff" + bytes(3), False),
            (segment + b"\xff" + b"\x1f\x43\xb6\x75\xff" + b"\xe7\x81\0" + b"\xa3\x85" + bytes(5), False),
            (segment + b"\xff" + b"\x1f\x43\xb6\x75\xff" + b"\xe7\x81\0" + b"\xa3\x85" + bytes(4), True),
            (segment + b"\xff" + b"\x1f\x43", True),
            (b"\0\0\0", False),
            (b"", False),
        ],
        "mpeg": [
            (b"anything", False),
            (pack + packet, False),
            (pack + packet[:-1], True),
            (pack + b"\0\0\1\xb9", False),
        ],
        "mpegts": [(b"anything", False), (b"\x47" * 188 * 5, False), ((b"\x47" + bytes(187)) * 5 + bytes(7), True)],
        "avi": [
            (b"RIFF\x08\0\0\0" + bytes(8), False),
            (b"RIFF\x09\0\0\0" + bytes(8), True),
            (b"RIFF" + bytes(9), False),
        ],
    }
    for container, files in some(cases.items()):
        for raw, expected in some(files):
            path.write_bytes(raw)
            assert ends_early(path, container) is expected, (container, raw[:24])


@pytest.mark.parametrize("fps", [0.5, 4.0, 240.0, 1000 / 33])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_slow_and_fast_films_and_fine_clocks(fps: float, name: str, tmp_path: Path) -> None:
    times = [round(1000 * i / fps) for i in range(20)]
    with open_video(film(tmp_path / name, count=20, rate=1000, times=times)) as video:
        assert video.ref.frames == 20
        assert video.ref.rate == pytest.approx(fps, rel=0.01)
        np.testing.assert_allclose(video.pts_seconds, np.array(times) / 1000, atol=0.001)
        assert abs(int(video.frame(13)[2, 2, 0]) - 13) < 9


def test_a_rate_that_the_frames_belie_is_said(tmp_path: Path) -> None:
    times = [round(1000 * i / 24) for i in range(40)]
    with open_video(film(tmp_path / "a.mkv", rate=25, times=times)) as video:
        assert video.ref.rate == pytest.approx(24, rel=1e-3)
        assert video.ref.notes == ("says 25 frames a second and shows 24: the times of its frames are followed",)
    with open_video(film(tmp_path / "b.mkv", rate=25)) as video:
        assert video.ref.notes == ()


def test_a_clock_that_was_set_back_goes_on(tmp_path: Path) -> None:
    part = film(tmp_path / "a.ts", count=30, bf="2").read_bytes()
    (tmp_path / "b.ts").write_bytes(part * 3)
    with open_video(tmp_path / "b.ts") as video:
        assert video.ref.rate == pytest.approx(25, rel=0.01)
        np.testing.assert_allclose(video.pts_seconds, np.arange(90) / 25, atol=0.002)
        assert video.ref.notes == ()


SHOWN_MS = [40, 80, 120, 40, 200, 40]


def moving(path: Path, *, clear: bool, **options: Any) -> Path:
    """Six pictures of a square on a ground that is clear, of a colour that should never be seen, or not."""
    pictures = []
    for i in range(6):
        rgba = np.zeros((48, 64, 4), np.uint8)
        rgba[...] = (30, 160, 90, 0 if clear else 255)
        rgba[10:30, 5 + 6 * i : 25 + 6 * i] = (250, 20, 20, 255)
        pictures.append(Image.fromarray(rgba))
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=SHOWN_MS, loop=0, **options)
    return path


@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.gif", {"disposal": 2}), ("a.png", {"disposal": 1, "blend": 0}), ("a.png", {"disposal": 0, "blend": 1}),
        ("a.webp", {"lossless": True}),
    ],
)  # fmt: skip
def test_animations(name: str, options: dict[str, Any], clear: bool, tmp_path: Path) -> None:
    path = moving(tmp_path / name, clear=clear, **options)
    with Image.open(path) as image:
        expected = []
        for i in range(6):
            image.seek(i)
            rgba = np.asarray(image.convert("RGBA")).astype(int)
            expected.append(rgba[..., :3] * rgba[..., 3:] // 255)
    with open_video(path) as video:
        assert (video.ref.width, video.ref.height, video.ref.frames) == (64, 48, 6)
        np.testing.assert_allclose(video.pts_seconds, np.cumsum([0, *SHOWN_MS[:-1]]) / 1000, atol=0.001)
        read = dict(video.frames())
        assert list(read) == list(range(6))
        for i, rgb in some(read.items()):
            assert np.abs(rgb - expected[i]).max() <= 1
            assert rgb.flags.c_contiguous
            np.testing.assert_array_equal(video.frame(i), rgb)
        assert video.ref.notes == (("is transparent in parts: laid on black",) if clear else ())
        if clear:
            assert read[3][40, 60].max() == 0


def test_a_damaged_webp_is_refused(tmp_path: Path) -> None:
    path = cut(moving(tmp_path / "a.webp", clear=True, lossless=True), 0.6)
    with pytest.raises(VideoError, match="holds no picture that can be decoded: it is damaged or cut short"):
        open_video(path)


def test_an_absurdly_large_webp_is_refused(tmp_path: Path) -> None:
    path = moving(tmp_path / "a.webp", clear=True, lossless=True)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"VP8X") + 12  # width and height less one, 24 bits each
    raw[at : at + 6] = b"\xff\xff\x00" * 2
    path.write_bytes(raw)
    with pytest.raises(VideoError, match="holds no picture that can be decoded"):
        open_video(path)


def test_a_packet_of_a_stream_that_begins_midway_ends_nothing(tmp_path: Path) -> None:
    class Interrupted:
        """A container whose demuxing fails now and then, as PyAV's does at a stream that it does not know."""

        def __init__(self, container: Any) -> None:
            self.container = container

        def demux(self, stream: Any) -> Iterator[Any]:
            for n, packet in enumerate(self.container.demux(stream)):
                yield packet
                if n % 7 == 3:
                    raise IndexError("list index out of range")

    with open_stream(film(tmp_path / "a.ts", count=30, bf="0")) as opened:
        interrupted: Any = Interrupted(opened.container)
        assert len(list(packets(opened._replace(container=interrupted)))) == 30
