"""Speeds of known motions, however often labels come; what they are taken over is said."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders.checks import some

from worldprobe.labels import speeds, targets
from worldprobe.labels.motion.camera import camera_velocity, with_camera
from worldprobe.labels.speeds import speed_notes
from worldprobe.labels.track import link
from worldprobe.pipeline.probe.moments import LabelledTubelets
from worldprobe.pipeline.probe.targets import target, unaskable
from worldprobe.records import Labels, VideoRef

RATES = (0.5, 2.0, 4.0, 5.0, 10.0, 24.0, 25.0, 30000 / 1001, 60.0, 240.0)
SPEED, GROWTH = np.array([36.0, -14.0]), 0.1  # px a second; logarithm of the area a second


def moving(
    rate: float, every: int = 1, *, seconds: float = 12.0, speed: np.ndarray = SPEED, **columns: object
) -> Labels:
    frame = np.arange(0, max(3 * every, round(seconds * rate)), every)
    at = frame / rate
    side = 30 * np.exp(GROWTH * at / 2)
    given_columns = {
        "video": "v", "frame": frame, "pts_seconds": at, "object": 7, "class": "cup", "x": 40 + speed[0] * at,
        "y": 200 + speed[1] * at, "w": side, "h": side, "confidence": 1.0, "source": "t",
    }  # fmt: skip
    return Labels.from_columns(**{**given_columns, **columns})


@pytest.mark.parametrize("every", [1, 5, 10])
@pytest.mark.parametrize("rate", RATES)
def test_a_speed_is_right_at_every_rate_of_the_film_and_of_the_labels(rate: float, every: int) -> None:
    found = targets.tracks(moving(rate, every), "v")
    if every / rate > 2.0:
        assert np.isnan(found.speed).all()
        assert "too far apart for a speed" in speed_notes(moving(rate, every))[0]
        return
    assert found.speed == pytest.approx(np.tile(SPEED, (len(found.frame), 1)))
    assert found.growth == pytest.approx(np.full(len(found.frame), GROWTH))
    assert set(targets.direction(box=found.box, speed=found.speed)) == {"right"}
    assert bool(speed_notes(moving(rate, every))) == (every / rate > 0.2)


@pytest.mark.parametrize("every", [1, 5, 10])
@pytest.mark.parametrize("rate", RATES[1:])
def test_what_is_still_is_so_at_every_rate(rate: float, every: int) -> None:
    if every / rate > 2.0:
        return
    for speed, expected in ((5.0, "still"), (8.0, "down")):  # a fifth of the size of 30 px a second is 6
        known = targets.tracks(moving(rate, every, speed=np.array([0.0, speed]), seconds=4, w=30.0, h=30.0), "v")
        assert set(targets.direction(box=known.box, speed=known.speed)) == {expected}


def before(labels: Labels) -> np.ndarray:
    """The speed over the labels within 0.2 s, and nothing else: [m, 2], ordered by object and frame."""
    table = labels.table.sort("object", "frame")
    rows = table.select("object", "pts_seconds", "x", "y").to_numpy()
    found = np.full((len(rows), 2), np.nan)
    for row, (name, at, *_) in enumerate(rows):
        near = rows[(rows[:, 0] == name) & (np.abs(rows[:, 1] - at) <= 0.2 + 1e-9)]
        if near[-1, 1] > near[0, 1]:
            found[row] = (near[-1, 2:] - near[0, 2:]) / (near[-1, 1] - near[0, 1])
    return found


@given(
    rate=st.floats(10, 240), drop=st.sets(st.integers(0, 49), max_size=12), wobble=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_speeds_are_what_they_were_where_labels_come_ten_times_a_second_or_more(
    rate: float, drop: set[int], wobble: int
) -> None:
    frames = np.array([frame for frame in range(50) if frame not in drop])
    x, y = np.random.default_rng(wobble).normal(0, 50, (2, len(frames)))
    labels = moving(25, frame=frames, pts_seconds=frames / rate, x=x, y=y, w=9.0, h=9.0)
    # As long as the track's own labels commonly come that often.
    if np.median(np.diff(frames)) / rate * 1.5 > 0.2:
        return
    np.testing.assert_array_equal(targets.tracks(labels, "v").speed, before(labels))


def test_no_speed_is_taken_over_a_gap_or_a_cut() -> None:
    frame = np.array([0, 1, 2, 3, 10, 11, 12, 13])  # 4 a second, with a hole of 1.75 s
    x = np.where(frame < 10, 10.0 * frame, 900.0 - 10.0 * frame)
    over = targets.tracks(moving(4, frame=frame, pts_seconds=frame / 4, x=x, y=0.0, w=9.0, h=9.0), "v").speed[:, 0]
    assert over == pytest.approx([40.0] * 4 + [-40.0] * 4)
    frame = np.arange(8)
    x = np.where(frame < 4, 10.0 * frame, 900.0 - 10.0 * frame)
    cut = targets.tracks(moving(4, frame=frame, pts_seconds=frame / 4, x=x, y=0.0, w=9.0, h=9.0), "v", shots=(0, 4))
    assert cut.speed[:, 0] == pytest.approx([40.0] * 4 + [-40.0] * 4)


def test_two_labels_of_a_track_are_near_each_other_where_all_labels_come_so_rarely() -> None:
    sparse, dense = (moving(4, seconds=seconds, object=1) for seconds in (5, 5))
    two = Labels.from_columns(
        **{
            "video": "v", "frame": [4, 5], "pts_seconds": [1.0, 1.25], "object": 2, "class": "", "x": [0.0, 10.0],
            "y": 0.0, "w": 9.0, "h": 9.0, "confidence": 1.0, "source": "t",
        }
    )  # fmt: skip
    known = targets.tracks(Labels.concat([sparse, two]), "v")
    assert known.speed[known.object == 2] == pytest.approx(np.array([[40.0, 0.0]] * 2))
    # In a film that is labelled 25 times a second, a quarter of a second is a gap.
    dense = moving(25, seconds=5, object=1)
    two = Labels(two.table.with_columns(frame=two.table["frame"] * 25 // 4))
    known = targets.tracks(Labels.concat([dense, two]), "v")
    assert np.isnan(known.speed[known.object == 2]).all()


def test_what_speeds_are_taken_over_is_said_once() -> None:
    assert speed_notes(moving(25)) == ()
    assert speed_notes(moving(4, vx=1.0, vy=1.0)) == ()
    assert speed_notes(moving(4, object=-1)) == ()
    (one,) = speed_notes(moving(4))
    assert one == (
        "Labels of the one track come every 0.25 s: speeds there are taken from the label before to the one after, "
        "over 0.5 s instead of 0.4."
    )
    several = Labels.concat([moving(4), moving(2, video="w"), moving(25, video="u"), moving(4, 10, video="z")])
    wide, far = speed_notes(several)
    assert wide.startswith("Labels of 2 of 4 tracks come every 0.25 to 0.5 s: ")
    assert far.startswith("Labels of 1 of 4 tracks come every 2.5 s: too far apart")


@pytest.mark.parametrize("rate", RATES)
def test_the_cameras_speed_is_right_at_every_rate(rate: float) -> None:
    count = 40
    motion = np.tile(np.array([[90.0, -40.0]]) / rate, (count, 1))
    motion[[0, 20]] = np.nan  # two shots
    assert camera_velocity(motion, np.arange(count) / rate) == pytest.approx(np.tile([90.0, -40.0], (count, 1)))


def test_the_cameras_speed_is_taken_over_the_same_time_as_a_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that turns faster and faster, boxes that it alone moves, labelled three times a second."""
    count, rate = 120, 30
    place = np.column_stack([np.arange(count) ** 2 / 50, np.zeros(count)])
    motion = np.vstack([[[np.nan, np.nan]], np.diff(place, axis=0)])
    monkeypatch.setattr("worldprobe.labels.motion.camera.global_motion", lambda video: motion)

    class Film:
        ref = VideoRef("v", "v.mp4", 640, 360, count, float(rate))
        pts_seconds = np.arange(count) / rate
        shots = (0,)

    frame = np.arange(0, count, 10)
    labels = moving(rate, 10, seconds=4, x=place[frame, 0], y=0.0, w=20.0, h=20.0)
    freed = targets.tracks(with_camera(labels, Film()), "v").speed  # type: ignore[arg-type]
    assert freed == pytest.approx(np.zeros((len(frame), 2)), abs=1e-9)


