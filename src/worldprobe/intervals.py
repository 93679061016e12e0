"""Bound a score by its groups: a 95 % interval, and what it would be on resamples of them.

Groups are what varies, not rows (cluster bootstrap and jackknife: Field and Welsh 2007; Efron and Tibshirani 1993,
ch. 11). Intervals are those of Student's t with the jackknife's standard error, on a scale on which the score is
about normal: the logarithm of an error or of what is left unexplained. A share's is Wilson's (1927) with as many
trials as the groups are worth. Percentiles of resamples are too narrow below some 40 groups, and have no width
where all groups are right (``benchmarks/calibration.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Floats = NDArray[np.float64]
RESAMPLES = 1000
LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
# With more groups than this percentiles are as good, and leaving each out in turn takes longer.
_MOST_LEFT_OUT = 2000
_ROUNDING = 1e-20
# A factor of 1e130, as a logarithm.
_FARTHEST = 300.0
Standing = Literal["above", "below", "not shown"]
"""How a score stands to one beside it: better, worse, or neither beyond chance."""
ONE_GROUP = "one group: there is nothing to tell an interval from"

Scale = Literal["plain", "share", "difference", "error", "explained"]
"""How a score is bounded: as it is; as a share from 0 to 1; as the difference of two such; as an error above 0; as
1 less such an error."""


class Score(BaseModel):
    """Hold a score with its 95 % interval; ``value`` None means not measured, and ``note`` says why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def interval(self) -> tuple[float, float] | None:
        """(low, high), or None unless both ends are known."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Hold a score, and what it would have been with other groups.

    Attributes:
        value: None where there is no score, and ``note`` says why.
        draws: the score on each of 1,000 resamples of the groups, float64 [1000]. Under the same seed and groups
            the resamples are the same, so two of these are paired, draw by draw.
        left: the score with each group left out in turn, float64 [groups]; None where there are too many groups.
        scale: how it is bounded.
    """

    value: float | None
    draws: Floats
    note: str = ""
    left: Floats | None = None
    scale: Scale = "plain"

    def score(self) -> Score:
        """Bound the value; draws and groups for which it is not defined are left out."""
        if self.value is None:
            return Score(value=None, note=self.note)
        if self.left is None:
            low, high = map(float, np.nanquantile(self.draws, [TAIL, 1 - TAIL]))
        elif self.scale != "share" and np.isfinite(self.left).sum() < 2:
            return Score(value=self.value, note=self.note or ONE_GROUP)
        else:
            low, high = bound(self.value, self.left, self.scale)
        return Score(value=self.value, low=low, high=high, note=self.note)

    def combine(self, other: Draws, by: Callable[[Floats, Floats], Floats], *, scale: Scale = "plain") -> Draws:
        """A score of two on the same groups, resample by resample.

        Args:
            by: the score of two arrays of scores.
        """
        if self.value is None or other.value is None:
            return no_draws(self.note or other.note)
        left = None
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(by(np.array([self.value]), np.array([other.value]))[0])
            if self.left is not None and other.left is not None and len(self.left) == len(other.left):
                left = by(self.left, other.left)
            return Draws(value, by(self.draws, other.draws), left=left, scale=scale)

    def less(self, other: Draws) -> Draws:
        """The difference from another score on the same groups."""
        shares = {self.scale, other.scale} <= {"share", "difference"}
        scale: Scale = "difference" if shares else "plain"
        return self.combine(other, np.subtract, scale=scale)


def no_draws(note: str) -> Draws:
    """Stand for a score that does not exist, and say why."""
    return Draws(None, np.full(RESAMPLES, np.nan), note)


@lru_cache
def _student(freedom: int) -> float:
    """The quantile of Student's t that ends a 95 % interval; NaN of no degree of freedom."""
    from scipy.special import (
        stdtrit,  # what scipy.stats asks as well, less half a second of imports, and its checks
    )

    return float(stdtrit(freedom, 1 - TAIL))


@lru_cache
def _normal() -> float:
    """The quantile of the normal distribution that ends a 95 % interval."""
    from scipy.special import ndtri

    return float(ndtri(1 - TAIL))


def bound(value: float, left: Floats, scale: Scale) -> tuple[float, float]:
    """The 95 % interval of a score, from what it is with each group left out, [groups].

    Of a share in fewer than two groups nothing is known: it is 0 to 1.
    """
    left = left[np.isfinite(left)]
    groups = len(left)
    if scale == "share":
        return _share(value, left)
    if scale == "difference" and float(np.ptp(left)) ** 2 <= _ROUNDING:
        middle, spread = _apart(value, left)
        reach = _student(groups - 1) * spread
        most = max(1.0, abs(value))
        return max(-most, min(middle - reach, value)), min(most, max(middle + reach, value))
    turned = scale == "explained"
    if turned:
        value, left = 1 - value, 1 - left
    on_log = scale in ("error", "explained") and value > 0 and bool((left > 0).all())
    middle, parts = (np.log(value), np.log(left)) if on_log else (value, left)
    spread = float(np.sqrt((groups - 1) / groups * ((parts - parts.mean()) ** 2).sum()))
    # What is explained is told from two sums, what is left and what there was: each costs a degree of freedom.
    freedom = max(1, groups - 2) if turned else groups - 1
    reach = _student(freedom) * spread
    if on_log:  # of two groups an end may else be beyond all numbers
        reach = min(reach, _FARTHEST)
    low, high = (float(np.exp(end)) if on_log else float(end) for end in (middle - reach, middle + reach))
    return (1 - high, 1 - low) if turned else (low, high)


