"""The closing table of predictions on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worldprobe.findings.prediction import BASELINES, Future
from worldprobe.findings.wording import CALLS, MEASURES, interval, number, signed

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def future_tables(future: Future) -> list[Table]:
    """Horizons, pixels and surprise, of what there is."""
    found = []
    if future.steps:
        found.append(_steps(future))
    if future.shown:
        found.append(_shown(future))
    if future.violations:
        found.append(_violations(future))
    return found


def _blank(title: str, caption: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(
        title=Text(title), title_style="", caption=Text(caption), caption_style="dim", caption_justify="left",
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False,
    )  # fmt: skip


def _steps(future: Future) -> Table:
    from rich.text import Text

    leaks = "; ".join(
        f"{CALLS[one.call]} {one.context_change:.3g} and {one.prediction_change:.3g}"
        for one in future.leaks
        if one.encoder == future.encoder
    )
    result = _blank(
        f"{future.encoder}: L1 by horizon, 95 % intervals",
        f"{future.headline}\nLeak (change of context and prediction when only the future changes): {leaks}.",
    )
    result.add_column("tokens", no_wrap=True)
    result.add_column("h", justify="right")
    result.add_column("predictor", no_wrap=True)
    for name in BASELINES:
        result.add_column(name, justify="right", no_wrap=True)
    result.add_column("skill", no_wrap=True)
    if future.twin:
        result.add_column("untr.", justify="right", no_wrap=True)
    result.add_column("verdict", overflow="fold")
    for step in future.steps:
        own, skill = step.l1["predictor"], step.skill["predictor"]
        cells: list[str | Text] = [step.tokens, str(step.horizon)]
        cells.append(Text.assemble((number(own.value, 3), "bold"), " ", (interval(own, 3), "dim")))
        cells += [number(s.value if (s := step.l1.get(name)) else None, 3) for name in BASELINES]
        cells.append(Text.assemble((signed(skill.value), "bold"), " ", (interval(skill), "dim")))
        cells += [signed(step.twin.value)] if future.twin else []
        result.add_row(*cells, step.verdict)
    return result


def _shown(future: Future) -> Table:
    from worldprobe.findings.wording import DRAWN

    result = _blank(
        "The future, drawn: PSNR in dB (where changed), SSIM",
        "DECODE_ACTUAL decodes the true embeddings: the ceiling.",
    )
    result.add_column("h", justify="right")
    for name in DRAWN.values():
        result.add_column(name, justify="right", no_wrap=True)
    for one in future.shown:
        cells = []
        for way in DRAWN:
            whole, part, like = (s.get(way) for s in (one.psnr, one.changed, one.ssim))
            decibel = f"{number(whole.value if whole else None, 1)} ({number(part.value if part else None, 1)})"
            cells.append(f"{decibel}, {number(like.value if like else None)}")
        result.add_row(str(one.horizon), *cells)
    return result


def _violations(future: Future) -> Table:
    result = _blank("Surprise at the impossible, 95 % intervals", future.surprise_protocol)
    result.add_column("violation", no_wrap=True)
    result.add_column("pairs", justify="right")
    keys = ("mean relative_accuracy", "mean auroc", "max auroc")
    for key in keys:
        result.add_column(MEASURES[key], no_wrap=True)
        if future.twin:
            result.add_column("untr.", justify="right", no_wrap=True)
    for one in future.violations:
        cells = [one.name, str(one.pairs)]
        for key in keys:
            score, twin = one.trained.get(key), one.twin.get(key)
            cells.append(f"{number(score.value)} {interval(score)}" if score else "")
            cells += [number(twin.value if twin else None)] if future.twin else []
        result.add_row(*cells)
    return result
