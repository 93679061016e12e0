"""Poses: how a body is turned, in six numbers, and how a robot's hand moves over the next steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldprobe.geometry import from_six, rotation_vector

if TYPE_CHECKING:
    from polars import DataFrame

Floats = NDArray[np.float64]

# Steps, which are rows of the labels, that a relative action looks ahead.
AHEAD = 4
RELATIVE = "relative-action"
# Whose rotation a pose is: seen from the camera where the labels have it, else in the world.
_OF = ("seen", "object")
_ROTATION, _SYMMETRY, _SEEN = "rotation.{}", "rotation.symmetry", "rotation.seen"
# How a body lies that nobody has turned, as columns: in the world, and in a picture (x right, y down).
_UPRIGHT = {"object": np.eye(3), "seen": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])}
# What positions of a hand are called beside its three axes, in the states of robots.
_HAND = re.compile(r"(|.*(ee|eef|tcp|hand|effector|gripper|pos|position|cartesian))[._ /-]?[xyz]", re.IGNORECASE)
_ANGLES = ("roll", "pitch", "yaw", "rx", "ry", "rz")


def rotations(table: DataFrame) -> dict[str, Floats]:
    """A table's rotations as they are, float64 [m] by name, for ``pose``; none where it has none."""
    for of in _OF:
        columns = [f"{of}_r{number}" for number in range(6)]
        if set(columns) <= set(table.columns):
            found = {_ROTATION.format(n): _numbers(table, name) for n, name in enumerate(columns)}
            symmetry = _numbers(table, "symmetry") if "symmetry" in table.columns else np.ones(len(table))
            return {**found, _SYMMETRY: symmetry, _SEEN: np.full(len(table), float(of == "seen"))}
    return {}


def known(measured: Mapping[str, Floats]) -> bool:
    """Whether there are rotations among what labels measured."""
    return _SYMMETRY in measured


def shapeless(measured: Mapping[str, Floats]) -> NDArray[np.bool_]:
    """Which bodies look alike after any turn about an axis, so that nobody sees how they are turned: bool [n]."""
    return np.asarray(measured[_SYMMETRY] == 0)


def pose(measured: Mapping[str, Floats]) -> Floats:
    """``pose``: the first two columns of each body's rotation, [n, 6]; NaN where it is not known or cannot be seen.

    Of bodies that look alike after some turns about their own z axis, and upside down, the one of these turns that
    is nearest to how they lie unturned.
    """
    six = np.stack([measured[_ROTATION.format(number)] for number in range(6)], axis=1)
    count = measured[_SYMMETRY]
    usable = np.isfinite(six).all(axis=1) & (count > 0)
    turned = np.full((len(six), 3, 3), np.nan)
    turned[usable] = from_six(six[usable])
    for symmetry in np.unique(count[usable & (count > 1)]).tolist():
        rows = np.flatnonzero(usable & (count == symmetry))
        upright = np.where(measured[_SEEN][rows, None, None] > 0, _UPRIGHT["seen"], _UPRIGHT["object"])
        alike = np.einsum("nij,kjl->nkil", turned[rows], _turns(int(symmetry)))
        nearest = np.einsum("nkil,nil->nk", alike, upright).argmax(axis=1)
        turned[rows] = alike[np.arange(len(rows)), nearest]
    return np.asarray(turned[:, :, :2].transpose(0, 2, 1).reshape(-1, 6))


def _turns(count: int) -> Floats:
    """So many turns about z, each also upside down: [2 count, 3, 3]."""
    found = []
    for angle in 2 * np.pi * np.arange(count) / count:
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        found += [turn, turn @ np.diag([1.0, -1.0, -1.0])]
    return np.array(found)


