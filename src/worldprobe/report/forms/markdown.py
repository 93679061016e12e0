"""``report.md``: the same facts in Markdown, in the order of the original findings."""

from __future__ import annotations

from pathlib import Path

from worldprobe.controls import CONTROLS
from worldprobe.findings import wording
from worldprobe.findings.answer import headline
from worldprobe.findings.facts import Summary
from worldprobe.findings.made import flatten
from worldprobe.findings.quoted import RULE as QUOTED
from worldprobe.findings.rows import Line, Row
from worldprobe.findings.score import Score, VerdictKind
from worldprobe.findings.verdicts import leak_sentence
from worldprobe.findings.wording import METRICS, number, property_name, signed, with_interval
from worldprobe.io.files import write_whole
from worldprobe.printable import one_line, printable
from worldprobe.report.charts.blocks import by_block
from worldprobe.report.forms.marks import escaped, table
from worldprobe.report.tables.decoding_markdown import decoding_parts
from worldprobe.report.tables.evidence_text import delta_parts, evidence_parts, tap_parts
from worldprobe.report.tables.future_markdown import future_parts
from worldprobe.report.tables.made import infrastructure, label_parts, moment_parts
from worldprobe.report.tables.original import section

CONCLUSIONS: dict[VerdictKind, str] = {
    "above": "Decodable, and above every control",
    "above-run": "Above the controls that were run",
    "not-shown": "Decodable, but not shown to be above some control",
    "below": "Decodable, but below some control",
    "no-evidence": "No evidence",
    "not-judged": "Not judged",
    "not-measured": "Not measured",
}


def write_markdown(run: Path, summary: Summary) -> None:
    """Write ``report.md`` into the run's folder."""
    figures = [path.stem for path in sorted((run / "figures").glob("*.png"))]
    write_whole(run / "report.md", printable(render(summary, figures=figures)).encode())


def render(summary: Summary, *, figures: list[str] | None = None) -> str:
    """The report as Markdown; every name from the run comes out escaped."""
    figures = figures or []
    opening = [
        f"# {escaped(summary.encoder.name)}: findings",
        *([f"> ⚠️ **{escaped(summary.warning[0].upper() + summary.warning[1:])}.**"] if summary.warning else []),
        "> **Goal:** say what a frozen video encoder knows, and compared with what.\n>\n"
        f"> **Setup:** {_setup(summary)}",
        *_answer(summary),
    ]
    # In the order of the write-up that this began with.
    sections = [
        decoding_parts(summary.decoding, figures) if summary.decoding else [],
        future_parts(summary.future, figures) if summary.future else [],
        _probes(summary, figures) if summary.rows or summary.original else [],
        _conclusions(summary),
        _next(summary),
    ]
    numbered = [_numbered(parts, k) for k, parts in enumerate(filter(None, sections), start=1)]
    caveats = "\n".join(f"- {escaped(c)}" for c in summary.caveats) or "None found by the checks of this report."
    closing = ["## Caveats", caveats, "---", *infrastructure(summary)]
    return (
        "\n\n".join([*opening, *(part for parts in numbered for part in ("---", *parts)), "---", *closing]) + "\n"
    )


def _numbered(parts: list[str], number_: int) -> list[str]:
    return [parts[0].replace("## ", f"## {number_}. ", 1), *parts[1:]]


def _within(parts: list[str]) -> list[str]:
    """A section as a part of another: its headings one level further down."""
    return ["#" + part if part.startswith("##") else part for part in parts]


def _answer(summary: Summary) -> list[str]:
    """A line a property, then the prediction, then the decoder."""
    rows = []
    for one in summary.answers:
        ways = f", of {one.ways} ways" if one.ways > 1 else ""
        what = "; ".join(filter(None, (one.metric, one.how)))
        floor = f"{one.against} {with_interval(one.floor, one.digits)}" if one.against else wording.NONE
        rows.append(
            [
                f"**{escaped(one.subject)}** ({escaped(what)}{ways})",
                f"**{number(one.score.value, one.digits)}** {wording.interval(one.score, one.digits)}".strip(),
                escaped(floor),
                escaped(one.verdict),
                f"{one.n:,} in {wording.count(one.groups, one.unit)}",
            ]
        )
    parts = ["## The answer", *([escaped(said)] if (said := headline(summary.answers)) else [])]
    parts.append(table(["What", "How well", "Against what", "Verdict", "n"], rows))
    sure = "In brackets: 95 % intervals."
    parts.append(f"{sure} {QUOTED}" if summary.rows else sure)
    return parts


