"""The sections of the report, in the order of its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from worldprobe.findings.facts import Summary
from worldprobe.report.table import Section, Table
from worldprobe.report.tables import (
    answer,
    consistency,
    decoding,
    deltas,
    energy,
    futures,
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
    futures.futures,
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


def tables_of(summary: Summary) -> dict[str, tuple[Section, Table[Any]]]:
    """The tables of ``report.md`` by name (``scores-and-controls``, ``worth-2``), each with its section."""
    found: dict[str, tuple[Section, Table[Any]]] = {}
    for section in sections(summary):
        name = "-".join((section.short or section.anchor).lower().split())
        mine = [b for b in section.blocks if isinstance(b, Table) and "markdown" in b.forms and b.rows]
        found |= {f"{name}-{at}" if at > 1 else name: (section, one) for at, one in enumerate(mine, 1)}
    return found


def sections(summary: Summary) -> list[Section]:
    """Those that a run has."""
    return [found for section in SECTIONS if (found := section(summary)) is not None]
