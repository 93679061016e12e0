"""The only place where labels and embeddings meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import StoreError
from worldprobe.geometry import TokenGrid
from worldprobe.labels import poses, targets
from worldprobe.labels.targets import Subject, Tracks
from worldprobe.pipeline.groups import placed
from worldprobe.records import ClipSpec, Labels
from worldprobe.store import Series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTubelets:
    """Tubelets with a label: one row each, in order of video, clip and time.

    Attributes:
        video, clip, tubelet: int64 [n], positions in the list of series, its clips, and their grid.
        group: int64 [n], the shot or the episode that each lies in: what a grouped split keeps together.
        recording: int64 [n], its video, or the first of those that show the same episodes.
        recording_seconds: float64 [n], when in its recording: the same for all videos that show the same moment.
        pts_seconds: float64 [n], mean time of the labelled frames.
        box, speed: float64 [n, 4] and [n, 2], means over them, in source px.
        growth: float64 [n], mean over them, logarithm of the area a second.
        tracked: bool [n], whether they belong to a track.
        name: class names [n].
        measured: float64 [n] by name, means over them of what the labels measured.
        factors: [n] by column, text or numbers of their first labels: those that were asked for.
        frame_size: float64 [n, 2], width and height of each row's video in px.
        clip_seconds: the time a clip spans.
        tubelet_frames: sampled frames that a tubelet covers.
        labels: int64 [n], how many labels each is the mean of.
        dropped: labels that did not become part of a moment, counted by reason.
    """

    video: Ints
    clip: Ints
    tubelet: Ints
    group: Ints
    recording: Ints
    recording_seconds: Floats
    pts_seconds: Floats
    box: Floats
    speed: Floats
    growth: Floats
    tracked: NDArray[np.bool_]
    name: NDArray[np.str_]
    measured: dict[str, Floats]
    factors: dict[str, NDArray[Any]]
    frame_size: Floats
    clip_seconds: float
    tubelet_frames: int
    labels: Ints
    dropped: dict[str, int]

    def __len__(self) -> int:
        return len(self.video)

    @property
    def kept(self) -> int:
        """Labels that became part of a moment."""
        return int(self.labels.sum())

    @property
    def clip_number(self) -> Ints:
        """A number of the clip that each lies in, among those of all videos, int64 [n]."""
        return self.video * (int(self.clip.max(initial=0)) + 1) + self.clip

    @property
    def moment_number(self) -> Ints:
        """A number of the clip's tubelet that each is of, which several subjects may share, int64 [n]."""
        return self.clip_number * (int(self.tubelet.max(initial=0)) + 1) + self.tubelet

    def at(self, rows: NDArray[Any]) -> LabelledTubelets:
        """These rows, by index [m] or as bool [n]; what was dropped stays what it was."""
        arrays: dict[str, Any] = {
            field.name: value[rows]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), np.ndarray)
        }
        measured, factors = (
            {name: values[rows] for name, values in one.items()} for one in (self.measured, self.factors)
        )
        return replace(self, **arrays, measured=measured, factors=factors)

    def only(self, rows: NDArray[np.bool_], *, reason: str) -> LabelledTubelets:
        """These rows [n]; the labels of the others count as dropped for this reason."""
        lost = int(self.labels[~rows].sum())
        dropped = dict(sorted({**self.dropped, reason: self.dropped.get(reason, 0) + lost}.items()))
        return replace(self.at(rows), dropped={name: count for name, count in dropped.items() if count})


@dataclass(frozen=True, slots=True)
class _Moment:
    tubelet: int
    pts_seconds: float
    box: Floats
    speed: Floats
    growth: float
    tracked: bool
    name: str
    measured: dict[str, float]
    factors: dict[str, Any]
    labels: int


