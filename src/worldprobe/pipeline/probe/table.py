"""What was answered, moment by moment: kept beside the scores, so that runs can be compared group by group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from worldprobe.errors import CompareError
from worldprobe.io.files import replacing
from worldprobe.io.tables import read_table, write_table
from worldprobe.pipeline.probe.answers import Answered
from worldprobe.pipeline.probe.moments import LabelledTubelets
from worldprobe.records import Block, blocks_name
from worldprobe.store import Series

if TYPE_CHECKING:
    import polars as pl

ANSWERS = "answers.parquet"
# What tells one probe's answers from another's, and what says which moment a row is.
OF_PROBE = ("task", "features", "input", "probe")
OF_MOMENT = ("video", "start", "tubelet", "which")
_COLUMNS = (
    *OF_PROBE, "encoder", "revision", "status", "tap", "split", "seed", "classes",
    "frames", "stride", "tubelet_frames", *OF_MOMENT, "pts_seconds", "unit", "target", "prediction", "constant",
)  # fmt: skip


def answer_rows(
    answered: Sequence[Answered], moments: LabelledTubelets, series: Sequence[Series], *, block: Block
) -> Any:
    """The real probes' out-of-fold answers at one block, and those of the chosen taps: a polars table.

    One row for each probe and moment. ``video, start, tubelet, which`` say which moment: the video's id, the
    clip's first frame, the tubelet, and the subject where there are several. ``target``, ``prediction`` and
    ``constant`` (what the training folds alone suggest) are lists of numbers; of classes, which ``classes`` lists
    a line each, the index. ``unit`` is what the split kept together.
    """
    import polars as pl

    spec, first = series[0].specs[0], series[0]
    which = _which(moments)
    parts = []
    for one in answered:
        real = one.control == "none" and not one.leaky
        if not real or not (one.tap.endswith(f"/{blocks_name([block])}.out") or one.taps):
            continue
        rows = np.flatnonzero(one.probe_task.target.usable)
        starts = [series[v].specs[c].start for v, c in zip(moments.video[rows], moments.clip[rows], strict=True)]
        task = one.probe_task
        columns = {
            "video": [series[v].video.id for v in moments.video[rows]], "start": starts,
            "tubelet": moments.tubelet[rows], "which": which[rows], "pts_seconds": moments.pts_seconds[rows],
            "unit": one.folds.unit, "target": _lists(one.question.target),
            "prediction": _lists(one.answer.prediction), "constant": _lists(one.answer.constant),
        }  # fmt: skip
        constants = {
            "task": task.task, "features": one.features, "input": one.plan.input, "probe": task.probe,
            "encoder": one.encoder, "revision": first.revision, "status": first.status, "tap": one.tap,
            "split": one.folds.kind, "seed": one.plan.seed, "classes": "\n".join(task.target.classes),
            "frames": spec.frames, "stride": spec.stride, "tubelet_frames": first.grid.tubelet,
        }  # fmt: skip
        table = pl.DataFrame(columns).with_columns(**{name: pl.lit(value) for name, value in constants.items()})
        parts.append(table.select(_COLUMNS))
    return pl.concat(parts, how="vertical_relaxed") if parts else pl.DataFrame()


def write_answers(out: Path, tables: Sequence[pl.DataFrame]) -> None:
    """Write ``answers.parquet`` into a run's folder, whole; none where nothing was answered."""
    import polars as pl

    filled = [table for table in tables if len(table)]
    if not filled:
        (out / ANSWERS).unlink(missing_ok=True)
        return
    with replacing(out / ANSWERS) as temporary:
        write_table(pl.concat(filled, how="vertical_relaxed"), temporary)


def read_answers(run: Path) -> pl.DataFrame:
    """A run's answers. Raises CompareError where there are none, or the file is damaged."""
    import polars as pl

    path = run / ANSWERS
    if not path.exists():
        raise CompareError(
            f"no {ANSWERS} in {run}: it is no folder of a run with probes, or was made by an older version. "
            "Run `worldprobe run` or `worldprobe probe` again; what is encoded is not encoded again."
        )
    try:
        table = read_table(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CompareError(f"{path} is damaged: {error}. Run `worldprobe probe` again.") from error
    if missing := [name for name in _COLUMNS if name not in table.columns]:
        raise CompareError(f"{path} lacks the columns {', '.join(missing)}. Run `worldprobe probe` again.")
    return table


def _which(moments: LabelledTubelets) -> Any:
    """Subjects of one tubelet, counted from 0 in their order: int64 [n]."""
    seen: dict[tuple[int, int, int], int] = {}
    found = []
    for key in zip(moments.video.tolist(), moments.clip.tolist(), moments.tubelet.tolist(), strict=True):
        seen[key] = seen.get(key, -1) + 1
        found.append(seen[key])
    return np.array(found, dtype=np.int64)


def _lists(values: Any) -> Any:
    """An array [n, k] as a column of lists, in single precision: what a comparison needs, at half the size."""
    import polars as pl

    return pl.Series(np.asarray(values, dtype=np.float32)).cast(pl.List(pl.Float32))
