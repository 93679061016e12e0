"""mot:FILE: boxes with ids in MOTChallenge's text, its annotations and detectors' output."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels.arguments import named_file
from worldprobe.labels.files.annotated import box_note, placed, read_text
from worldprobe.labels.files.mot_text import lines_of
from worldprobe.labels.files.numbering import frames_of
from worldprobe.labels.files.scores import confidences
from worldprobe.labels.values import some
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

Floats = NDArray[np.float64]

# The benchmark's own list (Milan et al. 2016, table 3).
_CLASSES = {
    1: "pedestrian", 2: "person on vehicle", 3: "car", 4: "bicycle", 5: "motorbike", 6: "non-motorised vehicle",
    7: "static person", 8: "distractor", 9: "occluder", 10: "occluder on the ground", 11: "occluder full",
    12: "reflection", 13: "crowd",
}  # fmt: skip
# Neither targets nor to be held against a tracker, whatever their flag says (same table).
_NO_TARGETS = (2, 7, 8, 9, 10, 11, 12, 13)
# VisDrone's rows end in category, truncation, occlusion (Zhu et al. 2021); category 0 are regions to be ignored.
_VISDRONE = {
    1: "pedestrian", 2: "people", 3: "bicycle", 4: "car", 5: "van", 6: "truck", 7: "tricycle",
    8: "awning-tricycle", 9: "bus", 10: "motor", 11: "others",
}  # fmt: skip
_VISDRONE_VISIBLE = {0: 1.0, 1: 0.75, 2: 0.25}  # none, up to half, more than half of it occluded


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """What the columns after the box mean in one file.

    Attributes:
        category: int64 [n], -1 where there is none. names: of the categories.
        visible: float64 [n], NaN where nobody says.
        left_out: bool [n] by reason, rows that are no targets.
    """

    category: NDArray[np.int64]
    names: dict[int, str]
    visible: Floats
    left_out: dict[str, NDArray[np.bool_]]
    notes: list[str]


class Mot:
    """mot:FILE: boxes with ids in MOTChallenge text (frame from 1, id, left, top, width, height, ...)."""

    name = "mot"
    one_video_only = True

    def __init__(self, argument: str | None = None) -> None:
        """Raises LabelError without a file, or for options (``FILE?step=5&start=0&first=1``) unknown."""
        self.path, self.numbering = named_file(argument, "mot", "mot:boxes.txt")
        self.spec = f"mot:{argument}"

    def label(self, video: FrameSource) -> Labels:
        """The file's boxes; frame n of the video is frame n + 1 of the file, or n where the file has a frame 0.

        A file is ground truth where every seventh field is 0, 1 or -1 and boxes have ids; else it is a detector's
        or tracker's output. In ground truth, boxes flagged 0 and the benchmark's distractors are left out, and the
        ninth field is the share that can be seen (``visible``). In output the seventh field is a score, mapped to 0
        to 1 where it is no probability, and 0 is a score like any other. -1 stands for no score where all others
        are flags. Notes say what was done with what is unusual in the file.

        Raises:
            LabelError: a malformed line, named by its number; boxes of another video (too many frames) or
                of another size.
        """
        rows, notes = lines_of(read_text(self.path, "a MOT file"), self.path)
        values = np.array(rows, dtype=np.float64).reshape(-1, 10)
        from_zero = bool((values[:, 0] == 0).any())
        if from_zero:
            notes.append("frames count from 0 in it, not from 1 as in MOTChallenge")
        frame, more = frames_of(
            values[:, 0].astype(np.int64), self.numbering, video.ref,
            spec=self.spec, certain=True, counts_from=int(not from_zero),
        )  # fmt: skip
        scores, flags = values[:, 6], np.isin(values[:, 6], (0, 1, -1)) | np.isnan(values[:, 6])
        truth = bool(flags.all() and (values[:, 1] >= 0).any())
        layout = _layout(values, truth)
        kept = ~np.any([np.zeros(len(values), dtype=bool), *layout.left_out.values()], axis=0)
        if flags.all():
            scores = np.where(scores == -1, np.nan, scores)
        given = np.where(kept, scores, np.nan)
        confidence, mapped = confidences(given[kept])
        if flags.all():
            mapped = []  # "no score" is how these files are
        category = layout.category[kept]
        strange = [i for i in category.tolist() if i >= 0 and i not in layout.names]
        zero = 0 if truth or mapped else int((given[kept] == 0).sum())
        reasons = [
            note
            for reason, rows_of in layout.left_out.items()
            for note in box_note(int(rows_of.sum()), f"that {reason}", "left out")
        ]
        return placed(
            video,
            source=self.name,
            file=self.path,
            spec=self.spec,
            frame=frame[kept],
            identity=np.maximum(values[kept, 1], -1).astype(np.int64),
            corner=values[kept, 2:6],
            names=[layout.names.get(i, "" if i < 0 else f"class {i}") for i in category.tolist()],
            confidence=confidence,
            visible=layout.visible[kept],
            notes=[
                *notes, *more, *layout.notes, *mapped, *reasons,
                *box_note(zero, "with a score of 0, which only ground truth leaves out", "kept"),
                *box_note(len(strange), f"of classes without a name ({some(strange)})", "called by their number"),
            ],
        )  # fmt: skip


def _layout(values: Floats, truth: bool) -> _Layout:
    """What the fields after the seventh are: MOTChallenge's, of its 3D benchmark, or VisDrone's.

    Args:
        values: float64 [n, 10], NaN where a line has no such field.
        truth: whether the file is ground truth.
    """
    last = values[:, 7:]
    given = ~np.isnan(last) & (last != -1)
    whole = np.where(given, last == np.floor(last), True)
    nothing = {"it marks as not to be considered (confidence 0)": np.asarray((values[:, 6] == 0) & truth)}
    if given.all(axis=1).any() and whole.all() and _is_visdrone(last[given.all(axis=1)]):
        ignored = last[:, 0] == 0
        seen = np.array([_VISDRONE_VISIBLE.get(int(one), math.nan) if one >= 0 else math.nan for one in last[:, 2]])
        return _Layout(
            _categories(last[:, 0]), _VISDRONE, seen,
            nothing | {"are regions to be ignored (category 0)": ignored & ~nothing[next(iter(nothing))]},
            ["VisDrone's rows: category, truncation, occlusion (part hidden is visible 0.75, most hidden 0.25)"],
        )  # fmt: skip
    third = (
        given[:, 2].any() or not whole[:, 0].all() or (given[:, 1] & ((last[:, 1] < 0) | (last[:, 1] > 1))).any()
    )
    if third and not np.isnan(last[:, 2]).all():
        none = np.full(len(values), math.nan)
        note = "3D MOT rows (the last three fields are a place in the world): boxes read, the place left out"
        return _Layout(_categories(none), {}, none, nothing, [note])
    category = _categories(last[:, 0])
    visible = np.where(given[:, 1] & (category >= 0), last[:, 1], math.nan)
    if truth:
        distractor = np.isin(category, _NO_TARGETS) & ~nothing[next(iter(nothing))]
        which = Counter(_CLASSES[int(one)] for one in category[distractor])
        named = ", ".join(f"{name} {count}" for name, count in sorted(which.items()))
        nothing[f"the benchmark does not count as targets ({named})"] = distractor
    return _Layout(category, _CLASSES, visible, nothing, [])


def _is_visdrone(last: Floats) -> bool:
    """Whether category 0 to 11, truncation 0 or 1 and occlusion 0 to 2 is what these rows [n, 3] say."""
    return bool(((last >= 0) & (last <= np.array([11, 1, 2]))).all())


def _categories(column: Floats) -> NDArray[np.int64]:
    return np.where(np.isnan(column), -1, column).astype(np.int64)
