"""With what a run was made."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from worldprobe.files import write_whole

_PACKAGES = ("worldprobe", "torch", "transformers", "numpy", "scipy", "av", "zarr", "onnxruntime")


def collect(**more: Any) -> dict[str, Any]:
    """Versions, machine and command; ``more`` is added as it is."""
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "git": _git_commit(),
        **more,
    }


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write the facts as JSON, whole or not at all."""
    write_whole(path, (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())


def peak_rss_bytes() -> int:
    """The most memory that this process has held at once, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the source tree that runs, where it is one."""
    folder = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--verify", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
