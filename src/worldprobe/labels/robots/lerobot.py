"""lerobot: robot state and actions of a LeRobot dataset, and which episodes its films show."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.io.files import StrPath
from worldprobe.labels.robots.dataset import Dataset, Episode, listed
from worldprobe.labels.robots.depth import PARTS, depth_camera, depths
from worldprobe.labels.robots.pictures import EpisodePictures, taken, times_of
from worldprobe.labels.robots.values import Values, values_of
from worldprobe.labels.values import counted
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

__all__ = [
    "Dataset",
    "Episode",
    "EpisodeStarts",
    "LeRobot",
    "episode_starts",
    "left_out",
    "notes_on",
    "pictures",
    "videos",
    "why_absent",
]

# Columns of the dataset that become tasks, and what the tasks are called.
TASKS = {"observation.state": "state", "action": "action"}
# Rows whose frames lie this near, in frames, share their clock with the film, and some of them may lack a frame;
# what lies farther off, though nearer to this frame than to any other, is of another film.
_CLOSE = 0.1
_INFO = "meta/info.json"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class LeRobot:
    """lerobot: robot state and actions of the LeRobot dataset that the video lies in; lerobot:depth also depth."""

    name = "lerobot"

    def __init__(self, argument: str | None = None) -> None:
        if argument not in (None, "depth"):
            raise LabelError(
                f"lerobot takes the argument depth or none, got {argument!r}: the dataset is found from the "
                "video's place"
            )
        self.depth = argument == "depth"
        # Depth is measured in films, and these have to be decoded.
        self.reads_files = not self.depth

    def label(self, video: FrameSource) -> Labels:
        """One row a frame: its episode as object, the whole frame as box, columns ``state.NAME`` and
        ``action.NAME``, and ``task``, the text of what the robot was to do, where the dataset has it; with the
        argument depth also ``depth.PART``, the median depth of each ninth of the picture (``depth.depths``). A row
        of the dataset belongs to the frame within half a frame of its time, on the clock of the film itself, as
        LeRobot reads it. Rows without a frame, and values that are no numbers, are left out,
        and notes say how many.

        Raises:
            LabelError: the video lies in no dataset, or rows and frames do not belong together.
        """
        import polars as pl

        path = Path(video.ref.path)
        dataset = Dataset.containing(path)
        if dataset is None:
            raise LabelError(f"{path} lies in no LeRobot dataset: no folder above it has meta/info.json")
        film, parts = _Film(dataset, video, depth=self.depth), []
        for episode in dataset.episodes(path):
            parts.append(film.part(episode))
        return Labels(pl.concat([part.table for part in parts], how="diagonal"), tuple(film.notes))


class _Film:
    """One film of a dataset, and what of its episodes' rows is left out."""

    def __init__(self, dataset: Dataset, video: FrameSource, *, depth: bool = False) -> None:
        self.dataset, self.video = dataset, video
        self.tasks = dataset.tasks
        self.camera = dataset.camera_of(Path(video.ref.path))
        self.depth_camera = depth_camera(dataset, self.camera) if depth else None
        self.without_depth = depth and self.depth_camera is None
        self.unmeasured: list[int] = []
        self.clock = video.pts_seconds + video.ref.first_pts_seconds
        self.half = 0.5 / dataset.info.fps
        self.rows, self.unseen, self.untimed, self.rowless = 0, 0, 0, 0
        self.row_counts: dict[str, int] = {}

    def part(self, episode: Episode) -> Labels:
        """The labels of one episode."""
        dataset, ref = self.dataset, self.video.ref
        wanted = [name for name in TASKS if name in dataset.info.features]
        table = dataset.rows_of(episode, [*wanted, "task_index"])
        times = times_of(table["timestamp"])
        known = np.isfinite(times)
        self.untimed += int((~known).sum())
        table, times = table.filter(known), times[known] + episode.begin
        kept, frame = self._matched(episode, times)
        table = table.filter(kept)
        columns: dict[str, Any] = {}
        for feature, task in TASKS.items():
            if feature in dataset.info.features:
                found = values_of(table, dataset.info.features[feature])
                columns |= {f"{task}.{name}": column for name, column in found.columns.items()}
                self._say(feature, found)
        if self.tasks and "task_index" in table.columns:
            columns["task"] = [self.tasks.get(number, "") for number in table["task_index"].to_list()]
        columns |= self._depths(episode, times[kept] - episode.begin)
        width, height = ref.width, ref.height
        return Labels.from_columns(
            **{
                "video": [ref.id] * len(frame), "frame": frame, "pts_seconds": self.video.pts_seconds[frame],
                "object": episode.index, "class": "", "x": width / 2, "y": height / 2, "w": float(width),
                "h": float(height), "confidence": 1.0, "source": LeRobot.name, **columns,
            }
        )  # fmt: skip

    def _depths(self, episode: Episode, seconds: Floats) -> dict[str, Floats]:
        """The columns of depth at the rows' times in an episode; none without a depth camera's film of it."""
        if self.depth_camera is None:
            return {}
        found = depths(self.dataset, self.depth_camera, episode, seconds)
        if found is None:
            self.unmeasured.append(episode.index)
            return {}
        return {f"depth.{part}": found[:, number] for number, part in enumerate(PARTS)}

    @property
    def notes(self) -> list[str]:
        """What was left out of it, a sentence each, and how depth is measured."""
        where = self.dataset.place_of(Path(self.video.ref.path))
        found = []
        if self.depth_camera:
            coding = self.dataset.info.features[self.depth_camera].depth_coding
            unit = "metres" if coding else "the dataset's own numbers"
            found.append(f"{where}: depth is by {self.depth_camera}, the median of each ninth of it in {unit}.")
        if self.unmeasured:
            found.append(f"{where}: {self.depth_camera} did not film {listed(self.unmeasured)}: no depth there.")
        if self.without_depth:
            found.append(f"{where}: no depth camera goes with {self.camera} by its name: it has no depth.")
        if self.untimed:
            verb = "is" if self.untimed == 1 else "are"
            found.append(f"{where}: {counted(self.untimed, 'row')} without a time {verb} left out.")
        if self.unseen:
            first = self.video.ref.first_pts_seconds
            begins = f" (its first frame is at {first:.3f} s)" if first > self.half else ""
            found.append(
                f"{where}{begins}: {self.unseen} of {counted(self.rows, 'row')} have no frame within "
                f"{self.half:.3f} s of their time, and are left out."
            )
        if self.rowless:
            have = "has" if self.rowless == 1 else "have"
            found.append(f"{where}: {counted(self.rowless, 'frame')} of its episodes {have} no row, and no labels.")
        return found + [
            f"{where}: {words.format(counted(count, 'row'))}" for words, count in self.row_counts.items()
        ]

    def _say(self, feature: str, found: Values) -> None:
        for words, count in found.notes:
            note = f"{feature} {words}".replace("{", "{{").replace("}", "}}").replace("{{}}", "{}")
            self.row_counts[note] = self.row_counts.get(note, 0) + count

    def _matched(self, episode: Episode, times: Floats) -> tuple[NDArray[np.bool_], Ints]:
        """Which rows have a frame, bool [n], and the frame of each of these, int64 [m]."""
        where = f"episode {episode.index} of {self.dataset.root}"
        if (np.diff(times) <= 0).any():
            raise LabelError(f"the times of {where} do not increase from row to row in {episode.table}")
        first, last = span(self.clock, episode, self.half)
        self.rows += len(times)
        if first == last:  # a film that is cut short
            self.unseen += len(times)
            return np.zeros(len(times), dtype=np.bool_), np.zeros(0, dtype=np.int64)
        frame = first + _nearest(self.clock[first:last], times)
        off = np.abs(self.clock[frame] - times)
        # Rows that come faster than frames: the nearest of a frame's is its own.
        best = np.full(last, np.inf)
        np.minimum.at(best, frame, off)
        kept: NDArray[np.bool_] = np.asarray((off <= self.half) & (off <= best[frame]))
        kept[1:] &= ~((frame[1:] == frame[:-1]) & kept[:-1])
        lone = off > self.half
        if lone.any() and (not kept.any() or off[kept].max() > 2 * _CLOSE * self.half):
            worst = int(off.argmax())
            raise LabelError(
                f"{where} has a row at {times[worst]:.3f} s, and {self.video.ref.path} has no frame within "
                f"{self.half:.3f} s of it: table and video do not belong together"
            )
        self.unseen += int((~kept).sum())
        self.rowless += last - first - int(kept.sum())
        return kept, frame[kept]


