"""What features are like, without labels: how many directions they use, and how alike tokens are.

- **Effective rank** (Roy and Vetterli 2007): exp of the entropy of the singular values' shares, of centred rows.
  **RankMe** (Garrido et al. 2023, eq. 1-2) is the same of rows as they are: their common mean is a direction more.
- **LiDAR** (Thilak et al. 2024, section 3): the same of the eigenvalues of linear discriminant analysis, videos
  being the classes and their moments the samples. A direction counts where videos differ more than a video varies.
- **Norm entropy**: how evenly a tubelet's tokens share its length, 1 where all are equally long. A few much longer
  ones (Darcet et al. 2024, "Vision transformers need registers") lower it.
- **Similarity**: the mean cosine of a tubelet's tokens so many cells apart, and of a cell's with its later self.
- **Drift**: 1 less the unbiased linear CKA (Kornblith et al. 2019; Song et al. 2012, eq. 5) of two encoders on the
  same moments: 0 where one is the other, turned or scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Score, bound
from worldprobe.probes.linear.scatter import Scatter

Floats = NDArray[np.float64]
# Leaving out each of so many sets of videos costs as many decompositions.
SETS = 10
_LEAST_SETS = 3
DISTANCES = (1, 2, 4)
# What no video varies in would else count without end: this share of the mean variance within is added to all.
_RIDGE = 1e-4
_NOTHING = 1e-30
_FEW = "fewer than three videos: there is nothing to tell an interval from"


def rank_of(values: Floats) -> float:
    """Exp of the entropy of the shares of ``values`` [d], which are 0 or more; 0 where all are 0."""
    values = values.clip(0)
    total = values.sum()
    if total <= 0:
        return 0.0
    share = values / total
    return float(np.exp(-(share * np.log(np.where(share > 0, share, 1.0))).sum()))


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """All that the ranks have to know of some videos' moments, as large for ten videos as for ten thousand.

    Attributes:
        moments: scatter of all moments.
        within: sums of squares and products of the moments around their videos' means [d, d]; ``spare`` moments
            more than videos.
        means: scatter of the videos' means.
    """

    moments: Scatter
    within: Floats
    spare: int
    means: Scatter

    @classmethod
    def of(cls, rows: NDArray[np.floating]) -> Spread:
        """Of a video's moments [n, d]."""
        one = Scatter.of(rows)
        return cls(one, one.matrix, one.count - 1, Scatter.of(one.mean[None]))

    def __add__(self, other: Spread) -> Spread:
        """Of the videos of both."""
        return Spread(
            self.moments + other.moments, self.within + other.within, self.spare + other.spare,
            self.means + other.means,
        )  # fmt: skip


def effective_rank(videos: Spread) -> float:
    """Of centred moments, 1 to d; 0 where nothing varies."""
    return rank_of(np.sqrt(np.linalg.eigvalsh(videos.moments.matrix).clip(0)))


def rankme(videos: Spread) -> float:
    """Of moments as they are, 1 to d."""
    rows = videos.moments
    whole = rows.matrix + rows.count * np.multiply.outer(rows.mean, rows.mean)
    return rank_of(np.sqrt(np.linalg.eigvalsh(whole).clip(0)))


def lidar(videos: Spread) -> float:
    """Of the moments of each video, 1 to the lesser of d and the number of videos less one.

    Raises:
        ValueError: fewer than two videos, or none with two moments: nothing to tell differences from.
    """
    if videos.means.count < 2 or videos.spare < 1:
        raise ValueError("LiDAR needs two videos, and two moments of one of them")
    within = videos.within / videos.spare
    within[np.diag_indices_from(within)] += max(_RIDGE * float(np.trace(within)) / len(within), _NOTHING)
    lengths, axes = np.linalg.eigh(within)
    axes = axes / np.sqrt(lengths)
    return rank_of(np.linalg.eigvalsh(axes.T @ videos.means.matrix @ axes))


RANKS: dict[str, Callable[[Spread], float]] = {
    "effective rank": effective_rank, "rankme": rankme, "lidar": lidar,
}  # fmt: skip
"""By name."""


