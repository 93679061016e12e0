"""What boxes and tracks become: units, speeds, directions, and one subject a clip."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldprobe.config import TASKS
from worldprobe.labels import targets
from worldprobe.records import Labels


def table(frame: list[int], x: list[float], *, rate: float = 25.0, **columns: object) -> Labels:
    given_columns = {
        "video": "v", "frame": frame, "pts_seconds": [f / rate for f in frame], "object": 0, "class": "cup",
        "x": x, "y": 50.0, "w": 10.0, "h": 10.0, "confidence": 1.0, "source": "test",
    }  # fmt: skip
    return Labels.from_columns(**{**given_columns, **columns})


@given(speed=st.floats(-500, 500), rate=st.floats(5, 60), step=st.integers(1, 3))
def test_the_speed_of_a_uniform_track_is_its_speed(speed: float, rate: float, step: int) -> None:
    frames = list(range(0, 30 * step, step))
    found = targets.tracks(table(frames, [speed * f / rate for f in frames], rate=rate), "v").speed
    assert found[:, 0] == pytest.approx(np.full(30, speed), abs=1e-6)
    assert found[:, 1] == pytest.approx(np.zeros(30))


def test_a_speed_is_never_taken_between_two_objects_or_without_a_track() -> None:
    two = targets.tracks(table([0, 1], [0.0, 90.0], object=[0, 1]), "v")
    unknown = targets.tracks(table([0, 1], [0.0, 90.0], object=-1), "v")
    assert np.isnan(two.speed).all()
    assert np.isnan(unknown.speed).all()


def test_exact_speeds_are_taken_where_the_table_has_them() -> None:
    known = targets.tracks(table([0, 1], [0.0, 90.0], vx=[3.0, 4.0], vy=[-1.0, 0.0]), "v")
    assert known.speed.tolist() == [[3.0, -1.0], [4.0, 0.0]]


@pytest.mark.parametrize(
    ("speed", "expected"),
    [((30, 5), "right"), ((-30, 5), "left"), ((5, 30), "down"), ((5, -30), "up"), ((1, -1), "still"),
     ((np.nan, np.nan), "")],
)  # fmt: skip
def test_directions(speed: tuple[float, float], expected: str) -> None:
    box = np.array([[50.0, 50.0, 10.0, 10.0]])
    assert targets.direction(box=box, speed=np.array([speed], dtype=np.float64)).tolist() == [expected]


@given(angle=st.floats(-180, 180), directions=st.sampled_from([4, 8]))
def test_a_heading_is_called_by_the_nearest_direction(angle: float, directions: Literal[4, 8]) -> None:
    compass = ["right", "up right", "up", "up left", "left", "down left", "down", "down right"][:: 8 // directions]
    speed = 30 * np.array([[np.cos(np.radians(angle)), -np.sin(np.radians(angle))]])  # y points down
    box = np.array([[50.0, 50.0, 10.0, 10.0]])
    (found,) = targets.direction(box=box, speed=speed, directions=directions).tolist()
    turned = (angle - compass.index(found) * 360 / directions + 180) % 360 - 180
    assert abs(turned) <= 180 / directions + 1e-6


def test_still_is_judged_by_the_objects_own_size() -> None:
    speed = np.array([[5.0, 0.0], [5.0, 0.0]])
    box = np.array([[50.0, 50.0, 10.0, 10.0], [50.0, 50.0, 100.0, 100.0]])
    assert targets.direction(box=box, speed=speed).tolist() == ["right", "still"]


def test_targets_are_in_each_videos_own_units() -> None:
    box = np.array([[160.0, 120.0, 32.0, 24.0], [640.0, 360.0, 128.0, 72.0]])
    size = np.array([[320.0, 240.0], [1280.0, 720.0]])
    speed = np.array([[32.0, 24.0], [128.0, 72.0]])
    growth = np.zeros(2)
    for task, expected in (("xy", 0.5), ("size", 0.1), ("velocity", 0.1)):
        found = targets.regression(task, box=box, speed=speed, growth=growth, frame_size=size)
        assert found == pytest.approx(np.full((2, 2), expected)), task


def test_the_subject_is_one_object_for_the_whole_clip() -> None:
    # Object 1 is bigger on one frame only; over the clip object 0 has the most area.
    known = targets.tracks(
        table([0, 1, 2, 1], [0.0, 1.0, 2.0, 80.0], object=[0, 0, 0, 1], w=[10.0, 10.0, 10.0, 20.0]), "v"
    )
    (rows,), dropped = targets.subjects(known, [0, 1, 2])
    assert set(known.object[rows]) == {0}
    assert len(rows) == 3
    assert dropped["not the clip's subject"] == 1


def test_every_track_can_be_a_subject() -> None:
    known = targets.tracks(table([0, 1, 0, 1, 5], [0.0, 1.0, 80.0, 81.0, 9.0], object=[0, 0, 1, 1, 2]), "v")
    found, dropped = targets.subjects(known, [0, 1], which="all")
    assert [known.object[rows].tolist() for rows in found] == [[0, 0], [1, 1]]
    assert dropped["not the clip's subject"] == 0


def test_boxes_without_tracks_stand_for_themselves_the_best_of_each_frame() -> None:
    known = targets.tracks(table([0, 0, 1], [0.0, 80.0, 5.0], object=-1, confidence=[0.4, 0.9, 0.5]), "v")
    (rows,), dropped = targets.subjects(known, [0, 1])
    assert known.box[rows, 0].tolist() == [80.0, 5.0]
    assert dropped["not the clip's subject"] == 1


def test_hidden_objects_are_dropped_and_counted() -> None:
    known = targets.tracks(table([0, 1], [0.0, 1.0], visible=[1.0, 0.05]), "v")
    (rows,), dropped = targets.subjects(known, [0, 1])
    assert known.frame[rows].tolist() == [0]
    assert dropped["hidden behind others"] == 1


def test_no_speed_is_taken_across_a_cut() -> None:
    frames = list(range(10))
    jump = [float(f) if f < 5 else 200.0 + f for f in frames]
    across = targets.tracks(table(frames, jump), "v").speed[:, 0]
    within = targets.tracks(table(frames, jump), "v", shots=(0, 5)).speed[:, 0]
    assert across.max() > 400
    assert within == pytest.approx(np.full(10, 25.0))


def test_what_grows_by_a_constant_share_approaches_at_a_constant_rate() -> None:
    frames = list(range(20))
    side = [10 * 1.02**f for f in frames]
    known = targets.tracks(table(frames, [50.0] * 20, w=side, h=side), "v")
    assert known.growth == pytest.approx(np.full(20, 2 * np.log(1.02) * 25))
    assert known.speed == pytest.approx(np.zeros((20, 2)))


def test_columns_of_robots_are_tasks_by_dimension_and_text_is_none() -> None:
    found = targets.tracks(
        table(
            [0, 1], [5.0, 5.0], ee_x=[0.1, 0.2], ee_vz=[0.0, 1.0], camera_rx=[0.0, 0.1], contact=[0, 1],
            depth=[0.8, None], time_to_contact=[0.5, None], gripper=["open", "closed"],
            **{"joint.0": [1.0, 2.0], "state.a": [1.0, 2.0]},
        ),
        "v",
    ).measured  # fmt: skip
    assert set(found) == {
        "xyz.x", "xyz-velocity.z", "camera-motion.rx", "contact", "depth", "time-to-contact", "joints.0", "state.a",
        "relative-action.a",
    }  # fmt: skip
    assert np.isnan(found["depth"]).tolist() == [False, True]
    assert found["joints.0"].tolist() == [1.0, 2.0]
    assert {name.partition(".")[0] for name in found} <= set(targets.MEASURED_TASKS) <= set(TASKS)


def test_contact_and_grasped_are_classes() -> None:
    assert {targets.kind(task) for task in targets.FLAGS} == {"classification"}
    touching = targets.flagged("contact", np.array([0.0, 0.5, 1.0, np.nan]))
    assert touching.tolist() == ["no contact", "contact", "contact", ""]
    assert set(targets.flagged("grasped", np.array([0.0, 1.0]))) == {"not grasped", "grasped"}
