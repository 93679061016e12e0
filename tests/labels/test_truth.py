import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.builders.checks import some

from worldprobe.errors import LabelError
from worldprobe.labels.files.coco import Coco
from worldprobe.labels.files.mot import Mot
from worldprobe.labels.truth import SceneTruth
from worldprobe.records import Labels, VideoRef
from worldprobe.video.rendered.scenes import FRAMES, HEIGHT, WIDTH, plan_scene, render_scenes


class Source:
    """A video of which labellers may know all but the pixels."""

    def __init__(self, path: str = "film.mp4", frames: int = 10, size: tuple[int, int] = (100, 80)) -> None:
        self.ref = VideoRef("a" * 64, path, *size, frames, 10.0)
        self.shots = (0,)
        self.pts_seconds = 5 + np.arange(frames) ** 2 / 100  # a late start, a variable rate

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, Any]]:
        raise AssertionError("the labels are in the file: no pixels are needed")


Write = Callable[[Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: Any) -> Path:
        path = tmp_path / "labels.txt"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def mot(path: Path, source: Source | None = None) -> Labels:
    return Mot(str(path)).label(source or Source())


def coco(path: Path, source: Source | None = None) -> Labels:
    return Coco(str(path)).label(source or Source())


# --- truth of rendered scenes


def test_truth_is_what_the_scene_was_planned_to_be(tmp_path: Path) -> None:
    path = render_scenes(1, 8, tmp_path)[0]
    labels = SceneTruth().label(Source(str(path), FRAMES, (WIDTH, HEIGHT)))
    scene = plan_scene(8, 0)
    assert labels.table.height == FRAMES * len(scene.sprites)
    assert set(labels.table["source"]) == {"truth"}
    assert set(labels.table["confidence"]) == {1.0}
    for number, sprite in some(enumerate(scene.sprites)):
        rows = labels.table.filter(pl.col("object") == number).sort("frame")
        assert np.array_equal(rows.select("x", "y").to_numpy(), sprite.centre)
        assert np.array_equal(rows.select("vx", "vy").to_numpy(), sprite.speed)
        assert set(rows["class"]) == {sprite.shape}
        assert set(rows["depth"]) == {sprite.depth}
        assert rows["visible"].is_between(0, 1).all()


def test_a_film_without_truth_is_told_of_the_other_labellers(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"no truth beside .*film\.mp4.*moving, mot:FILE, coco:FILE"):
        SceneTruth().label(Source(str(tmp_path / "film.mp4")))
    with pytest.raises(LabelError, match="takes no argument"):
        SceneTruth("film.parquet")


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (None, "is damaged"),
        (pl.DataFrame({"frame": []}), "is damaged"),
        (pl.DataFrame({"x": [1.0]}), "is damaged"),
        (pl.DataFrame({"frame": range(9)}), "speaks of 9 frames, .* has 10"),
    ],
)
def test_damaged_truth_is_one_clear_error(table: pl.DataFrame | None, what: str, tmp_path: Path) -> None:
    path = tmp_path / "film.truth.parquet"
    if table is None:
        path.write_bytes(b"cut off")
    else:
        table.write_parquet(path)
    with pytest.raises(LabelError, match=what):
        SceneTruth().label(Source(str(tmp_path / "film.mp4")))


# --- MOTChallenge text


def test_mot_boxes_become_centres_and_frames_count_from_one(write: Write) -> None:
    path = write("\ufeff1,7,10,20,30,40,1,1,1\r\n\n  3 , 8 , 0.5 , 1 , 2 , 4 , 0.5 , 3 , 0.2 \n")
    rows = mot(path).table.rows(named=True)
    assert [(r["frame"], r["object"], r["x"], r["y"], r["w"], r["h"]) for r in rows] == [
        (0, 7, 25.0, 40.0, 30.0, 40.0),
        (2, 8, 1.5, 3.0, 2.0, 4.0),
    ]
    assert [(r["class"], r["confidence"], r["source"]) for r in rows] == [
        ("pedestrian", 1.0, "mot"),
        ("car", 0.5, "mot"),
    ]
    assert [r["pts_seconds"] for r in rows] == [5.0, 5.04]


def test_mot_without_classes_and_with_boxes_not_to_be_considered(write: Write) -> None:
    path = write("1,1,1,1,5,5\n2,1,1,1,5,5,-1,-1,-1,-1\n3,1,1,1,5,5,0,1,1\n4,1,1,1,5,5,1,99,1\n")
    table = mot(path).table
    assert table["frame"].to_list() == [0, 1, 3]
    assert table["class"].to_list() == ["", "", "class 99"]
    assert table["confidence"].to_list() == [1.0, 1.0, 1.0]


