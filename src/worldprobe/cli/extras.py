"""What each optional dependency would bring, and whether it is here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

# Extra of this distribution: the module that says it is here, and what it brings.
EXTRAS = {
    "flow": ("diffusers", "the decoder flow in the latents of a pretrained autoencoder"),
    "mcap": ("mcap_ros2", "recordings of ROS 2 as videos: mcap:FILE"),
    "modal": ("modal", "the executor modal: GPUs of a cloud account"),
    "ray": ("ray", "the executor ray: a cluster of machines"),
    "rerun": ("rerun", "recordings of a run's clips for the Rerun viewer: export --rerun"),
    "robots": ("mujoco", "simulated robots with their truth: robots:N"),
    "s3": ("s3fs", "stores on S3 and what speaks like it"),
    "timm": ("timm", "the encoders timm:NAME: hundreds of image models"),
    "track": ("trackers", "the trackers bytetrack, ocsort and sort"),
    "yolo": ("ultralytics", "the labeller yolo (AGPL-3.0)"),
}


def extras() -> dict[str, dict[str, str | bool]]:
    """For each extra: whether its module is found (nothing is imported), and what it brings."""
    return {
        name: {"installed": find_spec(module) is not None, "brings": brings}
        for name, (module, brings) in EXTRAS.items()
    }


def extra_lines(found: Mapping[str, Mapping[str, str | bool]]) -> list[str]:
    """What ``extras`` found, a line each."""
    return [
        f"{f'[{name}]':10} {'here' if one['installed'] else 'not installed'}: {one['brings']}"
        for name, one in found.items()
    ]
