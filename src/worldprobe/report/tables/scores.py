"""Each score beside its controls, the leak of a random split, and where in the network each property is."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import isinf

from worldprobe.controls import CONTROLS, NEGATIVE, POSITIVE, Control
from worldprobe.findings.facts import Summary
from worldprobe.findings.meanings import explain
from worldprobe.findings.rows import ControlledScore, Row
from worldprobe.findings.sections.evidence import TapEvidence
from worldprobe.findings.verdicts import leak_sentence, no_better
from worldprobe.findings.wording import (
    METRICS,
    NONE,
    SPEAKS,
    count,
    interval,
    number,
    property_name,
    signed,
    with_interval,
)
from worldprobe.intervals import Score
from worldprobe.printable import one_line
from worldprobe.report.charts.blocks import by_block, heat_map, layer_panels
from worldprobe.report.charts.scores import beside_controls, leaks
from worldprobe.report.table import (
    BREAK,
    Block,
    Bullets,
    Cell,
    Column,
    Figure,
    Paragraph,
    Part,
    Section,
    Table,
    Template,
    cell,
    in_groups,
    named_cell,
    score_cell,
    score_parts,
    score_values,
    sorted_cell,
)
from worldprobe.results import Metric

Scored = tuple[Row, ControlledScore]
_METRIC: dict[Metric, str] = {
    "r2": "R²", "accuracy": "acc", "balanced_accuracy": "bal acc", "macro_f1": "F1", "angular_error": "°",
}  # fmt: skip
_TAPS_NOTE = (
    "The tap and the features are chosen anew in each fold, on validation groups, and scored on groups that had "
    "no say in it; so are those of each control. The best of all taps, picked by its score, stands too high by "
    "chance."
)


def scores_table(summary: Summary) -> Table[Scored]:
    """A line a metric; on the terminal the main one alone, controls folded into one column where it is narrow."""
    many = len(summary.rows) > 30
    splits = " and ".join(dict.fromkeys(row.split for row in summary.rows))
    return Table(
        title=f"{summary.encoder.name}: {splits} split, 95 % intervals",
        columns=_columns(summary),
        rows=_rows(summary),
        brief_rows=[(row, row.main) for row in summary.rows],
        caption=_caption(summary),
        look="scores num" + " tall" * many,
        tone=lambda scored: f"{scored[1].verdict.kind}{'' if scored[1] is scored[0].main else ' other'}",
        forms=("html", "markdown") if summary.original else ("html", "markdown", "terminal"),
    )


def _rows(summary: Summary) -> list[Scored]:
    """Without further metrics of a row that has no score: the main one's line gives the reason already."""
    return [
        (row, line)
        for row in summary.rows
        for line in row.lines
        if line is row.main or line.score.value is not None or row.main.score.value is not None
    ]


def _columns(summary: Summary) -> list[Column[Scored]]:
    controls: list[Column[Scored]] = [
        Column(
            control, partial(_control, control=control), right=True, short=CONTROLS[control].short,
            brief=partial(_control_number, control=control), when="wide",
        )
        for control in (*NEGATIVE, *(c for c in POSITIVE if any(c in row.main.positive for row in summary.rows)))
    ]  # fmt: skip
    return [
        Column("Property", lambda s: _property(summary, s), forms=("html",)),
        Column(
            "Task", _task,
            forms=("markdown", "terminal"), short="task", brief=lambda s: one_line(s[0].task),
        ),
        Column(
            "Features", lambda s: summary.label(s[0]), forms=("markdown", "terminal"), short="feat.", fold=True
        ),
        Column("", lambda s: _METRIC[s[1].metric], forms=("terminal",), short="", when="wide"),
        Column("Probe", _score, right=True, forms=("html",)),
        Column(summary.encoder.name, _score, right=True, forms=("markdown",)),
        Column("", _score, right=True, short="score", when="wide", forms=("terminal",)),
        Column("", _narrow, forms=("terminal",), short="score", when="narrow"),
        *controls,
        Column("", _folded, forms=("terminal",), short="controls", when="narrow", spare=True),
        Column("Verdict", _verdict, forms=("html",)),
        Column("Margin", lambda s: sorted_cell(s[1].margin, signed(s[1].margin)), right=True),
        Column("Leak", _leak, right=True, short="leak", brief=lambda s: signed(s[1].leak), spare=True),
        Column("n", lambda s: in_groups(s[0].n_test, s[0].n_groups), right=True),
        Column("Penalty", lambda s: _chosen(s[0]), right=True, forms=("html",)),
        Column(
            "Verdict", lambda s: _concluded(s[1], s[1].verdict.text), forms=("markdown", "terminal"),
            short="verdict", fold=True, brief=lambda s: cell(_brief(s[1].verdict.short), tone=s[1].verdict.kind),
        ),
    ]  # fmt: skip


