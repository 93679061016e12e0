"""A training's checkpoints: what their features are like, and what is in them."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from worldprobe.findings.watched import RANKS, Checkpoint, LeftOut, Watched, WatchedScore
from worldprobe.findings.wording import METRICS, NONE, count, difference, duration, property_name
from worldprobe.report.charts.watched import watched_panels
from worldprobe.report.table import (
    BREAK,
    Block,
    Bullets,
    Cell,
    Column,
    Figure,
    Heading,
    Paragraph,
    Table,
    cell,
    score_cell,
    score_parts,
    sorted_cell,
)

FIGURE = "training"
CAPTION = "Bars: 95 % intervals; grey bands: the untrained twin; dashed: a constant"
_LIKENESS = ("norm entropy", "similarity 1 apart", "similarity 1 later")


def watched_blocks(found: Watched) -> list[Block]:
    """All that stands beneath the title."""
    blocks: list[Block] = [Paragraph(_opening(found))]
    if found.conclusions:
        blocks += [Bullets(found.conclusions)]
    if found.checkpoints:
        blocks += [
            Figure(FIGURE, CAPTION, watched_panels(found)),
            Heading("Features, without labels"),
            features(found),
        ]
    if found.readings:
        blocks += [Heading("What is in them"), scores(found)]
    if found.left:
        blocks += [Heading("Not measured"), _left(found)]
    if notes := [f"{one.name}: {note}" for one in _rows(found) for note in one.notes]:
        blocks += [Heading("Notes"), Bullets(notes)]
    return [*blocks, Paragraph(found.rule, "soft")]


def _opening(found: Watched) -> str:
    every = _rows(found)
    if not every:
        return f"No checkpoint of {found.folder} is measured yet."
    first = every[0]
    split = f", {found.split} split" if found.split else ""
    many, videos = count(len(found.checkpoints), "checkpoint"), count(first.videos, "video")
    features = f"{first.tubelets:,} tubelets{split}; features {first.width:,} wide, at the last block."
    return f"{many} of {found.folder}, measured on {videos}: {features}"


def _rows(found: Watched) -> list[Checkpoint]:
    return [*([found.twin] if found.twin else []), *found.checkpoints]


def features(found: Watched) -> Table[Checkpoint]:
    """A line a checkpoint: ranks, likeness, and how far it is from the first and from the one before."""
    first = found.checkpoints[0].revision
    earlier = {one.revision: before.revision for before, one in pairwise(found.checkpoints)}
    columns = _names(found)
    for name in RANKS:
        columns.append(Column(name, partial(_feature, name=name, digits=1), right=True, short=name))
    for name in _LIKENESS:
        if any(name in one.features for one in _rows(found)):
            columns.append(Column(name, partial(_feature, name=name, digits=2), right=True))
    from_first = lambda one: _drift(one, first if one.revision != first else "")  # noqa: E731
    before = lambda one: _drift(one, earlier.get(one.revision, ""))  # noqa: E731
    columns += [
        Column("drift from the first", from_first, right=True, short="from first"),
        Column("drift from before", before, right=True, short="from before"),
        Column("took", lambda one: sorted_cell(one.seconds, duration(one.seconds)), right=True),
    ]
    return Table("Features without labels, 95 % intervals", columns, _rows(found), look="num")


def scores(found: Watched) -> Table[Checkpoint]:
    """A line a checkpoint: each score, and beneath it what it has over the untrained twin's."""
    columns = _names(found)
    for one in found.readings:
        head = f"{property_name(one.task)}, {found.label(one)} ({METRICS[one.metric]})"
        short = f"{one.task}\n{found.label(one)}"
        columns.append(
            Column(head, partial(_score, of=one), right=True, short=short, brief=partial(_brief, of=one))
        )
    last = "green: above the untrained twin, paired by group" if found.twin else ""
    return Table("Scores, 95 % intervals", columns, _rows(found), caption=last, look="num")


def _names(found: Watched) -> list[Column[Checkpoint]]:
    columns: list[Column[Checkpoint]] = [
        Column("Checkpoint", lambda one: cell((one.title, "strong")), short="checkpoint")
    ]
    if any(one.step is not None for one in found.checkpoints):
        columns.append(Column("Step", _step, right=True))
    return columns


def _step(one: Checkpoint) -> Cell:
    return sorted_cell(one.step, NONE if one.step is None else f"{one.step:,}")


def _feature(one: Checkpoint, *, name: str, digits: int) -> Cell:
    return score_cell(one.features.get(name), digits)


def _drift(one: Checkpoint, other: str) -> Cell:
    return score_cell(one.drift.get(other))


def _score(one: Checkpoint, *, of: WatchedScore) -> Cell:
    mine = next((score for score in one.scores if score.reading == of.reading), None)
    if mine is None:
        return cell(NONE)
    over = [BREAK, (difference(mine.over_twin), "over")] if mine.over_twin else []
    kind = mine.standing.replace(" ", "-") if mine.over_twin else ""
    return Cell((*score_parts(mine.score), *over), mine.score.value, kind, tone=mine.standing, sortable=True)


def _brief(one: Checkpoint, *, of: WatchedScore) -> Cell:
    """Without the difference: the terminal is narrow, and colours it."""
    whole = _score(one, of=of)
    return Cell(
        whole.parts[: next((n for n, part in enumerate(whole.parts) if part == BREAK), None)], tone=whole.tone
    )


def _left(found: Watched) -> Table[LeftOut]:
    columns: list[Column[LeftOut]] = [
        Column("Entry", lambda one: one.name),
        Column("Why", lambda one: one.why),
        Column("", lambda one: "left as it is" if one.final else "tried again"),
    ]
    return Table("Not measured", columns, found.left, look="still", forms=("html", "markdown"))
