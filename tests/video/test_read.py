"""Each made picture carries its number in bars, so that a frame shows which one it is."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.builders.checks import some

from worldprobe.errors import VideoError
from worldprobe.video import decode, index, read
from worldprobe.video.read import open_video
from worldprobe.video.video import Video
from worldprobe.video.write import write_video

SIZE = (128, 64)
QUIET = {"libx265": {"x265-params": "log-level=none"}}
UNEVEN = [0, 40, 50, 90, 400, 401, 460, 500, 900, 933] + [1000 + 37 * i for i in range(30)]


@pytest.fixture(scope="module", autouse=True)
def _quiet_encoders() -> None:
    os.environ.setdefault("SVT_LOG", "0")


def picture(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Eight bars of 16 px, one a bit, under some noise; uint8 [h, w, 3]."""
    row = np.full(size[0], 20)
    row[:128] = np.repeat([20 + 210 * (number >> bit & 1) for bit in range(8)], 16)
    noise = np.random.default_rng(number).integers(-20, 21, (size[1], size[0], 1))
    return np.repeat((row[None, :, None] + noise).astype(np.uint8), 3, axis=2)


def number(rgb: NDArray[np.uint8]) -> int:
    bars = rgb[8:-8, :128].mean(axis=(0, 2)).reshape(8, 16)[:, 4:12].mean(axis=1)
    assert ((bars < 70) | (bars > 185)).all(), f"not a clean picture: {bars}"
    return sum(1 << bit for bit in range(8) if bars[bit] > 128)


def make(
    path: Path, *, codec: str = "libx264", count: int = 40, gop: int = 12, bf: int = 0,
    times: Sequence[int] | None = None, size: tuple[int, int] = SIZE, pix_fmt: str = "yuv420p", rotation: int = 0,
    movflags: str = "", streams: int = 1, **options: str,
) -> Path:  # fmt: skip
    """Write numbered pictures; ``times`` in ms. A second stream counts from 100 and is not default."""
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
        made: list[Any] = []
        for _ in range(streams):
            stream: Any = container.add_stream(codec, rate=25, options=QUIET.get(codec, {}) | options)
            stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
            stream.codec_context.time_base = Fraction(1, 1000 if times else 25)
            stream.codec_context.gop_size, stream.codec_context.max_b_frames = gop, bf
            stream.codec_context.thread_count = 1
            if rotation:
                stream.set_display_rotation(rotation)
            made.append(stream)
        for i in range(count):
            for k, stream in enumerate(made):
                frame = av.VideoFrame.from_ndarray(picture(i + 100 * k, size), format="rgb24")
                frame.pts, frame.time_base = (times[i] if times else i), Fraction(1, 1000 if times else 25)
                container.mux(stream.encode(frame))
        for stream in made:
            container.mux(stream.encode(None))
    return path


