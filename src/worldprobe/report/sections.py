"""The sections of the report, in the order of its page."""

from __future__ import annotations

from collections.abc import Callable

from worldprobe.findings.facts import Summary
from worldprobe.report.table import Section
from worldprobe.report.tables import (
    answer,
    consistency,
    decoding,
    deltas,
    energy,
    inputs,
    original,
    prediction,
    readouts,
    scores,
    setup,
    shift,
    unlabelled,
    worth,
)

SECTIONS: tuple[Callable[[Summary], Section | None], ...] = (
    answer.answer,
    answer.uses,
    setup.moments,
    original.original,
    scores.scores,
    scores.drawn,
    scores.leak,
    scores.where,
    deltas.deltas,
    inputs.inputs,
    original.scaling,
    worth.worth,
    shift.shift,
    unlabelled.unlabelled,
    prediction.prediction,
    readouts.readouts,
    consistency.consistency,
    energy.energy,
    decoding.decoding,
    answer.conclusions,
    answer.next_steps,
    setup.labels,
    setup.failed,
    setup.costs,
    setup.how_made,
    answer.caveats,
    setup.reading,
)


def sections(summary: Summary) -> list[Section]:
    """Those that a run has."""
    return [found for section in SECTIONS if (found := section(summary)) is not None]
