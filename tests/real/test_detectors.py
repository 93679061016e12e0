"""The detector on real pedestrians, against boxes that people drew."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from worldprobe.labels.boxes import corners, iou
from worldprobe.labels.detectors.onnx import OnnxDetector
from worldprobe.labels.files.mot import Mot
from worldprobe.labels.motion.moving import Moving
from worldprobe.video.read import open_video


def recall_and_precision(found, truth, frames, threshold):
    """Of boxes matched one to one, frame by frame."""
    hits = boxes = people = 0
    for frame in frames:
        ours, theirs = (
            corners(t.filter(t["frame"] == frame).select("x", "y", "w", "h").to_numpy().reshape(-1, 4))
            for t in (found, truth)
        )
        overlap = iou(ours, theirs)
        rows, columns = linear_sum_assignment(-overlap)
        hits += int((overlap[rows, columns] >= threshold).sum())
        boxes, people = boxes + len(ours), people + len(theirs)
    return hits / people, hits / max(boxes, 1)


def test_yolox_finds_the_people_of_pets(data):
    detector = OnnxDetector(str(data / "detectors" / "yolox_nano_416.onnx"), every=10)
    with open_video(data / "videos" / "pets09_s2l1.avi") as video:
        found = detector.label(video).table
        truth = Mot(str(data / "labels" / "pets09_s2l1_mot.txt")).label(video).table
    people = found.filter(found["class"] == "person")
    recall, precision = recall_and_precision(people, truth, range(0, 795, 10), 0.5)
    assert recall >= 0.88
    assert precision >= 0.75
    assert np.isin(found["frame"].to_numpy() % 10, 0).all()


def test_moving_finds_about_half_of_the_people_of_pets(data, tmp_path):
    film = data / "videos" / "pets09_s2l1.avi"
    half_minute = tmp_path / "part.avi"
    half_minute.write_bytes(film.read_bytes()[: film.stat().st_size * 2 // 5])
    with open_video(film) as video:
        truth = Mot(str(data / "labels" / "pets09_s2l1_mot.txt")).label(video).table
    with open_video(half_minute) as video:
        frames = video.ref.frames
        found = Moving().label(video).table
    assert frames > 300
    recall, precision = recall_and_precision(found, truth, range(0, frames, 5), 0.3)
    assert recall >= 0.5
    assert precision >= 0.55
