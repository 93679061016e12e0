"""Recordings of ROS 2 as films, each beside its readings."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.builders.bags import Bag, hand_waving

from worldprobe.errors import LabelError, VideoError
from worldprobe.labels.robots.mcap import Mcap
from worldprobe.pipeline.sources import open_source
from worldprobe.video.bags.between import rotations_at, values_at
from worldprobe.video.bags.films import bag_films
from worldprobe.video.source import resolve

pytest.importorskip("mcap_ros2", reason="needs mcap-ros2-support (extra [mcap])")

PICTURE = "sensor_msgs/msg/CompressedImage"
GREY = np.full((48, 64, 3), 128, np.uint8)


def test_a_recording_is_a_film_for_each_camera_with_its_pictures_times_and_readings(tmp_path: Path) -> None:
    where = hand_waving(tmp_path / "run.mcap")
    notes: list[str] = []

    front, side = bag_films(tmp_path / "run.mcap", tmp_path / "films", tell=notes.append)

    assert (front.name, side.name) == ("front-image-raw-compressed.mov", "side-image-raw.mov")
    assert notes == [
        "run.mcap: /cloud holds sensor_msgs/msg/PointCloud2, neither pictures nor a robot's numbers: 24 left out.",
        "run.mcap: /arm/command: stamped by another clock or by none; times are the recorder's.",
    ]
    for path, mirrored in ((front, False), (side, True)):
        with open_source(path) as video:
            assert (video.ref.width, video.ref.height, video.ref.frames) == (64, 48, 24)
            np.testing.assert_allclose(video.pts_seconds, np.arange(24) / 10, atol=1e-3)
            pictures = np.stack([frame for _, frame in video.frames(range(24))]).astype(float)
            labels = Mcap().label(video).table
        red = pictures[:, 24, :, 0][:, ::-1] if mirrored else pictures[:, 24, :, 0]
        left = (red > 130).argmax(axis=1)
        np.testing.assert_allclose(left, np.round(26 + 20 * where), atol=1)
        np.testing.assert_allclose(labels["state.joint_states.slide"], where, atol=0.01)
        np.testing.assert_allclose(labels["state.joint_states.slide.velocity"], 10 * where, atol=0.1)
        np.testing.assert_allclose(labels["action.arm.command.data.0"], np.arange(24))


def test_cameras_of_one_recording_are_one_group_and_other_recordings_another(tmp_path: Path) -> None:
    names = []
    for number in range(2):
        hand_waving(tmp_path / f"run{number}.mcap", phase=number)
    for path in resolve([f"mcap:{tmp_path}"], cache=tmp_path / "cache", scenes=_none, lerobot=_none):
        with open_source(path) as video:
            names.append(video.episodes)

    assert names[0] == names[1] != names[2] == names[3]


def _none(*_: object) -> list[Path]:
    raise AssertionError("nothing is rendered")


def test_states_lie_between_messages_and_commands_are_those_last_sent() -> None:
    times, values = np.array([0.0, 0.1, 0.2, 1.0, 1.1]), np.array([0.0, 1.0, 2.0, 10.0, 11.0])
    frames = np.array([-0.1, 0.05, 0.2, 0.25, 0.5, 1.05, 1.15, 2.0])

    between = values_at(frames, times, values, held=False)
    sent = values_at(frames, times, values, held=True)

    nan = np.nan
    np.testing.assert_allclose(between, [nan, 0.5, 2.0, nan, nan, 10.5, nan, nan])
    np.testing.assert_allclose(sent, [nan, 0.0, 2.0, 2.0, 2.0, 10.0, 11.0, nan])


def test_a_rotation_between_two_messages_is_one_whichever_sign_was_recorded(tmp_path: Path) -> None:
    """q and -q are the same rotation: halfway between them component by component lies nothing."""

    def about_z(turns: np.ndarray) -> np.ndarray:
        return np.stack([0 * turns, 0 * turns, np.sin(np.pi * turns), np.cos(np.pi * turns)], axis=1)

    with Bag(tmp_path / "run.mcap") as bag:
        for frame in range(8):
            bag.jpeg("/cam", frame / 10 + 0.05, GREY)
        for step, (x, y, z, w) in enumerate(about_z(np.arange(10) / 20)):
            sign = -1.0 if step % 2 else 1.0
            for topic in ("/tool/orientation", "/goal/orientation"):
                bag.add(
                    topic, "geometry_msgs/msg/Quaternion", step / 10, x=sign * x, y=sign * y, z=sign * z, w=sign * w
                )

    (film,) = bag_films(tmp_path / "run.mcap", tmp_path / "films")

    readings = pl.read_parquet(film.with_suffix(".readings.parquet"))
    found = readings.select(f"state.tool.orientation.{axis}" for axis in "xyzw").to_numpy()
    np.testing.assert_allclose(found, about_z((np.arange(8) + 0.5) / 20), atol=1e-6)
    sent = readings.select(f"action.goal.orientation.{axis}" for axis in "xyzw").to_numpy()
    np.testing.assert_allclose(sent, about_z(np.arange(8) / 20) * np.tile([[1], [-1]], (4, 1)), atol=1e-9)


def test_readings_of_an_earlier_version_are_made_anew(tmp_path: Path) -> None:
    hand_waving(tmp_path / "run.mcap")
    front, _ = bag_films(tmp_path / "run.mcap", tmp_path / "films")
    readings, known = front.with_suffix(".readings.parquet"), front.parent / "recording.json"
    kept = readings.read_bytes()
    for written, expected in ((known.read_text(), b"kept"), ('{"recording": "1", "notes": []}', kept)):
        readings.write_bytes(b"kept")
        known.write_text(written)
        bag_films(tmp_path / "run.mcap", tmp_path / "films")
        assert readings.read_bytes() == expected


def test_four_numbers_of_another_length_are_no_rotation() -> None:
    times, frames = np.arange(3.0), np.array([0.5])
    late = np.array([[0.0] * 4, [np.nan] * 4, [0, 0, 0, 1.0], [0, 0, 1.0, 0]])
    np.testing.assert_allclose(
        rotations_at(np.array([0.0, 0.15, 0.25]), np.arange(4) / 10, late),
        [[np.nan] * 4, [np.nan] * 4, [0, 0, 0.5**0.5, 0.5**0.5]],
    )
    assert rotations_at(frames, times, np.zeros((3, 4))) is None
    assert rotations_at(frames, times, np.tile([0.0, 0.0, 0.0, 1.1], (3, 1))) is None


def test_a_topic_with_another_clock_is_timed_by_the_recorder(tmp_path: Path) -> None:
    with Bag(tmp_path / "run.mcap") as bag:
        for frame in range(8):
            bag.jpeg("/cam", frame / 10, GREY, stamp=5 + frame / 5)
            bag.joints("/joint_states", frame / 10, slide=frame)
    notes: list[str] = []

    (film,) = bag_films(tmp_path / "run.mcap", tmp_path / "films", tell=notes.append)

    assert notes == ["run.mcap: /cam: stamped by another clock or by none; times are the recorder's."]
    readings = pl.read_parquet(film.with_suffix(".readings.parquet"))
    np.testing.assert_allclose(readings["pts_seconds"], np.arange(8) / 10, atol=1e-6)
    np.testing.assert_allclose(readings["state.joint_states.slide"], np.arange(8), atol=1e-6)


def test_a_command_that_was_sent_with_a_picture_counts_for_it_and_words_are_no_numbers(tmp_path: Path) -> None:
    with Bag(tmp_path / "run.mcap") as bag:
        for frame in range(40):
            bag.jpeg("/cam", frame / 20, GREY)
            bag.add("/cmd", "std_msgs/msg/Float64MultiArray", frame / 20, data=[float(frame)])
            bag.add("/said", "std_msgs/msg/String", frame / 20, data="on")
    notes: list[str] = []

    (film,) = bag_films(tmp_path / "run.mcap", tmp_path / "films", tell=notes.append)

    readings = pl.read_parquet(film.with_suffix(".readings.parquet"))
    assert readings["action.cmd.data.0"].to_list() == list(range(40))
    assert notes == [
        "run.mcap: /said holds std_msgs/msg/String, neither pictures nor a robot's numbers: 40 left out.",
        "run.mcap: /cmd: stamped by another clock or by none; times are the recorder's.",
    ]


def test_pictures_out_of_order_depth_and_other_encodings_are_left_out_and_counted(tmp_path: Path) -> None:
    with Bag(tmp_path / "run.mcap") as bag:
        for frame in range(8):
            bag.jpeg("/cam", frame / 10, GREY, stamp=100 + (0.1 if frame == 5 else frame / 10))
            bag.raw("/depth", frame / 10, np.zeros((48, 64, 2), np.uint8), encoding="16UC1")
    notes: list[str] = []

    (film,) = bag_films(tmp_path / "run.mcap", tmp_path / "films", tell=notes.append)

    with open_source(film) as video:
        np.testing.assert_allclose(video.pts_seconds, [0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7], atol=1e-3)
        with pytest.raises(LabelError, match="no state or action in numbers"):
            Mcap().label(video)
    assert notes == [
        "run.mcap: /depth is 16UC1, which is no colour: 8 left out.",
        "run.mcap: /cam has pictures out of order, or of another size or format than its first: 1 left out.",
    ]


def test_grey_pictures_are_a_film_and_compressed_depth_other_sizes_and_damage_are_left_out(tmp_path: Path) -> None:
    depth = io.BytesIO()
    Image.fromarray(np.full((48, 64), 900, np.uint16)).save(depth, "PNG")
    with Bag(tmp_path / "run.mcap") as bag:
        for frame in range(8):
            bag.jpeg("/grey", frame / 10, np.full((48, 64), 20 * frame, np.uint8))
            bag.jpeg("/cam", frame / 10, GREY[:24, :32] if frame == 3 else GREY)
            for topic, data in (("/depth", depth.getvalue()), ("/damaged", b"\xff\xd8 and no more")):
                bag.add(topic, PICTURE, frame / 10, format="16UC1; png compressed ", data=data)
    notes: list[str] = []

    cam, grey = bag_films(tmp_path / "run.mcap", tmp_path / "films", tell=notes.append)

    with open_source(grey) as video:
        shown = np.stack([frame for _, frame in video.frames(range(8))])
        np.testing.assert_allclose(shown.mean(axis=(1, 2, 3)), np.arange(8) * 20, atol=3)
    with open_source(cam) as video:
        assert (video.ref.frames, video.ref.width) == (7, 64)
    assert notes == [
        "run.mcap: /depth is no JPEG or PNG in colour (16UC1; png compressed ): 8 left out.",
        "run.mcap: /damaged is no JPEG or PNG in colour (16UC1; png compressed ): 8 left out.",
        "run.mcap: /cam has pictures out of order, or of another size or format than its first: 1 left out.",
    ]


def test_what_is_no_recording_of_pictures_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.mcap").write_text("no recording at all, only words")
    with Bag(tmp_path / "blind.mcap") as bag:
        bag.joints("/joint_states", 0.0, slide=1.0)
    hand_waving(tmp_path / "whole.mcap")
    whole = (tmp_path / "whole.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: len(whole) // 2])

    def refused(name: str, match: str) -> None:
        with pytest.raises(VideoError, match=match):
            resolve([f"mcap:{tmp_path / name}"], cache=tmp_path / "cache", scenes=_none, lerobot=_none)

    refused("absent.mcap", "there is no such file")
    refused("text.mcap", "cannot be read as a recording of ROS 2")
    refused("cut.mcap", "mcap recover")
    refused("blind.mcap", "holds no pictures in colour: nothing at all")
    (tmp_path / "empty").mkdir()
    refused("empty", r"no recording \(\*\.mcap\) there")
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_a_film_of_no_recording_has_no_readings(tmp_path: Path) -> None:
    hand_waving(tmp_path / "run.mcap")
    film = bag_films(tmp_path / "run.mcap", tmp_path / "films")[0]
    alone = tmp_path / "alone.mov"
    alone.write_bytes(film.read_bytes())

    with open_source(alone) as video, pytest.raises(LabelError, match="no readings beside"):
        Mcap().label(video)