@dataclass(slots=True, eq=False)
class Tokens:
    """Add up what the tokens of tubelets are like, a clip at a time.

    Attributes:
        sums, counts: of each measure by name; its mean is the quotient.
    """

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, tokens: NDArray[np.float16]) -> None:
        """Add a clip's tokens [t, h, w, d]."""
        values = tokens.astype(np.float32)
        length = np.linalg.norm(values, axis=-1)
        share = length.reshape(len(values), -1)
        share = share / np.maximum(share.sum(axis=1, keepdims=True), _NOTHING)
        if share.shape[1] > 1:
            entropy = -(share * np.log(np.maximum(share, _NOTHING))).sum(axis=1) / np.log(share.shape[1])
            self._book("norm entropy", np.minimum(entropy, 1.0))
        unit = values / np.maximum(length, _NOTHING)[..., None]
        for cells in DISTANCES:
            if min(unit.shape[1:3]) > cells:
                across = (unit[:, :, cells:] * unit[:, :, :-cells]).sum(axis=-1)
                down = (unit[:, cells:] * unit[:, :-cells]).sum(axis=-1)
                self._book(f"similarity {cells} apart", np.concatenate([across.ravel(), down.ravel()]))
            if len(unit) > cells:
                self._book(f"similarity {cells} later", (unit[cells:] * unit[:-cells]).sum(axis=-1))

    def _book(self, name: str, values: NDArray[np.float32]) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + float(values.sum(dtype=np.float64))
        self.counts[name] = self.counts.get(name, 0) + values.size


def ranks(sets: Sequence[Spread]) -> dict[str, Score]:
    """Each of ``RANKS`` of all sets of videos, with its 95 % interval, from leaving out each set in turn."""
    parts = [list(sets)]
    if len(sets) >= _LEAST_SETS:
        parts += [[*sets[:index], *sets[index + 1 :]] for index in range(len(sets))]
    values: dict[str, list[float]] = {name: [] for name in RANKS}
    notes: dict[str, str] = {}
    for part in parts:
        together = reduce(add, part)
        for name, of in RANKS.items():
            try:
                values[name].append(of(together))
            except ValueError as error:
                notes[name] = str(error)
    return {
        name: Score(value=None, note=notes[name]) if name in notes else _bounded(*found)
        for name, found in values.items()
    }


def likeness(sets: Sequence[Tokens]) -> dict[str, Score]:
    """Each measure of tokens of all sets of videos together, bounded as ``ranks``."""
    found = {}
    for name in dict.fromkeys(name for one in sets for name in one.sums):
        sums, counts = np.array([(one.sums[name], one.counts[name]) for one in sets if name in one.sums]).T
        value = float(sums.sum() / counts.sum())
        left = (sums.sum() - sums) / (counts.sum() - counts) if len(sums) >= _LEAST_SETS else ()
        found[name] = _bounded(value, *left)
    return found


def _bounded(value: float, *left: float) -> Score:
    """A value with its interval, from what it is without each set; without one where there are too few sets."""
    if not left:
        return Score(value=value, note=_FEW)
    low, high = bound(value, np.array(left), "plain")
    return Score(value=value, low=low, high=high)


def drift(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """1 less the unbiased linear CKA of two encoders' features [n, d1] and [n, d2] of the same n moments.

    The common estimate grows with d / n and calls any two wide encoders alike. Unbiased, it may be a little over 1.

    Raises:
        ValueError: fewer than four rows, or features that do not vary.
    """
    return _apart(_gram(one), _gram(other))


def drifted(one: NDArray[np.floating], other: NDArray[np.floating], videos: NDArray[np.integer]) -> Score:
    """``drift`` with its 95 % interval, from leaving out each of ``SETS`` sets of videos in turn.

    Args:
        videos: which video each moment is of, [n], counted from 0.
    """
    grams = _gram(one), _gram(other)
    sets = videos % SETS
    try:
        value = _apart(*grams)
        left = []
        for which in np.unique(sets):
            kept = np.flatnonzero(sets != which)
            left.append(_apart(*(gram[np.ix_(kept, kept)] for gram in grams)))
    except ValueError as error:
        return Score(value=None, note=str(error))
    return _bounded(value, *(left if len(left) >= _LEAST_SETS else ()))


def _gram(rows: NDArray[np.floating]) -> Floats:
    """Products of centred rows, those of a row with itself left out.

    The unbiased estimate is the same of rows that are not centred, and so of a part of these.
    """
    rows = rows.astype(np.float64)
    centred = rows - rows.mean(axis=0)
    gram = np.asarray(centred @ centred.T, dtype=np.float64)
    np.fill_diagonal(gram, 0.0)
    return gram


def _apart(first: Floats, second: Floats) -> float:
    """``drift`` of two Gram matrices of zero diagonal."""
    if len(first) < 4:
        raise ValueError(f"drift needs four moments, got {len(first)}")
    own = _hsic(first, first) * _hsic(second, second)
    if not own > 0:
        raise ValueError("drift needs features that vary")
    return 1.0 - _hsic(first, second) / float(np.sqrt(own))


def _hsic(one: Floats, other: Floats) -> float:
    """The unbiased estimate of the Hilbert-Schmidt independence criterion from Gram matrices of zero diagonal."""
    n = len(one)
    mean = float(one.sum()) * float(other.sum()) / ((n - 1) * (n - 2))
    cross = 2.0 / (n - 2) * float(one.sum(axis=0) @ other.sum(axis=0))
    return (float((one * other).sum()) + mean - cross) / (n * (n - 3))
