"""The lines that the report opens with, and what the encoder is good for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from worldprobe.findings import wording
from worldprobe.findings.answer import Answer
from worldprobe.findings.facts import Summary
from worldprobe.findings.meanings import BASELINE, CONTROL, LEGEND, TUBELET
from worldprobe.findings.rows import Row
from worldprobe.findings.score import VerdictKind
from worldprobe.findings.use_cases import UseCase
from worldprobe.findings.verdicts import QUOTED, no_better
from worldprobe.findings.wording import METRICS, NONE, property_name, with_interval
from worldprobe.report.charts.answer import answer_strip
from worldprobe.report.charts.scores import anchors
from worldprobe.report.table import (
    BREAK,
    Block,
    Bullets,
    Cell,
    Column,
    Heading,
    Paragraph,
    Part,
    Section,
    Table,
    Template,
    Terms,
    cell,
    in_groups,
    named_cell,
    score_cell,
    score_parts,
    score_values,
    sorted_cell,
)

GLYPHS = {"above": "●", "above-run": "●", "not-shown": "◐", "below": "▽", "no-evidence": "○", "too-few": "?"}
_CONCLUSIONS: dict[VerdictKind, str] = {
    "above": "Decodable, and above every control",
    "above-run": "Above the controls that were run",
    "not-shown": "Decodable, but not shown to be above some control",
    "below": "Decodable, but below some control",
    "no-evidence": "No evidence",
    "too-few": "Too few groups to tell",
    "not-judged": "Not judged",
    "not-measured": "Not measured",
}


def answer(summary: Summary) -> Section:
    """A line a property, then the prediction, then the decoder."""
    blocks: list[Block] = []
    if summary.story:
        blocks.append(Bullets(summary.story, look="story"))
    blocks.append(Template("contents"))
    if not summary.answers:
        return Section("answer", "The answer", blocks, short="Answer", chapter="answer", warned=False)
    blocks.append(answer_table(summary))
    sure = "In brackets: 95 % intervals."
    blocks += [
        Heading("What the verdicts rule out"),
        Terms(_legend(summary.answers), ("Verdict", "What it rules out")),
        Template("answer", {"caveats": len(summary.caveats), "quoted_rule": QUOTED if summary.rows else ""}),
        Paragraph(f"{sure} {QUOTED}" if summary.rows else sure, forms=("markdown",)),
    ]
    return Section("answer", "The answer", blocks, short="Answer", chapter="answer", warned=False)


def answer_table(summary: Summary, *, most: int | None = None, linked: bool = True) -> Table[Answer]:
    """A row an answer, or the first ``most`` of them; ``linked`` to where the page answers each in full."""
    places = anchors(list(summary.tasks)) if linked else None
    columns: list[Column[Answer]] = [
        Column("What", partial(_what, places=places), row_head=True),
        Column("How well", lambda one: score_cell(one.score, one.digits, strong=True), right=True),
        Column("Against what", _against, right=True),
        Column("How sure", lambda one: Cell((), kind="strip", strip=answer_strip(one)), forms=("html",)),
        Column("Verdict", _verdict),
        Column("n", lambda one: in_groups(one.n, one.groups, one.unit), right=True),
    ]
    found = summary.answers[:most]
    return Table("The answer", columns, found, look="answers num", tone=lambda one: one.kind)


def _legend(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """The verdicts of these lines, with their marks, and what controls, baselines and tubelets are."""
    kinds = {kind for one in answers for kind in (one.kind, one.mark)}
    said = [(f"{GLYPHS.get(kind, NONE)} {name}", what) for kind, (name, what) in LEGEND.items() if kind in kinds]
    about = {one.about for one in answers}
    said += [("control", CONTROL)] if "property" in about else []
    return [*said, ("baseline", BASELINE), ("tubelet", TUBELET)] if "prediction" in about else said


def _what(one: Answer, places: dict[str, str] | None) -> Cell:
    """What was answered, leading to where it is answered in full."""
    ways = f", of {one.ways} ways" if one.ways > 1 else ""
    how = "; ".join(filter(None, (one.metric, one.how)))
    found = named_cell(one.subject, f"{how}{ways}")
    if places is None:
        return found
    others = {"energy": "energy", "decoder": "decoding"}
    return replace(found, link=places[one.task] if one.about == "property" else others.get(one.about, "future"))


def _against(one: Answer) -> Cell:
    parts: list[Part] = [
        (one.against or NONE, ""),
        *([(" ", ""), *score_parts(one.floor, one.digits)] if one.against else []),
    ]
    for control, score in one.positive.items():
        parts += [BREAK, (f"{control} {with_interval(score, one.digits)}", "soft")]
    values = (("", one.against), *score_values(one.floor, " score"))
    for control, score in one.positive.items():
        values += score_values(score, f" {control}")
    return replace(sorted_cell(one.floor.value, *parts), values=values)


def _verdict(one: Answer) -> Cell:
    return cell(
        (GLYPHS.get(one.mark, NONE), "glyph"), (" ", "glyph"), one.verdict, kind="verdict", title=one.meaning
    )


def uses(summary: Summary) -> Section | None:
    """What the encoder is good for, by stated rules."""
    if not summary.use_cases:
        return None
    columns: list[Column[UseCase]] = [
        Column("Use", lambda use: cell((use.name, "strong"))),
        Column("Assessment", lambda use: cell(wording.GRADES[use.grade], kind="grade")),
        Column("Why", lambda use: use.because),
    ]
    blocks: list[Block] = [
        Table("Uses", columns, summary.use_cases, look="uses"),
        Template("uses_rule", {"rule": summary.use_case_rule}),
        Paragraph(summary.use_case_rule, "rule", forms=("markdown",)),
    ]
    return Section(
        "uses", "What it is good for", blocks, short="Uses", chapter="conclusions", heading="Implications",
        question="What is it good for?",
    )  # fmt: skip


def conclusions(summary: Summary) -> Section | None:
    """Every row by its kind of verdict; the page has them in its table of scores."""
    blocks: list[Block] = []
    for kind, title in _CONCLUSIONS.items():
        if rows := [row for row in summary.rows if row.main.verdict.kind == kind]:
            blocks += [Heading(title), Bullets([_conclusion(summary, row) for row in rows])]
    return Section("conclusions", "", blocks, chapter="conclusions", forms=("markdown",)) if blocks else None


def _conclusion(summary: Summary, row: Row) -> str:
    return (
        f"{property_name(row.task)} from {summary.label(row)}: {METRICS[row.main.metric]} "
        f"{', '.join(filter(None, (with_interval(row.main.score), no_better(row.main), row.main.verdict.text)))}"
    )


def next_steps(summary: Summary) -> Section | None:
    """What the run leaves open; the page has it among its caveats."""
    if not summary.next_steps:
        return None
    return Section(
        "next", "", [Bullets(summary.next_steps, boxes=True)], chapter="next", forms=("markdown",), warned=False
    )


def caveats(summary: Summary) -> Section:
    """What must be known before a figure is quoted."""
    blocks: list[Block] = [
        Paragraph("Found by the report's own checks in what happened in this run.", "soft", forms=("html",)),
        Bullets(summary.caveats) if summary.caveats else Paragraph("None found by the checks of this report."),
    ]
    if summary.next_steps:
        blocks += [
            Heading("What this run leaves open", forms=("html",)),
            Bullets(summary.next_steps, boxes=True, forms=("html",)),
        ]
    return Section("caveats", "Caveats", blocks, short="Caveats", chapter="caveats", warned=False)
