"""Films whose pictures are not shown as they are stored, made with a known answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.builders.checks import some
from tests.builders.film_making import box, disc, encode, fill, of_colours, of_rgb, stripes

from worldprobe.errors import VideoError
from worldprobe.geometry import View
from worldprobe.video.read import open_video
from worldprobe.video.sample import clips, read_clips
from worldprobe.video.write import write_video

COLOURS = np.array(
    [
        (200, 40, 40),
        (40, 200, 40),
        (40, 40, 200),
        (200, 200, 200),
        (90, 90, 90),
        (0, 0, 0),
        (255, 255, 255),
        (1, 9, 99),
    ]
)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_colours_follow_the_tags(matrix: int, full: bool, chroma: str, bits: int, tmp_path: Path) -> None:
    frame = of_colours(COLOURS / 255, matrix=matrix, full=full, bits=bits, chroma=chroma)
    tags = {"colorspace": matrix, "color_range": 2 if full else 1}
    with open_video(encode(tmp_path / "a.mkv", [frame] * 2, tags=tags)) as video:
        off = np.abs(stripes(video.frame(1)) - COLOURS)
        assert video.ref.notes == ()
    assert off.max() <= (3 if bits == 8 else 1)


@pytest.mark.parametrize(("width", "height", "matrix"), [(1264, 576, 6), (1280, 32, 1), (128, 592, 1)])
def test_an_untagged_film_has_the_matrix_of_its_size(width: int, height: int, matrix: int, tmp_path: Path) -> None:
    rgb = np.broadcast_to(np.array([200, 40, 40], np.uint8), (height, width, 3))
    code = of_colours(np.array([[200, 40, 40]]) / 255, matrix=matrix)
    frame = of_rgb(rgb, "yuv444p")
    for plane, source in zip(frame.planes, code.planes, strict=True):
        fill(plane, np.full((height, width), memoryview(source)[0], np.uint8))
    with open_video(encode(tmp_path / "a.mkv", [frame] * 2)) as video:
        assert np.abs(video.frame(1)[0, 0].astype(int) - (200, 40, 40)).max() <= 1


def test_written_films_are_read_in_their_own_colours_whatever_their_size(tmp_path: Path) -> None:
    for size in ((64, 32), (1280, 32)):
        rgb = np.broadcast_to(np.array([200, 40, 40], np.uint8), (size[1], size[0], 3))
        write_video(tmp_path / "a.mp4", [rgb] * 2, rate=5, crf=1)
        with open_video(tmp_path / "a.mp4") as video:
            assert np.abs(video.frame(1)[8, 8].astype(int) - (200, 40, 40)).max() <= 3


RGBS = {
    "ffv1 gbrp10le": ("a.mkv", "ffv1", "gbrp10le"),
    "x264 rgb": ("a.mkv", "libx264rgb", "rgb24"),
    "raw bgr": ("a.avi", "rawvideo", "bgr24"),
    "png": ("a.mov", "png", "rgb24"),
    "png of 16 bits": ("a.mov", "png", "rgb48be"),
    "huffyuv": ("a.avi", "huffyuv", "rgb24"),
}


@pytest.mark.parametrize("kind", RGBS)
def test_films_of_rgb_keep_their_colours(kind: str, tmp_path: Path) -> None:
    name, codec, pix_fmt = RGBS[kind]
    rgb = np.repeat(COLOURS.astype(np.uint8), 16, axis=0)[None].repeat(32, 0)
    options = {"crf": "0"} if codec == "libx264rgb" else {}
    with open_video(encode(tmp_path / name, [of_rgb(rgb, pix_fmt)] * 2, codec=codec, **options)) as video:
        np.testing.assert_array_equal(stripes(video.frame(1)), COLOURS)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_grey_is_grey_and_deep_grey_is_said(bits: int, tmp_path: Path) -> None:
    kind, name = (np.uint8, "gray") if bits == 8 else (np.uint16, f"gray{bits}le")
    ramp = np.linspace(0, 2**bits - 1, 64).round().astype(kind)
    frame = av.VideoFrame(64, 32, name)
    fill(frame.planes[0], np.tile(ramp, (32, 1)))
    with open_video(encode(tmp_path / "a.mkv", [frame] * 2)) as video:
        found = video.frame(1)
        notes = video.ref.notes
    assert (found == found[..., :1]).all()
    assert np.abs(found[5, :, 0] - ramp / (2**bits - 1) * 255).max() <= 1
    if bits > 8:
        assert notes == (f"holds grey of {bits} bits, as depth does: its whole range is read as grey of 8 bits",)
    else:
        assert notes == ()


def test_grey_of_limited_range_is_widened(tmp_path: Path) -> None:
    frame = av.VideoFrame(64, 32, "gray")
    fill(frame.planes[0], np.tile(np.repeat(np.array([16, 126, 235, 240], np.uint8), 16), (32, 1)))
    with open_video(encode(tmp_path / "a.mkv", [frame] * 2, tags={"color_range": 1})) as video:
        assert video.frame(1)[5, 8::16, 0].tolist() == [0, 128, 255, 255]


def pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084: cd/m2 to code values."""
    y = (light / 10000) ** (2610 / 16384)
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100: scene light 0 to 1 to code values."""
    upper = 0.17883277 * np.log(np.maximum(12 * light - 0.28466892, 1e-9)) + 0.55991073
    return np.where(light <= 1 / 12, np.sqrt(3 * light), upper)


TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087


def light_2020(srgb: NDArray[np.int64]) -> NDArray[np.float64]:
    """sRGB codes [n, 3] as light of BT.2020 primaries, white at 1."""
    code = srgb / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4) @ TO_2020.T


# Up to 0.8 of white a colour is what it is in SDR; 230 is the last grey below.
SDR_IN_HDR = np.array([(200, 40, 40), (40, 200, 40), (40, 40, 200), (128, 128, 128), (10, 10, 10), (228, 228, 228)])
TAGS: dict[str, int] = {"colorspace": 9, "color_primaries": 9, "color_range": 1}


def test_pq_shows_what_sdr_would(tmp_path: Path) -> None:
    frame = of_colours(pq(203 * light_2020(SDR_IN_HDR)), matrix=9, bits=10)
    with open_video(encode(tmp_path / "a.mkv", [frame] * 2, tags=TAGS | {"color_trc": 16})) as video:
        assert np.abs(stripes(video.frame(1)) - SDR_IN_HDR).max() <= 4
        assert video.ref.notes == (
            "is HDR (PQ, BT.2020): tone mapped to SDR in BT.709, white at 203 and peak at 1000 cd/m2",
        )


def test_hlg_shows_what_sdr_would(tmp_path: Path) -> None:
    display = light_2020(SDR_IN_HDR) * 203 / 1000
    luminance = display @ (0.2627, 0.6780, 0.0593)
    scene = display * luminance[:, None] ** (1 / 1.2 - 1)  # the inverse of the OOTF
    frame = of_colours(hlg(scene), matrix=9, bits=10)
    with open_video(encode(tmp_path / "a.mkv", [frame] * 2, tags=TAGS | {"color_trc": 18})) as video:
        assert np.abs(stripes(video.frame(1)) - SDR_IN_HDR).max() <= 4
        assert video.ref.notes[0].startswith("is HDR (HLG, BT.2020)")


def test_highlights_roll_off_in_order_and_keep_their_hue(tmp_path: Path) -> None:
    greys = np.array([100, 162, 203, 300, 500, 800, 1000, 4000.0])
    frame = of_colours(pq(np.repeat(greys[:, None], 3, 1)), matrix=9, bits=12)
    with open_video(encode(tmp_path / "a.mkv", [frame] * 2, tags=TAGS | {"color_trc": 16})) as video:
        found = stripes(video.frame(1))
    assert (np.ptp(found, axis=1) <= 1).all()
    assert (np.diff(found[:7, 0]) > 0).all()
    assert found[2, 0] >= 240
    assert (found[6:] == 255).all()
    orange = of_colours(pq(800 * np.array([[1, 0.5, 0.25]])), matrix=9, bits=12)
    with open_video(encode(tmp_path / "b.mkv", [orange] * 2, tags=TAGS | {"color_trc": 16})) as video:
        red, green, blue = stripes(video.frame(1))[0]
    assert red > green > blue + 20


def test_wide_colours_without_hdr_are_converted(tmp_path: Path) -> None:
    code = np.array([[128, 128, 128], [255, 255, 255], [0, 0, 0]]) / 255
    inside = (np.array([[0.55, 0.2, 0.2]]) ** 2.4 @ TO_2020.T) ** (1 / 2.4)
    frame = of_colours(np.concatenate([code, inside]), matrix=9, bits=10)
    with open_video(encode(tmp_path / "a.mkv", [frame] * 2, tags=TAGS | {"color_trc": 14})) as video:
        expected = [[128] * 3, [255] * 3, [0] * 3, [140, 51, 51]]
        assert np.abs(stripes(video.frame(1)) - expected).max() <= 2
        assert video.ref.notes == ("has BT.2020 colours: converted to BT.709, what lies outside of it clipped",)


ALPHAS = {
    "vp9": ("a.webm", "libvpx-vp9", "yuva420p", {"lossless": "1", "auto-alt-ref": "0"}),
    "vp8": ("a.webm", "libvpx", "yuva420p", {"auto-alt-ref": "0", "crf": "4", "b": "5M"}),
    "prores 4444": ("a.mov", "prores_ks", "yuva444p10le", {}),
    "png in mov": ("a.mov", "png", "rgba", {}),
    "animation": ("a.mov", "qtrle", "argb", {}),
    "apng": ("a.apng", "apng", "rgba", {}),
    "ffv1": ("a.mkv", "ffv1", "yuva420p", {}),
}


@pytest.mark.parametrize("kind", ALPHAS)
def test_what_is_transparent_lies_on_black(kind: str, tmp_path: Path) -> None:
    name, codec, pix_fmt, options = ALPHAS[kind]
    alpha = np.repeat(np.array([255, 128, 0, 255], np.uint8), 16)
    rgb = np.repeat(COLOURS[:4].astype(np.uint8), 16, axis=0)
    rgba = np.tile(np.column_stack([rgb, alpha])[None], (32, 1, 1))
    with open_video(encode(tmp_path / name, [of_rgb(rgba, pix_fmt)] * 4, codec=codec, **options)) as video:
        expected = COLOURS[:4] * np.array([255, 128, 0, 255])[:, None] / 255
        assert np.abs(stripes(video.frame(2)) - expected).max() <= 4
        assert stripes(video.frame(2))[2].tolist() == [0, 0, 0]
        assert video.ref.notes == ("is transparent in parts: laid on black",)
        assert len(list(video.frames())) == 4


def test_transparency_that_begins_late_is_said_once_it_is_met(tmp_path: Path) -> None:
    def picture(i: int) -> av.VideoFrame:
        rgba = np.full((32, 64, 4), 200, np.uint8)
        rgba[..., 3] = 255 if i < 20 else 0
        return of_rgb(rgba, "rgba")

    with open_video(encode(tmp_path / "a.mov", map(picture, range(24)), codec="png")) as video:
        assert video.ref.notes == ()
        assert video.frame(3).min() == 200
        assert video.frame(23).max() == 0
        assert video.ref.notes == ("is transparent in parts: laid on black",)


SHAPES = [
    (Fraction(64, 45), 0, (128, 64), [round(16 * 64 / 45), 20, 23, 16]),
    (Fraction(8, 9), 0, (90, 72), [16, 22, 16, 18]),
    (Fraction(2), 90, (64, 180), None),
    (Fraction(1, 1000), 0, (90, 64), [16, 20, 16, 16]),
    (Fraction(1, 1), 0, (90, 64), [16, 20, 16, 16]),
]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize(("aspect", "rotation", "size", "where"), SHAPES)
def test_pictures_come_with_square_pixels(
    aspect: Fraction, rotation: int, size: tuple[int, int], where: list[int] | None, name: str, tmp_path: Path
) -> None:
    frames = [of_rgb(disc(i)) for i in range(6)]
    path = encode(
        tmp_path / name, frames, codec="libx264", rotation=rotation, tags={"sample_aspect_ratio": aspect}, crf="1"
    )
    with open_video(path) as video:
        assert (video.ref.width, video.ref.height) == size
        found = video.frame(4)
        assert found.shape == (size[1], size[0], 3)
        if where:
            assert np.abs(np.array(box(found)) - where).max() <= 1
        else:  # turned counter-clockwise: what was wide is high
            left, top, width, height = box(found)
            assert (abs(left - 20) <= 1, abs(width - 16) <= 1, abs(height - 32) <= 1) == (True, True, True)
            assert abs(top - (180 - 2 * (16 + 16))) <= 2
        notes = video.ref.notes
    if aspect == 1 or (aspect == Fraction(1, 1000) and not notes):  # a container may refuse to write nonsense
        assert notes == ()
    elif aspect == Fraction(1, 1000):
        assert notes == ("says that its pixels are 1:1000, which no film's are: taken as square",)
    else:
        ratio = f"{aspect.numerator}:{aspect.denominator}"
        assert notes == (f"is shown at {size[0]} x {size[1]} px: its pixels are {ratio}, not square",)


def joined_vp9(path: Path, sizes: Sequence[tuple[int, int]]) -> Path:
    """One stream of WebM whose pictures change their size every 20 frames, as calls by video do."""
    with av.open(str(path), "w") as container:
        stream: Any = None
        for n, size in enumerate(sizes):
            encoder: Any = av.CodecContext.create("libvpx-vp9", "w")
            encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
            encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
            encoder.thread_count = 1
            if stream is None:
                stream = container.add_stream("libvpx-vp9", rate=25)
                stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            made = []
            for i in range(20):
                frame = of_rgb(disc(i % 10, size))
                frame.pts, frame.time_base = n * 20 + i, Fraction(1, 25)
                made += encoder.encode(frame)
            for packet in [*made, *encoder.encode(None)]:
                packet.stream = stream
                container.mux(packet)
    return path


def joined_h264(path: Path, sizes: Sequence[tuple[int, int]]) -> Path:
    parts = []
    for n, size in enumerate(sizes):
        frames = [of_rgb(disc(i % 10, size)) for i in range(20)]
        part = encode(path.with_name(f"part{n}{path.suffix}"), frames, codec="libx264", crf="1", bf="0")
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize(
    ("make", "name"),
    [(joined_h264, "a.h264"), (joined_h264, "a.ts"), (joined_vp9, "a.webm"), (joined_vp9, "a.mkv")],
)
def test_a_change_of_size_is_no_damage(
    make: Callable[[Path, Sequence[tuple[int, int]]], Path], name: str, tmp_path: Path
) -> None:
    reason = "the film changes there from 96 x 64 to 48 x 32 px, and pictures of one size are read"
    with open_video(make(tmp_path / name, [(96, 64), (48, 32), (96, 64)])) as video:
        assert (video.ref.width, video.ref.height, video.ref.frames, video.ref.missing) == (96, 64, 60, 0)
        assert video.ref.rate == pytest.approx(25, rel=0.02)
        read = dict(video.frames())
        assert list(read) == [*range(20), *range(40, 60)]
        assert video.reasons == dict.fromkeys(range(20, 40), reason)
        assert video.unreadable == list(range(20, 40))
        np.testing.assert_array_equal(video.frame(45), read[45])
        with pytest.raises(VideoError, match=r"frame 21 .* cannot be read: the film changes there from 96"):
            video.frame(21)
        view = View(scale=(1.0, 1.0), offset=(0.0, 0.0), size=(96, 64))
        specs = clips(video.ref, frames=10, stride=1)
        read_ones = list(read_clips(video, specs, preprocess=lambda rgb: rgb.transpose(0, 3, 1, 2), view=view))
    errors = [str(one[1]) for one in read_ones if isinstance(one, tuple)]
    assert len(read_ones) == 6
    assert len(errors) == 2
    assert "10 of them cannot be read (20, 21," in errors[0]
    assert "10 of them cannot be read (30, 31," in errors[1]
    assert not any("damaged" in error for error in errors)
    assert all(reason in error for error in some(errors))


def test_pixels_that_change_their_shape_midway_are_told(tmp_path: Path) -> None:
    parts = []
    for name, aspect in (("a.ts", Fraction(12, 11)), ("b.ts", Fraction(16, 11))):
        frames = (of_rgb(np.full((288, 352, 3), 8 * i, np.uint8)) for i in range(20))
        parts.append(encode(tmp_path / name, frames, codec="mpeg2video", tags={"sample_aspect_ratio": aspect}))
    (tmp_path / "c.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(tmp_path / "c.ts") as video:
        read = [index for index, _ in video.frames()]
        assert (video.ref.width, video.ref.height) == (384, 288)
        assert 15 <= len(read) <= 20
        assert read == list(range(len(read)))
        assert "from 12:11 to 16:11" in video.reasons[39]


def test_only_films_that_are_read_otherwise_than_once_say_how(tmp_path: Path) -> None:
    rgb = np.full((32, 64, 3), 90, np.uint8)
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "": ("yuv420p", {}),
        "square pixels 91x32": ("yuv420p", {"sample_aspect_ratio": Fraction(64, 45)}),
        "exact deep colour": ("yuv420p10le", {}),
        "laid on black": ("yuva420p", {}),
        "PQ BT.2020 1000 cd/m2": ("yuv420p10le", {"color_trc": 16, "color_primaries": 9, "colorspace": 9}),
        "SDR BT.2020": ("yuv420p", {"color_primaries": 9, "colorspace": 9}),
    }
    for number, (reading, (form, tags)) in some(enumerate(kinds.items())):
        codec = "libx264" if "sample_aspect_ratio" in tags else "ffv1"
        path = encode(tmp_path / f"{number}.mkv", [of_rgb(rgb, form) for _ in range(2)], codec=codec, tags=tags)
        with open_video(path) as video:
            assert video.ref.reading == reading
    wide = encode(tmp_path / "hd.mkv", [of_rgb(np.full((32, 1280, 3), 90, np.uint8)) for _ in range(2)])
    with open_video(wide) as video:
        assert video.ref.reading == "matrix ITU709"