def _task(scored: Scored) -> Cell:
    row, line = scored
    found = cell((f"{property_name(row.task)} ({METRICS[line.metric]})", "strong"))
    return replace(found, values=(("", row.task), (" metric", line.metric)))


def _score(scored: Scored) -> Cell:
    return score_cell(scored[1].score, strong=True, kind="probe")


def _verdict(scored: Scored) -> Cell:
    row, line = scored
    title = explain(line, row.n_groups)
    return cell(_concluded(line, line.verdict.short), kind="verdict", title=title)


def _concluded(line: ControlledScore, verdict: str) -> str:
    return "; ".join(filter(None, (verdict, no_better(line))))


def _property(summary: Summary, scored: Scored) -> Cell:
    row, line = scored
    return named_cell(property_name(row.task), f"{summary.label(row)}, {METRICS[line.metric]}", kind="name")


def _beside(line: ControlledScore, control: Control) -> Score | None:
    positive = line.positive.get(control)
    return positive.score if positive else line.controls.get(control)


def _control(scored: Scored, control: Control) -> Cell:
    line = scored[1]
    score = _beside(line, control)
    if score is None:
        return sorted_cell(None, NONE if CONTROLS[control].positive else "not run")
    positive = line.positive.get(control)
    if positive is None or positive.difference.value is None:
        return score_cell(score, kind="best" if control == line.best_control else "")
    # As narrow as an interval: the page has a column for each control.
    more = positive.difference
    less: list[Part] = [
        ("probe less it", "soft"), BREAK, (signed(more.value), "soft"), (" ", "joint"), (interval(more), "soft")
    ]  # fmt: skip
    values = (*score_values(score), *score_values(more, " probe less it"))
    return replace(sorted_cell(score.value, *score_parts(score), BREAK, *less), values=values)


def _control_number(scored: Scored, control: Control) -> Cell:
    line = scored[1]
    score = _beside(line, control)
    return cell((number(score.value if score else None), "strong" if control == line.best_control else ""))


def _narrow(scored: Scored) -> Cell:
    """The score, its metric, and its interval beneath."""
    score, metric = scored[1].score, _METRIC[scored[1].metric]
    return cell((number(score.value), "strong"), f" {metric}", BREAK, (interval(score), "soft"))


def _folded(scored: Scored) -> str:
    """Six controls in three lines of two, and positive ones beneath."""
    line = scored[1]
    if not any(score.value is not None for score in line.controls.values()):
        return NONE
    each = [
        f"{CONTROLS[c].short:<6} {number(s.value if (s := _beside(line, c)) else None):>5}"
        for c in (*NEGATIVE, *line.positive)
    ]
    return "\n".join("  ".join(each[i : i + 2]) for i in range(0, len(each), 2))


def _leak(scored: Scored) -> Cell:
    line = scored[1]
    random = line.random if line.random and line.random.value is not None else None
    ends: list[Part] = [BREAK, (interval(random), "soft")] if random and random.interval else []
    soft: list[Part] = [(" ", "joint"), (number(random.value), "soft"), *ends] if random else []
    values = (("", line.leak), *(score_values(random, " random split") if random else ()))
    return replace(sorted_cell(line.leak, signed(line.leak), *soft), values=values)


def _chosen(row: Row) -> str:
    return ", ".join("a constant" if isinf(value) else f"{value:g}" for value in dict.fromkeys(row.chosen)) or NONE


def _brief(verdict: str) -> str:
    """A verdict in the abbreviations of the table's head."""
    for control in CONTROLS:
        verdict = verdict.replace(control, CONTROLS[control].short)
    return verdict.replace("not shown above", "not shown >")


def _caption(summary: Summary) -> str:
    groups = sorted({row.n_groups for row in summary.rows if row.n_groups} or {0})
    span = count(groups[0], "group") if len(groups) == 1 else f"{groups[0]} to {groups[-1]} groups"
    leaks = "leak: what the random split adds. " if any(r.main.leak is not None for r in summary.rows) else ""
    return f"{span}. {leaks}Above, below: by the difference to a control, beyond chance. Not shown >: neither."


