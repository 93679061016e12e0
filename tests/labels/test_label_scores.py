"""Scores that are no probabilities keep their order; MOT's flags, visibility and layouts."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders.label_files import Source, coco, said, written

from worldprobe.errors import LabelError
from worldprobe.labels import targets
from worldprobe.labels.files.coco import Coco
from worldprobe.labels.files.mot import Mot
from worldprobe.labels.files.scores import confidences

DOTS = [{"frame_id": n} for n in range(60)]


def mot(folder, lines, **source):
    return Mot(str(written(folder, "\n".join(lines), "boxes.txt"))).label(Source(**source))


def subject(labels):
    tracks = targets.tracks(labels, "a" * 64)
    rows, _ = targets.subjects(tracks, range(16))
    return set(tracks.object[rows[0]].tolist())


@settings(max_examples=60)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=30))
def test_the_order_of_scores_is_kept_strictly_and_within_0_and_1(scores):
    given_scores = np.array(scores)
    mapped, notes = confidences(given_scores)
    assert ((mapped >= 0) & (mapped <= 1)).all()
    order = np.argsort(given_scores, kind="stable")
    for low, high in pairwise(order):
        assert (mapped[low] < mapped[high]) == (given_scores[low] < given_scores[high])
        assert (mapped[low] == mapped[high]) == (given_scores[low] == given_scores[high])
    inside = ((given_scores >= 0) & (given_scores <= 1)).all()
    assert bool(notes) != bool(inside)
    if inside:
        assert np.array_equal(mapped, given_scores)


@pytest.mark.parametrize(
    ("scores", "how", "mapped"),
    [
        ([0.0, 25.0, 100.0], "hundredths", [0.0, 0.25, 1.0]),
        ([0.0, -2.0, 2.0], "logistic", [0.5, 0.1192, 0.8808]),
        ([0.35, -0.9, 2.5], "logistic", [0.5866, 0.2891, 0.9241]),
        ([-500.0, 3.0, 900.0, 3.0], "rank", [1 / 3, 2 / 3, 1.0, 2 / 3]),
        ([12.0, 101.0], "rank", [0.5, 1.0]),
    ],
)
def test_each_kind_of_score_is_mapped_and_the_map_is_said(scores, how, mapped):
    found, notes = confidences(np.array(scores))
    assert found == pytest.approx(mapped, abs=1e-4)
    assert how in notes[0]
    assert f"from {min(scores):g} to {max(scores):g}" in notes[0]


def test_boxes_without_a_score_among_others_get_1():
    found, notes = confidences(np.array([np.nan, 0.25]))
    assert found.tolist() == [1.0, 0.25]
    assert notes == ["1 box without a score: confidence 1"]
    assert confidences(np.array([np.nan, np.nan]))[1] == []


@pytest.mark.parametrize("identity", [(2, 1, 3), (-1, -1, -1)])
def test_a_detectors_negative_score_is_its_worst_and_its_zeros_are_kept(identity, tmp_path):
    good, bad, other = identity
    lines = []
    for n in range(1, 61):
        lines += [
            f"{n},{good},40,40,40,40,0.35,-1,-1,-1", f"{n},{bad},200,40,41,41,-0.9,-1,-1,-1",
            f"{n},{other},100,100,20,20,{'2.5' if n % 2 else '0'},-1,-1,-1",
        ]  # fmt: skip
    labels = mot(tmp_path, lines)
    assert labels.table.height == 180
    by_left = {round(x): score for x, score in labels.table.select("x", "confidence").iter_rows()}
    assert by_left[220] < by_left[60]  # -0.9 below 0.35
    assert "scores from -0.9 to 2.5 are no probabilities" in said(labels)
    if good > 0:
        assert subject(labels) == {good}


def test_a_zero_is_left_out_in_ground_truth_only(tmp_path):
    truth = mot(tmp_path, ["1,1,9,9,9,9,1", "2,1,9,9,9,9,0", *[f"{n},1,9,9,9,9,1" for n in range(3, 61)]])
    assert truth.table.height == 59
    assert "1 box that it marks as not to be considered" in said(truth)
    detected = mot(tmp_path, ["1,1,9,9,9,9,0.9", "2,1,9,9,9,9,0", *[f"{n},1,9,9,9,9,1" for n in range(3, 61)]])
    assert detected.table.height == 60
    assert "1 box with a score of 0, which only ground truth leaves out: kept" in said(detected)
    nobody = mot(tmp_path, [f"{n},-1,9,9,9,9,{n % 2}" for n in range(1, 61)])  # boxes without ids are detections
    assert nobody.table.height == 60


def test_minus_1_is_no_score_where_others_are_flags_and_a_score_where_others_are_scores(tmp_path):
    flags = mot(tmp_path, ["1,1,9,9,9,9,-1,-1,-1,-1", "60,1,9,9,9,9,1,-1,-1,-1"])
    assert flags.table["confidence"].to_list() == [1.0, 1.0]
    scores = mot(tmp_path, ["1,1,9,9,9,9,-1,-1,-1,-1", "60,1,9,9,9,9,0.2,-1,-1,-1"])
    low, high = scores.table["confidence"].to_list()
    assert low < high


@pytest.mark.parametrize(
    ("score", "confidence", "word"), [(-0.3, 0.4256, "logistic"), (87, 0.87, "hundredths"), (0.87, 0.87, "")]
)
def test_coco_and_mot_have_one_rule_for_scores(score, confidence, word, tmp_path):
    boxes = [{"score": score, "track_id": 3}] * 60
    from_coco = Coco(str(written(tmp_path, coco(DOTS, boxes=boxes)))).label(Source())
    from_mot = mot(tmp_path, [f"{n},3,9,9,9,9,{score},-1,-1,-1" for n in range(1, 61)])
    for labels in (from_coco, from_mot):
        assert labels.table["confidence"].to_list() == pytest.approx([confidence] * 60, abs=1e-4)
        assert word in said(labels)


def test_who_is_hidden_is_no_subject_however_large(tmp_path):
    lines = [f"{n},2,40,40,40,40,1,1,0.95\n{n},1,200,110,80,80,1,1,0.0" for n in range(1, 61)]
    labels = mot(tmp_path, lines)
    assert set(labels.table.filter(pl.col("object") == 1)["visible"]) == {0.0}
    assert subject(labels) == {2}
    assert "visible" not in mot(tmp_path, [f"{n},2,9,9,9,9,1,-1,-1,-1" for n in range(1, 61)]).table.columns


@pytest.mark.parametrize("flag", [0, 1])
def test_the_benchmarks_distractors_are_no_targets_whatever_their_flag(flag, tmp_path):
    others = {
        2: "person on vehicle",
        7: "static person",
        8: "distractor",
        9: "occluder",
        12: "reflection",
        13: "crowd",
    }
    lines = [f"{n},1,9,9,9,9,1,1,1" for n in range(1, 61)] + [f"{n},{n},99,9,9,9,{flag},{n},1" for n in others]
    labels = mot(tmp_path, [*lines, "5,40,99,9,9,9,1,3,1"])
    assert set(labels.table["class"]) == {"pedestrian", "car"}
    if flag:
        assert "6 boxes that the benchmark does not count as targets" in said(labels)
        assert all(f"{name} 1" in said(labels) for name in others.values())
    else:
        assert "6 boxes that it marks as not to be considered" in said(labels)


def test_3d_rows_are_boxes_and_visdrones_have_its_classes(tmp_path):
    lines = [f"{n},2,40,40,40,40,1,{1.23 + n},-2.5,0.0" for n in range(1, 61)]
    labels = mot(tmp_path, lines)
    assert labels.table.height == 60
    assert set(labels.table["class"]) == {""}
    assert "visible" not in labels.table.columns
    assert "3D MOT rows" in said(labels)
    lines = [f"{n},{n % 3},40,40,40,40,1,{(0, 4, 10)[n % 3]},0,{n % 3}" for n in range(1, 61)]
    drone = mot(tmp_path, lines)
    assert set(drone.table["class"]) == {"car", "motor"}
    assert set(drone.table["visible"]) == {0.75, 0.25}
    assert "20 boxes that are regions to be ignored (category 0): left out" in said(drone)
    assert "VisDrone" in said(drone)


ROWS = [[n, 3, 2.5 * n, 40, 20, 30, 1] for n in range(1, 61)]


@pytest.mark.parametrize(
    ("separator", "first", "word"),
    [
        (" ", "", "spaces"), ("   ", "", "spaces"), ("\t", "", "tabs"), (";", "", "semicolons"), (" , ", "", ""),
        (",", "# made by hand\n", "1 line of comment"), (";", "Frame;Track_ID;x;y;w;h;score\n", "header"),
        (",", "frame,id,bb_left,bb_top,bb_width,bb_height,conf\n", "header"),
        (",", "\ufeff", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("end", "number"), [("\n", str), ("\r\n", "{:.6e}".format)])
def test_other_separators_headers_and_numbers_are_the_same_boxes(separator, first, word, end, number, tmp_path):
    text = first + end.join(separator.join(number(one) for one in row) for row in ROWS)
    labels = mot(tmp_path, [text])
    assert labels.table["frame"].to_list() == list(range(60))
    assert labels.table["x"].to_list() == [2.5 * n + 10 for n in range(1, 61)]
    assert (word in said(labels)) if word else not labels.notes


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["frame,id,xc,yc,w,h", "1,1,9,9,9,9"], "line 1: .*is not a MOT file's header.*left, top, width"),
        (["frame,id,x1,y1,x2,y2", "1,1,9,9,9,9"], "line 1: .*is not a MOT file's header"),
        (["0 2 Pedestrian 0 0 -1.79 296 161 455 292 2 1.8 4.4 -4.5 1.8 13 -2.1"], "line 1: .*KITTI"),
        (["1;1;9,5;9;9;9"], "line 1: .*not numbers between semicolons"),
        (["1,1,9,9,9,9", "2 1 9 9 9 9"], "line 2: .*not numbers between commas"),
        (["1,1,9,9,9,9", "2,1,9,9,1_0,9"], "line 2: .*not numbers"),
        (["1,1,9,9,9,9,1,1,3"], "line 1: 3 is no visibility"),
        (["1,1,9,9,9,9,1,1.5,0.3"], "line 1: 1.5 is not a frame, id or class"),
    ],
)
def test_what_is_no_mot_row_is_named(lines, what, tmp_path):
    with pytest.raises(LabelError, match=what):
        mot(tmp_path, lines)


def test_an_object_in_two_places_at_once_keeps_its_better_one(tmp_path):
    lines = [f"{n},3,{n},9,9,9,0.5" for n in range(1, 61)] + ["5,3,200,9,9,9,0.4", "6,3,200,9,9,9,0.9"]
    labels = mot(tmp_path, lines)
    assert labels.table.height == 62
    five = labels.table.filter(pl.col("frame").is_in([4, 5])).sort("frame", "x")
    assert five["object"].to_list() == [3, -1, -1, 3]
    assert "2 boxes of a track that has another one in the same frame: kept without a track" in said(labels)