class EpisodeStarts(NamedTuple):
    """The episodes in a film: the first frame of each, and what it is known by whichever camera saw it."""

    starts: tuple[int, ...]
    names: tuple[str, ...]


def episode_starts(video: Path, pts_seconds: Floats, *, first: float = 0.0) -> EpisodeStarts | None:
    """The episodes in a dataset's film, the first from frame 0 on; None for a file of no dataset.

    What lies before, between and after episodes has no name.

    Args:
        first: seconds on the film's own clock at its first frame, from which ``pts_seconds`` count.

    Raises:
        LabelError: the dataset is damaged, or lacks the rows of an episode.
    """
    dataset = Dataset.containing(video)
    if dataset is None:
        return None
    clock, half = pts_seconds + first, 0.5 / dataset.info.fps
    named = {0: ""}
    for episode in dataset.episodes(video):
        begin, end = span(clock, episode, half)
        if begin < end:
            named[begin] = dataset.name_of(episode)
            if end < len(clock):
                named[end] = ""
    starts = tuple(sorted(named))
    return EpisodeStarts(starts, tuple(named[at] for at in starts))


def span(clock: Floats, episode: Episode, half: float) -> tuple[int, int]:
    """An episode's frames [first, last) among frames at these times, which may be half a frame off."""
    first, last = np.searchsorted(clock, [episode.begin - half, episode.end - half])
    return int(first), int(last)