def align(
    series: Sequence[Series], labels: Labels, *, subject: Subject = "main", factors: Sequence[str] = ()
) -> LabelledTubelets:
    """Each label to the tubelet that covers its frame, if the model could see it there.

    With ``subject="all"`` every track of a clip is a row of its own at each tubelet: features pooled over space are
    then the same for all of them.

    What lies outside the crop, between sampled frames, outside every clip, or on another object than the
    clip's subject is dropped and counted.

    Args:
        factors: columns of the labels that are wanted as they are.

    Raises:
        StoreError: embeddings of a robot's videos that do not say which episodes these show.
    """
    _require_episodes(series, labels)
    rows, dropped = _moments_of(series, labels, subject, factors)
    found = [moment for _, _, moment in rows]
    sizes = np.array([(one.video.width, one.video.height) for one in series], dtype=np.float64).reshape(-1, 2)
    video_of = np.array([video for video, _, _ in rows], dtype=np.int64)
    clip_of = np.array([clip for _, clip, _ in rows], dtype=np.int64)
    seconds = np.array([moment.pts_seconds for moment in found], dtype=np.float64)
    span = max((_clip_seconds(one) for one in series), default=0.0)
    group, recording, recording_seconds = placed(series, video_of, clip_of, seconds, apart=span)
    return LabelledTubelets(
        video=video_of,
        clip=clip_of,
        group=group,
        recording=recording,
        recording_seconds=recording_seconds,
        tubelet=np.array([moment.tubelet for moment in found], dtype=np.int64),
        pts_seconds=seconds,
        box=np.array([moment.box for moment in found], dtype=np.float64).reshape(-1, 4),
        speed=np.array([moment.speed for moment in found], dtype=np.float64).reshape(-1, 2),
        growth=np.array([moment.growth for moment in found], dtype=np.float64),
        tracked=np.array([moment.tracked for moment in found], dtype=np.bool_),
        name=np.array([moment.name for moment in found], dtype=np.str_),
        measured={
            name: np.array([moment.measured.get(name, np.nan) for moment in found])
            for name in dict.fromkeys(name for moment in found for name in moment.measured)
        },
        factors={
            name: np.array([moment.factors[name] for moment in found])
            for name in factors
            if name in labels.table.columns
        },
        frame_size=sizes[video_of],
        clip_seconds=span,
        tubelet_frames=series[0].grid.tubelet if series else 1,
        labels=np.array([moment.labels for moment in found], dtype=np.int64),
        dropped={reason: count for reason, count in sorted(dropped.items()) if count},
    )


def _moments_of(
    series: Sequence[Series], labels: Labels, subject: Subject, factors: Sequence[str]
) -> tuple[list[tuple[int, int, _Moment]], Counter[str]]:
    """Moments with their video and clip, and how many labels were dropped for which reason."""
    dropped: Counter[str] = Counter()
    rows: list[tuple[int, int, _Moment]] = []
    turn = poses.whole_turn(labels.table)
    tables = {name: table for (name,), table in labels.table.partition_by("video", as_dict=True).items()}
    for video, one in enumerate(series):
        table = tables.get(one.video.id, labels.table.clear())
        tracks = targets.tracks_of(table, turn=turn, shots=one.shots, factors=factors)
        used = np.zeros(len(tracks.frame), dtype=bool)
        order = np.argsort(tracks.frame, kind="stable")
        in_time = tracks.frame[order]
        for clip, spec in enumerate(one.specs):
            first, last = np.searchsorted(in_time, (spec.start, spec.last + 1))
            within = np.sort(order[first:last])
            used[within] = True
            if not len(within):
                continue
            moments, reasons = _clip_moments(tracks.at(within), one, spec, subject)
            dropped.update(reasons)
            rows += [(video, clip, moment) for moment in moments]
        dropped["outside the clips"] += int((~used).sum())
    return rows, dropped


def with_before(
    moments: LabelledTubelets, series: Sequence[Series], held: Sequence[Collection[int]] | None = None
) -> LabelledTubelets:
    """Those moments before which there is another: what differences of embeddings in time can be had for.

    The one before is the clip's previous tubelet; of stills, the previous still of the same shot. Where there is
    none the moment's labels are dropped and counted.

    Args:
        held: positions of the clips of each series that are in the store; all of them if None.
    """
    first = moments.tubelet == 0
    for video, one in enumerate(series):
        if one.specs[0].stride:
            continue
        opens = np.diff(one.shot, prepend=-1) != 0
        if held is not None:
            opens |= np.array([clip - 1 not in held[video] for clip in range(len(one.specs))], dtype=bool)
        mine = moments.video == video
        first[mine] = opens[moments.clip[mine]]
    return moments.only(~first, reason="nothing before it in its clip or shot")