@pytest.mark.parametrize("rate", [0.5, 0.8, 4.0, 25.0])
def test_boxes_of_slow_films_are_linked(rate: float) -> None:
    linked = link(moving(rate, object=-1, speed=np.array([4.0, 0.0])))
    assert set(linked.table["object"]) == {0}


def test_a_reach_never_shrinks_as_labels_come_more_rarely() -> None:
    spacings = np.geomspace(0.001, 100, 200)
    reaches = [speeds.reach(float(one)) for one in spacings]
    assert all(a <= b for a, b in some(pairwise(reaches)))
    assert (reaches[0], reaches[-1]) == (0.2, 2.0)


def moments(speed: np.ndarray, growth: list[float], tracked: list[bool]) -> LabelledTubelets:
    n = len(growth)
    where, zeros = np.arange(n), np.zeros(n, np.int64)
    return LabelledTubelets(
        video=zeros, clip=where, tubelet=zeros, group=where, recording=zeros, recording_seconds=where * 1.0,
        pts_seconds=where * 1.0, box=np.tile([50.0, 50.0, 10.0, 10.0], (n, 1)), speed=speed,
        growth=np.array(growth), tracked=np.array(tracked), name=np.full(n, "cup"), measured={}, factors={},
        frame_size=np.full((n, 2), 100.0), clip_seconds=0.5, tubelet_frames=2,
        labels=np.ones(n, np.int64), dropped={},
    )  # fmt: skip


def test_what_has_no_speed_says_why() -> None:
    lone, camera = [np.nan, np.nan], [np.nan, np.nan]
    speed = np.array([[30.0, 0.0], [0.1, 0.0], lone, lone, camera])
    known = moments(speed, [0.0, 0.0, np.nan, np.nan, 0.0], [True, True, True, False, True])
    why = (
        "1 without a track, 1 whose track has no other label near enough in time, 1 where the camera's motion, or "
        "the speed itself, is not known"
    )
    group = np.arange(5)
    assert target(known, "velocity", group).notes == (f"3 moments without a speed: {why}",)
    assert target(known, "direction", group).notes == (f"4 moments without a direction: 1 still, {why}",)
    assert f"3 moments without a direction: {why}" in target(known, "motion", group).notes
    (approach,) = target(known, "approach", group).notes
    assert approach.startswith("2 moments without a speed: 1 without a track, 1 whose track has no other label")
    assert target(known, "xy", group).notes == ()
    # Where none has one, that is said, and not that it were constant.
    nothing = known.at(np.array([2, 2, 2]))
    assert unaskable("motion", target(nothing, "motion", group[:3])) == (
        "3 moments without a direction: 3 whose track has no other label near enough in time"
    )
    assert "constant" not in unaskable("velocity", target(nothing, "velocity", group[:3]))
