"""Bootstrap a score by groups, and bound it with a 95 % interval.

Groups are resampled, not rows (cluster bootstrap: Field and Welsh 2007); the interval is that of percentiles (Efron
and Tibshirani 1993, ch. 13). Every score is a function of sums over groups, so that a resample is a weighted sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Floats = NDArray[np.float64]
RESAMPLES = 1000
LEVEL = 0.95
TAIL = (1 - LEVEL) / 2


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
    """Hold a score, and what it would have been on each of 1,000 resamples of the groups, float64 [1000].

    Under the same seed and groups the resamples are the same, so two of these are paired, draw by draw.
    ``value`` is None where there is no score, and ``note`` says why.
    """

    value: float | None
    draws: Floats
    note: str = ""

    def score(self) -> Score:
        """Bound the value by percentiles of its draws; draws that are NaN are left out."""
        if self.value is None:
            return Score(value=None, note=self.note)
        low, high = np.nanquantile(self.draws, [TAIL, 1 - TAIL])
        return Score(value=self.value, low=float(low), high=float(high), note=self.note)


def no_draws(note: str) -> Draws:
    """Stand for a score that does not exist, and say why."""
    return Draws(None, np.full(RESAMPLES, np.nan), note)


def bootstrap(
    statistic: Callable[[Floats], Floats],
    groups: int,
    *,
    seed: int,
    value: float | None = None,
    undefined: str = "not defined on these groups",
) -> Draws:
    """Resample groups 1,000 times, and score them all and each resample.

    Args:
        statistic: scores [r] of weights float64 [r, groups]: how often each group is there.
        groups: how many groups there are.
        value: the score of all groups, where the rows give it; by default the statistic at weights 1.
        undefined: the note where the score of all groups is not finite.
    """
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may leave nothing to divide by
        if value is None:
            value = float(statistic(np.ones((1, groups)))[0])
        if not np.isfinite(value):
            return no_draws(undefined)
        weights = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=RESAMPLES)
        return Draws(value, statistic(weights.astype(np.float64)))