def _setup(summary: Summary) -> str:
    encoder = summary.encoder
    facts = [f"revision {encoder.revision}"] if encoder.revision else []
    for key, value in encoder.more.items():
        if isinstance(value, dict):  # hashes of weights by file, say
            facts += [f"{key} {name} {text}" for name, text in flatten(value)]
        else:
            facts.append(f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}")
    name, said = one_line(encoder.name.replace("`", "")), escaped(", ".join([encoder.status, *facts]))
    return f"`{name}`, {said}. Nothing is fine-tuned."


def _probes(summary: Summary, figures: list[str]) -> list[str]:
    """Probes, and all that goes with them; the original experiment first, where it was made again."""
    parts = _scored(summary) if summary.rows else ["## Linear probes: what is in the representation"]
    parts[1:1] = _within(section(summary, summary.original)) if summary.original else []
    parts += _within(delta_parts(summary.deltas)) if summary.deltas else []
    parts += _within(evidence_parts(summary.evidence)) if summary.evidence and summary.evidence.rows else []
    return [*parts, *moment_parts(summary, figures), *label_parts(summary, figures)]


def _scored(summary: Summary) -> list[str]:
    controls = [f"- **{c}**: {one.what}. Rules out {one.rules_out}." for c, one in CONTROLS.items()]
    parts = [
        "## Linear probes: what is in the representation",
        "**Why linear probes?** What a linear read-out finds is used without fine-tuning, and a read-out of so "
        "little power cannot work the answer out for itself.",
        "**Controls:** the same probe on what should not work.\n\n" + "\n".join(controls),
        *([] if summary.original else ["![Each score beside its controls](figures/probe_summary.png)"]),
        _scores(summary),
        f"*{escaped(summary.rule)}*",
        "### The leak",
        escaped(leak_sentence(summary.rows)),
    ]
    if any(line.leak is not None for row in summary.rows for line in row.lines):
        parts.append(_leak(summary))
    if by_block(summary):
        parts += ["### Where", "![Scores by block, with controls as bands](figures/layers.png)"]
        parts += tap_parts(summary.evidence)
    return parts


def _scores(summary: Summary) -> str:
    heads = ["Task", "Features", escaped(summary.encoder.name), *CONTROLS, "Margin", "n", "Verdict"]
    rows = []
    for row in summary.rows:
        for line in row.lines:
            if line is not row.main and line.score.value is None and row.main.score.value is None:
                continue  # the main metric's line gives the reason already
            rows.append(
                [
                    f"**{escaped(property_name(row.task))} ({METRICS[line.metric]})**",
                    escaped(summary.label(row)),
                    f"**{number(line.score.value)}** {wording.interval(line.score)}".strip(),
                    *(with_interval(line.controls.get(c, Score(value=None))) for c in CONTROLS),
                    signed(line.margin),
                    f"{row.n_test:,} in {wording.count(row.n_groups, 'group')}",
                    escaped(line.verdict.text),
                ]
            )
    note = f"\n\n**⚠️ {escaped(summary.warning[0].upper() + summary.warning[1:])}.**" if summary.warning else ""
    return table(heads, rows) + note


def _leak(summary: Summary) -> str:
    pairs: list[tuple[Row, Line, Score]] = [
        (row, line, line.random)
        for row in summary.rows
        for line in row.lines
        if line.random is not None and line.leak is not None
    ]
    rows = [
        [
            f"{escaped(property_name(row.task))} ({METRICS[line.metric]})",
            escaped(summary.label(row)),
            with_interval(line.score),
            with_interval(random),
            signed(line.leak),
        ]
        for row, line, random in pairs
    ]
    return table(["Task", "Features", "Sound split", "Random split", "Leak"], rows)


def _conclusions(summary: Summary) -> list[str]:
    parts = ["## Key conclusions"]
    for kind, title in CONCLUSIONS.items():
        rows = [row for row in summary.rows if row.main.verdict.kind == kind]
        if rows:
            lines = [
                f"- **{escaped(property_name(row.task))}** from {escaped(summary.label(row))}: "
                f"{METRICS[row.main.metric]} {with_interval(row.main.score)}, {escaped(row.main.verdict.text)}"
                for row in rows
            ]
            parts += [f"### {title}", "\n".join(lines)]
    if summary.use_cases:
        uses = [[escaped(u.name), wording.GRADES[u.grade], escaped(u.because)] for u in summary.use_cases]
        parts += ["### Implications", table(["Use case", "Assessment", "Why"], uses)]
        parts.append(f"*{escaped(summary.use_case_rule)}*")
    return parts if len(parts) > 1 else []


def _next(summary: Summary) -> list[str]:
    """What the run leaves open, as the write-up's list of boxes to tick."""
    boxes = "\n".join(f"- [ ] {step}" for step in summary.next_steps)
    return ["## Next experiments", boxes] if boxes else []