def scores(summary: Summary) -> Section | None:
    """Each score beside its controls."""
    if not summary.rows:
        return None
    controls = [f"{c}: {one.what}. Rules out {one.rules_out}." for c, one in CONTROLS.items()]
    blocks: list[Block] = [
        Paragraph(
            "What a linear read-out finds is used without fine-tuning, and a read-out of so little power cannot "
            "work the answer out for itself.", lead="Why linear probes?", forms=("markdown",),
        ),
        Paragraph("the same probe on what should not work.", lead="Controls:", forms=("markdown",)),
        Bullets(controls, forms=("markdown",)),
        *(
            []
            if summary.original
            else [Figure("probe_summary", "Each score beside its controls", forms=("markdown",))]
        ),
        scores_table(summary),
        *([Paragraph(f"{summary.warning_sentence}.", lead="⚠️", forms=("markdown",))] if summary.warning else []),
        Paragraph(
            "Margin: the score less that of the best control (in bold). Leak: what the random split adds, beneath "
            "it that split's score. Of errors both are turned round, so that more is better. Penalty: those "
            "that the inner folds chose. A column's name sorts the table.", "soft", forms=("html",),
        ),
        Paragraph("Leak: what the random split adds; after it that split's score.", forms=("markdown",)),
        Paragraph(f"{summary.rule} {SPEAKS}", "rule", lead="How verdicts are reached."),
    ]  # fmt: skip
    return Section(
        "table", "Each score beside its controls", blocks, short="Scores and controls", chapter="probes",
        question="Is each property read better than from every control?",
    )  # fmt: skip


def drawn(summary: Summary) -> Section | None:
    """The same as a chart."""
    if not summary.rows:
        return None
    blocks: list[Block] = [Template("dots", {"charts": beside_controls(summary), "legend": "scores"})]
    return Section("chart", "The same, drawn", blocks, forms=("html",))


def leak(summary: Summary) -> Section | None:
    """What a random split would have added."""
    if not summary.rows:
        return None
    charts = leaks(summary)
    twice = (
        "The same probe is scored twice: once as it should be, and once with samples dealt out at random, so that "
        "neighbours of a test frame are trained on."
    )
    pairs = [
        (row, line)
        for row in summary.rows
        for line in row.lines
        if line.random is not None and line.leak is not None
    ]
    columns: list[Column[Scored]] = [
        Column("Task", lambda s: f"{property_name(s[0].task)} ({METRICS[s[1].metric]})"),
        Column("Features", lambda s: summary.label(s[0])),
        Column("Sound split", lambda s: score_cell(s[1].score)),
        Column("Random split", lambda s: score_cell(s[1].random)),
        Column("Leak", lambda s: sorted_cell(s[1].leak, signed(s[1].leak))),
    ]
    blocks: list[Block] = [
        Paragraph(f"{leak_sentence(summary.rows)} {twice}"),
        *([Template("dots", {"charts": charts, "legend": "leak"})] if charts else []),
        *([Table("Leak", columns, pairs, forms=("markdown",))] if pairs else []),
    ]
    return Section(
        "leak", "The leak", blocks, short="Leak", chapter="probes", heading="The leak",
        question="By how much would a split that leaks have flattered?",
    )  # fmt: skip


def where(summary: Summary) -> Section | None:
    """In which block each property is decodable, and which tap to quote."""
    heat, taps = heat_map(summary), summary.evidence.taps if summary.evidence else ()
    if not heat and not taps:
        return None
    blocks: list[Block] = [Template("heat", {"heat": heat})] if heat else []
    if by_block(summary):
        caption = (
            "Bars and bands: 95 % intervals. Dashed: what a constant scores. Point at a mark, or step from one to "
            "the next with the arrow keys."
        )
        blocks.append(Figure("layers", caption, layer_panels(summary)))
    if taps:
        blocks += [
            Bullets([tap_sentence(tap) for tap in taps]),
            Paragraph(_TAPS_NOTE, "rule", lead="Which tap to quote."),
        ]
    return Section(
        "where", "Where: properties by block", blocks, short="By block", chapter="probes", heading="Where",
        question="In which block is each property?",
    )  # fmt: skip


def tap_sentence(tap: TapEvidence) -> str:
    """One property's chosen tap, in a sentence."""
    folds = ", ".join(f"{name} in {times}" for name, times in tap.taps)
    return (
        f"{property_name(tap.task)} ({METRICS[tap.metric]}): {with_interval(tap.score)}, {tap.verdict}; of "
        f"{tap.tried} taps and features the folds chose {folds}. Best afterwards: {tap.best}, "
        f"{number(tap.best_score)}."
    )
