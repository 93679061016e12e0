"""The original experiment made again: its own table, the waterfall, and the scaling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from worldprobe.controls import CONTROLS
from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.original import (
    PUBLISHED,
    PUBLISHED_BY,
    PUBLISHED_NOISE,
    STEP_TEXTS,
    Fall,
    Original,
    Scaled,
    step_name,
)
from worldprobe.findings.wording import METRICS, NONE, interval, number, property_name, signed, with_interval
from worldprobe.intervals import Score
from worldprobe.report.charts.original import falls
from worldprobe.report.charts.scaling import scaling_panels
from worldprobe.report.table import (
    BREAK,
    PAGES,
    Block,
    Cell,
    Column,
    Figure,
    Form,
    Heading,
    Paragraph,
    Section,
    Table,
    Template,
    cell,
    score_cell,
    score_parts,
    score_values,
    sorted_cell,
)

_FULL = 12_523
_VERDICTS = {
    "above": "above every control", "above-run": "above those run", "not-shown": "not shown above",
    "below": "below a control", "no-evidence": "no evidence", "too-few": "too few to tell",
    "not-judged": "not judged", "not-measured": "not measured",
}  # fmt: skip


def original(summary: Summary) -> Section | None:
    """The protocol as published, and a correction at a time down to the sound one."""
    found = summary.original
    if found is None:
        return None
    labelled = _labelled(found)
    opening = (
        "The protocol as it was published, artefacts included: repeated stills, one random split of frames, a "
        f"penalty fixed at 1, Gaussian noise as the baseline.{f' {labelled}.' if labelled else ''} These figures "
        "say little of the encoder; what is left of them stands below."
    )
    steps = (
        "One artefact less at each step, those taken away before it kept away. Beneath each score: the best of the "
        "controls that the step knows."
    )
    blocks: list[Block] = [
        Paragraph(opening),
        Figure("probe_summary", "As published", forms=("markdown",)),
        _own(summary, found),
        *([_scaling(found, ("terminal",))] if found.scaling else []),
        Heading("The waterfall: what is left of each score", anchor="waterfall", short="Waterfall"),
        Template("dots", {"charts": falls(found), "legend": "falls"}),
        Figure("waterfall", "The waterfall", forms=("markdown",)),
        Paragraph(steps, "soft"),
        _waterfall(summary, found),
    ]
    return Section(
        "original", "The original experiment, made again", blocks, short="Original", chapter="probes",
        heading="The original experiment, made again",
    )  # fmt: skip


def _labelled(found: Original) -> str:
    """``2,214 of 3,088 frames labelled``; empty where the run does not say."""
    if found.labelled is None or found.looked_at is None:
        return ""
    return f"{found.labelled:,} of {found.looked_at:,} frames labelled"


def _head(fall: Fall) -> str:
    return f"{property_name(fall.task)} ({METRICS[fall.metric]})"


def _own(summary: Summary, found: Original) -> Table[Fall]:
    """The write-up's own table, and its figures beside it."""
    where = f": {_labelled(found)}" if _labelled(found) else ""

    def noise(fall: Fall) -> Score:
        return found.noise.get(fall.task, Score(value=None))

    def difference(fall: Fall) -> str:
        a, b = fall.steps[0].score.value, noise(fall).value
        return NONE if a is None or b is None else signed(a - b)

    def constant(fall: Fall) -> str:
        score = found.majority.get(fall.task) if fall.metric != "r2" else None
        return number(score.value if score else None)

    columns: list[Column[Fall]] = [
        Column("Task", _head, short="task"),
        Column(summary.encoder.name, lambda fall: score_cell(fall.steps[0].score, strong=True), right=True,
               short=summary.encoder.name),
        Column("Random", lambda fall: score_cell(noise(fall)), right=True, short="random", value_only=True),
        Column("Delta", difference, right=True, short="delta"),
        Column("Majority", constant, right=True, short="majority"),
        Column(f"{PUBLISHED_BY}: score / random",
               lambda fall: f"{_published(fall, _FULL)} / {number(PUBLISHED_NOISE.get(fall.task))}", right=True),
    ]  # fmt: skip
    return Table(
        f"The original protocol, as published{where}", columns, found.falls,
        caption="Repeated stills, one random split, penalty 1. Random: Gaussian noise. These figures say little of "
        "the encoder: the waterfall takes their artefacts away.",
    )  # fmt: skip


def _published(fall: Fall, n: int) -> str:
    """The write-up's own figure at n frames, as exact as it gives it."""
    return number(PUBLISHED.get(fall.task, {}).get(n), 2 if fall.metric == "r2" else 3)


