"""Rotations in six numbers, and what a hand does over the next steps."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldprobe.geometry import from_six, rotation_vector
from worldprobe.labels import poses, targets
from worldprobe.probes import metrics
from worldprobe.records import Labels


def table(frame, **columns):
    n = len(frame)
    given_columns = {
        "video": "v", "frame": frame, "pts_seconds": [f / 10 for f in frame], "object": 0, "class": "box",
        "x": 50.0, "y": 50.0, "w": 10.0, "h": 10.0, "confidence": 1.0, "source": "test",
    }  # fmt: skip
    lists = {name: list(value) if np.ndim(value) else [value] * n for name, value in columns.items()}
    return Labels.from_columns(**{**given_columns, **lists})


def about_z(angle):
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def six(*rotations, of="object"):
    turned = np.array(rotations)[:, :, :2].transpose(0, 2, 1).reshape(-1, 6)
    return {f"{of}_r{number}": turned[:, number] for number in range(6)}


def measured(frame, **columns):
    return targets.tracks(table(frame, **columns), "v").measured


# --- poses


@given(yaw=st.floats(-3.1, 3.1), symmetry=st.sampled_from([2, 4]), turns=st.integers(1, 3), over=st.booleans())
def test_what_looks_alike_has_one_pose(yaw: float, symmetry: int, turns: int, over: bool) -> None:
    turned = about_z(yaw)
    other = turned @ about_z(2 * np.pi * turns / symmetry) @ (np.diag([1.0, -1.0, -1.0]) if over else np.eye(3))
    one, again = poses.pose(measured([0, 1], **six(turned, other), symmetry=symmetry))
    if abs(abs(yaw % (2 * np.pi / symmetry)) - np.pi / symmetry) > 1e-3:  # as near to one turn as to the next
        assert one == pytest.approx(again, abs=1e-9)
    nearest = (yaw + np.pi / symmetry) % (2 * np.pi / symmetry) - np.pi / symmetry
    assert np.degrees(np.arctan2(one[1], one[0])) == pytest.approx(np.degrees(nearest), abs=0.1)


def test_without_a_symmetry_a_pose_is_as_it_stands_and_the_camera_s_frame_is_preferred() -> None:
    known = measured([0], **six(about_z(3.0)), **six(about_z(1.0), of="seen"))
    assert poses.pose(known)[0] == pytest.approx([np.cos(1), np.sin(1), 0, -np.sin(1), np.cos(1), 0])


def test_what_looks_alike_however_it_is_turned_has_no_pose() -> None:
    known = measured([0, 1], **six(np.eye(3), np.eye(3)), symmetry=[0, 2])
    assert np.isnan(poses.pose(known)).all(axis=1).tolist() == [True, False]
    assert poses.shapeless(known).tolist() == [True, False]


def test_the_angle_between_rotations_is_that_of_the_turn_between_them() -> None:
    target = np.stack([*six(*map(about_z, (0.0, 1.0, 2.0, 0.5))).values()], axis=1)
    given_ = np.stack([*six(*map(about_z, (0.5, 1.0, 1.0, 0.5))).values()], axis=1)
    given_[3] = 0  # no rotation
    found = metrics.angular_error_draws(target, 3 * given_, np.arange(4), seed=0)  # of any length
    any_two = 90 + np.degrees(2 / np.pi)
    assert found.value == pytest.approx((np.degrees(0.5) + 0 + np.degrees(1.0) + any_two) / 4)
    # Of random rotations it is what any two are apart.
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 4000, 6))
    assert metrics.angular_error_draws(one, other, np.arange(4000), seed=0).value == pytest.approx(any_two, abs=3)


# --- relative actions


def test_a_relative_action_is_where_the_hand_will_be_less_where_it_is() -> None:
    frames = np.arange(10)
    turned = [about_z(0.1 * n) for n in frames]
    found = measured(
        frames.tolist(), ee_x=0.01 * frames, ee_y=0.0, ee_z=0.5, gripper=frames * 1.0, **six(*turned, of="ee")
    )
    ahead = poses.AHEAD
    assert {n for n in found if n.startswith(poses.RELATIVE)} == {
        f"{poses.RELATIVE}.{name}" for name in ("x", "y", "z", "rx", "ry", "rz", "gripper")
    }
    for name, each in (("x", 0.01), ("z", 0.0), ("rz", 0.1), ("rx", 0.0), ("gripper", 1.0)):
        values = found[f"{poses.RELATIVE}.{name}"]
        assert values[:-ahead] == pytest.approx(np.full(10 - ahead, ahead * each), abs=1e-9)
        assert np.isnan(values[-ahead:]).all(), "an episode ends"


def test_no_relative_action_leads_over_an_episode_s_end_a_cut_or_a_gap() -> None:
    ahead = poses.AHEAD
    frames = list(range(20))
    two = measured(frames, object=[0] * 10 + [1] * 10, **{"state.a": np.arange(20.0)})[f"{poses.RELATIVE}.a"]
    assert np.flatnonzero(np.isfinite(two)).tolist() == [*range(10 - ahead), *range(10, 20 - ahead)]
    assert two[np.isfinite(two)].tolist() == [ahead] * (20 - 2 * ahead)
    cut = targets.tracks(table(frames, **{"state.a": np.arange(20.0)}), "v", shots=(0, 10)).measured
    assert np.isnan(cut[f"{poses.RELATIVE}.a"][10 - ahead : 10]).all()
    gap = measured([*range(10), *range(11, 21)], **{"state.a": np.arange(20.0)})[f"{poses.RELATIVE}.a"]
    assert np.flatnonzero(np.isfinite(gap)).tolist() == [*range(10 - ahead), *range(10, 20 - ahead)]
    assert np.isnan(measured([0, 1], **{"state.a": [0.0, 1.0]})[f"{poses.RELATIVE}.a"]).all()


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["x", "y", "z", "roll", "gripper", "joint_1"], {"x", "y", "z", "roll", "gripper"}),
        (["eef_pos_x", "eef_pos_y", "eef_pos_z", "j"], {"eef_pos_x", "eef_pos_y", "eef_pos_z"}),
        (["left.ee.x", "left.ee.y", "left.ee.z", "a"], {"left.ee.x", "left.ee.y", "left.ee.z"}),
        (["motor_0", "motor_1"], {"motor_0", "motor_1"}),
        (["x", "y", "a"], {"x", "y", "a"}),  # no hand's position: all of them
        (["vel_x", "vel_y", "vel_z", "a"], {"vel_x", "vel_y", "vel_z", "a"}),
    ],
)
def test_of_states_the_hand_s_are_taken_where_they_are_there(states: list[str], expected: set[str]) -> None:
    found = measured([0, 1], **{f"state.{name}": [0.0, 1.0] for name in states})
    assert {n.removeprefix(f"{poses.RELATIVE}.") for n in found if n.startswith(poses.RELATIVE)} == expected


def test_angles_turn_the_short_way() -> None:
    values = np.linspace(3.0, 3.5, 6)
    wrapped = (values + np.pi) % (2 * np.pi) - np.pi
    pose = {f"state.{axis}": 0.0 for axis in "xyz"}
    for scale in (1.0, 180 / np.pi):
        found = measured(list(range(6)), **pose, **{"state.yaw": scale * wrapped})[f"{poses.RELATIVE}.yaw"]
        assert found[:2] == pytest.approx([scale * 0.4] * 2)


def test_a_film_that_hardly_turns_has_its_angles_in_what_the_others_have() -> None:
    frames = list(range(6))
    pose = {f"state.{axis}": 0.0 for axis in "xyz"}
    little = table(frames, **pose, **{"state.yaw": np.linspace(2.0, -3.0, 6)})
    turned = table(frames, **pose, **{"state.yaw": np.linspace(90.0, 95.0, 6)}).table.with_columns(
        video=pl.lit("w")
    )
    change = lambda labels: targets.tracks(labels, "v").measured[f"{poses.RELATIVE}.yaw"][:2]  # noqa: E731
    assert change(little) == pytest.approx([2 * np.pi - 4] * 2)  # as radians, all that it can be told for alone
    assert change(Labels(pl.concat([little.table, turned]))) == pytest.approx([-4.0] * 2)


def test_six_numbers_of_any_length_are_a_rotation() -> None:
    rng = np.random.default_rng(1)
    turned = from_six(rng.normal(size=(20, 6)))
    assert np.einsum("nij,nkj->nik", turned, turned) == pytest.approx(np.tile(np.eye(3), (20, 1, 1)))
    assert np.linalg.det(turned) == pytest.approx(np.ones(20))
    assert rotation_vector(np.array([about_z(0.3)]))[0] == pytest.approx([0, 0, 0.3])
    assert np.isnan(from_six(np.zeros((1, 6)))).all()
