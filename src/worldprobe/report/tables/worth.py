"""What scores are worth: skill, selectivity, code lengths, and whether more data would help."""

from __future__ import annotations

from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.evidence import CurveFact, Worth
from worldprobe.findings.wording import METRICS, NONE, number, property_name, signed, with_interval
from worldprobe.findings.wording import interval as interval_of
from worldprobe.report.charts.learning import learning_panels
from worldprobe.report.table import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Paragraph,
    Section,
    Table,
    named_cell,
    score_cell,
)

_NOTE = (
    "Skill: (score - best control) / (1 - best control), on the same resampled groups. Selectivity: score less "
    "that on labels shuffled between groups (Hewitt and Liang 2019). Bits saved: of each label's online code, "
    "against coding without the features (Voita and Titov 2020), and how many times shorter the code is. "
    "Plateau: the moments at which the fitted law comes within 0.01 of its ceiling. More data would help: “yes” "
    "if twice the groups gain more than 0.01 in 97.5 % of resamples, “no” if in as many they do not."
)


def worth(summary: Summary) -> Section | None:
    """A line a reading whose evidence was worked out."""
    evidence = summary.evidence
    if evidence is None or not evidence.rows:
        return None
    columns: list[Column[Worth]] = [
        Column("Task", _task),
        Column("Features", lambda row: row.label),
        Column("Skill", _skill),
        Column("Selectivity", lambda row: NONE if row.selectivity is None else score_cell(row.selectivity)),
        Column("Bits saved a row", _bits),
        Column("Plateau", lambda row: _plateau(row.curve)),
        Column("More data would help", lambda row: _more(row.curve)),
    ]
    blocks: list[Block] = [
        Table("Worth", columns, evidence.rows, look="num" + " tall" * (len(evidence.rows) > 30)),
        Paragraph(_NOTE, "soft"),
    ]
    if any(row.curve for row in evidence.rows):
        caption = "Bars: 95 % intervals. Lines: a ceiling less a power of n, fitted; dotted up to twice the data."
        blocks += [
            Heading("Score by the data that the probe saw"),
            Figure("learning", caption, learning_panels(summary)),
        ]
    title = "What the scores are worth"
    return Section("worth", title, blocks, short="Worth", chapter="probes", heading=title)


def _task(row: Worth) -> Cell:
    return named_cell(property_name(row.task), METRICS[row.metric], kind="name")


def _skill(row: Worth) -> str:
    if row.skill is None:
        return NONE
    over = f" over {row.best_control}" if row.skill.value is not None and row.best_control else ""
    return with_interval(row.skill) + over


def _bits(row: Worth) -> str:
    if row.saved_bits_per_row is None:
        return NONE
    return f"{number(row.saved_bits_per_row)} ({number(row.compression_of_constant)}×)"


def _plateau(curve: CurveFact | None) -> str:
    """``n = 1,200 (ceiling 0.91)``; beyond ten times the data it is said to be beyond."""
    if curve is None or curve.ceiling is None or curve.plateau_rows is None:
        return NONE
    far = curve.plateau_rows > 10 * curve.points[-1].rows
    return f"n {'far beyond the data' if far else f'≈ {curve.plateau_rows:,.0f}'} (ceiling {number(curve.ceiling)})"


def _more(curve: CurveFact | None) -> str:
    if curve is None:
        return NONE
    gain = f" ({signed(curve.gain.value)} {interval_of(curve.gain)})" if curve.gain.value is not None else ""
    return f"{curve.more_data_would_help}{gain}".replace(" )", ")")
