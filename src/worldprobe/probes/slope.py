"""How far a probe's predictions are to be believed: a slope in [0, 1], found on rows held out.

Of a held-out prediction p of a target y, both less the constant, ``sum (y - c p)^2`` is least at
``c = sum(y p) / sum(p^2)``: the calibration slope of Copas (1983, "Regression, prediction and shrinkage") and van
Houwelingen and le Cessie (1990, "Predictive value of statistical models"). Found for each penalty, it makes a weak
penalty with a small slope one more model: least squares shrunk alike along all axes. That reaches what lies in axes
of little variance; a ridge penalty, the same in all directions of the features, cannot. Slope 0 is the constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.linear.logistic import NEVER, log_softmax
from worldprobe.probes.metrics import varying
from worldprobe.protocols import Fitted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_HALVINGS = 60
# A slope as close as this to the best one loses nothing that could be seen.
_CLOSE = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Describe the targets [n, k] of training rows: their mean, spread and range, [k] each."""

    middle: Floats
    spread: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, target: Floats) -> Numbers:
        """Describe targets [n, k]; where one does not vary its spread counts as 1."""
        spread = np.where(varying(target), target.std(axis=0), 1.0)
        return cls(target.mean(axis=0), spread, target.min(axis=0), target.max(axis=0))

    def at(self, columns: slice) -> Numbers:
        """Those of some columns."""
        return Numbers(self.middle[columns], self.spread[columns], self.low[columns], self.high[columns])

    def deviation(self, output: Floats) -> Floats:
        """Predictions [m, k], cut to the targets' range, less the mean, in spreads.

        One prediction far outside of what was ever seen would else decide on the slope of all.
        """
        found = np.clip(output, self.low, self.high)
        found -= self.middle
        found /= self.spread
        return np.asarray(found)

    def truth(self, target: Floats) -> Floats:
        """Targets [m, k] as ``deviation`` has predictions."""
        return np.asarray((target - self.middle) / self.spread)

    def believed(self, output: Floats, slope: Floats) -> Floats:
        """Predictions [m, k] at slopes [k]."""
        return np.asarray(self.middle + slope * (output.clip(self.low, self.high) - self.middle))


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Describe the classes of training rows: their log-shares [classes], of how many rows."""

    log: Floats
    rows: int

    @classmethod
    def of(cls, target: Floats, classes: int) -> Shares:
        """Describe class indices [n, 1]."""
        counts = np.bincount(target[:, 0].astype(np.int64), minlength=classes)
        return cls(np.log(np.maximum(counts / len(target), np.exp(NEVER))), len(target))

    def deviation(self, output: Floats) -> Floats:
        """Log-probabilities [m, classes] less the log-shares, cut to what so many rows can speak for."""
        most = np.log(self.rows + 1.0)
        return np.asarray((output - self.log).clip(-most, most))

    def believed(self, output: Floats, slope: float) -> Floats:
        """Log-probabilities [m, classes] at a slope."""
        return log_softmax(self.log + slope * self.deviation(output))


@dataclass(frozen=True, eq=False)
class Believed:
    """A fitted probe whose predictions are believed as far as its slopes say: [k], or one for classes."""

    fitted: Fitted
    of: Numbers | Shares
    slope: Floats

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [m, k], or log-probabilities [m, classes]."""
        output = self.fitted.predict(inputs)
        if isinstance(self.of, Shares):
            return self.of.believed(output, float(self.slope[0]))
        return self.of.believed(output, self.slope)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Judge numbers predicted for the rows held out of each inner fold, by sums over these rows.

    Attributes:
        known: what each fold's training rows say of the targets.
        truth: the held-out targets [m, k] of each fold, in units of these.
        squares: their sums of squares, [folds, k].
        width: columns that share a slope.
    """

    known: tuple[Numbers, ...]
    truth: tuple[Floats, ...]
    squares: Floats
    width: int

    @classmethod
    def of(cls, target: Floats, inner: Sequence[tuple[Ints, Ints]], *, width: int) -> HeldOut:
        """Of targets [n, k] and the rows of inner folds, (training rows, held out) each."""
        known = tuple(Numbers.of(target[train]) for train, _ in inner)
        held = [target[rows] for _, rows in inner]
        truth = tuple(one.truth(values) for one, values in zip(known, held, strict=True))
        squares = np.stack([np.einsum("mk,mk->k", one, one) for one in truth])
        return cls(known, truth, squares, width)

    @property
    def rows(self) -> int:
        """How many rows are held out of some fold."""
        return sum(map(len, self.truth))

    @property
    def constant(self) -> Floats:
        """The loss of the constant, [blocks]."""
        return self._of_blocks(self.squares.sum(axis=0))

    def products(self, fold: int, output: Floats) -> Floats:
        """Add up a fold's predictions [..., m, k] times the truth, and times themselves: [2, ..., k]."""
        deviation = self.known[fold].deviation(output)
        along = np.einsum("...mk,mk->...k", deviation, self.truth[fold])
        return np.stack([along, np.einsum("...mk,...mk->...k", deviation, deviation)])

    def judge(self, products: Floats) -> tuple[Floats, Floats]:
        """Slopes and losses [blocks] of the products of all folds, [2, folds, k]."""
        sums = (*products.sum(axis=1), self.squares.sum(axis=0))
        return slopes_of(*(self._of_blocks(one) for one in sums))

    def errors(self, slope: Floats, products: Floats) -> Floats:
        """Mean squared error of each column [k] at its slope [k], of the products [2, folds, k]."""
        along, square = products
        left = (self.squares - 2 * slope * along + slope**2 * square).clip(0.0)
        return np.asarray((left * np.stack([one.spread for one in self.known]) ** 2).sum(axis=0) / self.rows)

    def __call__(self, outputs: list[Floats]) -> tuple[Floats, Floats, Floats]:
        """Slopes and losses [blocks] of what is predicted for each fold [m, k], and products by block."""
        found = np.stack([self.products(fold, output) for fold, output in enumerate(outputs)], axis=1)
        return *self.judge(found), found.reshape(*found.shape[:2], -1, self.width)

    def _of_blocks(self, sums: Floats) -> Floats:
        return np.asarray(sums.reshape(-1, self.width).sum(axis=1))


