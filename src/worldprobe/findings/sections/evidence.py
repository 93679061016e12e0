"""What scores are worth, gathered from a run's lines of evidence; the taps that validation groups chose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from worldprobe.controls import Control
from worldprobe.findings.finding import Finding, Run
from worldprobe.findings.rows import Row, label_of
from worldprobe.findings.score import Fact, score_of, tap_name
from worldprobe.findings.wording import CHOSEN
from worldprobe.intervals import Score
from worldprobe.results import AnyResult, CodeResult, EvidenceResult, LearningResult, Metric


class CurvePoint(Fact):
    """The score of probes that saw so many rows and groups."""

    rows: float
    groups: float
    score: Score


class CurveFact(Fact):
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
    curve: CurveFact | None
    notes: tuple[str, ...]


class TapEvidence(Fact):
    """A property from the tap that validation groups chose in each fold, and the best tap as seen afterwards."""

    task: str
    metric: Metric
    score: Score
    tried: int
    taps: tuple[tuple[str, int], ...]
    best: str
    best_score: float | None
    verdict: str


class Evidence(Finding):
    """What the scores of a run are worth."""

    rows: tuple[Worth, ...]
    taps: tuple[TapEvidence, ...]

    @classmethod
    def of(cls, run: Run) -> Evidence | None:
        return read_evidence(run.rows, run.results)


_Line = EvidenceResult | CodeResult | LearningResult


def read_evidence(rows: Sequence[Row], results: Sequence[AnyResult]) -> Evidence | None:
    """What the rows' scores are worth; None where nothing was worked out."""
    lines = [r for r in results if isinstance(r, _Line)]
    worth = [_worth(row, own, label_of(row, rows)) for row in rows if (own := [x for x in lines if _about(x, row)])]
    taps = [_tap(row, rows) for row in rows if row.features == CHOSEN and row.main.score.value is not None]
    return Evidence(rows=tuple(worth), taps=tuple(taps)) if worth or taps else None


def _about(line: _Line, row: Row) -> bool:
    names = ("task", "features", "tap", "input", "probe", "split", "protocol")
    return all(getattr(line, name) == getattr(row, name) for name in names)


def _worth(row: Row, lines: Sequence[_Line], label: str) -> Worth:
    beside = {line.measure: line for line in lines if isinstance(line, EvidenceResult)}
    code = next((line for line in lines if isinstance(line, CodeResult)), None)
    curve = next((line for line in lines if isinstance(line, LearningResult)), None)
    skill, selectivity = beside.get("skill"), beside.get("selectivity")
    return Worth(
        task=row.task, metric=row.main.metric, label=label, best_control=row.main.best_control,
        skill=score_of(skill) if skill else None,
        selectivity=score_of(selectivity) if selectivity else None,
        compression_of_constant=code.compression_of_constant if code else None,
        saved_bits_per_row=code.saved_bits_per_row if code else None,
        online_bits=code.online_bits if code else None,
        curve=_curve(curve) if curve else None,
        notes=tuple(code.notes) if code and code.online_bits is None else (),
    )  # fmt: skip


def _curve(line: LearningResult) -> CurveFact:
    points = (
        CurvePoint(rows=p.rows, groups=p.groups, score=Score(value=p.score, low=p.low, high=p.high))
        for p in line.points
    )
    return CurveFact(
        points=tuple(points), ceiling=line.ceiling, scale=line.scale, exponent=line.exponent,
        plateau_rows=line.plateau_rows,
        gain=Score(value=line.gain_by_doubling, low=line.gain_low, high=line.gain_high),
        more_data_would_help=line.more_data_would_help,
    )  # fmt: skip


def _tap(row: Row, rows: Sequence[Row]) -> TapEvidence:
    tried = [
        other
        for other in rows
        if other.features != CHOSEN
        and (other.task, other.probe, other.input) == (row.task, row.probe, row.input)
        and other.main.score.value is not None
    ]
    best = max(tried, key=lambda other: other.main.score.value or 0.0)
    return TapEvidence(
        task=row.task, metric=row.main.metric, score=row.main.score, tried=len(tried),
        taps=tuple(Counter(short(tap) for tap in row.taps).most_common()),
        best=short(f"{best.tap} {best.features}"), best_score=best.main.score.value, verdict=row.main.verdict.text,
    )  # fmt: skip


def short(tap: str) -> str:
    """``block3 grid`` of ``vjepa2-tiny/block3.out grid``."""
    where, _, features = tap.rpartition(" ")
    return f"{tap_name(where)} {features}"
