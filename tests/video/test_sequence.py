"""Films of pictures: each made picture has one brightness of its own, so that a frame shows which one it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from worldprobe.encoders.floors import Pixels
from worldprobe.errors import VideoError
from worldprobe.labels.load import load_labeller
from worldprobe.labels.targets import tracks
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.store import Store
from worldprobe.video.numbered import numbered
from worldprobe.video.read import open_video
from worldprobe.video.sequence import Picture, film_of
from worldprobe.video.source import distinct, resolve

SIZE = (48, 32)


def of(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Grey of 4 times the number, darker by 40 in its right half; uint8 [h, w, 3]."""
    rgb = np.full((size[1], size[0], 3), 40 + 4 * number, np.uint8)
    rgb[:, size[0] // 2 :] -= 40
    return rgb


def number(rgb: NDArray[np.uint8]) -> int:
    return round((float(rgb[:, : rgb.shape[1] // 3].mean()) - 40) / 4)


def folder(path: Path, names: list[str], numbers: list[int] | None = None) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names, numbers or range(len(names)), strict=True):
        Image.fromarray(of(value)).save(path / name)
    return path


def named(numbers: list[int], form: str = "{:06d}.png") -> list[str]:
    return [form.format(value) for value in numbers]


def seqinfo(root: Path, **values: object) -> None:
    told = {"name": "S-01", "imDir": "img1", "frameRate": 30, "seqLength": 6, "imExt": ".png"} | values
    root.mkdir(exist_ok=True)
    (root / "seqinfo.ini").write_text("[Sequence]\n" + "".join(f"{key}={value}\n" for key, value in told.items()))


def shown(path: Path) -> dict[int, int]:
    with open_video(path) as video:
        return {frame: number(rgb) for frame, rgb in video.frames()}


def found(*sources: str, tmp_path: Path, tell: Callable[[str], None] = lambda _: None) -> list[Path]:
    def none(*_: Any) -> list[Path]:
        return []

    return resolve(sources, cache=tmp_path / "cache", scenes=none, lerobot=none, tell=tell)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "JPG", "png", "bmp", "tif", "webp"])
def test_every_kind_of_picture_is_a_frame(tmp_path: Path, suffix: str) -> None:
    path = folder(tmp_path / "f", named([1, 2, 3], "f_{:02d}." + suffix))
    with open_video(path) as video:
        assert (video.ref.width, video.ref.height, video.ref.frames, video.ref.rate) == (*SIZE, 3, 25.0)
        assert video.pts_seconds.tolist() == [0.0, 0.04, 0.08]
        assert shown(path) == {0: 0, 1: 1, 2: 2}
        assert "says no rate: taken as 25 a second" in video.ref.notes[0]


def test_pictures_come_in_order_of_their_numbers_not_of_their_names(tmp_path: Path) -> None:
    assert shown(folder(tmp_path, named(list(range(8, 13)), "f{}.png"))) == {k: k for k in range(5)}


def test_a_rate_that_is_asked_for_goes_before_what_the_list_says(tmp_path: Path) -> None:
    folder(tmp_path / "s" / "img1", named([1, 2, 3, 4, 5, 6]))
    seqinfo(tmp_path / "s")
    for name, rate in (("s", 30.0), ("s/img1", 30.0), ("s?fps=12.5", 12.5), ("s/img1/%06d.png?fps=5", 5.0)):
        with open_video(tmp_path / name) as video:
            assert (video.ref.rate, video.ref.frames, video.ref.notes, video.ref.missing) == (rate, 6, (), 0), name
            assert video.pts_seconds[5] == pytest.approx(5 / rate)


def test_the_same_pictures_have_one_id_and_others_another(tmp_path: Path) -> None:
    names = named([1, 2, 3])
    paths = [folder(tmp_path / name, names) for name in "ab"]
    paths += [
        folder(tmp_path / "c", names, [0, 2, 1]),
        folder(tmp_path / "d", names, [0, 1, 3]),
        tmp_path / "a?fps=24",
    ]
    ids = [open_video(path).ref.id for path in paths]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    # A film at another rate is the same film to a split.
    kept, again = distinct(paths)
    assert kept == [paths[0], paths[2], paths[3]]
    assert again == [(paths[1], paths[0]), (paths[4], paths[0])]


def test_frames_keep_their_numbers_where_some_are_not_there(tmp_path: Path) -> None:
    path = folder(tmp_path / "f", named([1, 2, 4, 7]), [0, 1, 3, 6])
    with open_video(path) as video:
        assert video.ref.frames == 7
        assert {frame: number(rgb) for frame, rgb in video.frames()} == {0: 0, 1: 1, 3: 3, 6: 6}
        assert video.unreadable == [2, 4, 5]
        assert "lacks 3 of its 7 pictures (numbers 3, 5, 6)" in " ".join(video.ref.notes)
        with pytest.raises(VideoError, match=r"frame 2 of .* cannot be read: its picture is not in the folder"):
            video.frame(2)


def test_a_list_beside_them_says_where_the_first_ones_are_missing_and_the_last(tmp_path: Path) -> None:
    folder(tmp_path / "s" / "img1", named([3, 4, 5]), [2, 3, 4])
    seqinfo(tmp_path / "s")
    with open_video(tmp_path / "s") as video:
        assert (video.ref.frames, video.ref.missing) == (5, 1)
        assert [frame for frame, _ in video.frames()] == [2, 3, 4]
        assert video.unreadable == [0, 1]


@pytest.mark.parametrize(
    ("numbers", "note"),
    [
        ([0, 5, 10, 15], "numbered in steps of 5: taken as frames 0 to 3"),
        ([301, 302, 303], "numbered from 301 on: that one is frame 0"),
        ([1403636579763555584, 1403636579813555456, 1403636579863555584], "are no frames"),
        ([0, 1, 2], "says no rate"),
    ],
)
def test_what_numbers_are_taken_for_is_said(tmp_path: Path, numbers: list[int], note: str) -> None:
    path = folder(tmp_path / "f", named(numbers))
    assert shown(path) == {k: k for k in range(len(numbers))}
    assert note in " ".join(open_video(path).ref.notes)


def test_names_with_several_numbers_are_taken_in_their_order(tmp_path: Path) -> None:
    path = folder(tmp_path / "f", ["12_5.png", "12_40.png", "13_1.png"])
    assert shown(path) == {0: 0, 1: 1, 2: 2}
    assert "several numbers in their names" in open_video(path).ref.notes[0]


def test_hashes_that_an_export_adds_are_no_numbers(tmp_path: Path) -> None:
    names = [f"film_mp4-{k:04d}_jpg.rf.{k * 7919:032x}.jpg" for k in (2, 3, 4)]
    assert shown(folder(tmp_path / "f", names)) == {0: 0, 1: 1, 2: 2}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.png", "01.png"], "two pictures of one number: 01.png and 1.png"),
        (["1.png", "1.jpg", "2.png", "2.jpg"], r"several kinds of names: 2 like 1.jpg, 2 like 1.png"),
        (["1.png", "1_depth.png", "2.png", "2_depth.png"], r"Name one kind, such as '.*/%d.png'"),
        (["01.png", "01_m.png", "02.png", "02_m.png"], r"Name one kind, such as '.*/%02d.png'"),
        (["cat.png", "dog.png"], "have no numbers that tell their order"),
        (["cat.jpg", "cat.jpeg", "dog.jpg", "dog.jpeg"], "several kinds of names"),
    ],
)
def test_pictures_whose_order_nobody_knows_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    path = folder(tmp_path / "f", names)
    with pytest.raises(VideoError, match=message):
        open_video(path)


