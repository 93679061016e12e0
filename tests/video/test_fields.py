"""Films of fields, whose lines show two instants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.builders.checks import some
from tests.builders.film_making import box, disc, encode, of_fields, of_rgb

from worldprobe.video.fields import NOTE, UNSAID
from worldprobe.video.read import open_video


def woven(first: NDArray[np.uint8], second: NDArray[np.uint8], *, top_first: bool) -> NDArray[np.uint8]:
    """Two instants in the lines of one picture."""
    rgb = first.copy()
    rgb[int(top_first) :: 2] = second[int(top_first) :: 2]
    return rgb


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(("name", "bf"), [("a.mp4", 2), ("a.mkv", 0), ("a.h264", 0)])
def test_interlaced_pictures_show_their_first_field(order: str, name: str, bf: int, tmp_path: Path) -> None:
    frames = [
        of_fields(woven(disc(i, (128, 64)), disc(i + 2, (128, 64)), top_first=order == "tff"), order)
        for i in range(36)
    ]
    options = {"crf": "1", "x264-params": f"{order}=1:keyint=8", "bf": str(bf)}
    with open_video(encode(tmp_path / name, frames, codec="libx264", **options)) as video:
        assert video.ref.notes == (NOTE,)
        shown = dict(video.frames())
        assert list(shown) == list(range(36))
        for i in (0, 7, 20, 35):
            assert np.abs(np.array(box(shown[i])) - [8 + 2 * i, 20, 16, 16]).max() <= 1
            np.testing.assert_array_equal(video.frame(i), shown[i])
            inside = shown[i][24:32, 8 + 2 * i + 1 : 8 + 2 * i + 15]
            assert inside.min() > 230


def test_interlaced_and_progressive_pictures_in_one_film(tmp_path: Path) -> None:
    still = [of_rgb(disc(i, (128, 64)), "yuv444p") for i in range(20)]
    moving = [
        of_fields(woven(disc(i, (128, 64)), disc(i + 2, (128, 64)), top_first=True), "tff") for i in range(20)
    ]
    parts = [
        encode(tmp_path / "a.h264", still, codec="libx264", crf="1").read_bytes(),
        encode(tmp_path / "b.h264", moving, codec="libx264", crf="1", **{"x264-params": "tff=1"}).read_bytes(),
    ]
    (tmp_path / "c.h264").write_bytes(b"".join(parts))
    with open_video(tmp_path / "a.h264") as plain, open_video(tmp_path / "c.h264") as video:
        assert plain.ref.notes == ()
        for i in (5, 19):
            np.testing.assert_array_equal(video.frame(i), plain.frame(i))
        assert np.abs(np.array(box(video.frame(25))) - [18, 20, 16, 16]).max() <= 1
        assert "is interlaced" in video.ref.notes[0]


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.avi", "mjpeg"), ("a.mkv", "ffv1")])
def test_fields_that_nothing_tells_of_are_seen(name: str, codec: str, order: str, tmp_path: Path) -> None:
    size, form = (128, 64), "yuvj420p" if codec == "mjpeg" else "yuv420p"
    frames = [
        of_rgb(woven(disc(i, size), disc(i + 1, size), top_first=order == "tff"), form) for i in range(0, 40, 2)
    ]
    with open_video(encode(tmp_path / name, frames, codec=codec)) as video:
        assert video.ref.notes == (UNSAID,)
        shown = dict(video.frames())
        for i, rgb in some(shown.items()):
            assert np.abs(np.array(box(rgb)) - [8 + 4 * i, 20, 16, 16]).max() <= 1
        np.testing.assert_array_equal(video.frame(13), shown[13])


def test_a_container_that_tells_of_fields_is_heard(tmp_path: Path) -> None:
    still = of_rgb(disc(3, (128, 64)), "rgb24")  # nothing to see it by
    with open_video(encode(tmp_path / "a.mov", [still] * 3, codec="png", tags={"field_order": 3})) as video:
        assert video.ref.notes == (NOTE,)


def scrolled(i: int, lines: int) -> NDArray[np.uint8]:
    texture = np.random.default_rng(1).integers(0, 256, (400, 96, 3)).astype(np.uint8)
    return texture[100 + lines * i : 164 + lines * i]


MOTIONS: dict[str, Callable[[int], NDArray[np.uint8]]] = {
    "still": lambda i: scrolled(0, 0),
    "down by a line": lambda i: scrolled(i, 1),
    "up by two lines": lambda i: scrolled(i, -2),
    "down by three lines": lambda i: scrolled(i, 3),
    "sideways": lambda i: np.roll(scrolled(0, 0), 3 * i, axis=1),
    "fading": lambda i: (scrolled(0, 0) * (1 - 0.05 * i)).astype(np.uint8),
    "noise": lambda i: np.random.default_rng(i).integers(0, 256, (64, 96, 3)).astype(np.uint8),
    "a square": lambda i: disc(i, (128, 64)),
    "a cut": lambda i: disc(2 * (i // 4), (128, 64)),
}


@pytest.mark.parametrize("motion", MOTIONS)
def test_what_moves_as_a_whole_is_no_film_of_fields(motion: str, tmp_path: Path) -> None:
    frames = [of_rgb(MOTIONS[motion](i)) for i in range(10)]
    with open_video(encode(tmp_path / "a.mkv", frames)) as video:
        assert video.ref.notes == ()


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mpg", "mpeg2video", {"flags": "+ildct+ilme", "b": "4M"}),
        ("a.ts", "mpeg2video", {"flags": "+ildct+ilme", "b": "4M", "bf": "2"}),
        ("a.mxf", "mpeg2video", {"flags": "+ildct+ilme", "b": "4M"}),
        ("a.avi", "mpeg4", {"flags": "+ildct+ilme", "b": "4M"}),
    ],
)
@pytest.mark.parametrize("order", ["tff", "bff"])
def test_other_codecs_tell_of_fields_too(
    name: str, codec: str, options: dict[str, Any], order: str, tmp_path: Path
) -> None:
    size, form = (128, 64), "yuv422p" if name == "a.mxf" else "yuv420p"
    frames = [
        of_fields(woven(disc(i, size), disc(i + 2, size), top_first=order == "tff"), order, form) for i in range(24)
    ]
    with open_video(encode(tmp_path / name, frames, codec=codec, **options)) as video:
        assert video.ref.notes == (NOTE,)
        for i in (0, 10, 20):
            assert np.abs(np.array(box(video.frame(i))) - [8 + 2 * i, 20, 16, 16]).max() <= 1
