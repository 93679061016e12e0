"""Boxes of a detector are kept: no frame is looked at twice, whatever happened in between."""

import numpy as np
import pytest

from worldprobe.io.files import cache
from worldprobe.labels.detectors import detections
from worldprobe.labels.detectors.detections import label_frames
from worldprobe.pipeline.label.label import label
from worldprobe.records import Labels, VideoRef
from worldprobe.video.rendered.scenes import render_scenes

FRAMES = 25


class Film:
    """A video that is never read."""

    def __init__(self, name="film"):
        self.ref = VideoRef(id=name * 10, path="film.mp4", width=100, height=80, frames=FRAMES, rate=10.0)
        self.pts_seconds = np.arange(FRAMES) / 10
        self.shots = (0,)


class Detector:
    """One box a frame, and none on every fifth; stops at frame ``fails``."""

    def __init__(self, fails=None):
        self.seen, self.fails = [], fails

    def __call__(self, frames):
        for frame in frames:
            if frame == self.fails:
                raise RuntimeError("killed")
            self.seen.append(frame)
            n = int(frame % 5 != 0)
            yield frame, np.tile([frame, 10.0, frame + 20, 30], (n, 1)), ["cup"] * n, np.full(n, 0.5)


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLDPROBE_CACHE", str(tmp_path))
    monkeypatch.setattr(detections, "PART_FRAMES", 10)


def test_a_second_time_no_frame_is_looked_at_and_the_labels_are_the_same():
    first, second = Detector(), Detector()
    labels = label_frames(Film(), first, source="d", key="weights")
    again = label_frames(Film(), second, source="d", key="weights")
    assert first.seen == list(range(FRAMES))
    assert second.seen == []
    assert again.table.equals(labels.table)
    assert labels.table["frame"].to_list() == [f for f in range(FRAMES) if f % 5]
    assert labels.table["object"].n_unique() == 1


def test_what_was_written_before_a_kill_is_not_done_again():
    killed, after = Detector(fails=17), Detector()
    with pytest.raises(RuntimeError):
        label_frames(Film(), killed, source="d", key="weights")
    labels = label_frames(Film(), after, source="d", key="weights")
    assert after.seen == list(range(10, FRAMES))
    assert labels.table.equals(label_frames(Film("other"), Detector(), source="d", key="k").table.with_columns(
        video=labels.table["video"]))  # fmt: skip


@pytest.mark.parametrize("other", [{"key": "others"}, {"every": 2}])
def test_other_weights_or_frames_are_looked_at_anew(other):
    label_frames(Film(), Detector(), source="d", key="weights")
    detector = Detector()
    label_frames(Film(), detector, source="d", **({"key": "weights"} | other))
    assert detector.seen == list(range(0, FRAMES, other.get("every", 1)))


def test_a_damaged_part_is_made_anew_and_the_others_are_kept():
    labels = label_frames(Film(), Detector(), source="d", key="weights")
    (folder,) = (cache() / "detections").iterdir()
    (folder / "000001.parquet").write_bytes(b"PAR1 torn")
    detector = Detector()
    again = label_frames(Film(), detector, source="d", key="weights")
    assert detector.seen == list(range(10, 20))
    assert again.table.equals(labels.table)


def test_boxes_are_cut_at_the_edge_and_those_outside_are_dropped():
    def find(frames):
        boxes = np.array([[-10.0, 70, 20, 95], [120, 10, 140, 20], [5, 5, 5, 9]])
        yield 0, boxes, ["cup", "cup", "cup"], np.array([0.9, 0.8, 0.7])

    table = label_frames(Film(), find, source="d", key="k").table
    assert table.select("x", "y", "w", "h").rows() == [(10.0, 75.0, 20.0, 10.0)]


def test_a_detector_that_finds_nothing_says_what_to_try(tmp_path):
    class Blind:
        name, confidence = "blind", 0.35

        def label(self, video):
            return Labels.empty()

    film = render_scenes(1, 4, tmp_path)[0]
    labels = label([film], labeller=Blind())
    assert labels.notes == (
        f"blind found nothing in {film}: try a lower confidence than 0.35, or another one "
        "(`worldprobe list labellers`).",
    )
