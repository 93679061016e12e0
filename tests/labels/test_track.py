"""Boxes, and tracks from boxes."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.builders.checks import some

from worldprobe.errors import LabelError
from worldprobe.labels.boxes import centre_and_size, corners, iou, nms
from worldprobe.labels.library_trackers import TRACKERS, track
from worldprobe.labels.track import drop_short, link
from worldprobe.records import Labels

BOXES = arrays(float, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(0, 100, width=16)).map(
    lambda a: np.concatenate([a[:, :2], a[:, :2] + a[:, 2:] + 1], axis=1)
)


def labels(rows, rate=10.0):
    """A table from (frame, x, y) or (frame, x, y, class), boxes 10 px wide."""
    return Labels.from_columns(
        **{
            "video": ["v"] * len(rows), "frame": [r[0] for r in rows], "pts_seconds": [r[0] / rate for r in rows],
            "object": [-1] * len(rows), "class": [r[3] if len(r) > 3 else "" for r in rows],
            "x": [r[1] for r in rows], "y": [r[2] for r in rows], "w": [10.0] * len(rows), "h": [10.0] * len(rows),
            "confidence": [1.0] * len(rows), "source": ["test"] * len(rows),
        }
    )  # fmt: skip


def test_iou_of_known_boxes():
    a = np.array([[0, 0, 10, 10], [0, 0, 0, 0]], dtype=float)
    b = np.array([[5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 10, 10]], dtype=float)
    np.testing.assert_allclose(iou(a, b), [[50 / 150, 0, 1], [0, 0, 0]])


@given(BOXES, BOXES)
def test_iou_is_symmetric_and_between_0_and_1(a, b):
    overlap = iou(a, b)
    np.testing.assert_allclose(overlap, iou(b, a).T)
    assert ((overlap >= 0) & (overlap <= 1 + 1e-12)).all()
    np.testing.assert_allclose(np.diag(iou(a, a)), 1)
    np.testing.assert_allclose(corners(centre_and_size(a)), a, atol=1e-9)


@given(BOXES, st.floats(0.1, 0.9))
def test_nms_keeps_no_overlapping_pair_and_drops_only_what_a_better_box_covers(boxes, threshold):
    scores = np.random.default_rng(0).permutation(len(boxes)).astype(float)
    kept = nms(boxes, scores, threshold=threshold)
    overlap = iou(boxes, boxes)
    assert (np.triu(overlap[np.ix_(kept, kept)], 1) <= threshold).all()
    for box in set(range(len(boxes))) - set(kept.tolist()):
        assert any(overlap[box, k] > threshold and scores[k] > scores[box] for k in kept)


def test_two_objects_that_cross_keep_their_ids_through_a_missed_frame():
    rows = []
    for frame in range(20):
        if frame != 8:
            rows.append((frame, 10.0 + 4 * frame, 50.0))
        rows.append((frame, 86.0 - 4 * frame, 53.0))
    linked = link(labels(rows)).table.sort("frame")
    for height in (50.0, 53.0):
        assert linked.filter(linked["y"] == height)["object"].n_unique() == 1
    assert linked["object"].n_unique() == 2


def test_a_track_ends_after_its_gap_and_classes_do_not_mix():
    linked = link(labels([(0, 5.0, 5.0), (3, 5.0, 5.0), (20, 5.0, 5.0)])).table
    assert linked["object"].to_list() == [0, 0, 1]
    linked = link(labels([(0, 5.0, 5.0, "cat"), (1, 5.0, 5.0, "dog")])).table
    assert linked["object"].to_list() == [0, 1]


def test_short_tracks_are_dropped():
    linked = link(labels([(0, 5.0, 5.0), (1, 5.0, 5.0), (1, 80.0, 5.0), (4, 5.0, 5.0)]))
    assert set(drop_short(linked, seconds=0.3).table["object"]) == {0}
    assert len(link(Labels.empty()).table) == 0


def test_a_track_ends_where_its_shot_does():
    linked = link(labels([(0, 5.0, 5.0), (1, 5.0, 5.0), (2, 5.0, 5.0)]), shots=(0, 2)).table
    assert linked["object"].to_list() == [0, 0, 1]


def test_the_librarys_trackers_give_one_track_to_each_of_two_objects_that_pass():
    pytest.importorskip("trackers", reason="the extra [track] is not installed, or OpenCV lacks libGL")
    rows = []
    for frame in range(30):
        rows.append((frame, 10.0 + 2 * frame, 50.0, "cup"))
        rows.append((frame, 90.0 - 2 * frame, 58.0, "cup"))
    for tracker in some(TRACKERS):
        tracked = track(labels(rows), tracker=tracker).table
        assert len(tracked) >= len(rows) - 6  # a track needs some frames to be born
        upper = tracked.filter(tracked["y"] == 50.0)["object"].unique().to_list()
        lower = tracked.filter(tracked["y"] == 58.0)["object"].unique().to_list()
        assert len(upper) == len(lower) == 1, tracker
        assert upper != lower


def test_the_librarys_tracks_end_at_a_cut_and_hold_one_class():
    pytest.importorskip("trackers", reason="the extra [track] is not installed, or OpenCV lacks libGL")
    rows = [(frame, 50.0, 50.0, "cup" if frame < 20 else "dog") for frame in range(30)]
    tracked = track(labels(rows), tracker="bytetrack", shots=(0, 10)).table
    assert tracked["object"].n_unique() == 3
    assert tracked.group_by("object").n_unique()["class"].to_list() == [1, 1, 1]
    first, later = (tracked.filter(of)["object"].unique() for of in (tracked["frame"] < 10, tracked["frame"] >= 10))
    assert not set(first) & set(later)


def test_an_unknown_tracker_and_a_missing_library_are_one_clear_error(monkeypatch):
    with pytest.raises(LabelError, match="no tracker 'kalman'; there are own, overlap, bytetrack"):
        track(labels([(0, 5.0, 5.0)]), tracker="kalman")
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(LabelError, match=r"worldprobe\[track\].*--tracker overlap"):
        track(labels([(0, 5.0, 5.0)]), tracker="bytetrack")