def _share(value: float, left: Floats) -> tuple[float, float]:
    """Wilson's interval with the quantile of Student's t, of as many trials as would vary as much as the groups."""
    groups = len(left)
    if groups < 2:
        return 0.0, 1.0
    variance = (groups - 1) / groups * float(((left - left.mean()) ** 2).sum())
    # Equal shares differ by rounding, which is no variance.
    trials = value * (1 - value) / variance if variance > _ROUNDING else 0.0
    # Groups that are all right, or all wrong, are so many trials and no more.
    trials = trials if trials > 0 else float(groups)
    square = _student(groups - 1) ** 2
    middle = (value + square / (2 * trials)) / (1 + square / trials)
    reach = np.sqrt(square * (value * (1 - value) / trials + square / (4 * trials**2))) / (1 + square / trials)
    # The value itself lies within; rounding must not say otherwise.
    return float(max(0.0, min(middle - reach, value))), float(min(1.0, max(middle + reach, value)))


def _apart(value: float, left: Floats) -> tuple[float, float]:
    """The difference of two shares of the same groups, and its standard error.

    Pairs that all go one way are no certainty: half a pair is added to each of the four outcomes (Agresti and Min
    2005).
    """
    groups = len(left)
    each = groups * value - (groups - 1) * left
    middle = float(each.sum()) / (groups + 2)
    return middle, float(np.sqrt((each**2).sum() + 1 - (groups + 2) * middle**2)) / (groups + 2)


def bootstrap(
    statistic: Callable[[Floats], Floats],
    groups: int,
    *,
    seed: int,
    scale: Scale,
    value: float | None = None,
    undefined: str = "not defined on these groups",
) -> Draws:
    """Score all groups, 1,000 resamples of them, and all but each.

    Args:
        statistic: scores [r] of weights float64 [r, groups]: how often each group is there.
        groups: how many groups there are.
        scale: how the score is to be bounded.
        value: the score of all groups, where the rows give it; by default the statistic at weights 1.
        undefined: the note where the score of all groups is not finite.
    """
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may leave nothing to divide by
        if value is None:
            value = float(statistic(np.ones((1, groups)))[0])
        if not np.isfinite(value):
            return no_draws(undefined)
        left = statistic(1.0 - np.eye(groups)) if groups <= _MOST_LEFT_OUT else None
        return Draws(value, statistic(resamples(groups, seed)), left=left, scale=scale)


@lru_cache(maxsize=2)
def resamples(groups: int, seed: int) -> Floats:
    """Draw how often each group is in each resample, float64 [1000, groups]; the last are kept, to be read only."""
    weights = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=RESAMPLES)
    found = weights.astype(np.float64)
    found.flags.writeable = False
    return found


def standings(
    readings: Sequence[tuple[Draws, Mapping[str, Draws]]], *, less_is_better: bool = False
) -> list[dict[str, Standing]]:
    """Judge each score against those beside it, by the paired differences, among all readings of one question.

    "Above" something, a difference exceeds in standard errors what the largest of all readings' differences from it
    reaches by chance (Westfall and Young 1993, section 2.3), so that the best of many readings is not called above
    too soon. That several things have all to be beaten needs no correction for their number (Berger 1982).

    Args:
        readings: of each the score, and those beside it by name, all of the same groups, resampled alike. What has
            no value is left out.
        less_is_better: whether they are errors.
    """
    found: list[dict[str, Standing]] = [{} for _ in readings]
    for name in dict.fromkeys(name for _, beside in readings for name in beside):
        pairs = {
            index: (beside[name], own) if less_is_better else (own, beside[name])
            for index, (own, beside) in enumerate(readings)
            if name in beside and own.value is not None and beside[name].value is not None
        }
        above = above_by_chance(list(pairs.values()))
        below = above_by_chance([(other, one) for one, other in pairs.values()])
        for index, better, worse in zip(pairs, above, below, strict=True):
            found[index][name] = "above" if better else "below" if worse else "not shown"
    return found


def above_by_chance(pairs: Sequence[tuple[Draws, Draws]]) -> list[bool]:
    """Whether each first score is above its second, beyond what the largest of all differences reaches by chance.

    All are of the same groups, resampled alike.
    """
    if not pairs:
        return []
    differences = [one.less(other) for one, other in pairs]
    seen = np.array([one.value for one in differences], dtype=np.float64)
    drawn = np.stack([one.draws for one in differences])
    spread = np.nanstd(drawn, axis=1)
    known = spread > 0
    centred = (drawn - seen[:, None]) / np.where(known, spread, 1.0)[:, None]
    largest = np.nanmax(np.where(known[:, None], centred, -np.inf), axis=0) if known.any() else np.zeros(1)
    reach = max(float(np.nanquantile(largest, 1 - TAIL)), _normal())
    return [_beyond(one, reach, float(size)) for one, size in zip(differences, spread, strict=True)]


def _beyond(difference: Draws, reach: float, spread: float) -> bool:
    """Whether a difference is above 0 by so many standard errors, of few groups by as many more as t asks for."""
    assert difference.value is not None
    value = difference.value
    if difference.left is not None:
        left = difference.left[np.isfinite(difference.left)]
        groups = len(left)
        if groups < 2:
            return False
        # Of few groups a resample's spread is itself uncertain, and too small.
        reach *= _student(groups - 1) / _normal()
        each = groups * value - (groups - 1) * left
        spread = max(spread, float(np.sqrt(((each - each.mean()) ** 2).sum() / (groups * (groups - 1)))))
        if difference.scale == "difference":
            value, spread = _apart(value, left)
    return bool(value > reach * spread if spread > 0 else value > 0)