def numbers(video: Video, indices: Sequence[int] | None = None) -> dict[int, int]:
    return {i: number(rgb) for i, rgb in video.frames(indices)}


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "h264 B-frames mp4": ("a.mp4", {"bf": 3}),
    "h264 B-frames mkv": ("a.mkv", {"bf": 3}),
    "h264 open groups mp4": ("a.mp4", {"bf": 3, "x264-params": "open-gop=1:keyint=10:scenecut=0"}),
    "h264 gradual refresh mkv": ("a.mkv", {"x264-params": "intra-refresh=1:keyint=10"}),
    "h264 fragmented": ("a.mp4", {"bf": 2, "movflags": "frag_keyframe+empty_moov"}),
    "hevc B-frames": ("a.mp4", {"codec": "libx265", "bf": 3}),
    "h264 ts": ("a.ts", {"bf": 2}),
    "mpeg2 ts": ("a.ts", {"codec": "mpeg2video", "bf": 2}),
    "mpeg2 program": ("a.mpg", {"codec": "mpeg2video", "bf": 2}),
    "h264 raw": ("a.h264", {"bf": 2}),
    "h264 B-frames avi": ("a.avi", {"bf": 2}),
    "mpeg4 avi": ("a.avi", {"codec": "mpeg4"}),
    "mpeg4 B-frames avi": ("a.avi", {"codec": "mpeg4", "bf": 2}),
    "mjpeg avi": ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "vp8 with hidden pictures": ("a.webm", {"codec": "libvpx", "auto-alt-ref": "1", "lag-in-frames": "10"}),
    "vp9 with hidden pictures": ("a.webm", {"codec": "libvpx-vp9", "auto-alt-ref": "1", "lag-in-frames": "10"}),
    "ffv1": ("a.mkv", {"codec": "ffv1"}),
    "gif": ("a.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
    "odd size": ("a.mp4", {"size": (133, 67), "pix_fmt": "yuv444p", "bf": 2}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_by_index_is_the_right_one(kind: str, tmp_path: Path) -> None:
    name, options = KINDS[kind]
    with open_video(make(tmp_path / name, **options)) as video:
        assert (video.ref.width, video.ref.height) == options.get("size", SIZE)
        assert video.ref.frames == 40
        assert video.ref.missing == 0
        assert numbers(video) == {i: i for i in range(40)}
        np.testing.assert_allclose(video.pts_seconds, np.arange(40) / 25, atol=0.006)
        assert video.ref.rate == pytest.approx(25, rel=0.01)
        assert [number(video.frame(i)) for i in (39, 0, 22, 21, 38)] == [39, 0, 22, 21, 38]
        assert numbers(video, [37, 3, 3, 30]) == {3: 3, 30: 30, 37: 37}
        assert video.unreadable == []


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("start", [0, 5000])
def test_variable_rate_and_late_start(name: str, start: int, tmp_path: Path) -> None:
    with open_video(make(tmp_path / name, times=[start + t for t in UNEVEN], bf=3)) as video:
        np.testing.assert_allclose(video.pts_seconds, np.array(UNEVEN) / 1000, atol=0.0006)
        assert [number(video.frame(i)) for i in range(40)] == list(range(40))
        assert video.ref.rate == pytest.approx(39 / (UNEVEN[-1] / 1000), rel=0.01)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(indices=st.lists(st.integers(0, 119), max_size=12))
def test_any_list_of_indices_equals_reading_in_order(indices: list[int], long_video: Path) -> None:
    with open_video(long_video) as video:
        assert list(numbers(video, indices).items()) == [(i, i) for i in sorted(set(indices))]


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("long") / "long.mkv", count=120, gop=25, bf=3)


def test_distant_frames_are_sought_not_decoded_through(long_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = 0
    monkeypatch.setattr(index, "SMALL_BYTES", 0)
    monkeypatch.setattr(read, "_known", {})  # else it is read by what is remembered of it
    with open_video(long_video) as video:
        place = type(video)._positions

        def counting(self: Video, decoding: Any) -> Any:
            nonlocal decoded
            for item in place(self, decoding):
                decoded += 1
                yield item

        monkeypatch.setattr(Video, "_positions", counting)
        assert number(video.frame(110)) == 110
        assert decoded <= 25
        decoded = 0
        numbers(video)
        assert decoded == 120


def everything(path: Path) -> tuple[Any, ...]:
    """All that is known of a film, and its pictures."""
    try:
        with open_video(path) as video:
            pixels = {position: rgb.tobytes() for position, rgb in video.frames()}
            some_again = {position: rgb.tobytes() for position, rgb in video.frames([1, video.ref.frames - 1])}
            return video.ref, video.pts_seconds.tolist(), video.reasons, pixels, some_again
    except VideoError as error:
        return (str(error),)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"bf": 2}),
        ("a.mkv", {"times": UNEVEN[:16]}),
        ("a.webm", {"codec": "libvpx-vp9", "pix_fmt": "yuv420p"}),
        ("a.mov", {"rotation": 90}),
        ("a.avi", {"bf": 2}),
        ("a.ts", {"gop": 5}),
        ("a.mp4", {"pix_fmt": "yuv420p10le"}),
    ],
)
def test_a_small_film_is_opened_once_and_is_what_reading_it_anew_gives(
    name: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make(tmp_path / name, count=16, **options)
    opened = 0
    opening = decode.av.open

    def counting(*rest: Any, **more: Any) -> Any:
        nonlocal opened
        opened += 1
        return opening(*rest, **more)

    monkeypatch.setattr(decode.av, "open", counting)
    held = everything(film)
    times, opened = opened, 0
    monkeypatch.setattr(index, "SMALL_BYTES", 0)
    monkeypatch.setattr(read, "_known", {})  # else it is read by what is remembered of it
    assert everything(film) == held
    assert len(held[3]) == 16
    assert opened >= 4, "the other way opens it to index, to look, and for each reading"
    assert times == 1 or name == "a.avi", "packets of AVI with B-frames do not tell"


def test_a_film_that_is_opened_again_is_not_indexed_again_unless_its_bytes_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make(tmp_path / "a.mp4", count=16)
    held, times = everything(film), 0
    indexing = read.build_index

    def counting(path: Path) -> Any:
        nonlocal times
        times += 1
        return indexing(path)

    monkeypatch.setattr(read, "build_index", counting)
    assert everything(film) == held
    assert times == 0
    make(tmp_path / "b.mp4", count=9).replace(film)
    assert len(everything(film)[3]) == 9
    assert times == 1
    monkeypatch.setattr(read, "_MOST_KNOWN", 1)
    everything(make(tmp_path / "c.mp4", count=4))
    assert len(read._known) == 1


@pytest.mark.parametrize("seed", range(6))
def test_a_small_film_that_is_damaged_is_read_as_a_large_one_would_be(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make(tmp_path / "a.mkv", count=30, gop=6, bf=2)
    draw = np.random.default_rng(seed)
    held = bytearray(film.read_bytes())
    for at in draw.integers(600, len(held), 3):
        held[at : at + 8] = draw.bytes(8)
    film.write_bytes(held[: len(held) - 300 * (seed % 2)])
    found = everything(film)
    monkeypatch.setattr(index, "SMALL_BYTES", 0)
    monkeypatch.setattr(read, "_known", {})  # else it is read by what is remembered of it
    assert everything(film) == found


def test_iterations_side_by_side_do_not_disturb_each_other(long_video: Path) -> None:
    with open_video(long_video) as video:
        first, second = video.frames(), video.frames(range(60, 70))
        pairs = [(number(next(first)[1]), number(next(second)[1])) for _ in range(10)]
    assert pairs == [(i, 60 + i) for i in range(10)]


def test_pixels_are_contiguous_rgb(tmp_path: Path) -> None:
    colours = np.array([[250, 10, 10], [10, 250, 10], [10, 10, 250]], np.uint8)
    rgb = np.repeat(np.repeat(colours[None], 64, 0), 32, 1)
    write_video(tmp_path / "a.mp4", [rgb] * 3, rate=5, crf=1)
    with open_video(tmp_path / "a.mp4") as video:
        frame = video.frame(1)
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous
    assert frame.flags.writeable
    assert np.abs(frame[:, 16::32].astype(int) - rgb[:, 16::32]).max() <= 6


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied_exactly(degrees: int, tmp_path: Path) -> None:
    plain = open_video(make(tmp_path / "plain.mp4", count=5))
    turned = open_video(make(tmp_path / "turned.mp4", count=5, rotation=degrees))
    with av.open(str(tmp_path / "turned.mp4")) as container:
        assert next(container.decode(video=0)).rotation % 360 == degrees  # counter-clockwise
    expected = np.rot90(plain.frame(3), degrees // 90)
    assert (turned.ref.height, turned.ref.width) == expected.shape[:2]
    np.testing.assert_array_equal(turned.frame(3), expected)
    assert turned.frame(3).flags.c_contiguous


def test_first_of_several_video_streams_is_read(tmp_path: Path) -> None:
    with open_video(make(tmp_path / "a.mkv", count=10, streams=2)) as video:
        assert numbers(video) == {i: i for i in range(10)}


def test_cover_art_is_not_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        cover: Any = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        film: Any = container.add_stream("libx264", rate=25)
        film.width, film.height, film.pix_fmt = *SIZE, "yuv420p"
        container.mux(cover.encode(av.VideoFrame(64, 64, "yuvj420p")))
        for i in range(5):
            container.mux(film.encode(av.VideoFrame.from_ndarray(picture(i), format="rgb24")))
        container.mux(film.encode(None))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    with open_video(path) as video:
        assert numbers(video) == {i: i for i in range(5)}


def test_repeated_times_after_joining_transport_streams(tmp_path: Path) -> None:
    part = make(tmp_path / "a.ts", count=20, bf=2).read_bytes()
    (tmp_path / "b.ts").write_bytes(part + part)
    with open_video(tmp_path / "b.ts") as video:
        assert list(numbers(video).values()) == [*range(20), *range(20)]
        assert number(video.frame(27)) == 7
        assert (np.diff(video.pts_seconds) >= 0).all()


def edit(path: Path, *, cut_start: float = 0, length: float) -> Path:
    """Patch the edit list of an MP4: show ``length`` seconds, beginning ``cut_start`` seconds later."""
    raw = bytearray(path.read_bytes())
    at = raw.index(b"elst") + 4
    with av.open(str(path)) as container:
        ticks = int(1 / container.streams.video[0].time_base)
    assert raw[at] == 0
    _, begin = struct.unpack(">Ii", raw[at + 8 : at + 16])
    raw[at + 8 : at + 16] = struct.pack(">Ii", int(length * 1000), begin + int(cut_start * ticks))
    path.write_bytes(raw)
    return path


def test_edit_lists_are_obeyed(tmp_path: Path) -> None:
    path = edit(make(tmp_path / "a.mp4", bf=3), cut_start=0.2, length=0.8)
    with open_video(path) as video:
        shown = list(numbers(video).values())
        assert shown[0] == 5
        assert shown == list(range(5, 5 + len(shown)))
        assert 20 <= len(shown) <= 22
        assert number(video.frame(10)) == 15
        assert video.pts_seconds[0] == 0
        assert video.ref.missing == 0


def packets_of(path: Path) -> list[tuple[int, int, bool]]:
    with av.open(str(path)) as container:
        return [(p.pos, p.size, p.is_keyframe) for p in container.demux(video=0) if p.size]


@pytest.mark.parametrize(
    ("codec", "options", "name"),
    [
        ("libx264", {}, "a.mp4"),
        ("libx264", {"bf": 3}, "a.mp4"),
        ("libx264", {"bf": 3}, "a.mkv"),
        ("libx265", {"bf": 3}, "a.mp4"),
        ("mpeg4", {}, "a.avi"),
        ("mpeg4", {"bf": 2}, "a.avi"),
    ],
)
def test_damage_costs_frames_but_never_yields_a_wrong_one(
    codec: str, options: dict[str, Any], name: str, tmp_path: Path
) -> None:
    whole = make(
        tmp_path / f"whole-{name}", codec=codec, sc_threshold="0" if codec == "libx264" else "1000000000", **options
    )
    with open_video(whole) as video:
        truth = dict(video.frames())
    raw = bytearray(whole.read_bytes())
    position, size, keyframe = packets_of(whole)[17]
    assert not keyframe
    begin = position + (8 if name.endswith("mkv") else 0)
    raw[begin : position + size] = b"\xff" * (position + size - begin)
    (tmp_path / name).write_bytes(raw)
    with open_video(tmp_path / name) as video:
        assert video.ref.frames in (39, 40)
        read = dict(video.frames())
        lost = list(video.unreadable)
        if video.ref.frames == 40:
            assert sorted([*read, *lost]) == list(range(40))
            for i, rgb in read.items():
                np.testing.assert_array_equal(rgb, truth[i])
        else:
            known = {rgb.tobytes() for rgb in truth.values()}
            assert all(rgb.tobytes() in known for rgb in some(read.values()))
        assert 1 <= len(lost) <= 24
        assert {0, 5, video.ref.frames - 1} <= read.keys()
        with pytest.raises(VideoError, match=r"cannot be decoded.*damaged"):
            video.frame(lost[0])
        np.testing.assert_array_equal(video.frame(video.ref.frames - 1), truth[39])


@pytest.mark.parametrize("share", [0.35, 0.6, 0.83, 0.97])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"movflags": "faststart"}),
        ("a.mp4", {"movflags": "faststart", "bf": 3}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.ts", {"bf": 2}),
        ("a.mkv", {"bf": 2}),
    ],
)
def test_what_is_left_of_a_truncated_file_is_read(
    name: str, options: dict[str, Any], share: float, tmp_path: Path
) -> None:
    path = make(tmp_path / name, **options)
    with open_video(path) as video:
        truth = [rgb for _, rgb in video.frames()]
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    with open_video(path) as video:
        assert 0 < video.ref.frames <= 40
        if name in ("a.mp4", "a.avi"):
            assert video.ref.frames + video.ref.missing == 40
        read = dict(video.frames())
        assert len(read) >= video.ref.frames - 3
        for i, rgb in read.items():
            np.testing.assert_array_equal(rgb, truth[round(video.pts_seconds[i] * 25)])


def audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_each_fault_has_one_clear_message(tmp_path: Path) -> None:
    good = make(tmp_path / "good.mp4", count=5)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video at all\n" * 200)
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{good}\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {good.name}\n")
    (tmp_path / "headless.mp4").write_bytes(good.read_bytes()[:700])
    audio_only(tmp_path / "audio.m4a")
    faults = {
        "gone.mp4": "does not exist",
        ".": "is a folder",
        "empty.mp4": "is empty",
        "text.mp4": "cannot be read as a video",
        "list.m3u8": "playlists are not accepted",
        "list.mp4": "playlists are not accepted",
        "headless.mp4": "cut short",
        "audio.m4a": r"no video stream \(found: audio\)",
    }
    for name, message in faults.items():
        with pytest.raises(VideoError, match=message) as caught:
            open_video(tmp_path / name)
        assert str(tmp_path) in str(caught.value)
    for name in (f"concat:{good}|{good}", f"file:{good}", "data:video/mp4;base64,AAAA", "http://127.0.0.1:1/a.mp4"):
        with pytest.raises(VideoError, match="does not exist"):
            open_video(name)


def test_a_film_whose_frames_all_have_one_time_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """What a writer leaves that sets no times: speeds, clips and still regions would all be wrong of it."""
    path = tmp_path / "timeless.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for at in range(20):
            frame = av.VideoFrame.from_ndarray(picture(at), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = 0, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match=r"all its 20 frames the same time.* what wrote it .*frames\?fps=30"):
        open_video(path)


