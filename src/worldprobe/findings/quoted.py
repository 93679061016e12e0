"""Which of several readings of a property is quoted, and how far it reaches above its controls, said cautiously."""

from __future__ import annotations

from collections.abc import Sequence

from worldprobe.findings.rows import Row
from worldprobe.findings.score import ABOVE
from worldprobe.findings.wording import CHOSEN

RULE = (
    "Of several readings of a property (features, block, input, probe) one is quoted: that at the tap which "
    "validation groups chose, where several blocks were read; else the one that reaches furthest above its best "
    "control. Of n ways tried the best is quoted, so a narrow win counts for little."
)


def cautious_skill(row: Row) -> float | None:
    """Skill from the probe's low end and the highest high end among the controls; None where either lacks."""
    ends = row.main.score.interval
    highs = [s.interval[1] for s in row.main.controls.values() if s.interval]
    if ends is None or not highs or max(highs) >= 1:
        return None
    return (ends[0] - max(highs)) / (1 - max(highs))


def quoted(rows: Sequence[Row]) -> Row | None:
    """The row that ``RULE`` quotes; one without a score only where there is no other. None of none."""
    return max([row for row in rows if row.features == CHOSEN] or rows, key=_reach, default=None)


def _reach(row: Row) -> tuple[bool, bool, float]:
    skill = cautious_skill(row)
    known = row.main.score.value is not None
    return known, row.main.verdict.kind in ABOVE, float("-inf") if skill is None else skill
