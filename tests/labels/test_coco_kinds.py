"""What tools write beside and instead of COCO's boxes: tracks, masks, ids as text, marks, numbers in names."""

import copy
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders.label_files import Source, at, coco, said, written

from worldprobe.errors import LabelError
from worldprobe.labels.files.coco import Coco
from worldprobe.labels.files.masks import box_of, unpacked

IDS = [{"frame_id": n} for n in range(60)]


def read(content, folder, options="", **source):
    return Coco(str(written(folder, content)) + options).label(Source(**source))


def frames(labels):
    return labels.table["frame"].to_list()


# --- tracks and marks


@pytest.mark.parametrize("name", ["track_id", "instance_id", "object_id"])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("value", [3, "3", 3.0])
def test_tracks_are_found_under_their_names_and_in_attributes(name, inside, value, tmp_path):
    box = {"attributes": {name: value, "occluded": False}} if inside else {name: value, "attributes": "none"}
    labels = read(coco(IDS, boxes=[box] * 60), tmp_path)
    assert set(labels.table["object"]) == {3}
    assert labels.notes == ()


def test_tracks_with_names_are_numbered_after_the_numbers_and_it_is_said(tmp_path):
    names = ["person-3", "5", 2, None, "", -1, "dog"]
    labels = read(coco(IDS, boxes=[{"track_id": names[n % 7]} for n in range(60)]), tmp_path)
    assert labels.table["object"].to_list()[:7] == [6, 5, 2, -1, -1, -1, 7]
    assert "tracks have names in it: numbered in order (person-3 is 6, dog is 7)" in said(labels)


@pytest.mark.parametrize("value", [[1], {"a": 1}, True, 1.5, 10**30])
def test_a_track_that_is_no_id_is_named(value, tmp_path):
    boxes = [{}] * 4 + [{"track_id": value}] + [{}] * 55
    with pytest.raises(LabelError, match="malformed: annotation 4: track "):
        read(coco(IDS, boxes=boxes), tmp_path)


def test_marks_in_attributes_count_as_those_beside_the_box(tmp_path):
    boxes = [
        {"attributes": {"outside": True}},
        {"outside": 1},
        {"iscrowd": "0"},
        {"iscrowd": "1"},
        {"ignore": True},
    ]
    boxes += [{"attributes": {"occluded": True}}, {"attributes": {"visibility": 0.25}}, {"occlusion": 0.4}] + [
        {}
    ] * 52
    labels = read(coco(IDS, boxes=boxes), tmp_path)
    assert frames(labels) == [2, *range(5, 60)]
    assert "2 boxes that it marks as outside: left out" in said(labels)
    assert "2 boxes that it marks as a crowd or as to be ignored: left out" in said(labels)
    assert "1 box marked as occluded" in said(labels)
    seen = labels.table["visible"].to_numpy()
    assert seen[2:4].tolist() == [0.25, 0.6]
    assert np.isnan(seen[0])
    with pytest.raises(LabelError, match="annotation 0: visibility 87 is not from 0 to 1"):
        read(coco(IDS, boxes=[{"visibility": 87}] * 60), tmp_path)


# --- ids


@pytest.mark.parametrize("as_text", ["images", "categories", "annotations"])
def test_ids_as_text_and_as_numbers_are_the_same(as_text, tmp_path):
    content = coco(IDS)
    for entry in content[as_text]:
        for name in ("id", "image_id", "category_id"):
            if name in entry:
                entry[name] = str(entry[name])
    labels = read(content, tmp_path)
    assert frames(labels) == list(range(60))
    assert set(labels.table["class"]) == {"ball"}
    assert as_text == "images" or "whose category is text in one place and a number in another: matched" in said(
        labels
    )


def test_ids_that_are_words_and_categories_by_name(tmp_path):
    content = coco([{"id": f"im-{n}", "frame_id": n} for n in range(60)], boxes=[{"category_id": "ball"}] * 60)
    assert set(read(content, tmp_path).table["class"]) == {"ball"}
    content["categories"].append({"id": "1", "name": "cube"})
    with pytest.raises(LabelError, match="category 1 is 'ball' and 'cube'"):
        read(content, tmp_path)
    content = coco(IDS)
    content["images"][5]["id"] = "8"
    with pytest.raises(LabelError, match=r"two images have the id 8"):
        read(content, tmp_path)


def test_a_list_of_results_is_told_what_it_lacks(tmp_path):
    results = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}]
    with pytest.raises(LabelError, match=r'bare list of detections .*images and categories .*as "annotations"'):
        read(results, tmp_path)
    with pytest.raises(LabelError, match=r"lacks images.*YouTube-VIS.*frame_id"):
        read({"videos": [], "annotations": [], "categories": []}, tmp_path)


# --- boxes and masks


