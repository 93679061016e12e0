"""With what, from what and where results were made: ``provenance.json`` of a run's folder.

Nothing of it enters the name under which anything is kept: the same work has the same key on any machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worldprobe.io.files import write_whole
from worldprobe.io.names import short_names
from worldprobe.records import reading_notes

if TYPE_CHECKING:
    from worldprobe.records import Labels, VideoRef

FILE = "provenance.json"
_PACKAGES = ("worldprobe", "torch", "transformers", "numpy", "scipy", "scikit-learn", "av", "zarr", "onnxruntime")
# What of two stages has to be the same for one record to speak of both.
_SITTING = (
    "versions", "platform", "processor", "cores", "threads", "gpu", "git", "workers", "encoder", "videos", "labels",
    "seed",
)  # fmt: skip
_MOST_NAMED = 20


def collect(**more: Any) -> dict[str, Any]:
    """Versions and machine; ``more`` is added as it is."""
    return {**machine(), "git": _git_commit(), **more}


def machine() -> dict[str, Any]:
    """What this process computes with: versions, system, processor, threads and GPUs (those that torch sees)."""
    torch = sys.modules.get("torch")  # where it is not loaded, nothing was computed with it
    gpus = range(torch.cuda.device_count()) if torch is not None and torch.cuda.is_available() else ()
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads() if torch is not None else None,
        "gpu": [torch.cuda.get_device_name(number) for number in gpus] if torch is not None else None,
    }


def of_videos(videos: Iterable[VideoRef]) -> dict[str, Any]:
    """Which videos: how many, of which sizes, one hash of all contents in any order; by name where they are few."""
    known = {ref.id: ref for ref in videos}
    sizes = Counter(f"{ref.width} x {ref.height}" for ref in known.values())
    facts: dict[str, Any] = {
        "count": len(known),
        "sha256": hash_of(known),
        "sizes": dict(sizes.most_common()),
        "notes": list(reading_notes(known.values())),
    }
    if len(known) <= _MOST_NAMED:
        names = short_names(ref.path for ref in known.values())
        facts["named"] = {
            names[ref.path]: f"sha256 {ref.id}, {ref.frames} frames of {ref.width} x {ref.height}"
            for ref in known.values()
        }
    return facts


def hash_of(ids: Iterable[str]) -> str:
    """One hash of the contents of several videos, by their ids, in any order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def of_labels(labels: Labels) -> dict[str, Any]:
    """Which labels: how many, a hash of the table, and how they were made, as far as the table knows."""
    table = labels.table
    sources = sorted(map(str, table["source"].unique()))
    return {
        "count": len(table),
        "sha256": hashlib.sha256(table.write_csv().encode()).hexdigest(),
        "sources": sources,
        **labels.origin,
    }


def record(path: Path, stages: Sequence[str], facts: dict[str, Any]) -> None:
    """Write down how stages of a run were made, beside what the file says of other stages.

    The file speaks of the stages that were written last. Those that were made with anything else (another version,
    machine, encoder, seed, ...) keep what was said of them under ``otherwise``, a record for each stage.
    """
    before = read(path)
    otherwise = {name: one for name, one in before.pop("otherwise", {}).items() if name not in stages}
    of = [name for name in before.pop("stages", []) if name not in stages]
    merged = {**before, **facts} if _alike(before, facts) else dict(facts)
    if of and not _alike(before, facts):
        otherwise |= {name: {key: value for key, value in before.items() if key != "seconds"} for name in of}
        of = []
    whole = {"stages": [*of, *stages], **merged}
    write(path, whole | ({"otherwise": otherwise} if otherwise else {}))


def read(path: Path) -> dict[str, Any]:
    """What is written at a path; nothing where there is nothing that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write the facts as JSON, whole or not at all."""
    write_whole(path, (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())


def peak_rss_bytes() -> int:
    """The most memory that this process has held at once, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether nothing that both say differs, of what has to be the same."""
    return all(one[key] == other[key] for key in _SITTING if key in one and key in other)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


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
