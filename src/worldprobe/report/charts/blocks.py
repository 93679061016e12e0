"""Where in the network each property is decodable: charts by block with controls as bands, and the heat map."""

from __future__ import annotations

from dataclasses import dataclass, replace

from worldprobe.controls import CONTROLS, Control
from worldprobe.findings import verdicts
from worldprobe.findings.facts import Summary
from worldprobe.findings.rows import ControlledScore, Row
from worldprobe.findings.score import block_of, tap_name
from worldprobe.findings.wording import METRICS, number, property_name, with_interval
from worldprobe.intervals import Score
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, axis

# Those that can change from block to block, or are the hardest to beat; the others say nothing about depth.
_BANDS: tuple[Control, ...] = ("random-init", "pixels")
_MOST_TICKS = 12
ByBlock = dict[str, dict[str, list[tuple[int, Row]]]]


def by_block(summary: Summary) -> ByBlock:
    """Rows of tasks that were read at two blocks or more: task, features, then (block, row) in order."""
    found: ByBlock = {}
    for row in summary.rows:
        block = block_of(row.tap)
        if block is not None and row.main.score.value is not None:
            kind = ", ".join(part for part in summary.label(row).split(", ") if part != tap_name(row.tap))
            found.setdefault(row.task, {}).setdefault(kind, []).append((block, row))
    kept = {
        task: {kind: sorted(rows, key=lambda one: one[0]) for kind, rows in kinds.items() if len(rows) > 1}
        for task, kinds in found.items()
    }
    return {task: kinds for task, kinds in kept.items() if kinds}


def layer_panels(summary: Summary) -> list[panels.Panel]:
    """A panel a task: score against block; none where one block was read."""
    return [_panel(task, kinds) for task, kinds in by_block(summary).items()]


def _panel(task: str, kinds: dict[str, list[tuple[int, Row]]]) -> panels.Panel:
    first = next(iter(kinds.values()))[0][1]
    every = [row.main for rows in kinds.values() for _, row in rows]
    blocks = sorted({block for rows in kinds.values() for block, _ in rows})
    # Bands of several kinds of features would hide each other: those of the kind that scores best.
    banded = max(kinds, key=lambda kind: max(row.main.score.value or 0.0 for _, row in kinds[kind]))
    title, metric = panels.head(task, first.main.metric)
    lines = [
        panels.Line(name=kind, look=look, points=panels.measured([_point(kind, *one) for one in rows]))
        for look, (kind, rows) in enumerate(kinds.items())
    ]
    return panels.Panel(
        title=title,
        metric=metric,
        x_name="block",
        across=Axis(blocks[0] - 0.3, blocks[-1] + 0.3),
        x_ticks=tuple((float(block), str(block)) for block in blocks[:: -(-len(blocks) // _MOST_TICKS)]),
        up=axis(first.main.metric, [s for line in every for s in (line.score, *line.controls.values())]),
        lines=tuple(lines),
        bands=tuple(band for name in _BANDS if (band := _band(name, kinds[banded]))),
        level=verdicts.chance(first.main),
        note=f"Bands: controls of {banded}." if len(kinds) > 1 else "",
    )


def _point(kind: str, block: int, row: Row) -> tuple[float, Score, str]:
    n = panels.in_groups(row.n_test, row.n_groups)
    return float(block), row.main.score, panels.said(kind, f"block {block}", row.main.score, n)


def _band(control: Control, rows: list[tuple[int, Row]]) -> panels.Band | None:
    known = [(block, s.interval) for block, row in rows if (s := row.main.controls.get(control))]
    ends = tuple((float(block), *pair) for block, pair in known if pair)
    return panels.Band(name=control, kind=control, ends=ends) if ends else None


@dataclass(frozen=True, slots=True)
class Heat:
    """A score as a cell of the heat map.

    Attributes:
        share: how far it is from a constant (0) to perfect (1).
        best: no other block scores as high.
    """

    text: str
    said: str
    share: float | None
    best: bool = False


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A property from one kind of features: a cell for each block (None: not read there), and for each control."""

    title: str
    kind: str
    metric: str
    blocks: tuple[Heat | None, ...]
    controls: tuple[Heat | None, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """``blocks`` and ``controls`` head the columns."""

    blocks: tuple[int, ...]
    controls: tuple[Control, ...]
    rows: tuple[HeatRow, ...]


def heat_map(summary: Summary) -> HeatMap | None:
    """Properties by block, each control beside them where it is highest; None where one block was read."""
    tasks = by_block(summary)
    blocks = sorted({block for kinds in tasks.values() for rows in kinds.values() for block, _ in rows})
    lines = [row.main for kinds in tasks.values() for rows in kinds.values() for _, row in rows]
    controls = tuple(control for control in CONTROLS if any(control in line.controls for line in lines))
    rows = tuple(
        _heat_row(task, kind, dict(read), blocks, controls)
        for task, kinds in tasks.items()
        for kind, read in kinds.items()
    )
    return HeatMap(blocks=tuple(blocks), controls=controls, rows=rows) if rows else None


def _heat_row(
    task: str, kind: str, read: dict[int, Row], blocks: list[int], controls: tuple[Control, ...]
) -> HeatRow:
    first = next(iter(read.values()))
    known = {
        block: _heat(row.main, row.main.score, f"block {block}", panels.in_groups(row.n_test, row.n_groups))
        for block, row in read.items()
    }
    top = max(read, key=lambda block: read[block].main.score.value or 0.0)
    alone = [cell.text for cell in known.values()].count(known[top].text) == 1
    known[top] = replace(known[top], best=alone and bool(known[top].share))
    return HeatRow(
        title=property_name(task),
        kind=kind,
        metric=METRICS[first.main.metric],
        blocks=tuple(known.get(block) for block in blocks),
        controls=tuple(_highest(control, read) for control in controls),
    )


def _highest(control: Control, read: dict[int, Row]) -> Heat | None:
    """A control at the block where it scores best: what the property's best block has to be above."""
    found = [(block, row, s) for block, row in read.items() if (s := row.main.controls.get(control))]
    known = [(block, row, s, s.value) for block, row, s in found if s.value is not None]
    if not known:
        return None
    block, row, score, _ = max(known, key=lambda one: one[3])
    where = f"{control}, block {block}" if len({s.value for *_, s, _ in known}) > 1 else control
    return _heat(row.main, score, where, panels.in_groups(row.n_test, row.n_groups))


def _heat(line: ControlledScore, score: Score, where: str, n: str) -> Heat:
    constant = verdicts.chance(line) or 0.0
    share = None
    if score.value is not None:
        share = round(min(max((score.value - constant) / max(1 - constant, 1e-9), 0.0), 1.0), 3)
    return Heat(number(score.value), f"{where}: {with_interval(score, 3)}; {n}", share)