@pytest.mark.parametrize(
    "bbox",
    [[1, 2, float("nan"), 4], [1, 2, -3, 4], [1, 2, 3, -4], [1, 2, 3], [1, 2, None, 4], "1 2 3 4", [1, 2, True, 4]],
)  # fmt: skip
def test_a_box_that_is_none_is_named(bbox, tmp_path):
    with pytest.raises(LabelError, match=r"annotation 7: .*bbox"):
        read(coco(IDS, boxes=[{"bbox": bbox} if n == 7 else {} for n in range(60)]), tmp_path)


@pytest.mark.parametrize("bbox", [None, [], [3, 4, 0, 5], [3, 4, 5, 0.0]])
def test_a_box_without_extent_is_left_out_and_said(bbox, tmp_path):
    labels = read(coco(IDS, boxes=[{"bbox": bbox} if n == 7 else {} for n in range(60)]), tmp_path)
    assert frames(labels) == [*range(7), *range(8, 60)]
    assert "1 box without extent: left out" in said(labels)
    with pytest.raises(LabelError, match="no box with an extent in any"):
        read(coco(IDS, boxes=[{"bbox": bbox}] * 60), tmp_path)


def test_a_box_of_zeros_with_a_mask_is_the_masks(tmp_path):
    boxes = [{"bbox": [0, 0, 0, 0], "segmentation": [[9, 9, 19, 9, 19, 29]]}] * 60
    labels = read(coco(IDS, boxes=boxes), tmp_path)
    assert set(labels.table.select("x", "y", "w", "h").iter_rows()) == {(14.0, 19.0, 10.0, 20.0)}


def test_tracks_numbered_within_each_class_are_told_apart(tmp_path):
    content = coco(IDS, boxes=[{"track_id": 5}] * 60)
    content["categories"].append({"id": 2, "name": "cube"})
    content["annotations"] += [
        one | {"id": 900 + n, "category_id": 2} for n, one in enumerate(content["annotations"])
    ]
    labels = read(content, tmp_path)
    pairs = labels.table.select("object", "class").unique().sort("object").rows()
    assert pairs == [(0, "ball"), (1, "cube")]
    assert "tracks are numbered within each class in it: told apart" in said(labels)


def without_box(content, segmentation):
    for entry in content["annotations"]:
        del entry["bbox"]
        entry["segmentation"] = segmentation
    return content


def test_polygons_without_a_box_are_read_and_said(tmp_path):
    content = coco(IDS)
    for n, entry in enumerate(content["annotations"]):
        left, top, width, height = at(n)
        del entry["bbox"]
        corners = [left, top, left + width, top, left + width, top + height, left, top + height]
        entry["segmentation"] = [corners, [left + 5, top + 5, left + 9, top + 5, left + 9, top + 9]]
    labels = read(content, tmp_path)
    assert np.allclose(labels.table["x"].to_numpy(), [60 + 1.5 * n for n in range(60)])
    assert set(labels.table["w"].round(6)) == {40.0}
    assert "60 boxes with a mask only: the mask's box taken" in said(labels)


