"""Motion in the deltas, and what scores are worth, in print: tables for the terminal, sections of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worldprobe.controls import CONTROLS
from worldprobe.findings.deltas import PLACES, DeltaCell, Deltas
from worldprobe.findings.evidence import Curve, Evidence, Tap, Worth
from worldprobe.findings.wording import (
    METRICS,
    NONE,
    count,
    interval,
    number,
    property_name,
    signed,
    with_interval,
)
from worldprobe.report.forms.marks import escaped
from worldprobe.report.forms.marks import table as markdown

if TYPE_CHECKING:
    from rich.table import Table

WORTH_HEADS = ("Task", "Features", "Skill", "Selectivity", "Bits saved a row", "Plateau", "More data would help")
WORTH_NOTE = (
    "Skill: (score - best control) / (1 - best control), on the same resampled groups. Selectivity: score less "
    "that on labels shuffled between groups (Hewitt and Liang 2019). Bits saved: of each label's online code, "
    "against coding without the features (Voita and Titov 2020), and how many times shorter the code is. "
    "Plateau: the moments at which the fitted law comes within 0.01 of its ceiling. More data would help: “yes” "
    "if twice the groups gain more than 0.01 in 97.5 % of resamples, “no” if in as many they do not."
)
TAPS_NOTE = (
    "The tap and the features are chosen anew in each fold, on validation groups, and scored on groups that had "
    "no say in it; so are those of each control. The best of all taps, picked by its score, stands too high by "
    "chance."
)


def delta_table(deltas: Deltas) -> Table:
    """For the terminal: a line a reading, each score over its best control."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text("Does motion live in the deltas? Under each score: its best control"), title_style="",
        caption=Text(deltas.conclusion), caption_style="", caption_justify="left", box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0), pad_edge=False, show_edge=False,
    )  # fmt: skip
    for name in ("task", "input", "probe", *deltas.features, "delta − z"):
        table.add_column(name, no_wrap=True)
    table.add_column("where it is", overflow="fold")
    for row in deltas.rows:
        cells = {cell.features: cell for cell in row.cells}
        table.add_row(
            row.task, row.input, row.probe,
            *(_stacked(cells.get(kind)) for kind in deltas.features), gained(row.gain), PLACES[row.place],
        )  # fmt: skip
    return table


def _stacked(cell: DeltaCell | None) -> str:
    if cell is None:
        return NONE
    name = CONTROLS[cell.best_control].short if cell.best_control else ""
    return f"{with_interval(cell.score)}\n{name} {number(cell.floor.value)}".strip()


def gained(gain: object) -> str:
    """A difference with its sign and its interval."""
    from worldprobe.findings.score import Score

    assert isinstance(gain, Score)
    return f"{signed(gain.value)} {interval(gain)}".strip()


def delta_parts(deltas: Deltas) -> list[str]:
    """The section of Markdown."""
    heads = ["Property", "Input", "Probe", *deltas.features, "delta − z", "Where it is", "n"]
    rows = []
    for row in deltas.rows:
        cells = {cell.features: cell for cell in row.cells}
        rows.append(
            [
                f"**{escaped(property_name(row.task))} ({METRICS[row.metric]})**", row.input, escaped(row.probe),
                *(_beside(cells.get(kind)) for kind in deltas.features), gained(row.gain), PLACES[row.place],
                f"{row.n_test:,} in {count(row.n_groups, 'group')}",
            ]
        )  # fmt: skip
    return [
        "## Does motion live in the deltas?",
        escaped(deltas.conclusion),
        markdown(heads, rows),
        "In brackets: 95 % intervals; after the score, the best control. `delta` is the embedding less the one "
        "before it: the tubelet before in the same clip, or the still before in the same shot.",
        f"*{escaped(deltas.rule)}*",
    ]


def _beside(cell: DeltaCell | None) -> str:
    if cell is None:
        return NONE
    floor = f"; {cell.best_control} {with_interval(cell.floor)}" if cell.best_control else ""
    return f"**{number(cell.score.value)}** {interval(cell.score)}{floor}".replace("** ;", "**;")


def worth_cells(row: Worth) -> list[str]:
    """Skill, selectivity, bits, plateau and whether more data would help, as text."""
    skill = NONE if row.skill is None else with_interval(row.skill)
    if row.skill and row.skill.value is not None and row.best_control:
        skill += f" over {row.best_control}"
    bits = NONE
    if row.saved_bits_per_row is not None:
        bits = f"{number(row.saved_bits_per_row)} ({number(row.compression_of_constant)}×)"
    return [
        skill,
        NONE if row.selectivity is None else with_interval(row.selectivity),
        bits,
        plateau(row.curve),
        f"{row.curve.more_data_would_help}{_gain(row.curve)}" if row.curve else NONE,
    ]


def plateau(curve: Curve | None) -> str:
    """``n = 1,200 (ceiling 0.91)``; beyond ten times the data it is said to be beyond."""
    if curve is None or curve.ceiling is None or curve.plateau_rows is None:
        return NONE
    far = curve.plateau_rows > 10 * curve.points[-1].rows
    return f"n {'far beyond the data' if far else f'≈ {curve.plateau_rows:,.0f}'} (ceiling {number(curve.ceiling)})"


def _gain(curve: Curve) -> str:
    return f" ({gained(curve.gain)})" if curve.gain.value is not None else ""


def evidence_parts(evidence: Evidence) -> list[str]:
    """The section of Markdown on what scores are worth."""
    parts = []
    if evidence.rows:
        rows = [
            [
                f"**{escaped(property_name(row.task))} ({METRICS[row.metric]})**",
                escaped(row.label),
                *worth_cells(row),
            ]
            for row in evidence.rows
        ]
        parts += ["## What the scores are worth", markdown(WORTH_HEADS, rows), f"*{escaped(WORTH_NOTE)}*"]
    if any(row.curve for row in evidence.rows):
        parts.append("![Score by the data that the probe saw](figures/learning.png)")
    return parts


def tap_sentence(tap: Tap) -> str:
    """One property's chosen tap, in a sentence."""
    folds = ", ".join(f"{name} in {times}" for name, times in tap.taps)
    return (
        f"{property_name(tap.task)} ({METRICS[tap.metric]}): {with_interval(tap.score)}, {tap.verdict}; of "
        f"{tap.tried} taps and features the folds chose {folds}. Best afterwards: {tap.best}, "
        f"{number(tap.best_score)}."
    )


def tap_parts(evidence: Evidence | None) -> list[str]:
    """The chosen taps in Markdown."""
    if not evidence or not evidence.taps:
        return []
    return ["\n".join(f"- {escaped(tap_sentence(tap))}" for tap in evidence.taps), f"*{escaped(TAPS_NOTE)}*"]
