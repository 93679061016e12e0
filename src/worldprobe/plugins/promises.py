"""What a table of labels promises of one video: held by ``testing`` and wherever a plug-in's labels enter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from worldprobe.protocols import FrameSource
from worldprobe.records import LABEL_COLUMNS, LABEL_TYPES, Labels

_NUMBERS = ("visible", "vx", "vy", "camera_vx", "camera_vy", "depth")
_MEASURED = ("state.", "action.")


def typed(labels: Labels) -> Labels:
    """The labels with their columns in the types of the file format.

    Raises:
        ValueError: a column that holds something else.
    """
    import polars as pl

    table = labels.table
    for name in LABEL_COLUMNS:
        wanted = getattr(pl, LABEL_TYPES[name])
        if table.schema[name] == wanted:
            continue
        try:
            table = table.with_columns(pl.col(name).cast(wanted, strict=True))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise ValueError(f"the column {name} holds {table.schema[name]}, expected {wanted}") from error
    for name in table.columns:
        number = name in _NUMBERS or name.startswith(_MEASURED)
        if number and not (table.schema[name].is_numeric() or table.schema[name] == pl.Boolean):
            raise ValueError(f"the column {name} holds {table.schema[name]}, expected numbers")
    return labels if table is labels.table else replace(labels, table=table)


def labels_problem(labels: Labels, video: FrameSource) -> str:
    """The first promise that labels of a video do not keep, in a sentence; empty where they keep all."""
    table, ref = labels.table, video.ref
    if not len(table):
        return ""
    if empty := [name for name in LABEL_COLUMNS if name != "class" and table[name].null_count()]:
        return f"the columns {', '.join(empty)} hold null"
    if set(table["video"]) != {ref.id}:
        return "the column video must hold the id of the video, VideoRef.id"
    frame = table["frame"].to_numpy()
    if not ((frame >= 0) & (frame < ref.frames)).all():
        return f"frames {frame.min()} to {frame.max()} of {ref.frames}"
    if not np.allclose(table["pts_seconds"].to_numpy(), video.pts_seconds[frame]):
        return "pts_seconds are not those of the frames"
    for name in ("x", "y", "w", "h", "confidence"):
        if not np.isfinite(table[name].to_numpy()).all():
            return f"{name} holds NaN or infinity"
    if (table["w"].to_numpy() < 0).any():
        return "w holds negative widths"
    if (table["h"].to_numpy() < 0).any():
        return "h holds negative heights"
    confidence = table["confidence"].to_numpy()
    if ((confidence < 0) | (confidence > 1)).any():
        return f"confidence is {confidence.min():g} to {confidence.max():g}, expected 0 to 1"
    # Truth may reach past the edge; a centre far outside says that other units were used.
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    if not ((np.abs(x - ref.width / 2) <= ref.width) & (np.abs(y - ref.height / 2) <= ref.height)).all():
        return f"centres lie outside the picture of {ref.width} x {ref.height} px"
    return ""