def number_slopes(truth: Floats, deviation: Floats, *, together: int) -> tuple[Floats, Floats]:
    """Best slopes in [0, 1], and what is left of the squared error, each summed over ``together`` columns.

    Args:
        truth, deviation: [m, k], as ``Numbers`` has them.
        together: neighbouring columns that share a slope; k is a multiple of it.

    Returns:
        Slopes and losses, [k / together] each.
    """
    along, square, total = (
        one.sum(axis=0).reshape(-1, together).sum(axis=1) for one in (truth * deviation, deviation**2, truth**2)
    )
    return slopes_of(along, square, total)


def slopes_of(along: Floats, square: Floats, total: Floats) -> tuple[Floats, Floats]:
    """``number_slopes`` of sums [k] of truth times deviation, of the deviation's squares and of the truth's."""
    slope = np.where(square > 0, along / np.where(square > 0, square, 1.0), 0.0).clip(0.0, 1.0)
    return slope, total - 2 * slope * along + slope**2 * square


def class_slope(codes: NDArray[np.int64], log_shares: Floats, deviation: Floats) -> tuple[float, float]:
    """The slope in [0, 1] of the least log loss of classes [m], and that loss, summed over the rows.

    Args:
        log_shares, deviation: [m, classes], as ``Shares`` has them for each row's own training rows.

    The log loss is convex in the slope, so its derivative is followed to the zero by Newton's steps, and halved
    down to it where one would leave the bracket.
    """
    rows = np.arange(len(codes))
    own = deviation[rows, codes]

    def rise(slope: float) -> tuple[float, float]:
        share = np.exp(log_softmax(log_shares + slope * deviation))
        share *= deviation
        mean = share.sum(axis=1)
        share *= deviation
        return float((mean - own).sum()), float((share.sum(axis=1) - mean**2).sum())

    low, high = 0.0, 1.0
    (start, _), (end, bend) = rise(0.0), rise(1.0)
    if start >= 0:
        high = 0.0
    elif end <= 0:
        low = 1.0
    slope, value = high, end
    for _ in range(_HALVINGS):
        if high - low <= _CLOSE:
            break
        low, high = (slope, high) if value < 0 else (low, slope)
        new = slope - value / bend if bend > 0 else low
        if not low < new < high:
            new = (low + high) / 2
        close, slope = abs(new - slope) <= _CLOSE, new
        if close:
            break
        value, bend = rise(slope)
    return slope, -float(log_softmax(log_shares + slope * deviation)[rows, codes].sum())
