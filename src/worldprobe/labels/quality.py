"""Labels that can hardly be true: what a glance at the table tells of a detector that was read wrongly or failed.

Each finding is one sentence for the labels' notes. They are quiet on what people drew and on detectors that work;
benchmarks and tests hold both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from worldprobe.protocols import Labeller
from worldprobe.records import Labels, VideoRef

if TYPE_CHECKING:
    import polars as pl

_FEW = 20  # boxes or tracks that tell nothing yet
_SAME_SIZE = 0.02  # spread of widths and heights over their median
_STANDS = 0.5  # px
_LASTING = 10  # boxes of a track from which it can be said not to move
_BRIEF = 3  # boxes: tracks of fewer are no tracks
_CROWD = 100  # boxes a frame
_WHOLE = 0.98  # of the frame's sides: such a box is of the frame, not of an object


def implausible(labels: Labels, ref: VideoRef, labeller: Labeller) -> tuple[str, ...]:
    """What is implausible about the labels of one video, a sentence each.

    Boxes, scores and classes are asked of detectors, which are known by their ``confidence`` (the least that they
    keep) and may have ``classes``, names or a mapping to them; tracks of whatever is not certain throughout, as
    what people draw and what a simulation knows is.
    """
    import polars as pl

    of_frame = (pl.col("w") >= _WHOLE * ref.width) & (pl.col("h") >= _WHOLE * ref.height)
    table = labels.table.filter((pl.col("video") == ref.id) & ~of_frame)
    if not len(table):
        return ()
    found: list[str] = []
    if getattr(labeller, "confidence", None) is not None:
        found += [_unnamed(table, getattr(labeller, "classes", None)), _same_confidence(table)]
        found += [_same_size(table), _standing(table)]
    if (table["confidence"] != 1).any():
        found += [_brief(table), _crowd(table)]
    look = "Look at them (`worldprobe label --preview`) before anything is read from them."
    return tuple(f"{labeller.name} on {ref.path}: {one}. {look}" for one in found if one)


def _same_confidence(table: pl.DataFrame) -> str:
    confidence = table["confidence"].to_numpy()
    if len(confidence) < _FEW or np.ptp(confidence) > 0:
        return ""
    return f"all {len(confidence)} boxes have the confidence {confidence[0]:g}, which no detector gives"


def _same_size(table: pl.DataFrame) -> str:
    """Detectors with classes only: boxes of regions are whole pixels, and a film of equal things is possible."""
    size = table.select("w", "h").to_numpy()
    middle = np.median(size, axis=0)
    places = table["object"].n_unique() if table["object"].min() != -1 else len(table)
    if len(table) < _FEW or places < 3 or not (table["class"].fill_null("") != "").any():
        return ""
    if (np.ptp(size, axis=0) > _SAME_SIZE * middle).any():
        return ""
    return f"all {len(table)} boxes are of one size, {middle[0]:.0f} x {middle[1]:.0f} px"


def _standing(table: pl.DataFrame) -> str:
    import polars as pl

    tracked = table.filter(pl.col("object") >= 0)
    spread = [(pl.col(axis).max() - pl.col(axis).min()).alias(axis) for axis in ("x", "y")]
    tracks = tracked.group_by("object").agg(*spread, n=pl.len()).filter(pl.col("n") >= _LASTING)
    if tracks["n"].sum() < _FEW or tracks.select(pl.max_horizontal("x", "y").max()).item() >= _STANDS:
        return ""
    return f"no box moves by half a pixel, in {len(tracks)} tracks of {_LASTING} frames or more"


def _brief(table: pl.DataFrame) -> str:
    import polars as pl

    lengths = table.filter(pl.col("object") >= 0).group_by("object").len()["len"].to_numpy()
    brief = int((lengths < _BRIEF).sum())
    # By boxes too: a detector's doubtful boxes make many short tracks beside few long ones.
    if len(lengths) < _FEW or 2 * brief <= len(lengths) or 2 * lengths[lengths < _BRIEF].sum() <= lengths.sum():
        return ""
    return f"{brief} of {len(lengths)} tracks are shorter than {_BRIEF} labelled frames, and hold most of the boxes"


def _crowd(table: pl.DataFrame) -> str:
    a_frame = len(table) / table["frame"].n_unique()
    if a_frame <= _CROWD:
        return ""
    return f"there are {a_frame:.0f} boxes a frame"


def _unnamed(table: pl.DataFrame, classes: Any) -> str:
    names = {str(name) for name in (classes.values() if isinstance(classes, dict) else classes or ())}
    found = [str(name) for name in table["class"].drop_nulls().unique().sort() if name]
    strange = [name for name in found if name not in names]
    if not names or not strange:
        return ""
    return (
        f"the class {strange[0]!r}"
        + (f" and {len(strange) - 1} more are" if strange[1:] else " is")
        + (" not among the names that the detector has")
    )
