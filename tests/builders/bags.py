"""Small recordings of ROS 2 (MCAP)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_HEADER = """std_msgs/Header header
{fields}
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
_TYPES = {
    "sensor_msgs/msg/CompressedImage": _HEADER.format(fields="string format\nuint8[] data"),
    "sensor_msgs/msg/Image": _HEADER.format(
        fields="uint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\nuint8[] data"
    ),
    "sensor_msgs/msg/JointState": _HEADER.format(
        fields="string[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort"
    ),
    "std_msgs/msg/Float64MultiArray": "float64[] data\n",
    "std_msgs/msg/String": "string data\n",
    "geometry_msgs/msg/Quaternion": "float64 x\nfloat64 y\nfloat64 z\nfloat64 w\n",
    "sensor_msgs/msg/PointCloud2": _HEADER.format(fields="uint8[] data"),
}


class Bag:
    """A recording that is written message by message; times are seconds since 100."""

    def __init__(self, path: Path) -> None:
        from mcap_ros2.writer import Writer

        self._file = path.open("wb")
        self._writer = Writer(self._file)
        self._schemas: dict[str, Any] = {}

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.finish()
        self._file.close()

    def add(self, topic: str, kind: str, time: float, *, stamp: float | None = None, **fields: Any) -> None:
        """A message that was logged at a time, and stamped so unless another stamp is given."""
        if kind not in self._schemas:
            self._schemas[kind] = self._writer.register_msgdef(kind, _TYPES[kind])
        logged = round((100 + time) * 1e9)
        if "Header" in _TYPES[kind]:
            own = logged if stamp is None else round(stamp * 1e9)
            seconds, nanoseconds = divmod(own, 10**9)
            fields["header"] = {"stamp": {"sec": seconds, "nanosec": nanoseconds}, "frame_id": ""}
        self._writer.write_message(topic, self._schemas[kind], fields, log_time=logged, publish_time=logged)

    def jpeg(self, topic: str, time: float, picture: NDArray[np.uint8], **stamped: float) -> None:
        """A picture as JPEG."""
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=95, subsampling=0)
        self.add(topic, "sensor_msgs/msg/CompressedImage", time, format="jpeg", data=file.getvalue(), **stamped)

    def raw(
        self, topic: str, time: float, picture: NDArray[np.uint8], *, encoding: str = "rgb8", pad: int = 0
    ) -> None:
        """A picture as it is, rows padded by so many bytes."""
        height, width = picture.shape[:2]
        rows = np.pad(picture.reshape(height, -1), ((0, 0), (0, pad)))
        self.add(
            topic, "sensor_msgs/msg/Image", time, height=height, width=width, encoding=encoding, is_bigendian=0,
            step=rows.shape[1], data=rows.tobytes(),
        )  # fmt: skip

    def joints(self, topic: str, time: float, **positions: float) -> None:
        """Joints' positions; velocities are ten times as much."""
        values = list(positions.values())
        self.add(
            topic, "sensor_msgs/msg/JointState", time, name=list(positions), position=values,
            velocity=[10 * one for one in values], effort=[],
        )  # fmt: skip


def hand_waving(path: Path, *, frames: int = 24, rate: float = 10.0, phase: float = 0.0) -> NDArray[np.float64]:
    """A recording of a bright square that a joint moves: two cameras, joints at 50 Hz, commands; and a point cloud.

    Returns:
        The joint's position at each frame's time, float64 [frames].
    """
    at = np.arange(frames) / rate
    where = np.sin(2 * np.pi * 0.7 * at + phase)
    with Bag(path) as bag:
        for step in range(int(frames / rate * 50) + 1):
            time = step / 50
            bag.joints("/joint_states", time, slide=float(np.sin(2 * np.pi * 0.7 * time + phase)), wrist=time)
        for frame, time in enumerate(at):
            picture = np.full((48, 64, 3), 40, np.uint8)
            left = round(26 + 20 * where[frame])
            picture[16:32, left : left + 12] = (220, 60, 30)
            bag.jpeg("/front/image_raw/compressed", float(time), picture)
            bag.raw(
                "/side/image_raw", float(time), np.ascontiguousarray(picture[:, ::-1, ::-1]), encoding="bgr8", pad=8
            )
            bag.add("/arm/command", "std_msgs/msg/Float64MultiArray", float(time) - 0.01, data=[float(frame), 1.0])
            bag.add("/cloud", "sensor_msgs/msg/PointCloud2", float(time), data=b"12")
    return where
