"""What a report states, typed: HTML, Markdown, JSON and the terminal all say this and nothing else.

``Summary.model_dump_json()`` is the report as JSON.
"""

from __future__ import annotations

from typing import Any

from worldprobe.findings.answer import Answer
from worldprobe.findings.decoding import Decoding
from worldprobe.findings.deltas import Deltas
from worldprobe.findings.evidence import Evidence
from worldprobe.findings.moments import Moments
from worldprobe.findings.original import Original
from worldprobe.findings.prediction import Future
from worldprobe.findings.rows import Row
from worldprobe.findings.score import Fact, tap_name
from worldprobe.findings.setup import UNTRAINED, EncoderFacts, FailedClip, LabelFacts
from worldprobe.findings.use_cases import UseCase
from worldprobe.results import CostResult


class Summary(Fact):
    """Everything a report says of a run; ``notes``: what was done with films and labels that are not as usual."""

    name: str
    encoder: EncoderFacts
    answers: tuple[Answer, ...] = ()
    rows: tuple[Row, ...]
    labels: LabelFacts | None
    failures: tuple[FailedClip, ...]
    costs: tuple[CostResult, ...]
    provenance: dict[str, Any]
    experiment: str
    rule: str
    use_cases: tuple[UseCase, ...]
    use_case_rule: str
    caveats: tuple[str, ...]
    notes: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    original: Original | None = None
    deltas: Deltas | None = None
    evidence: Evidence | None = None
    future: Future | None = None
    decoding: Decoding | None = None
    moments: Moments | None = None

    @property
    def warning(self) -> str:
        """What must stand beside every table: empty only for an encoder known to be trained."""
        return {
            "trained": "",
            "untrained": UNTRAINED,
            "floor": "a floor: this encoder is a control itself, not a trained model",
        }.get(self.encoder.status, "status unknown: the run does not record whether these weights were trained")

    @property
    def warning_sentence(self) -> str:
        """The warning as a sentence of its own, without a full stop."""
        return self.warning[:1].upper() + self.warning[1:]

    @property
    def tasks(self) -> dict[str, list[Row]]:
        """Rows by task, in the order of the results."""
        tasks: dict[str, list[Row]] = {}
        for row in self.rows:
            tasks.setdefault(row.task, []).append(row)
        return tasks

    def label(self, row: Row) -> str:
        """A row's features, with whatever else tells it from the other rows of the same task and features."""
        parts = [row.features]
        alike = [other for other in self.rows if (other.task, other.features) == (row.task, row.features)]
        for name in ("tap", "input", "probe", "protocol", "split"):
            if len({getattr(other, name) for other in alike}) > 1:
                value = str(getattr(row, name))
                parts.append(tap_name(value) if name == "tap" else value)
        return ", ".join(parts)
