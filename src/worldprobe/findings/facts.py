"""What a report states, typed: HTML, Markdown, JSON and the terminal all say this and nothing else.

``Summary.model_dump_json()`` is the report as JSON.
"""

from __future__ import annotations

from typing import Any, get_args

from worldprobe.findings.answer import Answer
from worldprobe.findings.finding import Finding
from worldprobe.findings.rows import Row, label_of
from worldprobe.findings.score import Fact
from worldprobe.findings.sections.consistency import Consistency
from worldprobe.findings.sections.decoding import Decoding
from worldprobe.findings.sections.deltas import Deltas
from worldprobe.findings.sections.energy import Energy
from worldprobe.findings.sections.evidence import Evidence
from worldprobe.findings.sections.futures import SeveralFutures
from worldprobe.findings.sections.inputs import Inputs
from worldprobe.findings.sections.moments import Moments
from worldprobe.findings.sections.original import Original
from worldprobe.findings.sections.prediction import Future
from worldprobe.findings.sections.readouts import Readouts
from worldprobe.findings.sections.shift import ShiftFacts
from worldprobe.findings.sections.unlabelled import Unlabelled
from worldprobe.findings.setup import UNTRAINED, EncoderFacts, FailedClip, LabelFacts
from worldprobe.findings.use_cases import UseCase
from worldprobe.results import CostResult


class Summary(Fact):
    """Everything a report says of a run; ``notes``: what was done with films and labels that are not as usual.

    A section with facts of its own is a field here, ``NAME: ITS_FINDING | None = None``: ``findings`` finds
    it, and its class reads it from the run.
    """

    name: str
    encoder: EncoderFacts
    answers: tuple[Answer, ...] = ()
    story: tuple[str, ...] = ()
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
    inputs: Inputs | None = None
    shift: ShiftFacts | None = None
    unlabelled: Unlabelled | None = None
    evidence: Evidence | None = None
    future: Future | None = None
    energy: Energy | None = None
    readouts: Readouts | None = None
    futures: SeveralFutures | None = None
    consistency: Consistency | None = None
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
        return label_of(row, self.rows)

    @classmethod
    def findings(cls) -> dict[str, type[Finding]]:
        """The fields that ``Finding.of`` fills, each by the class that its annotation names."""
        named = [(name, kind) for name, field in cls.model_fields.items() for kind in get_args(field.annotation)]
        return {name: kind for name, kind in named if isinstance(kind, type) and issubclass(kind, Finding)}
