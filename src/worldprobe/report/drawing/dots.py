"""Charts of scores with their intervals, a line each, in values: drawn as SVG in the page, and as PNG."""

from __future__ import annotations

from dataclasses import dataclass

from worldprobe.intervals import Score
from worldprobe.report.drawing.axes import Axis


@dataclass(frozen=True, slots=True)
class Entry:
    """A score on a line of its own.

    Attributes:
        style: what it is: ``probe``, ``control``, ``leaky``; of a difference ``higher``, ``lower`` or another.
        value: what stands at the end of the line. change: after it, in figures, which have no table beneath.
        tooltip: what the mark says to whoever points at it.
        floor: what the score is to lie above, on the same line; in figures its label stands over it.
    """

    label: str
    style: str
    score: Score
    value: str
    tooltip: str
    floor: Entry | None = None
    change: str = ""

    @property
    def missing(self) -> str:
        """Why there is no score; empty where there is one."""
        return "" if self.score.value is not None else self.score.note or "not measured"


@dataclass(frozen=True, slots=True)
class Group:
    """Entries beneath a heading; ``chance`` is what a constant scores, or where no difference lies."""

    heading: str
    entries: tuple[Entry, ...]
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class Dots:
    """One chart; ``signed``: of differences, printed with their sign; ``anchor``: its address in a page."""

    title: str
    metric: str
    axis: Axis
    groups: tuple[Group, ...]
    signed: bool = False
    anchor: str = ""

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(entry for group in self.groups for entry in group.entries)
