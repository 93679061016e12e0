"""The original experiment made again, in print: tables for the terminal, a section of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worldprobe.controls import CONTROLS
from worldprobe.findings.facts import Summary
from worldprobe.findings.original import (
    PUBLISHED,
    PUBLISHED_BY,
    PUBLISHED_NOISE,
    STEP_TEXTS,
    Fall,
    Original,
    Scaled,
    Step,
    step_name,
)
from worldprobe.findings.rows import Row
from worldprobe.findings.score import Score
from worldprobe.findings.wording import METRICS, NONE, interval, number, property_name, signed, with_interval
from worldprobe.report.forms.marks import escaped
from worldprobe.report.forms.marks import table as markdown

if TYPE_CHECKING:
    from rich.table import Table

_FULL = 12_523


def labelled(original: Original) -> str:
    """``2,214 of 3,088 frames labelled``; empty where the run does not say."""
    if original.labelled is None or original.looked_at is None:
        return ""
    return f"{original.labelled:,} of {original.looked_at:,} frames labelled"


def head(fall: Fall) -> str:
    """``XY position (R²)``."""
    return f"{property_name(fall.task)} ({METRICS[fall.metric]})"


def difference(a: Score, b: Score | None) -> str:
    """Of two scores, with its sign."""
    return NONE if a.value is None or b is None or b.value is None else signed(a.value - b.value)


def constant(original: Original, fall: Fall) -> str:
    """What the commonest class scores; nothing for R², which is measured against a constant."""
    score = original.majority.get(fall.task) if fall.metric != "r2" else None
    return number(score.value if score else None)


def published_number(fall: Fall, n: int) -> str:
    """The write-up's own figure at n frames, as exact as it gives it."""
    return number(PUBLISHED.get(fall.task, {}).get(n), 2 if fall.metric == "r2" else 3)


def beside(step: Step) -> str:
    """``best: pixels 0.61``, or nothing where there is no control."""
    return f"{CONTROLS[step.best_control].short} {number(step.floor.value)}" if step.best_control else ""


def tables(summary: Summary, original: Original) -> list[Table]:
    """For the terminal: the original's own table, the scaling table, the waterfall."""
    return [
        _own(summary, original),
        *([_scaling(original)] if original.scaling else []),
        _waterfall(summary, original),
    ]


