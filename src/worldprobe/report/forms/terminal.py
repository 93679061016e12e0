"""The closing table on the terminal: each score beside its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worldprobe.controls import CONTROLS, Control
from worldprobe.findings.caveats import few_groups, left_out
from worldprobe.findings.facts import Summary
from worldprobe.findings.rows import Line, Row
from worldprobe.findings.wording import NONE, count, interval, number, signed
from worldprobe.results import Metric

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

NARROW = 116
METRIC: dict[Metric, str] = {
    "r2": "R²",
    "accuracy": "acc",
    "balanced_accuracy": "bal acc",
    "macro_f1": "F1",
    "angular_error": "°",
}
STYLES = {"above": "bold green", "above-run": "green", "not-shown": "yellow", "below": "yellow"}


def table(summary: Summary, *, width: int = 120) -> Table:
    """One line a row where ``width`` (columns) allows; below 116 the controls fold into one column.

    Only the main metric is shown; the report has the others.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    warning = summary.warning
    splits = " and ".join(dict.fromkeys(row.split for row in summary.rows))
    title = Text(f"{summary.encoder.name}: {splits} split, 95 % intervals")
    if warning:
        title = Text.assemble((warning[0].upper() + warning[1:], "bold red"), "\n", title)
    result = Table(
        title=title,
        title_style="",
        caption=Text(_caption(summary)),
        caption_style="dim",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    narrow = width < NARROW
    result.add_column("task", no_wrap=True)
    result.add_column("feat.", overflow="fold")
    if not narrow:
        result.add_column("", no_wrap=True)
    result.add_column("score", no_wrap=True)
    if narrow:
        result.add_column("controls", no_wrap=True)
    else:
        for control in CONTROLS:
            result.add_column(CONTROLS[control].short, justify="right", no_wrap=True)
    result.add_column("leak", justify="right", no_wrap=True)
    result.add_column("verdict", overflow="fold")
    for row in summary.rows:
        result.add_row(*_cells(summary, row, narrow=narrow))
    return result


def caveat_lines(summary: Summary) -> list[str]:
    """What must be known first, a sentence each (how few groups, what was left out), and how much more there is."""
    decoders = [one for one in summary.caveats if summary.decoding and one in summary.decoding.caveats]
    said = [*few_groups(summary.rows), *(one for one in decoders if one.startswith("Only "))]
    said += left_out(summary.labels, summary.failures)
    more = len(set(summary.caveats) - set(said))
    rest = f"{count(more, 'more caveat' if said else 'caveat')}: see the report."
    return [*dict.fromkeys(said), *([rest] if more else [])]


def _cells(summary: Summary, row: Row, *, narrow: bool) -> list[Text]:
    from rich.text import Text

    line = row.main
    value, ends, metric = (number(line.score.value), "bold"), (interval(line.score), "dim"), METRIC[line.metric]
    cells = [Text(row.task), Text(summary.label(row))]
    if narrow:
        cells += [Text.assemble(value, f" {metric}\n", ends), _folded(line)]
    else:
        cells += [Text(metric), Text.assemble(value, " ", ends)]
        cells += [Text(_control(line, c), style="bold" if c == line.best_control else "") for c in CONTROLS]
    verdict = Text(_brief(line.verdict.short), style=STYLES.get(line.verdict.kind, "dim"))
    return [*cells, Text(signed(line.leak)), verdict]


def _control(line: Line, control: Control) -> str:
    score = line.controls.get(control)
    return number(score.value if score else None)


def _folded(line: Line) -> Text:
    """Controls, two a line."""
    from rich.text import Text

    if all(score.value is None for score in line.controls.values()):
        return Text(NONE)
    each = [f"{CONTROLS[c].short:<6} {_control(line, c):>5}" for c in CONTROLS]
    return Text("\n".join("  ".join(each[i : i + 2]) for i in range(0, len(each), 2)))


def _brief(verdict: str) -> str:
    """A verdict in the abbreviations of the table's head."""
    for control in CONTROLS:
        verdict = verdict.replace(control, CONTROLS[control].short)
    return verdict.replace("not shown above", "not shown >")


def _caption(summary: Summary) -> str:
    groups = sorted({row.n_groups for row in summary.rows if row.n_groups} or {0})
    span = count(groups[0], "group") if len(groups) == 1 else f"{groups[0]} to {groups[-1]} groups"
    leaks = "leak: what the random split adds. " if any(r.main.leak is not None for r in summary.rows) else ""
    parts = [
        f"{span}. {leaks}Above: the interval lies over that of every control. "
        "Below: under that of those named. Not shown >: it overlaps with theirs."
    ]
    return " ".join(parts)
