"""truth: the exact truth of rendered scenes and simulated robots."""

from __future__ import annotations

from pathlib import Path

from worldprobe.errors import LabelError
from worldprobe.io.tables import read_table
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels


class SceneTruth:
    """truth: the exact truth beside a rendered scene or a simulated robot (NAME.truth.parquet)."""

    name = "truth"
    reads_files = needs_truth = True

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None:
            raise LabelError(f"truth takes no argument, got {argument!r}: it lies beside each rendered scene")

    def label(self, video: FrameSource) -> Labels:
        """The truth of every frame and object: vx, vy, depth, visible, and of robots all that physics knows.

        Raises:
            LabelError: it is not there, is damaged, or speaks of other frames.
        """
        import polars as pl

        path = Path(video.ref.path).with_suffix(".truth.parquet")
        if not path.exists():
            raise LabelError(
                f"no truth beside {video.ref.path}: only rendered films (scenes:N, robots:N) have it. "
                "Use --labeller moving, mot:FILE, coco:FILE or onnx:FILE."
            )
        try:
            table = read_table(path)
            frames = int(table["frame"].max()) + 1  # type: ignore[arg-type]
        except (pl.exceptions.PolarsError, OSError, TypeError) as error:
            raise LabelError(
                f"{path} is damaged ({error}): delete it and {video.ref.path}, and render the scene again"
            ) from error
        if frames != video.ref.frames:
            raise LabelError(
                f"{path} speaks of {frames} frames, {video.ref.path} has {video.ref.frames}: one of them is "
                "another film's. Delete both, and render the scene again."
            )
        return Labels(
            table.with_columns(video=pl.lit(video.ref.id), confidence=pl.lit(1.0), source=pl.lit(self.name))
        )