def pictures(film: Path) -> EpisodePictures | None:
    """The pictures of a film that is none; None for a video, or a file of no dataset. Raises LabelError."""
    dataset = None if film.is_file() else Dataset.containing(film)
    if dataset is None:
        return None
    feature = dataset.info.features.get(dataset.camera_of(film))
    if feature is None or feature.dtype != "image":
        return None
    (episode,) = dataset.episodes(film)
    return taken(dataset, episode, film)


def why_absent(film: Path) -> str:
    """Why a film of a dataset cannot be there, where it is not; no words for any other file. Raises LabelError."""
    dataset = None if film.exists() else Dataset.containing(film)
    if dataset is None:
        return ""
    lost = listed([episode.index for episode in dataset.episodes(film)])
    return (
        f"{film} is not there, and by the LeRobot dataset {dataset.camera_of(film)} filmed {lost} in it: "
        "get the whole dataset, with its films."
    )


def notes_on(film: Path) -> tuple[str, ...]:
    """What a user must know of a dataset's film, as ``VideoRef.notes``: of the first one also what is left out of
    the dataset. Raises LabelError."""
    dataset = Dataset.containing(film)
    if dataset is None:
        return ()
    feature = dataset.info.features.get(dataset.camera_of(film))
    if feature and feature.depth:
        return (f"is by {feature.name}, a depth camera: its distances are shown as grey.",)
    first, notes = _left_out(dataset)
    where = f"belongs to the LeRobot dataset {dataset.root.name}: "
    return tuple(where + note for note in notes) if dataset.place_of(film) == first else ()


@lru_cache(maxsize=16)
def _left_out(dataset: Dataset) -> tuple[str, tuple[str, ...]]:
    """A dataset's first film that can be there, by its place, and what is left out; read once for all films."""
    if not dataset.notes:
        return "", ()
    there = [film for film in dataset.films if film.exists() or film.suffix == ""]
    return (dataset.place_of(there[0]) if there else ""), dataset.notes


def videos(folder: StrPath) -> Iterator[Path]:
    """The films of a dataset's colour cameras, those too that are not there but should be.

    Raises:
        LabelError: the folder is no dataset, its metadata are damaged, it has no colour camera, or names files
            that lie outside of it.
    """
    yield from _at(Path(folder)).films


def left_out(folder: Path) -> tuple[str, ...]:
    """What of a dataset ``videos`` leaves out, a sentence each. Raises LabelError."""
    return _at(folder).notes


def _at(folder: Path) -> Dataset:
    if not (folder / _INFO).is_file():
        raise LabelError(f"{folder} is no LeRobot dataset: {_why_none(folder)}")
    return Dataset.at(folder)


def _why_none(folder: Path) -> str:
    """What is at a dataset's place, and where one may be."""
    beside = [*folder.parents[:3], *(sorted(folder.iterdir()) if folder.is_dir() else ())]
    found = [one for one in beside if (one / _INFO).is_file()]
    if found:
        return f"it has no {_INFO}, which {found[0]} has. Write lerobot:{found[0]}."
    if folder.exists():
        return f"it has no {_INFO}. Give the folder that holds meta, data and videos."
    hub = len(folder.parts) == 2 and not folder.is_absolute()
    fetch = f"hf download --repo-type dataset {folder} --local-dir dataset"
    more = f" One of the hub is fetched first: {fetch}" if hub else ""
    return f"there is no such folder. Give the one that holds {_INFO}.{more}"


def _nearest(sorted_times: Floats, times: Floats) -> Ints:
    """Position of the nearest of increasing times to each time."""
    right = np.searchsorted(sorted_times, times).clip(1, max(1, len(sorted_times) - 1))
    left = right - 1
    right = right.clip(0, len(sorted_times) - 1)
    nearer = np.abs(sorted_times[left] - times) <= np.abs(sorted_times[right] - times)
    return np.where(nearer, left, right).astype(np.int64)