def _waterfall(summary: Summary, found: Original) -> Table[int]:
    unmeasured = {
        _head(fall): one.score.note for fall in found.falls for one in fall.steps if one.score.value is None
    }
    first = found.falls[0].steps
    columns: list[Column[int]] = [
        Column("Step", lambda at: cell((step_name(first[at]), "strong"), kind="name"), short="step",
               brief=lambda at: step_name(first[at])),
        *(
            Column(
                _head(fall), partial(_step, fall=fall), right=True, short=_head(fall),
                brief=partial(_brief, fall=fall),
            )
            for fall in found.falls
        ),
        Column("What is corrected", lambda at: STEP_TEXTS[first[at].protocol]),
    ]  # fmt: skip
    return Table(
        "The waterfall: one correction more at each step, those above it kept", columns, range(len(first)),
        caption="Score, 95 % interval; beneath it the best control that the step knows."
        + "".join(f" {name} is not measured at each step: {why}." for name, why in unmeasured.items()),
        closing=[cell(("verdict", "strong")), *(cell((_verdict(summary, f), "strong")) for f in found.falls)],
    )  # fmt: skip


def _step(at: int, fall: Fall) -> Cell:
    step = fall.steps[at]
    change = f", {signed(step.change)}" if step.change is not None else ""
    control = f"{step.best_control} {with_interval(step.floor)}" if step.best_control else ""
    soft = f"{control}{change}".removeprefix(", ")
    below = (BREAK, (soft, "soft")) if soft else ()
    values = (
        *score_values(step.score),
        (" control", step.best_control),
        *score_values(step.floor, " control score"),
    )
    return replace(sorted_cell(step.score.value, *score_parts(step.score, strong=True), *below), values=values)


def _brief(at: int, fall: Fall) -> Cell:
    step = fall.steps[at]
    best = f"{CONTROLS[step.best_control].short} {number(step.floor.value)}" if step.best_control else ""
    return cell((number(step.score.value), "strong"), f" {interval(step.score)}", BREAK, (best, "soft"))


def _verdict(summary: Summary, fall: Fall) -> str:
    """What the sound end allows to be said of a task."""
    rows = [row for row in summary.rows if row.task == fall.task]
    return _VERDICTS[rows[0].main.verdict.kind] if rows else NONE


@dataclass(frozen=True, slots=True)
class _Size:
    """A row of the scaling table: this run's scores at n frames, or the published ones."""

    n: int
    rows: dict[str, Scaled]


def scaling(summary: Summary) -> Section | None:
    """The original protocol on fewer frames; the terminal has its table before the waterfall."""
    found = summary.original
    if found is None or not found.scaling:
        return None
    note = (
        "The same on fewer frames; after the stroke with the penalty chosen on inner folds instead of fixed at 1: "
        "with about as many training frames as dimensions, a fixed weak one fits the noise. After it: Gaussian "
        f"noise. The last rows: {PUBLISHED_BY}."
    )
    blocks: list[Block] = [
        Paragraph(note, "soft"),
        Figure("scaling", "Scaling", scaling_panels(found)),
        _scaling(found, PAGES),
    ]
    return Section(
        "scaling", "The original experiment on fewer frames", blocks, short="Scaling", chapter="probes",
        heading="Scaling",
    )  # fmt: skip


def _scaling(found: Original, forms: tuple[Form, ...]) -> Table[_Size]:
    """A row a number of frames, the published ones after this run's."""
    sizes = [
        _Size(n, {row.task: row for row in found.scaling if row.n == n})
        for n in sorted({row.n for row in found.scaling})
    ]
    columns: list[Column[_Size]] = [
        Column("Frames", lambda size: f"{size.n:,}" + ("" if size.rows else f", {PUBLISHED_BY}"), short="frames"),
        *(
            Column(
                _head(fall), partial(_scaled, fall=fall), right=True, short=_head(fall),
                brief=partial(_scaled_brief, fall=fall),
            )
            for fall in found.falls
        ),
    ]  # fmt: skip
    published = [_Size(n, {}) for n in PUBLISHED["xy"]]
    return Table(
        "On fewer frames: as published / penalty chosen", columns, [*sizes, *published],
        tone=lambda size: "" if size.rows else "other", brief_rows=sizes, forms=forms,
    )  # fmt: skip


def _scaled(size: _Size, fall: Fall) -> Cell:
    row = size.rows.get(fall.task)
    if row is None:
        return cell(NONE if size.rows else _published(fall, size.n))
    soft = f" / {with_interval(row.chosen)}; noise {with_interval(row.noise)}"
    values = (*score_values(row.score), *score_values(row.chosen, " chosen"), *score_values(row.noise, " noise"))
    return replace(
        sorted_cell(row.score.value, *score_parts(row.score, strong=True), (soft, "soft")), values=values
    )


def _scaled_brief(size: _Size, fall: Fall) -> str:
    row = size.rows.get(fall.task)
    return NONE if row is None else f"{number(row.score.value)} / {number(row.chosen.value)}"