def packed(counts):
    """COCO's text of run lengths."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            letter, value = value & 31, value >> 5
            more = value != -1 if letter & 16 else value != 0
            text += chr(48 + letter + 32 * more)
    return text


@st.composite
def masks(draw):
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    return np.array(draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))).reshape(
        height, width
    )


@settings(max_examples=40)
@given(masks())
def test_boxes_of_run_lengths_are_those_of_the_pixels(mask):
    flat = mask.flatten(order="F").astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    counts = np.diff([0, *edges, flat.size]).tolist()
    assert unpacked(packed(counts)) == counts
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    expected = None
    if len(rows):
        expected = (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)
    for runs in (counts, packed(counts)):
        assert box_of({"size": [height, width], "counts": runs}, (width, height)) == expected


def test_known_run_lengths():
    # A row of COCO's own text, by its definition: 5 is "5"; 20 has its fifth bit set and needs one letter more.
    assert unpacked("5d0Wo2") == [5, 20, 3047]
    assert unpacked("044N") == [0, 4, 4, 2]  # the fourth is the difference, -2, from the second
    assert box_of({"size": [240, 320], "counts": [240 * 3 + 10, 20, 240 * 316 + 210]}, (320, 240)) == (3, 10, 1, 20)
    assert box_of([[1, 2, 5, 2, 5, 9.5]], (320, 240)) == (1, 2, 4, 7.5)


@pytest.mark.parametrize(
    ("mask", "what"),
    [
        ({"counts": "abc", "size": [240, 320]}, "end within a number"),
        ({"counts": "12é", "size": [240, 320]}, "stands in it"),
        ({"counts": "o" * 40, "size": [240, 320]}, "stands in it"),
        ({"counts": "444", "size": [240, 320]}, "do not add up"),
        ({"counts": [10, -5, 240 * 320 - 5], "size": [240, 320]}, "do not add up"),
        ({"counts": [10, 1.5], "size": [240, 320]}, "run length 1.5"),
        ({"counts": [240 * 320], "size": [320, 240]}, "240 x 320 px, the film has 320 x 240"),
        ({"counts": [5]}, "no size"),
        ({"size": [240, 320]}, "no counts"),
        ([[1, 2, 3]], "three or more pairs"),
        ([[1, 2, 3, 4, "x", 6]], "'x' is not a number"),
        ("abc", "neither polygons nor run lengths"),
    ],
)
def test_a_damaged_mask_is_named_by_its_entry(mask, what, tmp_path):
    with pytest.raises(LabelError, match=f"labels.json is malformed: annotation 0: .*{what}"):
        read(without_box(coco(IDS), mask), tmp_path)


# --- which frame an image is


def named(pattern, numbers):
    return [{"file_name": pattern.format(n)} for n in numbers]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    "pattern",
    [
        "{:04d}.jpg",
        "a/b\\out-{}.png",
        "film_mp4-{:04d}_jpg.rf.0123456789abcdef0123456789abcdef.jpg",
        "frame_{:06d}.PNG",
    ],
)
@pytest.mark.parametrize("count", [2, 12, 20, 30])
def test_pictures_taken_out_of_a_film_are_never_taken_for_its_beginning(pattern, first, count, tmp_path):
    step = 60 // count
    content = coco(named(pattern, range(first, first + count)))
    last = rf"0 to {count - 1} .* is {first + count - 1}\), film.mp4 has 60 frames"
    with pytest.raises(LabelError, match=rf"{last}.*\?step={step} .*\?step=1 if they are"):
        read(content, tmp_path)
    spread = read(content, tmp_path, f"?step={step}")
    assert frames(spread) == [n * step for n in range(count)]
    assert f"x {step}, as asked" in said(spread)
    assert frames(read(content, tmp_path, "?step=1")) == list(range(count))
    moved = read(content, tmp_path, f"?step=2&start=1&first={first}")
    assert frames(moved) == [1 + 2 * n for n in range(count) if 1 + 2 * n < 60]


def test_a_step_between_whole_numbers_and_a_subset_of_what_was_taken_out(tmp_path):
    some = [n for n in range(24) if n % 3]
    with pytest.raises(LabelError, match=r"16 pictures from 0 to 22"):
        read(coco(named("{:03d}.jpg", some)), tmp_path)
    labels = read(coco(named("{:03d}.jpg", some)), tmp_path, "?step=2.5&first=0")
    assert frames(labels) == [int(np.floor(2.5 * n + 0.5)) for n in some]
    with pytest.raises(LabelError, match=r"speaks of frame 115 .* or another step"):
        read(coco(named("{:03d}.jpg", some)), tmp_path, "?step=5&first=0")


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (named("f{}.jpg", range(60)), range(60)),
        (named("f{}.jpg", range(1, 51)), range(50)),
        (named("f{}.jpg", range(0, 60, 5)), range(0, 60, 5)),
        (named("f{}.jpg", range(30, 60)), range(30, 60)),
        ([{"frame_id": n} for n in range(12)], range(12)),
        ([{"frame_index": str(n), "file_name": "9.jpg"} for n in range(12)], range(12)),
        (named("cam1_{:04d}_v2.png", range(60)), range(60)),
        (named("take12.mp4#{}", range(60)), range(60)),
        ([{"file_name": f"{h}-{n:02d}.jpg"} for n, h in enumerate(["1a2b3c4d", "77e50000"] * 30)], range(60)),
        ([{"file_name": f"film_{n:04d}-{h}.jpg"} for n, h in enumerate(["1a2b3c", "abc123"] * 30)], range(60)),
        ([{"file_name": f"{n:05d}.jpg.abc12{n % 7}.jpg"} for n in range(60)], range(60)),
        ([{"file_name": f"film_mp4-{n:04d}_jpg.rf.{n * 7919:032x}.jpg"} for n in range(60)], range(60)),
        (named("https://host/a/{:04d}.jpg?size=64&n=7", range(60)), range(60)),
        (named("t={}s.png", [0, 0.04, 1.2, 2]), [0, 1, 30, 50]),
        (named("film_{}ms.png", [0, 40, 1200, 2000]), [0, 1, 30, 50]),
        (named("film-00-00-0{:.3f}.jpg", [0, 0.04, 1.2, 2]), [0, 1, 30, 50]),
        ([{"file_name": f"{n + 1:04d}.jpg", "timestamp": n / 5} for n in range(12)], range(0, 60, 5)),
        ([{"file_name": "film.mp4"} for n in range(60)], range(60)),
        ([{"file_name": None} for n in range(60)], range(60)),
    ],
)
def test_frames_that_names_tell(images, expected, tmp_path):
    assert frames(read(coco(images), tmp_path)) == list(expected)


def test_times_of_capture_are_taken_where_they_are_the_films(tmp_path):
    begin = datetime(2026, 5, 1, 12)

    def dated(seconds):
        images = named("{:04d}.jpg", range(1, 13))
        for one, second in zip(images, seconds, strict=True):
            one["date_captured"] = (begin + timedelta(seconds=second)).isoformat()
        return coco(images)

    labels = read(dated([n / 5 for n in range(12)]), tmp_path)
    assert frames(labels) == list(range(0, 60, 5))
    assert "date_captured" in said(labels)
    for seconds in (
        [0] * 12,
        [n * 60 for n in range(12)],
        [n / 100 for n in range(12)],
        [n**2 / 60 for n in range(12)],
    ):
        with pytest.raises(LabelError, match=r"\?step=5"):
            read(dated(seconds), tmp_path)


def test_a_late_first_number_and_an_early_end_are_said(tmp_path):
    labels = read(coco([{"frame_id": n} for n in range(5, 20)]), tmp_path)
    assert frames(labels) == list(range(5, 20))
    assert "its first number is 5, counted from 0 (where they count from 1, add ?first=1 to its name)" in said(
        labels
    )
    assert "its boxes end at frame 19 of 60 (where it speaks of every nth frame, add ?step=n" in said(labels)
    assert frames(read(coco([{"frame_id": n} for n in range(5, 20)]), tmp_path, "?first=1")) == list(range(4, 19))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("?stpe=5", "no option 'stpe'.*step .*start .*first"), ("?", "no option ''"), ("?step=0", "step=0 is not"),
        ("?step=-1", "step=-1 is not"), ("?step=x", "step=x is not"), ("?step=nan", "is not"),
        ("?start=1.5", "start=1.5"),
        ("?step=5&step=6", "'step' twice"), ("?step=1e300", "is not"), ("?first=3&step=5", "before first=3"),
    ],
)  # fmt: skip
def test_options_that_there_are_not(options, what, tmp_path):
    with pytest.raises(LabelError, match=what):
        read(coco(named("{}.jpg", range(12))), tmp_path, options)


def test_a_file_may_have_a_question_mark_in_its_name(tmp_path):
    path = written(tmp_path, coco(IDS), "what?step=5")
    assert frames(Coco(str(path)).label(Source())) == list(range(60))


# --- several videos in a file


def test_of_several_videos_the_films_own_is_taken_or_they_are_named(tmp_path):
    content = coco([{"video_id": 1 + n % 2, "frame_id": n // 2} for n in range(120)])
    content["videos"] = [{"id": "1", "name": "other"}, {"id": 2, "file_name": "x/The-Film.avi"}]
    labels = read(content, tmp_path, path="dir/the film.mp4")
    assert frames(labels) == list(range(60))
    assert np.isclose(labels.table["x"][0], 60 + 1.5)  # of the second video's first image
    assert "2 videos in it: x/The-Film.avi taken" in said(labels)
    assert "60 boxes of its other videos: left out" in said(labels)
    with pytest.raises(LabelError, match=r"several videos \(other, x/The-Film.avi\), none of them named as third"):
        read(content, tmp_path, path="third.mp4")


@pytest.mark.parametrize("pattern", ["{}/{:04d}.jpg", "{}_mp4-{:04d}_jpg.rf.0123456789abcdef.jpg", "{}-{:05d}.png"])
def test_files_of_one_number_are_told_apart_by_the_films_name(pattern, tmp_path):
    content = coco([{"file_name": pattern.format(name, n)} for name in ("other", "film") for n in range(60)])
    labels = read(content, tmp_path)
    assert frames(labels) == list(range(60))
    assert np.isclose(labels.table["x"][0], 60 + 1.5 * 60)
    assert "taken" in said(labels)
    with pytest.raises(LabelError, match=r"two images of frame 0 .*several videos"):
        read(content, tmp_path, path="third.mp4")


def test_folders_of_a_split_are_one_film(tmp_path):
    images = [{"file_name": f"{'valid' if n % 5 == 0 else 'train'}/{n:04d}.jpg"} for n in range(60)]
    assert frames(read(coco(images), tmp_path)) == list(range(60))


def test_what_is_read_is_not_changed_by_reading_it_again(tmp_path):
    content = coco(IDS, boxes=[{"track_id": "a"}] * 60)
    path = written(tmp_path, copy.deepcopy(content))
    first, second = Coco(str(path)).label(Source()), Coco(str(path)).label(Source())
    assert first.table.equals(second.table)
    assert first.notes == second.notes