def whole_turn(table: DataFrame) -> float:
    """A turn in the numbers of a table's angles: 2 pi, or 360 where any is larger than an angle in rad can be.

    Asked of all labels at once: one film of a robot that hardly turns does not tell which they are.
    """
    angles = [name for name in table.columns if name.startswith("state.") and _is_angle(name)]
    most = max((np.nanmax(np.abs(_numbers(table, name)), initial=0.0) for name in angles), default=0.0)
    return 2 * np.pi if most <= 2 * np.pi else 360.0


def relative_actions(table: DataFrame, shot: NDArray[np.int64], *, turn: float) -> dict[str, Floats]:
    """A table's relative actions: where the hand is ``AHEAD`` rows later, less where it is now, [m] by name.

    Positions are differences in the frame that the table has them in; a rotation is its axis times its angle (rad)
    in the hand's own frame; of states without a hand's position, all of them are differences. NaN where the same
    object of the same shot (an episode) has no row so far ahead, or does not move on frame by frame.

    Args:
        table: of one video, ordered by object, then frame.
        shot: int64 [m], the shot of each row.
        turn: a whole one in the numbers of its angles.
    """
    of = ("ee_", "gripper", "state.")
    named = [name for name in table.columns if name.startswith(of) and table[name].dtype.is_numeric()]
    numbers = {name: _numbers(table, name) for name in named}
    later = _later(table["object"].to_numpy(), table["frame"].to_numpy(), shot)
    if {"ee_x", "ee_y", "ee_z"} <= set(numbers):
        moved = {axis: f"ee_{axis}" for axis in "xyz"} | ({"gripper": "gripper"} if "gripper" in numbers else {})
        found = {name: _less(numbers[column], later) for name, column in moved.items()}
        six = [f"ee_r{number}" for number in range(6)]
        if set(six) <= set(numbers):
            turned = from_six(np.stack([numbers[name] for name in six], axis=1))
            way = rotation_vector(np.einsum("tji,tjk->tik", turned, turned[np.maximum(later, 0)]))
            way[later < 0] = np.nan
            found |= {f"r{axis}": way[:, number] for number, axis in enumerate("xyz")}
    else:
        states = {name.removeprefix("state."): one for name, one in numbers.items() if name.startswith("state.")}
        found = {
            name: _less(states[name], later, turn=turn if _is_angle(name) else 0.0)
            for name in _of_hand(list(states))
        }
    return {f"{RELATIVE}.{name}": values for name, values in found.items()}


def _of_hand(names: list[str]) -> list[str]:
    """Those of a robot's states that say where its hand is, how it is turned and how far open; else all."""
    stems = {name[:-1] for name in names if _HAND.fullmatch(name) and name[-1] in "xX"}
    axes = [tuple(f"{stem}{axis}" for axis in letters) for stem in stems for letters in ("xyz", "XYZ")]
    hands = {name for one in axes if set(one) <= set(names) for name in one}
    if not hands:
        return names
    return [name for name in names if name in hands or _is_angle(name) or "gripper" in name.lower()]


def _is_angle(name: str) -> bool:
    return re.split(r"[._ /-]", name.lower())[-1] in _ANGLES


def _later(identity: NDArray[np.int64], frame: NDArray[np.int64], shot: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row ``AHEAD`` frames later of the same object and shot, [m]; -1 where there is none."""
    found = np.full(len(frame), -1, dtype=np.int64)
    if len(frame) > AHEAD:
        same = (identity[AHEAD:] == identity[:-AHEAD]) & (shot[AHEAD:] == shot[:-AHEAD]) & (identity[AHEAD:] >= 0)
        same &= frame[AHEAD:] - frame[:-AHEAD] == AHEAD
        found[:-AHEAD][same] = np.flatnonzero(same) + AHEAD
    return found


def _less(values: Floats, later: NDArray[np.int64], *, turn: float = 0.0) -> Floats:
    change = values[np.maximum(later, 0)] - values
    if turn:
        change = (change + turn / 2) % turn - turn / 2
    return np.where(later >= 0, change, np.nan)


def _numbers(table: DataFrame, name: str) -> Floats:
    return np.asarray(table[name].to_numpy().astype(np.float64))