def _table(title: str, caption: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(
        title=Text(title), title_style="", caption=Text(caption), caption_style="dim", caption_justify="left",
        box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False,
    )  # fmt: skip


def _own(summary: Summary, original: Original) -> Table:
    said = f": {labelled(original)}" if labelled(original) else ""
    table = _table(
        f"The original protocol, as published{said}",
        "Repeated stills, one random split, penalty 1. Random: Gaussian noise. These figures say little of the "
        "encoder: the waterfall takes their artefacts away.",
    )
    for name in ("task", summary.encoder.name, "random", "delta", "majority"):
        table.add_column(name, no_wrap=True, justify="left" if name == "task" else "right")
    for fall in original.falls:
        first, noise = fall.steps[0].score, original.noise.get(fall.task)
        cells = [head(fall), with_interval(first), number(noise.value if noise else None), difference(first, noise)]
        table.add_row(*cells, constant(original, fall))
    return table


def _scaling(original: Original) -> Table:
    table = _table("On fewer frames: as published / penalty chosen", "")
    table.add_column("frames", justify="right")
    for fall in original.falls:
        table.add_column(head(fall), justify="right", no_wrap=True)
    for n in sorted({row.n for row in original.scaling}):
        at = {row.task: row for row in original.scaling if row.n == n}
        cells = [
            f"{number(at[fall.task].score.value)} / {number(at[fall.task].chosen.value)}" for fall in original.falls
        ]
        table.add_row(f"{n:,}", *cells)
    return table


def _waterfall(summary: Summary, original: Original) -> Table:
    from rich.text import Text

    lacking = {
        head(fall): one.score.note for fall in original.falls for one in fall.steps if one.score.value is None
    }
    table = _table(
        "The waterfall: one correction more at each step, those above it kept",
        "Score, 95 % interval; beneath it the best control that the step knows."
        + "".join(f" {name} is not measured at each step: {why}." for name, why in lacking.items()),
    )
    table.add_column("step", no_wrap=True)
    for fall in original.falls:
        table.add_column(head(fall), no_wrap=True)
    for place, step in enumerate(original.falls[0].steps):
        cells = []
        for fall in original.falls:
            one = fall.steps[place]
            score = (number(one.score.value), "bold"), f" {interval(one.score)}"
            cells.append(Text.assemble(*score, "\n", (beside(one), "dim")))
        table.add_row(step_name(step), *cells)
    verdicts = [_verdict(summary, fall) for fall in original.falls]
    table.add_row(Text("verdict", "bold"), *(Text(verdict, "bold") for verdict in verdicts))
    return table


def _verdict(summary: Summary, fall: Fall) -> str:
    """What the sound end allows to be said of a task."""
    rows: list[Row] = [row for row in summary.rows if row.task == fall.task]
    if not rows:
        return NONE
    kinds = {
        "above": "above every control", "above-run": "above those run", "not-shown": "not shown above",
        "below": "below a control", "no-evidence": "no evidence", "not-judged": "not judged",
        "not-measured": "not measured",
    }  # fmt: skip
    return kinds[rows[0].main.verdict.kind]


def section(summary: Summary, original: Original) -> list[str]:
    """The section of ``report.md``, as paragraphs."""
    said = f" {labelled(original)}." if labelled(original) else ""
    own = [
        [
            f"**{head(fall)}**",
            f"**{with_interval(fall.steps[0].score)}**",
            with_interval(original.noise.get(fall.task, Score(value=None))),
            difference(fall.steps[0].score, original.noise.get(fall.task)),
            constant(original, fall),
            f"{published_number(fall, _FULL)} / {number(PUBLISHED_NOISE.get(fall.task))}",
        ]
        for fall in original.falls
    ]
    return [
        "## The original experiment, made again",
        "The protocol as it was published, artefacts included: repeated stills, one random split, penalty 1."
        + said,
        "![As published](figures/probe_summary.png)",
        markdown(
            [
                "Task",
                escaped(summary.encoder.name),
                "Random",
                "Delta",
                "Majority",
                f"{PUBLISHED_BY}: score / random",
            ],
            own,
        ),
        *(_scaling_section(original) if original.scaling else []),
        "### The waterfall: what is left of each score",
        "One artefact less at each step, those taken away before it kept away. Beneath each score: the best of the "
        "controls that the step knows.",
        "![The waterfall](figures/waterfall.png)",
        markdown(
            ["Step", *(head(fall) for fall in original.falls), "What is corrected"],
            [
                [step_name(step), *(_cell(fall.steps[place]) for fall in original.falls), STEP_TEXTS[step.protocol]]
                for place, step in enumerate(original.falls[0].steps)
            ],
        ),
    ]


def _scaling_section(original: Original) -> list[str]:
    rows = []
    for n in sorted({row.n for row in original.scaling}):
        at = {row.task: row for row in original.scaling if row.n == n}
        rows.append([f"{n:,}"] + [_scaled(at[fall.task]) for fall in original.falls])
    published = [
        [f"{n:,}, {PUBLISHED_BY}", *(published_number(fall, n) for fall in original.falls)] for n in PUBLISHED["xy"]
    ]
    return [
        "### Scaling",
        "The same on fewer frames, and in brackets with the penalty chosen on inner folds instead of fixed at 1: "
        "with about as many training frames as dimensions, a fixed weak one fits the noise. "
        "After it: Gaussian noise.",
        "![Scaling](figures/scaling.png)",
        markdown(["n", *(head(fall) for fall in original.falls)], rows + published),
    ]


def _scaled(row: Scaled) -> str:
    return f"{with_interval(row.score)} (chosen {with_interval(row.chosen)}; noise {with_interval(row.noise)})"


def _cell(step: Step) -> str:
    change = f", {signed(step.change)}" if step.change is not None else ""
    control = f" ({step.best_control} {with_interval(step.floor)})" if step.best_control else ""
    return f"**{number(step.score.value)}** {interval(step.score)}{control}{change}"
