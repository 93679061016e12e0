"""Labels that can hardly be true are said to be so, and labels that are well are not."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from worldprobe.labels.files.mot import Mot
from worldprobe.labels.quality import implausible
from worldprobe.labels.track import link
from worldprobe.labels.truth import SceneTruth
from worldprobe.pipeline.label.label import label
from worldprobe.records import Labels, VideoRef
from worldprobe.video.read import open_video
from worldprobe.video.rendered.scenes import render_scenes

REF = VideoRef("f" * 64, "made.mp4", 640, 480, 60, 20.0)
DETECTOR = SimpleNamespace(name="detector", confidence=0.35, classes=("cup", "person"))
FILE = SimpleNamespace(name="mot:boxes.txt")


def walkers(*, people=4, frames=60, jitter=1.0, speed=3.0, seed=0, **columns):
    """People who walk, as a detector sees them: sizes, places and scores scatter; one false box now and then."""
    rng = np.random.default_rng(seed)
    rows = []
    for frame in range(frames):
        for person in range(people):
            x, y = 60 + 120 * person + speed * frame, 100 + 60 * person
            w, h = 40 + 4 * person + jitter * rng.normal(0, 1, 2)
            rows.append(
                (frame, x + jitter * rng.normal(), y + jitter * rng.normal(), w, 2 * h, rng.uniform(0.4, 1))
            )
        if jitter and frame % 3 == 0:
            rows.append((frame, *rng.uniform(50, 400, 2), *rng.uniform(20, 60, 2), rng.uniform(0.35, 0.5)))
    frame, x, y, w, h, confidence = np.array(rows).T
    table = {
        "video": REF.id, "frame": frame.astype(int), "pts_seconds": frame / 20, "object": -1, "class": "person",
        "x": x, "y": y, "w": w, "h": h, "confidence": confidence, "source": "detector",
    }  # fmt: skip
    return link(Labels.from_columns(**(table | columns)))


def test_a_detector_that_works_is_left_in_peace():
    for labels in (walkers(), walkers(people=1), walkers(speed=0), walkers(people=40), walkers(frames=3)):
        assert implausible(labels, REF, DETECTOR) == ()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (walkers(w=16.0, h=16.0), "boxes are of one size, 16 x 16 px"),
        (walkers(jitter=0, speed=0), r"no box moves by half a pixel, in 4 tracks"),
        (walkers(confidence=0.5), "have the confidence 0.5, which no detector gives"),
        (walkers(**{"class": "class 83"}), "the class 'class 83' is not among the names"),
        (walkers(people=120), r"there are 12\d boxes a frame"),
        (walkers(x=np.random.default_rng(0).uniform(0, 640, 260), y=np.random.default_rng(1).uniform(0, 480, 260),
                 w=np.linspace(8, 12, 260), h=12.0), r"tracks are shorter than 3 labelled frames"),
    ],
)  # fmt: skip
def test_what_can_hardly_be_true_is_said_once(labels, words):
    (note,) = implausible(labels, REF, DETECTOR)
    assert note.startswith("detector on made.mp4: ")
    assert re.search(words, note)


def test_what_people_drew_or_a_simulation_knows_may_stand_still_and_be_alike():
    known = walkers(jitter=0, speed=0, w=16.0, h=16.0, confidence=1.0, **{"class": "anything"})
    assert implausible(known, REF, FILE) == ()
    whole = walkers(jitter=0, x=320.0, y=240.0, w=640.0, h=480.0, confidence=1.0)
    assert implausible(whole, REF, DETECTOR) == ()


def test_rendered_scenes_are_left_in_peace_and_a_detector_is_judged_where_its_labels_enter(tmp_path):
    films = render_scenes(2, 0, tmp_path)
    assert label(films, labeller=SceneTruth()).notes == ()

    class Alike:
        name, confidence = "alike", 0.3

        def label(self, video):
            n = 24
            frame = np.arange(n) // 2
            return Labels.from_columns(
                **{
                    "video": video.ref.id, "frame": frame, "pts_seconds": video.pts_seconds[frame], "object": -1,
                    "class": "class 83", "x": np.arange(n) * 3.0, "y": 50.0, "w": 16.0, "h": 16.0,
                    "confidence": np.linspace(0.3, 0.9, n), "source": self.name,
                }
            )  # fmt: skip

    notes = label(films[:1], labeller=Alike()).notes
    assert any("alike on" in note and "one size, 16 x 16 px" in note for note in notes)


def test_the_people_of_pets_are_left_in_peace(data):
    with open_video(data / "videos" / "pets09_s2l1.avi") as video:
        drawn = Mot(str(data / "labels" / "pets09_s2l1_mot.txt")).label(video)
        assert implausible(drawn, video.ref, FILE) == ()
        people = SimpleNamespace(name="detector", confidence=0.35, classes=set(drawn.table["class"]))
        scores = np.random.default_rng(0).uniform(0.4, 1, len(drawn.table))
        scored = Labels(drawn.table.with_columns(confidence=scores))
        assert implausible(scored, video.ref, people) == ()
