"""The predictions of a run in ``report.md``."""

from __future__ import annotations

from worldprobe.findings.prediction import BASELINES, Future
from worldprobe.findings.score import Score
from worldprobe.findings.wording import CALLS, CAPTIONS, DRAWN, MEASURES, signed, with_interval
from worldprobe.report.charts.surprise import peak_captions
from worldprobe.report.forms.marks import escaped, table

WAYS = ("predictor", "copy-last", "chance")


def future_parts(future: Future, figures: list[str]) -> list[str]:
    """Markdown blocks; ``figures`` are the names of those that the run has."""
    parts = ["## Prediction: is the future told?"]
    if future.steps:
        parts += [escaped(future.headline), f"**Protocol:** {escaped(future.protocol)}; {future.split} groups."]
        parts += ["### Has the context seen the future?", _leaks(future)]
        parts += ["### Error and skill by horizon", _steps(future), f"*{escaped(future.rule)}*"]
        parts += _pictures(figures, ("horizon", "error_map"))
        parts += ["### Is the true future the nearest moment?", _recalls(future)]
    if future.shown:
        heads = [
            "Horizon",
            *(f"{name}: {m}" for name in DRAWN.values() for m in ("PSNR", "PSNR where changed", "SSIM")),
        ]
        rows = [
            [
                str(one.horizon),
                *(_cell(found.get(way)) for way in DRAWN for found in (one.psnr, one.changed, one.ssim)),
            ]
            for one in future.shown
        ]
        parts += ["### The future, drawn", table([escaped(head) for head in heads], rows)]
        parts.append("DECODE\\_ACTUAL decodes the true embeddings: the decoder's ceiling, and no prediction.")
        parts += _pictures(figures, ("prediction_comparison",))
    if future.violations:
        parts += ["### Surprise at the impossible", f"**Protocol:** {escaped(future.surprise_protocol)}."]
        parts.append(_violations(future))
        parts += _pictures(figures, ("violations",))
    if future.curves:
        parts += ["### Surprise over time", *_pictures(figures, ("surprise",))]
        parts += [
            f"Peaks of {escaped(one.name)}: {'; '.join(peak_captions(one)) or 'none'}." for one in future.curves
        ]
    return parts


def _cell(score: Score | None, digits: int = 2) -> str:
    return with_interval(score or Score(value=None), digits)


def _leaks(future: Future) -> str:
    rows = [
        [
            CALLS[one.call],
            escaped(one.encoder),
            f"{one.context_change:.3g}",
            f"{one.prediction_change:.3g}",
            str(one.clips),
        ]
        for one in future.leaks
    ]
    return table(["Call", "Encoder", "Context changes by", "Prediction changes by", "Clips"], rows)


def _steps(future: Future) -> str:
    heads = [
        "Tokens",
        "Horizon",
        "predictor L1",
        *BASELINES,
        "Skill",
        *(["Skill, untrained"] * bool(future.twin)),
        "Cosine",
    ]
    rows = []
    for step in future.steps:
        skills = [step.skill["predictor"], *([step.twin] if future.twin else [])]
        rows.append(
            [
                step.tokens,
                str(step.horizon),
                *(_cell(step.l1.get(name), 3) for name in ("predictor", *BASELINES)),
                *(f"{signed(s.value)} {_cell(s).partition(' ')[2]}".strip() for s in skills),
                _cell(step.cosine["predictor"]),
                step.verdict,
                f"{step.n:,} in {step.n_groups:,} groups",
            ]
        )
    return table([*heads, "Verdict", "n"], rows)


def _recalls(future: Future) -> str:
    heads = ["Horizon", *(f"{way}: {m}" for way in WAYS for m in ("top-1", "top-5", "mean rank"))]
    rows = [
        [str(one.horizon), *(_cell(score) for way in WAYS for score in one.found[way])] for one in future.recalls
    ]
    return table(heads, rows)


def _violations(future: Future) -> str:
    heads, rows = ["Violation", "Pairs"], []
    for name in MEASURES.values():
        heads += [name, *(["untrained"] * bool(future.twin))]
    for one in future.violations:
        cells = [f"**{escaped(one.name)}**", str(one.pairs)]
        for key in MEASURES:
            cells += [
                _cell(found.get(key)) for found in ([one.trained, one.twin] if future.twin else [one.trained])
            ]
        rows.append(cells)
    return table(heads, rows)


def _pictures(figures: list[str], names: tuple[str, ...]) -> list[str]:
    return [f"![{CAPTIONS[name]}](figures/{name}.png)" for name in names if name in figures]
