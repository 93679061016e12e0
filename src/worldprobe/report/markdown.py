"""``report.md``: the same facts in Markdown, in the order of the original findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from worldprobe.files import write_whole
from worldprobe.report import wording
from worldprobe.report.facts import CONTROLS, Line, Row, Score, Summary, VerdictKind
from worldprobe.report.html import flatten
from worldprobe.report.layers import by_block
from worldprobe.report.verdicts import headline, leak_sentence
from worldprobe.report.wording import METRICS, number, property_name, signed, with_interval

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
    write_whole(run / "report.md", render(summary).encode())


def render(summary: Summary) -> str:
    """The report as Markdown; every name from the run comes out escaped."""
    parts = [
        f"# {_text(summary.encoder.name)}: findings",
        *([f"> ⚠️ **{_text(summary.warning[0].upper() + summary.warning[1:])}.**"] if summary.warning else []),
        "> **Goal:** say what a frozen video encoder knows, and compared with what.\n>\n"
        f"> **Setup:** {_setup(summary)}",
        "---",
        *([*_probes(summary), "---", *_conclusions(summary), "---"] if summary.rows else []),
        "## Caveats",
        "\n".join(f"- {_text(c)}" for c in summary.caveats) or "None found by the checks of this report.",
        "---",
        *_infrastructure(summary),
    ]
    return "\n\n".join(parts) + "\n"


def _setup(summary: Summary) -> str:
    encoder = summary.encoder
    facts = [f"revision {encoder.revision}"] if encoder.revision else []
    facts += [
        f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}" for key, value in encoder.more.items()
    ]
    return (
        f"`{encoder.name.replace('`', '')}`, {_text(', '.join([encoder.status, *facts]))}. Nothing is fine-tuned."
    )


def _probes(summary: Summary) -> list[str]:
    controls = [f"- **{c}**: {what}. Rules out {why}." for c, (what, why) in wording.RULES_OUT.items()]
    parts = [
        "## Linear probes: what is in the representation",
        headline(summary.rows),
        "**Why linear probes?** What a linear read-out finds is used without fine-tuning, and a read-out of so "
        "little power cannot work the answer out for itself.",
        "**Controls:** the same probe on what should not work.\n\n" + "\n".join(controls),
        "![Each score beside its controls](figures/probe_summary.png)",
        _scores(summary),
        f"*{_text(summary.rule)}*",
        "### The leak",
        _text(leak_sentence(summary.rows)),
    ]
    if by_block(summary):
        parts += ["### Where", "![Scores by block, with controls as bands](figures/layers.png)"]
    if any(line.leak is not None for row in summary.rows for line in row.lines):
        parts.append(_leak(summary))
    return parts


def _scores(summary: Summary) -> str:
    heads = ["Task", "Features", _text(summary.encoder.name), *CONTROLS, "Margin", "n", "Verdict"]
    rows = []
    for row in summary.rows:
        for line in row.lines:
            if line is not row.main and line.score.value is None and row.main.score.value is None:
                continue  # the main metric's line gives the reason already
            rows.append(
                [
                    f"**{_text(property_name(row.task))} ({METRICS[line.metric]})**",
                    _text(summary.label(row)),
                    f"**{number(line.score.value)}** {wording.interval(line.score)}".strip(),
                    *(with_interval(line.controls.get(c, Score(value=None))) for c in CONTROLS),
                    signed(line.margin),
                    f"{row.n_test:,} in {wording.count(row.n_groups, 'group')}",
                    _text(line.verdict.text),
                ]
            )
    note = f"\n\n**⚠️ {_text(summary.warning[0].upper() + summary.warning[1:])}.**" if summary.warning else ""
    return _table(heads, rows) + note


def _leak(summary: Summary) -> str:
    pairs: list[tuple[Row, Line, Score]] = [
        (row, line, line.random)
        for row in summary.rows
        for line in row.lines
        if line.random is not None and line.leak is not None
    ]
    rows = [
        [
            f"{_text(property_name(row.task))} ({METRICS[line.metric]})",
            _text(summary.label(row)),
            with_interval(line.score),
            with_interval(random),
            signed(line.leak),
        ]
        for row, line, random in pairs
    ]
    return _table(["Task", "Features", "Sound split", "Random split", "Leak"], rows)


def _conclusions(summary: Summary) -> list[str]:
    parts = ["## Key conclusions"]
    for kind, title in CONCLUSIONS.items():
        rows = [row for row in summary.rows if row.main.verdict.kind == kind]
        if rows:
            lines = [
                f"- **{_text(property_name(row.task))}** from {_text(summary.label(row))}: "
                f"{METRICS[row.main.metric]} {with_interval(row.main.score)}, {_text(row.main.verdict.text)}"
                for row in rows
            ]
            parts += [f"### {title}", "\n".join(lines)]
    parts += [
        "### Implications",
        _table(
            ["Use case", "Assessment", "Why"],
            [[_text(u.name), wording.GRADES[u.grade], _text(u.because)] for u in summary.use_cases],
        ),
        f"*{_text(summary.use_case_rule)}*",
    ]
    return parts


def _infrastructure(summary: Summary) -> list[str]:
    parts = ["## Infrastructure"]
    if summary.labels and summary.labels.kept is not None:
        labels = summary.labels
        dropped = "".join(f"; {_text(reason)} {number_:,}" for reason, number_ in labels.dropped)
        camera = f" Camera: {wording.CAMERA[labels.camera]}." if labels.camera else ""
        parts.append(f"**Labels:** {labels.kept:,} kept, {labels.lost:,} dropped{dropped}.{camera}")
    if summary.costs:
        parts.append(
            _table(
                ["Stage", "Time", "Items", "Items/s", "Peak memory", "Device", "Price"],
                [
                    [
                        _text(c.stage),
                        wording.duration(c.seconds),
                        f"{c.items:,}",
                        f"{c.items_per_second:,.1f}",
                        wording.size(c.peak_rss_bytes),
                        _text(c.device),
                        wording.NONE if c.price is None else f"${c.price:.2f}",
                    ]
                    for c in summary.costs
                ],
            )
        )
    parts.append(
        _table(["Component", "Details"], [[_text(k), _text(v)] for k, v in flatten(summary.provenance)])
        if summary.provenance
        else "The run holds no provenance."
    )
    return parts


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _text(text: str) -> str:
    """Text that is neither Markdown nor HTML, on one line."""
    for character in "\\`*_[]|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
