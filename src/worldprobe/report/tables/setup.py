"""What a run did: its moments, its labels, what failed, its cost, how it was made, and how to read it."""

from __future__ import annotations

from collections.abc import Sequence

from worldprobe.controls import CONTROLS
from worldprobe.findings import wording
from worldprobe.findings.facts import Summary
from worldprobe.findings.setup import FailedClip, flatten
from worldprobe.findings.wording import NONE
from worldprobe.report.table import Block, Chapter, Column, Figure, Paragraph, Section, Table, Template, Terms, cell
from worldprobe.results import CostResult

MOST_FAILURES = 50


def moments(summary: Summary) -> Section | None:
    """A few clips with what was read from them."""
    if summary.moments is None:
        return None
    chosen = f"Labels, and what probes read that had not seen the clip. {summary.moments.chosen}"
    blocks: list[Block] = [
        Paragraph(chosen, forms=("markdown",)),
        Figure("moments", "Frames with labels and read-outs", forms=("markdown",)),
        Template("moments"),
        *(Paragraph(note, "soft") for note in summary.moments.notes),
    ]
    return Section(
        "moments", "Moments", blocks, short="Moments", chapter=_chapter(summary), heading="Moments",
        question="What was seen, and what was read from it?", on_paper=False,
    )  # fmt: skip


def _chapter(summary: Summary) -> Chapter:
    """Clips and labels are read beside the scores that they gave, where there are any."""
    return "probes" if summary.rows or summary.original else "infrastructure"


def labels(summary: Summary) -> Section | None:
    """What became of the labels, and a few of them on their frames."""
    found = summary.labels
    if found is None:
        return None
    counts: list[tuple[str, int, bool]] = [("kept", found.kept, True)] if found.kept is not None else []
    counts += [(f"dropped: {reason}", n, False) for reason, n in found.dropped]
    counts += [(f"of the class {name}", n, False) for name, n in found.classes]
    counts += [(f"from {name}", n, False) for name, n in found.sources]
    columns: list[Column[tuple[str, int, bool]]] = [
        Column("What became of them", lambda one: cell((one[0], "strong" if one[2] else ""))),
        Column("Labels", lambda one: cell((f"{one[1]:,}", "strong" if one[2] else "")), right=True),
    ]
    blocks: list[Block] = [
        Template("labelled"),
        Figure("labels", "Labels on their frames", forms=("markdown",)),
        *([Table("Labels", columns, counts)] if counts else []),
        *([Paragraph(f"{found.videos:,}.", lead="Videos:")] if found.videos is not None else []),
        *([Paragraph(f"{wording.CAMERA[found.camera]}.", lead="Camera:")] if found.camera else []),
    ]
    return Section(
        "labels", "Labels", blocks, short="Labels", chapter=_chapter(summary), heading="Labels", warned=False
    )


def failed(summary: Summary) -> Section | None:
    """Clips and videos that could not be used."""
    if not summary.failures:
        return None
    columns: list[Column[FailedClip]] = [
        Column("Video", lambda one: one.video),
        Column("Clip", lambda one: one.clip),
        Column("Error", lambda one: one.error),
    ]
    total = len(summary.failures)
    more = f"The first {MOST_FAILURES} of {total:,}; all are in failures.jsonl."
    blocks: list[Block] = [
        Paragraph(f"{wording.count(total, 'clip')} failed.", forms=("markdown",)),
        Table("Clips that failed", columns, summary.failures[:MOST_FAILURES], look=""),
        *([Paragraph(more, "soft")] if total > MOST_FAILURES else []),
    ]
    return Section("failed", "Clips that failed", blocks, chapter="infrastructure", warned=False)


def costs(summary: Summary) -> Section | None:
    """What each stage took."""
    if not summary.costs:
        return None
    columns = _cost_columns(summary.costs)
    total = sum(one.seconds for one in summary.costs)
    expected = any(one.expected_seconds is not None for one in summary.costs)
    note = f"All stages: {wording.duration(total)}. Peak memory is the process's."
    note += " Expected is what a dry run foretold from a clip or more." * expected
    blocks: list[Block] = [Table("Cost", columns, summary.costs), Paragraph(note, "soft")]
    return Section(
        "cost", "Cost", blocks, short="Cost", chapter="infrastructure", heading="Cost", warned=False,
        on_paper=False,
    )  # fmt: skip


def _cost_columns(found: Sequence[CostResult]) -> list[Column[CostResult]]:
    expected: list[Column[CostResult]] = [
        Column("Expected", lambda c: NONE if c.expected_seconds is None else wording.duration(c.expected_seconds),
               right=True),
    ]  # fmt: skip
    price: list[Column[CostResult]] = [
        Column("Price", lambda c: NONE if c.price is None else f"${c.price:.2f}", right=True),
    ]
    return [
        Column("Stage", lambda c: c.stage),
        Column("Time", lambda c: wording.duration(c.seconds), right=True),
        *(expected if any(c.expected_seconds is not None for c in found) else []),
        Column("Items", lambda c: f"{c.items:,}", right=True),
        Column("Items/s", lambda c: f"{c.items_per_second:,.1f}", right=True),
        Column("Peak memory", lambda c: wording.size(c.peak_rss_bytes), right=True),
        Column("Device", lambda c: c.device),
        *(price if any(c.price is not None for c in found) else []),
    ]


def how_made(summary: Summary) -> Section:
    """How the run was made."""
    pairs = [(str(name), str(text)) for name, text in flatten(summary.provenance)]
    nothing = Paragraph("The run holds no provenance.json: how it was made is not known.")
    blocks: list[Block] = [
        Terms(pairs) if pairs else nothing,
        *([Template("experiment", {"text": summary.experiment})] if summary.experiment else []),
    ]
    return Section(
        "made", "How it was made", blocks, short="How it was made", chapter="infrastructure",
        heading="How it was made", warned=False, folded=True, on_paper=False,
    )  # fmt: skip


def reading(summary: Summary) -> Section | None:
    """How to read the page."""
    if not summary.rows:
        return None
    context = {
        "controls": CONTROLS,
        "splits": wording.SPLITS,
        "directions": any(row.task == "direction" for row in summary.rows),
        "features": [
            (name, wording.FEATURES.get(name, "a representation added by a plug-in"))
            for name in dict.fromkeys(row.features for row in summary.rows)
        ],
    }
    return Section(
        "read", "How to read this", [Template("read", context)], short="How to read this", forms=("html",),
        warned=False, on_paper=False,
    )  # fmt: skip
