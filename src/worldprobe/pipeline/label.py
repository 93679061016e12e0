"""Videos to a table of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from worldprobe import registry
from worldprobe.errors import LabelError
from worldprobe.files import replacing
from worldprobe.labels.camera import with_camera
from worldprobe.labels.library_trackers import track
from worldprobe.pipeline.progress import Progress, Watched, silent
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import Labeller
from worldprobe.records import Labels

_ONE_VIDEO_ONLY = ("mot", "coco")


def load_labeller(
    name: str, *, confidence: float | None = None, every: int | None = None, folder: Path | None = None
) -> Labeller:
    """The labeller of a name: a plug-in or ``module:Class``.

    Args:
        confidence, every: for detectors: the least score, and that only every so many frames are looked at;
            None leaves the labeller's own.
        folder: the run's, for labellers whose library writes settings.

    Raises:
        RegistryError: there is none, or it takes no such option.
    """
    options = {"confidence": confidence, "every": every}
    asked = {key: value for key, value in options.items() if value is not None}
    labeller: Labeller = registry.create("labellers", name, offered={"folder": folder}, **asked)
    return labeller


def label(
    videos: Sequence[Path],
    *,
    labeller: Labeller,
    tracker: str = "own",
    camera: Literal["kept", "subtracted"] = "kept",
    progress: Progress = silent,
) -> Labels:
    """Label every video.

    Args:
        tracker: "own" keeps the labeller's track ids; else the one that gives new ones.
        camera: "subtracted" also measures the camera's motion, which is then taken from the speeds of tracks.

    Raises:
        LabelError: a file of labels for one video was given with several; an unknown tracker.
        VideoError: a video cannot be read.
    """
    if len(videos) > 1 and labeller.name.partition(":")[0] in _ONE_VIDEO_ONLY:
        raise LabelError(f"{labeller.name} labels one video, {len(videos)} were given: label them one at a time")
    parts = []
    for number, path in enumerate(videos):
        with open_source(path) as video:
            source = Watched(video, stage=f"label {path.name}", progress=progress) if len(videos) == 1 else video
            found = labeller.label(source)
            if not len(found.table) and not found.notes:
                found = replace(found, notes=(_nothing(labeller, path),))
            if tracker != "own":
                found = track(found, tracker=tracker, shots=video.shots)
            if camera == "subtracted" and len(found.table):
                watched = Watched(video, stage=f"camera {path.name}", progress=progress)
                found = with_camera(found, watched if len(videos) == 1 else video)
            parts.append(found)
        if len(videos) > 1:
            progress(f"label ({labeller.name})", number + 1, len(videos))
    return Labels.concat(parts)


def _nothing(labeller: Labeller, path: Path) -> str:
    """That a labeller found nothing, and what to try."""
    least = getattr(labeller, "confidence", None)
    lower = "" if least is None else f" a lower confidence than {least:g}, or"
    return f"{labeller.name} found nothing in {path.name}: try{lower} another one (`worldprobe list labellers`)."


def write_labels(labels: Labels, path: Path) -> None:
    """Write a Parquet file, whole or not at all."""
    with replacing(path) as temporary:
        labels.table.write_parquet(temporary)


def read_labels(path: Path) -> Labels:
    """Read a labels table. Raises LabelError when there is none, or it is not one."""
    import polars as pl

    try:
        return Labels(pl.read_parquet(path))
    except FileNotFoundError:
        raise LabelError(f"no labels at {path}. Run `worldprobe label VIDEO --labeller L --out {path}`.") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise LabelError(f"{path} is not a Parquet table of labels: {error}") from error