def _clip_moments(
    tracks: Tracks, series: Series, spec: ClipSpec, which: Subject
) -> tuple[list[_Moment], Counter[str]]:
    """The labelled tubelets of one clip, of each of its subjects."""
    found, dropped = targets.subjects(tracks, spec.indices, which=which)
    seen = series.view.contains(tracks.box[:, :2])
    # The objects that the model can see at each frame.
    visible = np.bincount(tracks.frame[seen & ~tracks.hidden] - spec.start, minlength=spec.last - spec.start + 1)
    moments = []
    for rows in found:
        dropped["outside the crop"] += int((~seen[rows]).sum())
        mine = _subject_moments(tracks, rows[seen[rows]], series, spec, visible)
        # An encoder may leave out frames that fill no whole tubelet.
        dropped["past the last whole tubelet"] += int(seen[rows].sum()) - sum(one.labels for one in mine)
        moments += mine
    return moments, dropped


def _subject_moments(tracks: Tracks, rows: Ints, series: Series, spec: ClipSpec, visible: Ints) -> list[_Moment]:
    """One subject's labelled tubelets; ``visible`` counts the objects that the model sees at each of the frames."""
    # A repeated still is one moment: all its tubelets cover the same frame.
    position = (tracks.frame[rows] - spec.start) // max(spec.stride, 1)
    tubelet = _covering(series.grid, spec.frames)[position]
    rows, tubelet = rows[tubelet >= 0], tubelet[tubelet >= 0]
    if not len(rows):
        return []
    order = np.argsort(tubelet, kind="stable")
    rows, tubelet = rows[order], tubelet[order]
    starts = np.flatnonzero(np.diff(tubelet, prepend=-1))
    found, counts = tubelet[starts], np.diff(starts, append=len(tubelet))

    def means(values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(values, starts, axis=0).T / counts).T

    measured = {key: _means_of_known(values[rows], starts) for key, values in tracks.measured.items()}
    measured["count"] = means(visible[tracks.frame[rows] - spec.start].astype(np.float64))
    pts_seconds, box, speed, growth = (
        means(values[rows]) for values in (tracks.pts_seconds, tracks.box, tracks.speed, tracks.growth)
    )
    tracked = np.logical_and.reduceat(tracks.object[rows] >= 0, starts)
    names = _commonest(tracks.name[rows], starts, counts)
    return [
        _Moment(
            tubelet=int(found[at]),
            pts_seconds=float(pts_seconds[at]),
            box=box[at],
            speed=speed[at],
            growth=float(growth[at]),
            tracked=bool(tracked[at]),
            name=names[at],
            measured={key: float(values[at]) for key, values in measured.items()},
            factors={key: values[rows[starts[at]]] for key, values in tracks.factors.items()},
            labels=int(counts[at]),
        )
        for at in range(len(found))
    ]


@lru_cache(maxsize=64)
def _covering(grid: TokenGrid, frames: int) -> Ints:
    """The tubelet that covers each frame of a clip, int64 [t]; -1 where none does."""
    covers = (grid.tubelet_of(sampled) for sampled in range(frames))
    return np.array([-1 if one is None else one for one in covers], dtype=np.int64)


def _means_of_known(values: Floats, starts: Ints) -> Floats:
    """Of each part, over the values that are known; NaN where none is."""
    known = np.isfinite(values)
    counts = np.add.reduceat(known.astype(np.float64), starts)
    sums = np.add.reduceat(np.where(known, values, 0.0), starts)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _commonest(names: NDArray[np.str_], starts: Ints, counts: Ints) -> list[str]:
    """Of each part the name that most have; of several the first by the alphabet."""
    if (names == names[starts].repeat(counts)).all():
        return [str(name) for name in names[starts].tolist()]
    parts = (np.unique(part, return_counts=True) for part in np.split(names, starts[1:]))
    return [str(found[times.argmax()]) for found, times in parts]


def _require_episodes(series: Sequence[Series], labels: Labels) -> None:
    """Whatever an older version stored of robots would put one episode on both sides of a split."""
    robots = set(labels.table.filter(labels.table["source"] == "lerobot")["video"])
    for one in series:
        if one.video.id in robots and not one.video.episodes:
            raise StoreError(
                f"the embeddings of {one.video.path} do not say which episodes it shows, so that several cameras' "
                "views of one could not be held out together: an older version stored them. Encode into another "
                "store, or delete this one."
            )


def _clip_seconds(series: Series) -> float:
    spec = series.specs[0]
    return spec.frames * max(spec.stride, 1) / series.video.rate
