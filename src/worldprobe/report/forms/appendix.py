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

# What one sheet of A4 holds beside the chart.
MOST_LINES, MOST_ROWS, _LONG = 7, 12, 260


def summary_page(summary: Summary) -> str:
    """The headline answer, the main table, one chart, how it was measured and with what, as one page of HTML.

    What a sheet cannot hold is counted, and stands in the report.
    """
    story = [_short(line) for line in summary.story[:MOST_LINES]]
    more = len(summary.story) - len(story)
    rows = len(summary.answers) - MOST_ROWS
    chart = answer_dots(summary.answers[:MOST_ROWS])
    panels = horizon_panels(summary.future)[:1] if chart is None and summary.future else []
    page = template("appendix.html.j2").render(
        summary=summary,
        lead=lead(summary),
        story=[*story, *([f"{count(more, 'more line')} in the report."] if more > 0 else [])],
        table=answer_table(summary, most=MOST_ROWS, linked=False) if summary.answers else None,
        rest=f"{count(rows, 'more row')} in the report." if rows > 0 else "",
        chart=chart,
        panels=panels,
        measured=[(name, _short(text, 2 * _LONG)) for name, text in how_measured(summary)],
        versions=_short(versions(summary)),
    )
    return printable(page)


def _short(text: str, most: int = _LONG) -> str:
    """As much of a text as a few lines hold: names are users', and of any length."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
