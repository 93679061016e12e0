"""Scores beside their controls, typed: a row a property and kind of features."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from worldprobe.controls import NEGATIVE, Control
from worldprobe.findings.score import Fact, VerdictKind, tap_name
from worldprobe.intervals import Score
from worldprobe.results import Metric


class Verdict(Fact):
    """What the intervals allow to be said: ``kind`` for grouping, ``text`` in full, ``short`` for a terminal.

    ``higher``: controls that score more; ``even``: those to which the difference may be chance.
    """

    kind: VerdictKind
    text: str
    short: str
    higher: tuple[Control, ...] = ()
    even: tuple[Control, ...] = ()


class PositiveControl(Fact):
    """What a positive control reads beside a probe of the features: ``difference`` is the probe less it, paired.

    ``shown``: whether the target is there to be read at all; None where that is not clear.
    """

    score: Score
    z: float | None
    difference: Score
    shown: bool | None


class ControlledScore(Fact):
    """One metric of one probe beside its controls: negative ones in ``controls``, those in ``positive`` apart.

    ``margin`` is the score less that of ``best_control``; ``random`` is the same probe under the leaky
    random split, and ``leak`` is random less the sound score (of errors both are turned, so that more is better).
    None where either side is missing. ``z``: the test by groups of whether the target is there at all.
    """

    metric: Metric
    score: Score
    controls: dict[Control, Score]
    positive: dict[Control, PositiveControl] = Field(default_factory=dict)
    best_control: Control | None
    margin: float | None
    random: Score | None
    leak: float | None
    z: float | None = None
    verdict: Verdict

    @property
    def missing(self) -> tuple[Control, ...]:
        """Controls that were not run; none are missed where there is no score to compare."""
        return () if self.score.value is None else tuple(c for c in NEGATIVE if c not in self.controls)


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
    main: ControlledScore
    others: tuple[ControlledScore, ...]
    n_train: int
    n_test: int
    n_groups: int
    chosen: tuple[float, ...]
    taps: tuple[str, ...] = ()
    notes: tuple[str, ...]

    @property
    def lines(self) -> tuple[ControlledScore, ...]:
        return (self.main, *self.others)


def label_of(row: Row, rows: Sequence[Row]) -> str:
    """A row's features, with whatever else tells it from the other rows of the same task and features."""
    parts = [row.features]
    alike = [other for other in rows if (other.task, other.features) == (row.task, row.features)]
    for name in ("tap", "input", "probe", "protocol", "split"):
        if len({getattr(other, name) for other in alike}) > 1:
            value = str(getattr(row, name))
            parts.append(tap_name(value) if name == "tap" else value)
    return ", ".join(parts)