def test_absurd_header_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "a.avi", codec="rawvideo", count=3)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"strf") + 8 + 4
    raw[at : at + 8] = struct.pack("<ii", 20000, 64)
    path.write_bytes(raw)
    with pytest.raises(VideoError, match=r"20000x64 px; the limit is 16384"):
        open_video(path)


def test_indices_outside_the_video_are_refused(long_video: Path) -> None:
    with open_video(long_video) as video:
        for wrong in (120, -1):
            with pytest.raises(VideoError, match=f"frame {wrong} .* has frames 0 to 119"):
                video.frames([0, wrong])


def test_identity_is_the_content(tmp_path: Path) -> None:
    first = make(tmp_path / "a.mp4", count=5)
    (tmp_path / "b.mp4").write_bytes(first.read_bytes())
    other = make(tmp_path / "c.mp4", count=6)
    ids = [open_video(p).ref.id for p in (first, tmp_path / "b.mp4", other)]
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) == 64


def test_written_video_is_whole_exact_and_repeatable(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, (picture(i) for i in range(30)), rate=rate)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with open_video(tmp_path / "a.mp4") as video:
        assert numbers(video) == {i: i for i in range(30)}
        np.testing.assert_allclose(video.pts_seconds, np.arange(30) / float(rate), atol=1e-4)


def test_failed_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")
    for frames, message in (
        ([picture(0, (129, 64))], "129x64 px.*even"),
        ([picture(0), picture(1, (130, 64))], "frame 1 is"),
        ([], "no frames"),
        ([picture(0).astype(float)], "uint8"),
    ):
        with pytest.raises(VideoError, match=message):
            write_video(path, frames, rate=10)
    with pytest.raises(VideoError, match="cannot write"):
        write_video(tmp_path / "a.nonsense", [picture(0)], rate=10)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"before"