def test_hidden_files_are_none_links_are_followed_and_a_cover_is_left_out(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", named([1, 2, 3]))
    path = folder(tmp_path / "f", ["._000001.png", "cover.png"])
    for name in named([1, 2, 3]):
        os.symlink(real / name, path / name)
    os.symlink(tmp_path / "gone.png", path / "000004.png")
    (path / "000005.png").mkdir()
    with open_video(path) as video:
        assert {frame: number(rgb) for frame, rgb in video.frames()} == {0: 0, 1: 1, 2: 2}
        assert video.unreadable == [3]
        assert "leaves out cover.png" in video.ref.notes[0]
        with pytest.raises(VideoError, match=r"000004.png is a link to a file that is not there"):
            video.frame(3)


def test_damaged_pictures_are_frames_that_cannot_be_read_and_say_why(tmp_path: Path) -> None:
    path = folder(tmp_path / "f", named(list(range(8)), "{:03d}.jpg"))
    noisy = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    Image.fromarray(noisy).save(path / "002.jpg", quality=95)
    whole = (path / "002.jpg").read_bytes()
    (path / "001.jpg").write_bytes(whole[: len(whole) // 2])
    (path / "002.jpg").write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
    (path / "003.jpg").write_bytes(b"")
    (path / "004.jpg").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    Image.new("RGB", (64, 64)).save(path / "005.jpg")
    with open_video(path) as video:
        assert [frame for frame, _ in video.frames()] == [0, 6, 7]
        assert video.unreadable == [1, 2, 3, 4, 5]
        reasons = {frame: video.reasons[frame] for frame in video.unreadable}
        assert "truncated" in reasons[1]
        assert "truncated" in reasons[2]
        assert reasons[3] == "003.jpg is empty (0 bytes)"
        assert "no JPEG, PNG, BMP, TIFF or WebP" in reasons[4]
        assert reasons[5] == "the picture there has 64 x 64 px, the others 48 x 32"
        assert "pictures of another size (005.jpg, 1 in all): left out" in " ".join(video.ref.notes)


def test_a_png_whose_checksum_is_wrong_is_damaged(tmp_path: Path) -> None:
    path = folder(tmp_path / "f", named([0, 1]))
    encoded = bytearray((path / "000001.png").read_bytes())
    encoded[-20] ^= 1  # the last chunk of pixels ends before IEND's 12 bytes
    (path / "000001.png").write_bytes(encoded)
    assert shown(path) == {0: 0}


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_are_turned_as_they_say(tmp_path: Path, suffix: str, turn: int) -> None:
    stored = np.zeros((40, 64, 3), np.uint8)
    stored[:20, :32] = 200  # the first rows and columns
    exif = Image.Exif()
    exif[0x0112] = turn
    for k in range(2):
        more: dict[str, Any] = {"tiffinfo": {274: turn}} if suffix == "tif" else {"exif": exif}
        Image.fromarray(stored).save(tmp_path / f"{k}.{suffix}", **more)
    with open_video(tmp_path) as video:
        assert (video.ref.width, video.ref.height) == ((64, 40) if turn < 5 else (40, 64))
        rgb = video.frame(0)
    h, w = rgb.shape[:2]
    corners = [rgb[:8, :8], rgb[:8, w - 8 :], rgb[h - 8 :, w - 8 :], rgb[h - 8 :, :8]]
    lit = [bool(corner.mean() > 100) for corner in corners].index(True)
    # Where the first row and column are seen: EXIF's definition, clockwise from the top left.
    assert lit == {1: 0, 2: 1, 3: 2, 4: 3, 5: 0, 6: 1, 7: 2, 8: 3}[turn]


def test_pixels_of_other_kinds_are_shown_as_they_look(tmp_path: Path) -> None:
    def first(name: str, image: Image.Image) -> tuple[list[int], str]:
        path = tmp_path / name
        path.mkdir()
        image.save(path / name)
        with open_video(path) as video:
            return video.frame(0)[0, 0].tolist(), " ".join(video.ref.notes)

    half = Image.new("RGBA", (16, 16), (200, 100, 50, 128))
    assert first("a0.png", half)[0] == [100, 50, 25]
    assert "with transparency: shown on black" in first("a1.png", half)[1]
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([9, 9, 9, 30, 60, 90])
    assert first("p0.png", palette) == ([30, 60, 90], first("p1.png", palette)[1])
    palette.info["transparency"] = 1
    palette.save(tmp_path / "t0.png", transparency=1)
    assert first("t1.png", Image.open(tmp_path / "t0.png"))[0] == [0, 0, 0]
    deep = Image.fromarray(np.full((16, 16), 257 * 100, np.uint16))
    assert first("g0.png", deep)[0] == [100, 100, 100]
    assert first("g1.tif", deep)[0] == [100, 100, 100]
    assert "16 bit grey" in first("g2.png", deep)[1]
    assert first("l0.png", Image.new("L", (16, 16), 77))[0] == [77] * 3
    assert first("b0.png", Image.new("1", (16, 16), 1))[0] == [255] * 3
    red = Image.new("RGB", (16, 16), (250, 10, 10)).convert("CMYK")
    rgb, note = first("c0.jpg", red)
    assert np.abs(np.array(rgb) - [250, 10, 10]).max() < 8
    assert "CMYK" in note
    coloured = Image.new("RGB", (16, 16), (20, 180, 90))
    for k in range(3):
        path = tmp_path / f"s{k}"
        path.mkdir()
        coloured.save(path / "1.jpg", subsampling=k, quality=95)
        assert np.abs(open_video(path).frame(0)[3, 3].astype(int) - [20, 180, 90]).max() < 4
    with pytest.raises(VideoError, match="32 bit or floating point grey"):
        first("f0.tif", Image.new("F", (16, 16), 0.5))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("no section", "no readable section"),
        ("[Sequence]\nframeRate=0\n", "frameRate=0 is no rate"),
        ("[Sequence]\nframeRate=nan\n", "frameRate=nan is no rate"),
        ("[Sequence]\nseqLength=-3\n", "'-3' is no whole number"),
        ("[Sequence]\nimDir=../..\n", "lies outside of"),
        ("[Sequence]\nimDir=/etc\n", "lies outside of"),
        ("\0\xff", "no readable section"),
    ],
)
def test_a_list_that_is_wrong_is_named(tmp_path: Path, written: str, message: str) -> None:
    folder(tmp_path / "s" / "img1", named([1, 2]))
    (tmp_path / "s" / "seqinfo.ini").write_bytes(written.encode("latin1"))
    with pytest.raises(VideoError, match=message):
        open_video(tmp_path / "s")


def test_what_a_list_says_and_the_pictures_do_not_is_told(tmp_path: Path) -> None:
    folder(tmp_path / "s" / "img1", named([1, 2, 3]))
    seqinfo(tmp_path / "s", seqLength=2, imWidth=1920, imHeight=1080)
    notes = open_video(tmp_path / "s").ref.notes
    assert notes[0] == "has 3 pictures, though its seqinfo.ini speaks of 2."
    assert notes[1] == "has pictures of 48 x 32 px, though its seqinfo.ini speaks of 1920 x 1080."


def test_sources_that_name_pictures(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder(tmp_path / "all" / name / "img1", named([1, 2], "{:03d}.png"))
        seqinfo(tmp_path / "all" / name, seqLength=2)
    folder(tmp_path / "plain", named([1, 2], "{}.jpg"))
    root = tmp_path / "all"
    a, b = root / "a", root / "b"
    assert found(str(a), tmp_path=tmp_path) == [a]
    assert found(f"{a}?fps=3", tmp_path=tmp_path) == [root / "a?fps=3"]
    assert found(f"{root}/*", tmp_path=tmp_path) == [a, b]
    assert found(f"{root}/*?fps=3", tmp_path=tmp_path) == [root / "a?fps=3", root / "b?fps=3"]
    images = found(f"{root}/*/img1/*.png", tmp_path=tmp_path)
    assert images == [a / "img1" / "*.png", b / "img1" / "*.png"]
    assert [open_video(path).ref.rate for path in images] == [30.0, 30.0]
    assert found(f"{tmp_path}/plain/%d.jpg", tmp_path=tmp_path) == [tmp_path / "plain" / "%d.jpg"]
    for source, message in (
        (str(root), r"but pictures in 2 folders of it \(a, b\). For a film of each, give '.*/\*'"),
        (f"{tmp_path}/plain/1.jpg", r"is one picture. For a film of pictures name their folder"),
        (f"{tmp_path}/plain/%06d.jpg", "does not exist"),
        (f"{tmp_path}/cache?fps=3", "holds no pictures, and .fps=3 is the rate of some"),
        (f"{a}?fps=fast", "fps=fast is no rate"),
        (f"{tmp_path}/plain/*.png", "matches 0 files"),
    ):
        with pytest.raises(VideoError, match=message):
            found(source, tmp_path=tmp_path)


def test_films_go_before_pictures_and_that_is_told(tmp_path: Path) -> None:
    path = folder(tmp_path / "f", named([1, 2]))
    (path / "film.mp4").write_bytes(b"x")
    told: list[str] = []
    for source in (str(path), f"{path}/*"):
        assert found(source, tmp_path=tmp_path, tell=told.append) == [path / "film.mp4"]
    assert len(told) == 2
    assert "holds 1 films and 2 pictures: the films are taken" in told[0]


def test_a_list_without_its_folder(tmp_path: Path) -> None:
    seqinfo(tmp_path / "labels-only")
    with pytest.raises(VideoError, match=r"lacks the folder img1 of pictures that its seqinfo.ini names"):
        found(str(tmp_path / "labels-only"), tmp_path=tmp_path)
    folder(tmp_path / "beside", named([1, 2, 3, 4, 5, 6]))
    seqinfo(tmp_path / "beside")
    assert (open_video(tmp_path / "beside").ref.rate, len(shown(tmp_path / "beside"))) == (30.0, 6)
    with pytest.raises(VideoError, match="does not exist"):
        found(f"{tmp_path}/beside/%0{10**12}d.png", tmp_path=tmp_path)


@pytest.mark.parametrize("pattern", ["%06d.png", "%d.png", "0*.png", "00000?.png", "%06d.png?fps=7"])
def test_patterns_stand_for_what_ffmpeg_takes_them_for(tmp_path: Path, pattern: str) -> None:
    path = folder(tmp_path / "f", [*named([1, 2, 3]), *named([1, 2], "{}.png"), *named([4], "x{}.png")])
    expected = 2 if pattern == "%d.png" else 3
    assert len(shown(path / pattern)) == expected


def test_pictures_of_a_table_at_times_of_their_own() -> None:
    import io

    def content(value: int) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(of(value)).save(buffer, "PNG")
        return buffer.getvalue()

    def broken() -> bytes:
        raise ValueError("the row is null")

    pictures: list[Picture | str] = [Picture("row 0", content(0)), Picture("row 1", lambda: content(1))]
    pictures += [Picture("row 2", broken), "row 3 has none", Picture("row 4", content(4))]
    times = np.array([5.0, 5.1, 5.3, 5.4, 5.5])
    with film_of("set/camera", pictures, pts_seconds=times, rate=10.0, notes=("is a table.",)) as film:
        np.testing.assert_allclose(film.pts_seconds, times - 5.0)
        assert {frame: number(rgb) for frame, rgb in film.frames()} == {0: 0, 1: 1, 4: 4}
        assert (film.ref.path, film.ref.notes) == ("set/camera", ("is a table.",))
        with pytest.raises(VideoError, match="row 2 cannot be read: the row is null"):
            film.frame(2)
        film.shots, film.episodes = (0, 2), ("one", "two")
        assert (film.shots, film.ref.episodes) == ((0, 2), ("one", "two"))
    with pytest.raises(VideoError, match="holds no picture that can be read: row 3 has none"):
        film_of("set/camera", ["row 3 has none"], pts_seconds=times[:1], rate=10.0)


def test_a_picture_that_changes_its_size_after_opening_is_not_read(tmp_path: Path) -> None:
    path = folder(tmp_path / "f", named([1, 2]))
    with open_video(path) as video:
        Image.new("RGB", (64, 64)).save(path / "000002.png")
        assert [frame for frame, _ in video.frames()] == [0]
        with pytest.raises(VideoError, match="changed its size"):
            video.frame(1)


def test_a_sequence_is_labelled_by_the_boxes_beside_it(tmp_path: Path) -> None:
    folder(tmp_path / "s" / "img1", named([1, 2, 3, 4, 5, 6]))
    seqinfo(tmp_path / "s")
    truth = tmp_path / "s" / "gt" / "gt.txt"
    truth.parent.mkdir()
    truth.write_text("".join(f"{k},1,{2 * k},4,10,8,1,1,1\n" for k in (1, 2, 3, 4, 5, 6)))
    labels = label([tmp_path / "s"], labeller=load_labeller(f"mot:{truth}"))
    assert labels.table["frame"].to_list() == [0, 1, 2, 3, 4, 5]
    assert labels.table["x"].to_list() == [7.0, 9.0, 11.0, 13.0, 15.0, 17.0]
    known = tracks(labels, str(labels.table["video"][0]))
    assert known.speed == pytest.approx(np.tile([60.0, 0.0], (6, 1)))
    assert "lie beside it" not in " ".join(labels.notes)
    # Whoever takes other boxes is told of them.
    found = label([tmp_path / "s" / "img1"], labeller=load_labeller("moving"))
    assert f"--labeller mot:{truth} takes them" in " ".join(found.notes)


def test_clips_of_a_sequence_are_encoded_and_those_with_holes_are_failures(tmp_path: Path) -> None:
    path = folder(tmp_path / "f", named([k for k in range(1, 17) if k != 6]), [k for k in range(16) if k != 5])
    done = encode([path], encoder=Pixels(), store=Store(str(tmp_path / "store")), blocks=[0], frames=4)
    assert done.made == 3
    assert [(failure.video, failure.clip) for failure in done.failures] == [(str(path), 4)]


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_a_picture_that_moves_is_no_frame(tmp_path: Path, suffix: str) -> None:
    path = folder(tmp_path / "f", named([1, 2, 3], "{}." + suffix))
    pictures = [Image.fromarray(of(k)) for k in (1, 9)]
    pictures[0].save(path / f"2.{suffix}", save_all=True, append_images=pictures[1:])
    assert shown(path) == {0: 0, 2: 2}
    with open_video(path) as video, pytest.raises(VideoError, match="holds several pictures"):
        video.frame(1)


@settings(max_examples=40)
@given(
    names=st.lists(
        st.from_regex(r"[a%_ ]{0,2}[0-9]{0,12}[b._-]{0,2}[0-9]{0,3}\.(png|jpg|JPEG)", fullmatch=True),
        unique=True, min_size=1, max_size=8,
    )
)  # fmt: skip
def test_names_of_any_kind_are_put_in_order_or_refused(names: list[str]) -> None:
    files = [Path("f", name) for name in names if not name.startswith(".")]
    try:
        placed = numbered(Path("f"), files) if files else None
    except VideoError:
        return
    if placed is not None:
        there = [one.content for one in placed.pictures if not isinstance(one, str)]
        assert len(set(there)) == len(there)
        # Whatever was left out is said.
        assert set(there) == set(files) or "leaves out" in placed.notes[0]
        assert len(placed.pictures) <= 10 * len(files) + 10
