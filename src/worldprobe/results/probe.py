"""What probes read, and what follows from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worldprobe.controls import Control
from worldprobe.results.line import Result

Metric = Literal["r2", "accuracy", "balanced_accuracy", "macro_f1", "angular_error"]
Measure = Literal["skill", "selectivity", "contrast"]
Verdict = Literal["above every control", "not above", "no evidence", "too few to tell"]
Survival = Literal["survives", "weaker", "lost", "cannot tell", "nothing to keep"]
# ``ProbeResult.protocol`` of the waterfall: the original protocol, then one correction more at each step, those
# before it kept; the last one is sound. On n frames only, for the scaling table, it is "original@n".
WATERFALL = (
    "original", "original+own-size", "original+controls", "original+native", "original+grouped", "original+chosen",
    "sound",
)  # fmt: skip


class ProbeResult(Result):
    """One score of one probe, out of fold.

    ``score, low, high`` are None where the score could not be had; ``notes`` then say why. ``low`` and
    ``high`` bound the 95 % interval by resampling groups. ``chosen`` lists the penalty
    that the inner folds chose in each outer fold;
    an infinite one leaves a constant. ``control`` is "none" for the real probe. ``taps`` lists the tap and features
    that each fold's inner folds chose, where the tap was part of the choice. ``angular_error`` is in degrees.
    ``z`` is the one-sided test by groups of whether the target is there at all; None where it does not apply.
    """

    written_by = "probe"
    kind: Literal["probe"] = "probe"
    task: str
    encoder: str
    tap: str
    features: str
    input: str
    probe: str
    control: Control
    split: str
    protocol: str = "sound"
    metric: Metric
    score: float | None
    low: float | None
    high: float | None
    n_train: int
    n_test: int
    n_groups: int
    chosen: list[float] = Field(default_factory=list)
    taps: list[str] = Field(default_factory=list)
    z: float | None = None
    seed: int
    notes: list[str] = Field(default_factory=list)


class _OfProbe(Result):
    """Which probe's answer a line of evidence is about."""

    written_by = "probe"
    task: str
    encoder: str
    tap: str
    features: str
    input: str
    probe: str
    split: str
    protocol: str = "sound"
    metric: Metric
    n_groups: int
    seed: int
    notes: list[str] = Field(default_factory=list)


class EvidenceResult(_OfProbe):
    """One score beside another, on the same resampled groups.

    ``skill``: (score - control) / (1 - control) against the best control, which ``against`` names. ``selectivity``:
    score less that on shuffled labels. ``contrast``: score less that of the features, the input or the positive
    control in ``against``.
    """

    kind: Literal["evidence"] = "evidence"
    measure: Measure
    against: str
    score: float | None
    low: float | None
    high: float | None


class CodeResult(_OfProbe):
    """Bits to send the labels by online coding: with the probe, with a constant, with nothing. None: not had."""

    kind: Literal["code"] = "code"
    rows: int
    online_bits: float | None = None
    constant_bits: float | None = None
    uniform_bits: float | None = None
    compression: float | None = None
    compression_of_constant: float | None = None
    saved_bits_per_row: float | None = None


class PowerResult(_OfProbe):
    """State the least effect that 80 % of probes would have found in this sample, had it been there.

    ``easy``: R² (of classes: balanced accuracy over chance) found along the features' own spread;
    ``hard``: along their whitened axes. None where it is over an R² of 0.5. ``least_z``: what ``z`` has to exceed
    on these groups. ``groups_needed``: with about how many a hard effect of 0.2 would be found; None: not known.
    """

    kind: Literal["power"] = "power"
    easy: float | None
    hard: float | None
    least_z: float
    groups_needed: int | None


class VerdictResult(_OfProbe):
    """Judge one reading by the test of evidence, and by paired differences with each control.

    ``against``: the controls that it does not lie above beyond chance; ``below``: those that it lies below.
    """

    kind: Literal["verdict"] = "verdict"
    verdict: Verdict
    against: list[str] = Field(default_factory=list)
    below: list[str] = Field(default_factory=list)


class LearningPoint(Result):
    """The score of probes that saw so many rows and groups, the mean over the folds."""

    rows: float
    groups: float
    score: float | None
    low: float | None
    high: float | None


class LearningResult(_OfProbe):
    """How the score grows with data: ``ceiling - scale n^-exponent`` (n in rows), and whether more would help.

    ``plateau_rows`` is the n at which the law comes within 0.01 of its ceiling; ``gain_by_doubling`` is what it
    gains by twice the data, with its interval.
    """

    kind: Literal["learning"] = "learning"
    points: list[LearningPoint]
    ceiling: float | None = None
    scale: float | None = None
    exponent: float | None = None
    plateau_rows: float | None = None
    gain_by_doubling: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    more_data_would_help: Literal["yes", "no", "cannot tell"]


class ShiftResult(_OfProbe):
    """Say how a reading stands where the values of ``factor`` that it is tested on were not trained on.

    ``score, low, high``: on values held out; ``usual`` and its ends: on the same moments with whole groups held out
    and as much training data; ``difference``: the first less the second, paired. R² of both is against the constant
    of the usual folds. ``value``: one value alone; "" for all. ``survives`` judges the real probe over all values.
    """

    kind: Literal["shift"] = "shift"
    control: Control
    factor: str
    value: str
    score: float | None
    low: float | None
    high: float | None
    usual: float | None
    usual_low: float | None
    usual_high: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    n_train: int
    n_test: int
    against: list[str] = Field(default_factory=list)
    survives: Survival | None = None


EvidenceLine = EvidenceResult | CodeResult | LearningResult | PowerResult | VerdictResult | ShiftResult


class UnlabelledResult(Result):
    """State what features are like without labels.

    ``measure``: "effective rank", "rankme", "lidar", of pooled moments, at most ``width``; "norm entropy" and
    "similarity N apart" or "N later" (in cells and tubelets) of a tubelet's tokens. ``control`` is "none", or
    "random-init": the untrained twin's. ``n`` counts tubelets; ``low`` and ``high`` bound the 95 % interval by
    leaving out videos.
    """

    written_by = "probe"
    kind: Literal["unlabelled"] = "unlabelled"
    encoder: str
    tap: str
    input: str
    control: Control
    measure: str
    score: float | None
    low: float | None
    high: float | None
    n: int
    n_videos: int
    width: int
    notes: list[str] = Field(default_factory=list)