box = st.tuples(
    st.integers(1, 10),
    st.integers(-1, 2**50),
    st.floats(0, 99),
    st.floats(0, 79),
    st.floats(0.01, 200),
    st.floats(0.01, 200),
    st.floats(0.01, 1),
    st.sampled_from([-1, 1, 3]),
    st.floats(0, 1),
    st.just(-1),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    boxes=st.lists(
        st.tuples(box, st.integers(6, 10)), min_size=1, max_size=20, unique_by=lambda row: (row[0][0], row[0][1])
    )
)
def test_what_is_written_as_mot_is_read_back(boxes: list[tuple[Any, int]], write: Write) -> None:
    text = "\n".join(",".join(repr(value) for value in row[:fields]) for row, fields in boxes)
    table = mot(write(text)).table
    rows = np.array([row for row, _ in boxes])
    assert table["frame"].to_list() == [row[0] - 1 for row, _ in boxes]
    assert table["object"].to_list() == [row[1] for row, _ in boxes]
    assert np.array_equal(table.select("w", "h").to_numpy(), rows[:, 4:6])
    assert np.allclose(table.select("x", "y").to_numpy() - rows[:, 4:6] / 2, rows[:, 2:4], atol=1e-9)
    assert table["confidence"].to_list() == [row[6] if fields > 6 else 1.0 for row, fields in boxes]


@pytest.mark.parametrize(
    "line",
    [
        "1 1 1 1 5 5", "1,1,1,1,5", "1,1,1,1,5,5,1,1,1,1,1", "1,1,1,1,5,", "frame,id,x,y,w,h", "1,1,nan,1,5,5",
        "1,1,inf,1,5,5", "-1,1,1,1,5,5", "1,1,1,1,0,5", "1,1,1,1,5,-5", "1.5,1,1,1,5,5",
        "1,1.5,1,1,5,5", "1e300,1,1,1,5,5", "1,1e300,1,1,5,5", "1,1,1,1,5,5,1,1.5,1",
    ],
)  # fmt: skip
def test_a_malformed_mot_line_is_named(line: str, write: Write) -> None:
    path = write(f"1,1,1,1,5,5\n\n{line}\n")
    with pytest.raises(LabelError, match=rf"{path.name} line 3: "):
        mot(path)


def test_a_sloppy_mot_file_is_taken_and_what_was_done_is_said(write: Write) -> None:
    lines = [
        "0,1,90,1,20,5",
        "2,1,1,1,5,5,0",
        "2,1,1,1,5,5,1,99",
        "5,1,-3,1,5,5,1,99",
        *[f"9,{i},1,1,5,5" for i in range(10, 210)],
    ]
    labels = mot(write("\n".join([*lines, "9,2,300,1,5,5"])))
    assert sorted(set(labels.table["frame"])) == [0, 2, 5, 9]
    assert labels.table.filter(pl.col("frame") == 0)["x"].to_list() == [100.0]
    assert labels.notes == (
        "labels.txt: frames count from 0 in it, not from 1 as in MOTChallenge; 1 box that it marks as not to be "
        "considered (confidence 0): left out; 2 boxes of classes without a name (99): called by their number; "
        "1 box outside the frame or without extent: left out; 2 boxes reaching past the frame's edge: kept as "
        "written; 6 frames between the first and the last labelled one have no boxes.",
    )
    assert mot(write("\n".join(f"{n},1,1,1,5,5" for n in range(1, 11)))).notes == ()


def test_labels_of_another_video_or_size_are_refused(write: Write) -> None:
    with pytest.raises(LabelError, match=r"speaks of frame 10 .*film\.mp4 has 10 frames"):
        mot(write("1,1,1,1,5,5\n11,1,1,1,5,5"))
    inside, outside = "1,1,1,1,5,5\n", "1,1,150,1,5,5\n"
    assert mot(write(inside * 198 + outside)).table.height == 198
    with pytest.raises(LabelError, match=r"3 of 201 boxes .* outside .*100 x 80 px"):
        mot(write(inside * 198 + outside * 3))


def test_no_text_and_no_file(write: Write, tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="is not a MOT file: it is not UTF-8"):
        mot(write(b"1,1,1,1,5,5 \xff\xfe\xe9"))
    with pytest.raises(LabelError, match="is not a COCO file: it is not UTF-8"):
        coco(write(b"\xff\xfe\xe9"))
    for kind in (Mot, Coco):
        with pytest.raises(LabelError, match="needs a file"):
            kind(None)
        with pytest.raises(LabelError, match="no file of labels at"):
            kind(str(tmp_path / "absent"))
        with pytest.raises(LabelError, match="no file of labels at"):
            kind(str(tmp_path))


# --- COCO


def image(identity: Any, **more: Any) -> dict[str, Any]:
    return {"id": identity, **more}


def boxed(identity: Any, bbox: Any = (10, 20, 30, 40), **more: Any) -> dict[str, Any]:
    return {"image_id": identity, "bbox": bbox, "category_id": 4, **more}


def file(images: Any, annotations: Any) -> dict[str, Any]:
    return {"images": images, "annotations": annotations, "categories": [{"id": 4, "name": "cat"}]}


