"""Label files that are near to what is read, and not it: mended and said, or refused with what to do."""

import numpy as np
import pytest
from tests.builders.label_files import Source, at, coco, said, written

from worldprobe.errors import LabelError
from worldprobe.labels.files.coco import Coco
from worldprobe.labels.files.mot import Mot
from worldprobe.labels.files.scores import confidences
from worldprobe.pipeline.label.label import _folded
from worldprobe.records import VideoRef
from worldprobe.video.sample import clips, stills

FILM = Source()


def names(start=0, count=60, pattern="{:06d}.png"):
    return [{"file_name": pattern.format(start + n)} for n in range(count)]


def rows(count=60, line="{f},1,{l},{t},40,40,1", start=1):
    return "".join(line.format(f=start + n, l=at(n)[0], t=at(n)[1]) + "\n" for n in range(count))


def read(folder, content, kind=Coco):
    return kind(str(written(folder, content))).label(FILM)


@pytest.mark.parametrize(("content", "kind"), [(coco(names(123)), Coco), (rows(start=123), Mot)])
def test_numbers_of_a_part_of_a_longer_film_ask_for_the_first(content, kind, tmp_path):
    path = written(tmp_path, content)
    with pytest.raises(LabelError, match="first=123"):
        kind(str(path)).label(FILM)
    assert kind(f"{path}?first=123").label(FILM).table["frame"].to_list() == list(range(60))


def test_two_numbers_in_different_orders_are_refused(tmp_path):
    two = [{"file_name": f"{n:04d}_{n * 37 % 60:04d}.png"} for n in range(60)]
    with pytest.raises(LabelError, match="two numbers"):
        read(tmp_path, coco(two))
    same = [{"file_name": f"{n + 100:04d}_{n:04d}.png"} for n in range(60)]
    assert read(tmp_path, coco(same)).table["frame"].to_list() == list(range(60))


def test_fractions_of_the_frame_are_no_pixels(tmp_path):
    small = [{"bbox": [left / 320, top / 240, w / 320, h / 240]} for left, top, w, h in map(at, range(60))]
    with pytest.raises(LabelError, match="fractions of the frame"):
        read(tmp_path, coco(names(), boxes=small))


def test_corners_taken_for_sizes_are_told(tmp_path):
    corners = [{"bbox": [left + 40, top + 40, left + 80, top + 80]} for left, top, _, _ in map(at, range(60))]
    assert "left, top, right, bottom" in said(read(tmp_path, coco(names(), boxes=corners)))
    assert "left, top, right, bottom" not in said(read(tmp_path, coco(names())))


def test_tracks_in_a_list_of_attributes_are_read(tmp_path):
    listed = [{"attributes": [{"name": "track_id", "value": 7}, "x", {"name": 3}]}] * 60
    assert set(read(tmp_path, coco(names(), boxes=listed)).table["object"]) == {7}


def test_boxes_without_tracks_are_told(tmp_path):
    assert "no tracks" in said(read(tmp_path, coco(names())))
    mixed = rows() + "3,-1,9,9,20,20,1\n"
    assert "1 box without a track" in said(read(tmp_path, mixed, Mot))


def test_one_box_is_no_boxes():
    assert confidences(np.array([0.5, np.nan]))[1] == ["1 box without a score: confidence 1"]


def test_half_of_the_frames_numbered_one_by_one_are_told(tmp_path):
    assert "step=n" in said(read(tmp_path, rows(30), Mot))


@pytest.mark.parametrize("line", ["{f},1,{l},{t},40,40,1,", '"{f}","1","{l}","{t}","40","40","1"'])
def test_separators_at_the_end_and_quotes_do_not_count(line, tmp_path):
    assert len(read(tmp_path, rows(line=line), Mot).table) == 60


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{f},1,{l},{t},40,40,1,car,1", "'car' stands where"), ("{f};1;4,5;4,5;40;40;1", "with a point"),
        ("{f},ab,{l},{t},40,40,1", "give each object a number"), ("{f},1,{l},{t},40,40,1,1,80", "by 100"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_with_what_to_do(line, words, tmp_path):
    with pytest.raises(LabelError, match=words):
        read(tmp_path, rows(line=line), Mot)


def test_no_clip_is_cut_from_frames_of_no_episode():
    ref = VideoRef("a" * 64, "film.mp4", 64, 48, 48, 10.0, episodes=("one", "", "two"))
    assert [one.start for one in clips(ref, frames=8, stride=1, shots=(0, 16, 32))] == [0, 8, 32, 40]
    assert [one.start for one in stills(ref, frames=8, every=8, shots=(0, 16, 32))] == [0, 8, 32, 40]


def test_what_is_said_of_several_films_is_one_sentence():
    told = [*(f"{n}.mp4: 3 of 24 rows are left out." for n in range(5)), "x.mp4: other.", "none."]
    found = list(_folded(told))
    assert found[0].startswith("0.mp4, 1.mp4")
    assert found[0].endswith("more: 15 of 120 rows are left out.")
    assert found[1:] == ["x.mp4: other.", "none."]
