"""What a run did, in ``report.md``: its moments, its labels, its cost and how it was made."""

from __future__ import annotations

from collections.abc import Sequence

from worldprobe.findings import wording
from worldprobe.findings.facts import Summary
from worldprobe.findings.made import flatten
from worldprobe.report.forms.marks import escaped, table
from worldprobe.results import CostResult

MOST_FAILURES = 50


def moment_parts(summary: Summary, figures: Sequence[str]) -> list[str]:
    """A few clips with what was read from them."""
    if summary.moments is None or "moments" not in figures:
        return []
    notes = [escaped(note) for note in summary.moments.notes]
    return [
        "### Moments",
        f"Labels, and what probes read that had not seen the clip. {escaped(summary.moments.chosen)}",
        "![Frames with labels and read-outs](figures/moments.png)",
        *notes,
    ]


def label_parts(summary: Summary, figures: Sequence[str]) -> list[str]:
    """What became of the labels, and a few of them on their frames."""
    labels = summary.labels
    if labels is None:
        return []
    parts = ["### Labels"]
    if "labels" in figures:
        parts.append("![Labels on their frames](figures/labels.png)")
    counts = [["**kept**", f"**{labels.kept:,}**"]] if labels.kept is not None else []
    counts += [[f"dropped: {escaped(reason)}", f"{n:,}"] for reason, n in labels.dropped]
    counts += [[f"of the class {escaped(name)}", f"{n:,}"] for name, n in labels.classes]
    counts += [[f"from {escaped(name)}", f"{n:,}"] for name, n in labels.sources]
    if counts:
        parts.append(table(["Labels", "Number"], counts))
    if labels.camera:
        parts.append(f"Camera: {wording.CAMERA[labels.camera]}.")
    return parts


def _costs(costs: Sequence[CostResult]) -> str:
    columns: dict[str, list[str]] = {
        "Stage": [escaped(c.stage) for c in costs],
        "Time": [wording.duration(c.seconds) for c in costs],
        "Expected": [
            wording.NONE if c.expected_seconds is None else wording.duration(c.expected_seconds) for c in costs
        ],
        "Items": [f"{c.items:,}" for c in costs],
        "Items/s": [f"{c.items_per_second:,.1f}" for c in costs],
        "Peak memory": [wording.size(c.peak_rss_bytes) for c in costs],
        "Device": [escaped(c.device) for c in costs],
        "Price": [wording.NONE if c.price is None else f"${c.price:.2f}" for c in costs],
    }
    if all(c.expected_seconds is None for c in costs):
        del columns["Expected"]
    return table(list(columns), [list(row) for row in zip(*columns.values(), strict=True)])


def infrastructure(summary: Summary) -> list[str]:
    """What failed, what it took, and how it was made."""
    parts = ["## Infrastructure"]
    if summary.failures:
        rows = [
            [escaped(one.video), escaped(one.clip), escaped(one.error)] for one in summary.failures[:MOST_FAILURES]
        ]
        parts.append(f"**{wording.count(len(summary.failures), 'clip')} failed:**")
        parts.append(table(["Video", "Clip", "Error"], rows))
    if summary.costs:
        parts.append(_costs(summary.costs))
    parts.append(
        table(["Component", "Details"], [[escaped(k), escaped(v)] for k, v in flatten(summary.provenance)])
        if summary.provenance
        else "The run holds no provenance."
    )
    return parts
