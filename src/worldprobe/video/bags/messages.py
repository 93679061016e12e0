"""Messages of ROS 2: pictures as JPEG or PNG, all else as numbers by name."""

from __future__ import annotations

import io
from numbers import Real
from typing import Any

import numpy as np
from PIL import Image

PICTURES = ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image")
# Packages whose messages are a robot's state, what it is to do, and what it feels.
NUMBERS = ("geometry_msgs", "std_msgs", "nav_msgs", "control_msgs", "trajectory_msgs")
SENSORS = ("sensor_msgs/msg/JointState", "sensor_msgs/msg/Imu", "sensor_msgs/msg/Range")
_ACTIONS = {"action", "actions", "cmd", "command", "commands", "desired", "goal", "leader", "reference", "target"}
_LONGEST = 64  # numbers of a list that are read; longer ones are maps and scans
_SKIPPED = ("header", "name", "joint_names", "layout")
# Encodings of sensor_msgs/Image: channels, and where red, green and blue are among them.
_ENCODINGS = {
    "rgb8": (3, [0, 1, 2]), "bgr8": (3, [2, 1, 0]), "8UC3": (3, [2, 1, 0]), "rgba8": (4, [0, 1, 2]),
    "bgra8": (4, [2, 1, 0]), "8UC4": (4, [2, 1, 0]), "mono8": (1, [0]), "8UC1": (1, [0]),
}  # fmt: skip


def is_numbers(kind: str) -> bool:
    """Whether messages of this type are read as numbers."""
    return kind in SENSORS or kind.partition("/")[0] in NUMBERS


def is_action(topic: str) -> bool:
    """Whether a topic says by its name what the robot is to do, rather than what is."""
    return not _ACTIONS.isdisjoint(topic.replace("/", "_").replace("-", "_").lower().split("_"))


def form_of(picture: bytes) -> tuple[str, int, int] | None:
    """What libav decodes a picture with ("mjpeg" or "png"), its width and height in px.

    None for anything else, for one that is damaged, and for 16 bits of grey, which are a depth.
    """
    try:
        with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG")) as found:
            codec = "png" if found.format == "PNG" else "mjpeg"  # or MPO, which begins with a JPEG
            return None if found.mode.startswith("I") else (codec, found.width, found.height)
    except (OSError, SyntaxError, ValueError):  # PIL's for what is no picture
        return None


def picture_of(message: Any) -> bytes | str:
    """A picture's bytes, JPEG or PNG; a few words where it is none that can be shown.

    Pictures that were not compressed are, without loss (PNG). Depth and raw sensors' patterns are no colours.
    """
    if hasattr(message, "format"):
        picture = bytes(message.data)
        if "depth" in message.format.lower() or form_of(picture) is None:
            return f"is no JPEG or PNG in colour ({message.format or 'of no format'})"
        return picture
    if message.encoding not in _ENCODINGS:
        return f"is {message.encoding or 'of no encoding'}, which is no colour"
    channels, order = _ENCODINGS[message.encoding]
    width, height = message.width, message.height
    values = np.frombuffer(bytes(message.data), np.uint8)
    if not width or not height or message.step < width * channels or len(values) < height * message.step:
        return f"has {len(values)} bytes, too few for {width} x {height} px"
    rows = values[: height * message.step].reshape(height, message.step)[:, : width * channels]
    pixels = rows.reshape(height, width, channels)[..., order]
    file = io.BytesIO()
    Image.fromarray(pixels if len(order) == 3 else pixels[..., 0]).convert("RGB").save(
        file, "PNG", compress_level=1
    )
    return file.getvalue()


def numbers_of(message: Any) -> dict[str, float]:
    """A message's numbers by name: ``pose.position.x``, ``panda_joint1``, ``panda_joint1.velocity``, ``data.0``.

    Joints have their own names, and their position no other. Of a trajectory it is the first point.
    """
    names = list(getattr(message, "name", None) or getattr(message, "joint_names", None) or ())
    return _numbers(message, names if all(isinstance(name, str) for name in names) else [])


def _numbers(message: Any, names: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for field in message.__slots__:
        value = getattr(message, field)
        if field in _SKIPPED or "covariance" in field or isinstance(value, str):
            continue
        if hasattr(value, "__slots__"):
            found |= {f"{field}.{key}": one for key, one in _numbers(value, names).items()}
        elif isinstance(value, Real):
            found[field] = float(value)
        elif len(value) and hasattr(value[0], "__slots__"):
            if names:
                found |= _numbers(value[0], names)
        elif len(value) <= _LONGEST and all(isinstance(one, Real) for one in value):
            of = names if len(names) == len(value) else None
            for number, one in enumerate(value):
                found[_called(field, of[number] if of else None, number)] = float(one)
    return found


def _called(field: str, name: str | None, number: int) -> str:
    if name is None:
        return f"{field}.{number}"
    return name if field in ("position", "positions") else f"{name}.{field}"
