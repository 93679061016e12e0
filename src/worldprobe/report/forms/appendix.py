"""``summary.html``: a run on one sheet of paper, for an appendix; self-contained, and printed by any browser."""

from __future__ import annotations

from worldprobe.findings.facts import Summary
from worldprobe.findings.wording import count
from worldprobe.printable import printable
from worldprobe.report.charts.answer import answer_dots
from worldprobe.report.charts.horizons import horizon_panels
from worldprobe.report.forms.html import lead, template
from worldprobe.report.tables.answer import answer_table
from worldprobe.report.tables.measured import how_measured, versions

# What one sheet of A4 holds: lines of the story, rows of the table, letters of a text and of a name.
MOST_LINES, MOST_ROWS, _LONG, _NAME = 7, 12, 220, 48
# Lines that the story and the table have together, what a row takes of them, and letters of a line.
_LINES, _ROW, _LETTERS = 38, 2.8, 105


def summary_page(summary: Summary) -> str:
    """The headline answer, the main table, one chart, how it was measured and with what, as one page of HTML.

    What a sheet cannot hold is counted, and stands in the report.
    """
    summary = _brief(summary)
    story = [_short(line) for line in summary.story[:MOST_LINES]]
    more = len(summary.story) - len(story)
    lines = sum(-(-len(line) // _LETTERS) for line in story)
    most = min(MOST_ROWS, int((_LINES - lines) / _ROW))
    rows = len(summary.answers) - most
    chart = answer_dots(summary.answers[:most])
    panels = horizon_panels(summary.future)[:1] if chart is None and summary.future else []
    page = template("appendix.html.j2").render(
        summary=summary,
        lead=lead(summary),
        story=[*story, *([f"{count(more, 'more line')} in the report."] if more > 0 else [])],
        table=answer_table(summary, most=most, linked=False) if summary.answers else None,
        rest=f"{count(rows, 'more row')} in the report." if rows > 0 else "",
        chart=chart,
        panels=panels,
        measured=[(name, _short(text, _LONG + 60)) for name, text in how_measured(summary)],
        versions=_short(versions(summary)),
    )
    return printable(page)


def _brief(summary: Summary) -> Summary:
    """The same with names and verdicts no longer than a row has room for."""
    short = [
        one.model_copy(
            update={"subject": _short(one.subject, _NAME), "how": _short(one.how, _NAME),
                    "verdict": _short(one.verdict, 2 * _NAME), "against": _short(one.against, _NAME)}
        )
        for one in summary.answers
    ]  # fmt: skip
    return summary.model_copy(update={"answers": tuple(short)})


def _short(text: str, most: int = _LONG) -> str:
    """As much of a text as a few lines hold: names are users', and of any length."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
