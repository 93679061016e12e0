"""What a report states of motion in differences of embeddings, and of what scores are worth."""

from __future__ import annotations

from typing import Literal

from worldprobe.findings.score import Fact, Score
from worldprobe.results import Control, Metric

Place = Literal["deltas", "both", "z", "together", "controls", "nowhere", "unknown"]


class DeltaCell(Fact):
    """One kind of features: the score, the best control beside it, and whether it is above all of them."""

    features: str
    score: Score
    best_control: Control | None
    floor: Score
    above: bool
    evident: bool
    skill: Score


class DeltaRow(Fact):
    """One property by one probe from one kind of input: where it is. ``gain`` is delta less z, paired by group."""

    task: str
    metric: Metric
    input: str
    probe: str
    cells: tuple[DeltaCell, ...]
    gain: Score
    place: Place
    n_test: int
    n_groups: int


class Deltas(Fact):
    """Does motion live in the deltas?"""

    features: tuple[str, ...]
    rows: tuple[DeltaRow, ...]
    conclusion: str
    rule: str


class CurvePoint(Fact):
    """The score of probes that saw so many rows and groups."""

    rows: float
    groups: float
    score: Score


class Curve(Fact):
    """How a score grows with data; the law is ``ceiling - scale n^-exponent``, in rows."""

    points: tuple[CurvePoint, ...]
    ceiling: float | None
    scale: float | None
    exponent: float | None
    plateau_rows: float | None
    gain: Score
    more_data_would_help: Literal["yes", "no", "cannot tell"]


class Worth(Fact):
    """What one score is worth. None: not worked out."""

    task: str
    metric: Metric
    label: str
    best_control: Control | None
    skill: Score | None
    selectivity: Score | None
    compression_of_constant: float | None
    saved_bits_per_row: float | None
    online_bits: float | None
    curve: Curve | None
    notes: tuple[str, ...]


class Tap(Fact):
    """A property from the tap that validation groups chose in each fold, and the best tap as seen afterwards."""

    task: str
    metric: Metric
    score: Score
    tried: int
    taps: tuple[tuple[str, int], ...]
    best: str
    best_score: float | None
    verdict: str


class Evidence(Fact):
    """What the scores of a run are worth."""

    rows: tuple[Worth, ...]
    taps: tuple[Tap, ...]
