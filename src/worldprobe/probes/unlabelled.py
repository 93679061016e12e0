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
# Leaving out each of so many sets of groups costs as many decompositions.
SETS = 20
DISTANCES = (1, 2, 4)
# What no video varies in would else count without end: this share of the mean variance within is added to all.
_RIDGE = 1e-4


def rank_of(values: Floats) -> float:
    """Exp of the entropy of the shares of ``values`` [d], which are 0 or more; 0 where all are 0."""
    values = values.clip(0)
    total = values.sum()
    if total <= 0:
        return 0.0
    share = values / total
    return float(np.exp(-(share * np.log(np.where(share > 0, share, 1.0))).sum()))


def effective_rank(rows: Scatter) -> float:
    """Of centred rows, 1 to d; 0 where nothing varies."""
    return rank_of(np.sqrt(np.linalg.eigvalsh(rows.matrix).clip(0)))


def rankme(rows: Scatter) -> float:
    """Of rows as they are, 1 to d."""
    whole = rows.matrix + rows.count * np.multiply.outer(rows.mean, rows.mean)
    return rank_of(np.sqrt(np.linalg.eigvalsh(whole).clip(0)))


def lidar(videos: Sequence[Scatter]) -> float:
    """Of the moments of each video, 1 to the lesser of d and the number of videos less one.

    Raises:
        ValueError: fewer than two videos, or none with two moments: nothing to tell differences from.
    """
    within = sum((one.matrix for one in videos), np.zeros_like(videos[0].matrix))
    spare = sum(one.count - 1 for one in videos)
    if len(videos) < 2 or spare < 1:
        raise ValueError("LiDAR needs two videos, and two moments of one of them")
    within = within / spare
    means = np.stack([one.mean for one in videos])
    between = np.cov(means, rowvar=False).reshape(within.shape)
    within[np.diag_indices_from(within)] += max(_RIDGE * float(np.trace(within)) / len(within), 1e-30)
    lengths, axes = np.linalg.eigh(within)
    whitened = (axes / np.sqrt(lengths)).T @ between @ (axes / np.sqrt(lengths))
    return rank_of(np.linalg.eigvalsh((whitened + whitened.T) / 2))


@dataclass(slots=True, eq=False)
class Tokens:
    """Add up what tokens of a video's tubelets are like, a clip at a time.

    Attributes:
        sums, counts: of each measure by name; a video's value is the quotient.
    """

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, tokens: NDArray[np.float16]) -> None:
        """Add a clip's tokens [t, h, w, d]."""
        values = tokens.astype(np.float32)
        length = np.linalg.norm(values, axis=-1)
        share = length.reshape(len(values), -1)
        share = share / np.maximum(share.sum(axis=1, keepdims=True), 1e-30)
        if share.shape[1] > 1:
            entropy = -(share * np.log(np.maximum(share, 1e-30))).sum(axis=1) / np.log(share.shape[1])
            self._book("norm entropy", entropy)
        unit = values / np.maximum(length, 1e-30)[..., None]
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


def drift(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """1 less the unbiased linear CKA of two encoders' features [n, d1] and [n, d2] of the same n moments.

    The common estimate grows with d / n and calls any two wide encoders alike. Unbiased, it may be a little over 1.

    Raises:
        ValueError: fewer than four rows, or features that do not vary.
    """
    if len(one) < 4:
        raise ValueError(f"drift needs four moments, got {len(one)}")
    grams = []
    for rows in (one, other):
        centred = rows - rows.mean(axis=0, dtype=np.float64)
        gram = centred @ centred.T
        np.fill_diagonal(gram, 0.0)
        grams.append(gram)
    first, second = grams
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


def bounded(videos: Sequence[Scatter], measure: str) -> Score:
    """A measure of ``RANKS`` with its 95 % interval, from leaving out sets of videos in turn."""
    of = RANKS[measure]
    try:
        value = of(videos)
        sets = min(SETS, len(videos))
        if sets < 3:
            return Score(value=value, note="fewer than three videos: there is nothing to tell an interval from")
        parts = [[one for index, one in enumerate(videos) if index % sets != left] for left in range(sets)]
        low, high = bound(value, np.array([of(part) for part in parts]), "plain")
    except ValueError as error:
        return Score(value=None, note=str(error))
    return Score(value=value, low=low, high=high)


def _together(videos: Sequence[Scatter]) -> Scatter:
    return reduce(add, videos)


RANKS: dict[str, Callable[[Sequence[Scatter]], float]] = {
    "effective rank": lambda videos: effective_rank(_together(videos)),
    "rankme": lambda videos: rankme(_together(videos)),
    "lidar": lidar,
}
