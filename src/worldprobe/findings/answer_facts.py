"""What a report opens with, typed."""

from __future__ import annotations

from typing import Literal

from worldprobe.findings.score import ABOVE, Fact, Score, VerdictKind
from worldprobe.results import FEW_GROUPS


class Answer(Fact):
    """One line: how well (``score``), against what (``floor``, of ``against``), how sure (intervals, n), verdict.

    Attributes:
        task, features, tap, probe, input: of a property, the row that is quoted; empty for the others.
        subject, how: what is answered, and from what, in words.
        metric: as it is printed; ``digits`` behind the point.
        ways: of so many rows of the same property this one is quoted.
        unit: what ``groups`` counts: what the intervals resample.
    """

    about: Literal["property", "prediction", "surprise", "decoder"]
    subject: str
    how: str
    metric: str
    digits: int
    score: Score
    against: str
    floor: Score
    kind: VerdictKind
    verdict: str
    n: int
    groups: int
    unit: Literal["group", "pair"] = "group"
    ways: int = 1
    task: str = ""
    features: str = ""
    tap: str = ""
    probe: str = ""
    input: str = ""

    @property
    def mark(self) -> VerdictKind:
        """Which mark stands before the verdict: above in few groups is not yet shown."""
        few = self.unit == "group" and self.groups < FEW_GROUPS
        return "not-shown" if few and self.kind in ABOVE else self.kind
