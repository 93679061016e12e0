"""mcap: robot state and actions that were recorded beside a film."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from worldprobe.errors import LabelError
from worldprobe.io.tables import read_table
from worldprobe.labels.values import counted
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels


class Mcap:
    """mcap: states and actions of the recording (ROS 2) that the film was taken from (NAME.readings.parquet)."""

    name = "mcap"
    reads_files = True

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None:
            raise LabelError(
                f"mcap takes no argument, got {argument!r}: readings lie beside each film of a recording"
            )

    def label(self, video: FrameSource) -> Labels:
        """One row a frame: the whole frame as box, columns ``state.TOPIC.NAME`` and ``action.TOPIC.NAME``; NaN
        where nothing was recorded about the frame's time, and a note says of how many.

        Raises:
            LabelError: the film is of no recording, or its readings are damaged or of another film.
        """
        import polars as pl

        ref, path = video.ref, Path(video.ref.path).with_suffix(".readings.parquet")
        if not path.exists():
            raise LabelError(
                f"no readings beside {ref.path}: only films of recordings have them. Name the recording itself as "
                "video, such as mcap:run.mcap."
            )
        try:
            table = read_table(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise LabelError(f"{path} is damaged ({error}): delete its folder, and it is made anew") from error
        if len(table) != ref.frames:
            raise LabelError(
                f"{path} speaks of {len(table)} frames, {ref.path} has {ref.frames}: delete its folder, and it "
                "is made anew"
            )
        columns = {name: table[name].to_numpy() for name in table.columns if name.startswith(("state.", "action."))}
        if not columns:
            raise LabelError(
                f"the recording that {ref.path} is from holds pictures, and no state or action in numbers: label "
                "it by another labeller, such as moving"
            )
        empty = int(np.isnan(np.stack(list(columns.values()))).any(axis=0).sum())
        notes = [
            f"{path.stem.split('.')[0]}: {counted(empty, 'frame')} of {ref.frames} have no reading of something."
        ]
        return Labels(
            Labels.from_columns(
                video=[ref.id] * ref.frames, frame=np.arange(ref.frames), pts_seconds=video.pts_seconds, object=0,
                x=ref.width / 2, y=ref.height / 2, w=float(ref.width), h=float(ref.height), confidence=1.0,
                source=self.name, **{"class": ""}, **columns,
            ).table,
            tuple(notes * bool(empty)),
        )  # fmt: skip
