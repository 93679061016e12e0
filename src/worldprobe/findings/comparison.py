"""What a comparison of runs states, typed: the terminal, HTML, Markdown and JSON all say this and nothing else."""

from __future__ import annotations

from typing import Literal

from worldprobe.findings.score import Fact
from worldprobe.findings.wording import SPEAKS, count, interval, signed
from worldprobe.intervals import Score
from worldprobe.results import Metric

Standing = Literal["base", "higher", "lower", "not shown to differ", "not measured"]
RULE = (
    "Every difference is taken to the first run, on the same moments and the same whole groups, resampled alike "
    "(paired cluster bootstrap: Field and Welsh 2007; Efron and Tibshirani 1993, ch. 13). Higher or lower is said "
    "only where the difference exceeds what the largest difference of all readings of the property reaches by "
    "chance: of several readings, an interval that leaves 0 out is not enough. Two intervals of scores may overlap "
    f"and their difference still be shown: what both runs find hard cancels out. {SPEAKS}"
)


class ComparedRun(Fact):
    """A run in a comparison. ``status`` is "trained", "untrained" or "floor"."""

    name: str
    encoder: str
    revision: str
    status: str


class ComparedScore(Fact):
    """One run's score of one reading, and what it has over the first run's; ``tap`` is where it was read."""

    tap: str
    score: Score
    difference: Score
    standing: Standing


class Reading(Fact):
    """One property by one probe on one kind of features: a cell for each run, on ``n`` moments that all have."""

    task: str
    features: str
    input: str
    probe: str
    metric: Metric
    n: int
    n_groups: int
    cells: tuple[ComparedScore, ...]


class Differing(Fact):
    """What the runs' own records do not say alike of how they were made: a value for each run."""

    name: str
    values: tuple[str, ...]


class Comparison(Fact):
    """Runs side by side. ``warnings`` is what has to be said first; ``notes`` what was left out."""

    runs: tuple[ComparedRun, ...]
    split: str
    readings: tuple[Reading, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    differing: tuple[Differing, ...]
    rule: str = RULE

    def label(self, reading: Reading) -> str:
        """A reading's features, with its input and probe where these tell it from others."""
        parts = [reading.features]
        for name in ("input", "probe"):
            alike = [one for one in self.readings if one.task == reading.task]
            if len({getattr(one, name) for one in alike}) > 1:
                parts.append(getattr(reading, name))
        return ", ".join(parts)

    @property
    def groups(self) -> str:
        """How many groups the readings are of."""
        counts = sorted({one.n_groups for one in self.readings})
        return count(counts[0], "group") if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,} groups"

    @property
    def by_chance(self) -> str:
        """How many differences are shown, and how many properties would show any by chance."""
        cells = [(one.task, at, cell) for one in self.readings for at, cell in enumerate(one.cells[1:])]
        tried = [(task, at) for task, at, cell in cells if cell.difference.value is not None]
        shown_apart = sum(cell.standing in ("higher", "lower") for _, _, cell in cells)
        properties = len(set(tried))
        return (
            f"{shown_apart} of {len(tried)} differences are shown; by chance alone about {properties / 20:.1f} of "
            f"{properties} properties (each run's apart) would show any."
            if tried
            else "No difference could be measured."
        )


def difference(cell: ComparedScore) -> str:
    """``+0.12 [0.04, 0.20] higher``."""
    if cell.difference.value is None:
        return cell.difference.note or cell.score.note or "not measured"
    return f"{signed(cell.difference.value)} {interval(cell.difference)} {cell.standing}"
