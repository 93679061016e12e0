"""What each optional dependency would bring, and whether it is here; and how much memory is free."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

# Extra of this distribution: the module that says it is here, and what it brings.
EXTRAS = {
    "flow": ("diffusers", "the decoder flow, with a pretrained autoencoder where one is given"),
    "modal": ("modal", "the executor modal: GPUs of a cloud account"),
    "ray": ("ray", "the executor ray: a cluster of machines"),
    "rerun": ("rerun", "recordings of a run's clips for the Rerun viewer: export --rerun"),
    "s3": ("s3fs", "stores on S3 and what speaks like it"),
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


def free_memory_gb() -> float | None:
    """Memory that can be had without swapping, in GB (1e9 bytes); None where not on Linux."""
    told = Path("/proc/meminfo")
    if not told.exists():
        return None
    lines = dict(line.split(":", 1) for line in told.read_text().splitlines())
    return round(int(lines["MemAvailable"].split()[0]) * 1024 / 1e9, 1)
