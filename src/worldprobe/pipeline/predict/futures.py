"""Keep windows' tokens, true and predicted, of videos with labels, beside what a robot did in them.

Axes: n windows, t tubelets of a window, k horizons, s cells, d width, a numbers of an action or state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.pipeline.predict.windows import Window
from worldprobe.predictors.vjepa2 import Mode
from worldprobe.probes.features import pooled
from worldprobe.records import Labels, VideoRef
from worldprobe.results import ConsistencyTarget

Column = Literal["action", "state"]
Tokens = NDArray[np.float32]
Floats = NDArray[np.float64]
TARGETS: tuple[ConsistencyTarget, ...] = get_args(ConsistencyTarget)
_COLUMNS: tuple[Column, ...] = get_args(Column)
FEATURES = ("z", "grid")
MODES: tuple[Mode, ...] = get_args(Mode)
# What the probes' inputs of all windows may take; of more windows every so many are taken.
_MOST_BYTES = 2**29
_LEAST_WINDOWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """Hold a window's tokens as read by probes: known [2 or 1, s, d], true [t, s, d], by mode [k, s, d]."""

    known: NDArray[np.float16]
    true: NDArray[np.float16]
    told: dict[Mode, NDArray[np.float16]]


def measures(labels: Labels) -> bool:
    """Whether labels hold actions or states."""
    return any(name.startswith(tuple(f"{column}." for column in _COLUMNS)) for name in labels.table.columns)


class Futures:
    """Tokens of labelled videos' windows, kept as they are predicted; a bounded number of windows."""

    def __init__(self, labels: Labels, grid: tuple[int, int], *, tubelet: int, levels: int) -> None:
        """Prepare for windows of tokens in a ``grid`` of rows and columns, of ``levels`` side by side."""
        self._did = _Did(labels)
        self._grid, self._tubelet, self._levels = grid, tubelet, levels
        self._step, self._seen = 1, 0
        self.windows: list[Window] = []
        self.kept: list[dict[str, Pooled]] = []

    def __call__(self, windows: Sequence[Window], known: Tokens, told: dict[Mode, Tokens], true: Tokens) -> None:
        """Keep windows of videos that have labels: layer-normed tokens [b, t, s, d]."""
        for i, window in enumerate(windows):
            if not self._did.knows(window.spec.video):
                continue
            if self._seen % self._step == 0:
                parts = {
                    kind: Pooled(
                        self._pool(known[i, -2:], kind),
                        self._pool(true[i], kind),
                        {mode: self._pool(one[i], kind) for mode, one in told.items()},
                    )
                    for kind in FEATURES
                }
                self.windows.append(window)
                self.kept.append(parts)
            self._seen += 1
            if len(self.kept) > self._most:
                self._step *= 2
                self.windows, self.kept = self.windows[::2], self.kept[::2]

    @property
    def _most(self) -> int:
        true: NDArray[np.float16] = self.kept[0]["grid"].true
        return max(_LEAST_WINDOWS, _MOST_BYTES // (len(true) * 2 * int(true[0].size) * 4))

    def _pool(self, tokens: Tokens, kind: str) -> NDArray[np.float16]:
        """Of one window's tokens [t, s, d] the last level as probes read it, [t, cells, d]."""
        last = tokens[..., -(tokens.shape[-1] // self._levels) :]
        found = pooled(last.reshape(len(tokens), *self._grid, -1).astype(np.float16), kind)
        return np.asarray(found.reshape(len(tokens), -1, last.shape[-1]), dtype=np.float16)

    def values(self, target: ConsistencyTarget) -> Floats:
        """Actions of each transition, changes of the state, or the state after it, [n, t - 1, a], or NaN."""
        tubelets = len(self.kept[0]["z"].true)
        if target == "action":
            # Until the next tubelet's first frame.
            found = self._means("action", tubelets - 1, whole=True)
        else:
            state = self._means("state", tubelets, whole=False)
            found = state[:, 1:] if target == "state" else np.diff(state, axis=1)
        return np.asarray(found[..., np.isfinite(found).any(axis=(0, 1))])

    def _means(self, column: Column, tubelets: int, *, whole: bool) -> Floats:
        """The mean over each tubelet, from its first frame to its last, or ``whole`` to the next one's first."""

        def mean(window: Window, j: int) -> Floats:
            spec = window.spec
            hop = self._tubelet * spec.stride
            begin = spec.start + j * hop
            end = begin + hop - (0 if whole else spec.stride - 1)
            return self._did.over(column, spec.video.id, begin, end)

        return np.array([[mean(window, j) for j in range(tubelets)] for window in self.windows])


class _Did:
    """What a robot did at each frame of each film, by the labels."""

    def __init__(self, labels: Labels) -> None:
        import polars as pl

        table = labels.table
        numbers = [name for name, kind in table.schema.items() if kind.is_numeric()]
        self._columns = {column: [name for name in numbers if name.startswith(f"{column}.")] for column in _COLUMNS}
        every = [name for names in self._columns.values() for name in names]
        wanted = [pl.col(name).cast(pl.Float64).fill_nan(None).mean() for name in every]
        means = table.group_by("video", "frame").agg(wanted)
        self._films = {name: part for (name,), part in means.partition_by("video", as_dict=True).items()}
        self._dense: dict[tuple[Column, str], Floats] = {}

    def knows(self, video: VideoRef) -> bool:
        return video.id in self._films

    def over(self, column: Column, video: str, first: int, last: int) -> Floats:
        """The mean over the frames [first, last), [a]; NaN where there is none."""
        key = (column, video)
        if key not in self._dense:
            part, names = self._films[video], self._columns[column]
            dense = np.full((int(part["frame"].max()) + 1, len(names)), np.nan)  # type: ignore[arg-type]
            dense[part["frame"].to_numpy()] = part.select(names).to_numpy().reshape(len(part), len(names))
            self._dense[key] = dense
        some = self._dense[key][first:last]
        known = np.isfinite(some)
        count = known.sum(axis=0)
        total = np.where(known, some, 0.0).sum(axis=0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)
