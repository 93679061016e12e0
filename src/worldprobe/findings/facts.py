"""What a report states, typed: HTML, Markdown, JSON and the terminal all say this and nothing else.

``Summary.model_dump_json()`` is the report as JSON.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from worldprobe.findings.answer_facts import Answer
from worldprobe.findings.decoding_facts import Decoding
from worldprobe.findings.evidence_facts import Deltas, Evidence
from worldprobe.findings.future_facts import Future
from worldprobe.findings.moments import Moments
from worldprobe.findings.score import Fact as Fact
from worldprobe.findings.score import Score as Score
from worldprobe.findings.score import VerdictKind as VerdictKind
from worldprobe.findings.score import tap_name
from worldprobe.results import Control, CostResult, Metric

UseCaseGrade = Literal["strong", "partial", "no-evidence", "not-measured"]

CONTROLS: tuple[Control, ...] = ("majority", "nuisance", "pixels", "random-init", "shuffled", "gaussian")
UNTRAINED = "untrained weights: these figures describe the architecture, not a trained model"


class Verdict(Fact):
    """What the intervals allow to be said: ``kind`` for grouping, ``text`` in full, ``short`` for a terminal."""

    kind: VerdictKind
    text: str
    short: str


class Line(Fact):
    """One metric of one probe beside its controls.

    ``margin`` is the score less that of ``best_control``; ``random`` is the same probe under the leaky
    random split, and ``leak`` is random less the sound score (of errors both are turned, so that more is better).
    None where either side is missing.
    """

    metric: Metric
    score: Score
    controls: dict[Control, Score]
    best_control: Control | None
    margin: float | None
    random: Score | None
    leak: float | None
    verdict: Verdict

    @property
    def missing(self) -> tuple[Control, ...]:
        """Controls that were not run; none are missed where there is no score to compare."""
        return () if self.score.value is None else tuple(c for c in CONTROLS if c not in self.controls)


class Row(Fact):
    """One property read from one kind of features: the main metric, and the others that go with it."""

    task: str
    features: str
    encoder: str
    tap: str
    input: str
    probe: str
    protocol: str
    split: str
    main: Line
    others: tuple[Line, ...]
    n_train: int
    n_test: int
    n_groups: int
    chosen: tuple[float, ...]
    taps: tuple[str, ...] = ()
    notes: tuple[str, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        return (self.main, *self.others)


class UseCase(Fact):
    """Whether the figures speak for a use of the encoder, and which figures those are."""

    name: str
    grade: UseCaseGrade
    because: str


class EncoderFacts(Fact):
    """The encoder as the run recorded it; further facts (parameters, width, ...) are kept in ``more``."""

    name: str
    revision: str = ""
    status: str = "unknown"
    more: dict[str, Any] = Field(default_factory=dict)


class LabelFacts(Fact):
    """What became of the labels: pairs of (name, count), and what alignment kept and dropped by reason."""

    kept: int | None = None
    dropped: tuple[tuple[str, int], ...] = ()
    sources: tuple[tuple[str, int], ...] = ()
    classes: tuple[tuple[str, int], ...] = ()
    videos: int | None = None
    camera: Literal["kept", "subtracted"] | None = None
    notes: tuple[str, ...] = ()

    @property
    def lost(self) -> int:
        return sum(count for _, count in self.dropped)


class Failure(Fact):
    """A clip that could not be encoded, and why."""

    video: str
    clip: str
    error: str


class Step(Fact):
    """A task's score at one step of the waterfall, and the best of the controls that the step knows.

    ``change`` is the score less that of the step before.
    """

    protocol: str
    score: Score
    best_control: Control | None
    floor: Score
    change: float | None
    input: str
    split: str
    n_test: int
    n_groups: int
    notes: tuple[str, ...]


class Fall(Fact):
    """One task from the original protocol (the first step) to the sound one (the last)."""

    task: str
    metric: Metric
    steps: tuple[Step, ...]


class Scaled(Fact):
    """One task on ``n`` labelled frames: by the original protocol, with the strength chosen, and on noise."""

    task: str
    n: int
    score: Score
    chosen: Score
    noise: Score


class Original(Fact):
    """The original experiment made again: frames looked at and labelled, the waterfall, the scaling table.

    The waterfall's first steps are the original's own table: score beside Gaussian noise (``noise``, by task).
    """

    looked_at: int | None
    labelled: int | None
    falls: tuple[Fall, ...]
    noise: dict[str, Score]
    majority: dict[str, Score]
    scaling: tuple[Scaled, ...]


class Summary(Fact):
    """Everything a report says of a run; ``notes``: what was done with films and labels that are not as usual."""

    name: str
    encoder: EncoderFacts
    answers: tuple[Answer, ...] = ()
    rows: tuple[Row, ...]
    labels: LabelFacts | None
    failures: tuple[Failure, ...]
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
