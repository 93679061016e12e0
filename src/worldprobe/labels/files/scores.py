"""Detectors' scores as confidences: what is no probability is mapped by one increasing map for the whole file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels.values import counted

Floats = NDArray[np.float64]
# Beyond this the logistic map tells scores apart by less than their own digits.
_LOGISTIC_REACH = 30.0
# A file whose best score is lower than this does not count in hundredths.
_LEAST_PERCENT = 10.0


def confidences(scores: Floats) -> tuple[Floats, list[str]]:
    """Scores [n] of one file, NaN where there is none, as confidences in 0 to 1, and what was done to them.

    Scores within 0 to 1 stay as they are. Else they are taken as hundredths (0 to 100, the best above 10), by the
    logistic function (margins and logits) or by their rank: in each case one strictly increasing map for all of the
    file, since a clip's subject is chosen by confidence times area. A box without a score gets 1.
    """
    known = ~np.isnan(scores)
    given = scores[known]
    result = np.ones(len(scores))
    unscored = int((~known).sum()) if known.any() else 0
    notes = [f"{counted(unscored, 'box')} without a score: confidence 1"] if unscored else []
    if not len(given):
        return result, notes
    low, high = float(given.min()), float(given.max())
    if low >= 0 and high <= 1:
        result[known] = given
        return result, notes
    mapped, how = _mapped(given, low, high)
    result[known] = mapped
    return result, [f"scores from {low:g} to {high:g} are no probabilities: mapped {how}, their order kept", *notes]


def _mapped(given: Floats, low: float, high: float) -> tuple[Floats, str]:
    different, place = np.unique(given, return_inverse=True)
    if low >= 0 and _LEAST_PERCENT < high <= 100:
        mapped, how = different / 100, "to 0 to 1 as hundredths"
    else:
        within = max(-low, high) <= _LOGISTIC_REACH
        mapped = 1 / (1 + np.exp(-different)) if within else np.zeros(len(different))
        how = "to 0 to 1 by the logistic function"
    if len(np.unique(mapped)) < len(different):
        mapped, how = np.arange(1, len(different) + 1) / len(different), "to 0 to 1 by their rank"
    return mapped[place], how