def test_coco_boxes_classes_and_tracks(write: Write) -> None:
    images = [image(50, frame_id=0, width=100, height=80), image(60, frame_id=2)]
    annotations = [
        boxed(60, track_id=3, score=0.25), boxed(50), boxed(50, iscrowd=1), boxed(50, ignore=1),
    ]  # fmt: skip
    rows = coco(write("\ufeff" + json.dumps(file(images, annotations)))).table.rows(named=True)
    assert [(r["frame"], r["object"], r["confidence"], r["pts_seconds"]) for r in rows] == [
        (2, 3, 0.25, 5.04),
        (0, -1, 1.0, 5.0),
    ]
    assert {(r["x"], r["y"], r["w"], r["h"], r["class"], r["source"]) for r in rows} == {
        (25.0, 40.0, 30.0, 40.0, "cat", "coco")
    }


@pytest.mark.parametrize(
    "images",
    [
        [image(20 + i, frame_id=i) for i in range(4)],
        [image(20 + i, frame_id=i + 1) for i in range(4)],
        [image(20 + i, frame_index=i, file_name="9.jpg") for i in range(4)],
        [image(20 + i, file_name=f"b2/frame_{i + 1:06d}.jpg") for i in range(10)],
        [image(20 + i, file_name=f"film.mp4#{i}") for i in range(10)],
        [image(20 + i, file_name=f"take7.{i:04d}.jp2") for i in range(10)],
        [image(20 + i, file_name="still.png") for i in range(10)],
        [image(20 + i) for i in reversed(range(10))],
    ],
    ids=["from 0", "from 1", "frame_index", "file name", "fragment", "dots", "ids in order", "ids in any order"],
)
def test_coco_frames_are_found(images: list[dict[str, Any]], write: Write) -> None:
    table = coco(write(file(images, [boxed(20), boxed(23)]))).table
    assert table["frame"].to_list() == [0, 3]


def test_a_sloppy_coco_file_is_taken_and_what_was_done_is_said(write: Write) -> None:
    images = [image(20 + i, frame_id=i + 1) for i in range(4)]
    annotations = [boxed(20), boxed(20, iscrowd=1), boxed(23, (-4, 0, 10, 10), category_id=9)]
    labels = coco(write(file(images, annotations)))
    assert list(zip(labels.table["frame"], labels.table["class"], strict=True)) == [(0, "cat"), (3, "class 9")]
    assert labels.notes == (
        "labels.txt: frames count from 1 in it; 1 box that it marks as a crowd or as to be ignored: left out; "
        "1 box of categories that it does not list (9): called by id; 1 box reaching past the frame's edge: kept "
        "as written; as left, top, right, bottom all of its boxes would fit: if they are that, write width and "
        "height; its boxes have no tracks, and so no speeds (--tracker links them); 2 frames between the first and "
        "the last labelled one have no boxes; its boxes end at frame 3 of 10 (where it speaks of every nth frame, "
        "add ?step=n to its name).",
    )
    unnumbered = file([image(5)] + [image(i) for i in range(6, 15)], [boxed(i) for i in range(5, 15)])
    assert coco(write(unnumbered)).notes == (
        "labels.txt: images have no frame numbers: taken in the order of their ids; its boxes have no tracks, and "
        "so no speeds (--tracker links them).",
    )


ONE = [image(1, frame_id=0)]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("not json", "is not a COCO file"),
        ("[" * 100_000, "is not a COCO file"),
        ([], "lacks annotations, categories, images"),
        ({"images": [], "categories": []}, "lacks annotations"),
        (file(["a.jpg"], []), "malformed"),
        (file(None, []), "malformed"),
        (file(ONE, ["box"]), "malformed"),
        (file(ONE, [{"image_id": 1, "bbox": [1, 1, 5, 5]}]), "lacks 'category_id'"),
        (file(ONE, [boxed(2)]), "lacks 2"),
        (file(ONE, [boxed(1, (1, 1, 5, 5, 1, 1, 5, 5))]), "not left, top, width, height"),
        (file(ONE, [boxed(1, ("a", 1, 5, 5))]), "malformed"),
        (file(ONE, [boxed(1, track_id=10**30)]), "malformed"),
        (file([image(1, frame_id=1.5)], []), "frame number 1.5"),
        ('{"images": [{"id": 1, "frame_id": 1e400}], "annotations": [], "categories": []}', "malformed"),
        (file([image(1, frame_id=10)], [boxed(1)]), "speaks of frame 10, .* has 10 frames"),
        (file([image(1, frame_id=0, width=768, height=576)], []), "768 x 576 px, film.mp4 has 100 x 80"),
        (file([image(1, frame_id=3), image(2, frame_id=3)], []), "two images of frame 3 .*several videos"),
        (file(ONE, [boxed(1, (200, 1, 5, 5))]), "1 of 1 boxes .* outside"),
    ],
)
def test_a_malformed_coco_file_is_one_clear_error(content: Any, what: str, write: Write) -> None:
    with pytest.raises(LabelError, match=what):
        coco(write(content))
