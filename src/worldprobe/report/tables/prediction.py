"""Predictions of the future beside their baselines, their leak, their pixels and their surprise."""

from __future__ import annotations

from functools import partial

from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.prediction import (
    BASELINES,
    Future,
    HorizonScores,
    LeakFact,
    PixelScores,
    Recall,
)
from worldprobe.findings.violations import CALIBRATED, Violation
from worldprobe.findings.wording import CALLS, CAPTIONS, MEASURES, PIXEL_METHODS, SPEAKS, number
from worldprobe.intervals import Score
from worldprobe.report.charts.horizons import horizon_panels
from worldprobe.report.charts.surprise import peak_captions, surprise_panels
from worldprobe.report.drawing import svg
from worldprobe.report.table import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Paragraph,
    Section,
    Table,
    Template,
    cell,
    in_groups,
    score_cell,
    score_parts,
)

_WAYS = ("predictor", "copy-last", "chance")


def prediction(summary: Summary) -> Section | None:
    """Leak, horizons, retrieval, pixels and surprise, of what there is."""
    future = summary.future
    if future is None:
        return None
    known = (one.opening for one in (summary.readouts, summary.futures) if one)
    opening = [Paragraph(said)] if (said := " ".join(filter(None, known))) else []
    blocks: list[Block] = [
        *opening,
        *_horizons(future),
        *_pixels(future),
        *_impossible(future),
        *_over_time(future),
    ]
    return Section(
        "future", "Predicting the future", blocks, short="Prediction", chapter="future",
        question="Does it predict what comes next?",
    )  # fmt: skip


def _horizons(future: Future) -> list[Block]:
    """By horizon, beside what knows nothing."""
    if not future.steps:
        return []
    noise = (
        "Only the frames after the context are replaced by noise: the largest change of any component. 0 is what "
        "it must be."
    )
    apart = (
        " All tokens and changed ones stand apart. Where nothing moves copying is not right either: a context "
        "encoded alone has other tokens than the same frames have within the window, and horizon 0 says how far "
        "apart they are. So to beat copy-last is not yet to know what comes."
    )
    methods = (
        "copy-last: the context's last tokens again. corrected: the same through one linear map, fitted on other "
        "groups, from tokens of a context encoded alone to those of the same frames within the window. linear: the "
        "last step carried on. mean: the mean token of each cell in other groups. ridge: a linear function of the "
        f"last two tokens of a cell, fitted on other groups. The predictor is judged in mode {future.mode}; the "
        "other stands beside it. joint: all tubelets of a window at once. rolling: one at a time, each fed back."
    )
    bars = (
        "Bars: 95 % intervals, groups resampled; ▲ ▼ beyond the axis. Point at a mark, or step from one to the "
        "next with the arrow keys."
    )
    alike = (
        "Among all moments of the same video, by the cosine of all tokens of a tubelet. Chance: a blind choice. "
        "Neighbouring moments are alike, so a low top-1 need not mean a poor prediction: read it beside copy-last."
    )
    return [
        Paragraph(future.headline),
        Paragraph(f"{future.protocol}; {future.split} groups.", "soft", lead="Protocol:"),
        Heading("Has the context seen the future?"),
        Paragraph(noise, "small"),
        _leaks(future),
        Heading("Error and skill by horizon"),
        _steps(future),
        Paragraph(f"{future.rule} {SPEAKS}{apart}", "rule", lead="How verdicts are reached."),
        Paragraph(methods, "soft"),
        Figure("horizon", bars, horizon_panels(future), look=" two"),
        Figure("error_map", CAPTIONS["error_map"], drawn=True),
        Heading("Is the true future the nearest moment?"),
        _recalls(future),
        Paragraph(alike, "soft"),
    ]


def _leaks(future: Future) -> Table[LeakFact]:
    columns: list[Column[LeakFact]] = [
        Column("Call", lambda one: cell(CALLS[one.call], (f" {one.encoder}", "soft"))),
        Column("Context's tokens", lambda one: cell((f"{one.context_change:.3g}", "strong")), right=True),
        Column("Prediction", lambda one: cell((f"{one.prediction_change:.3g}", "strong")), right=True),
        Column("Clips", lambda one: str(one.clips), right=True),
    ]
    return Table("Leak", columns, future.leaks)


def _steps(future: Future) -> Table[HorizonScores]:
    leaks = "; ".join(
        f"{CALLS[one.call]} {one.context_change:.3g} and {one.prediction_change:.3g}"
        for one in future.leaks
        if one.encoder == future.encoder
    )
    baselines: list[Column[HorizonScores]] = [
        Column(
            name, partial(_l1, name=name), right=True, short=name, value_only=True,
        )
        for name in BASELINES
    ]  # fmt: skip
    fitted = any(step.fitted.value is not None for step in future.steps)
    over_copying: list[Column[HorizonScores]] = [
        Column("over copy-last", lambda step: score_cell(step.skill["predictor"], sign=True), right=True,
               forms=("html", "markdown")),
    ]  # fmt: skip
    twin: list[Column[HorizonScores]] = [
        Column("Skill, untrained", lambda step: score_cell(step.twin, sign=True), right=True, short="untr.",
               value_only=True),
    ]  # fmt: skip
    # The other mode's L1, which has the same baselines.
    way = "rolling" if future.mode == "joint" else "joint"
    other: list[Column[HorizonScores]] = [
        Column(way, lambda step: score_cell(step.other, 3), right=True, short=way, value_only=True)
    ]
    columns: list[Column[HorizonScores]] = [
        Column("Tokens", lambda step: step.tokens, short="tokens"),
        Column("Horizon", lambda step: str(step.horizon), short="h", right=True),
        Column("predictor", lambda step: _own(step), right=True, short="predictor"),
        *(other if any(step.other for step in future.steps) else []),
        *baselines,
        Column("Skill", partial(_skill, fitted=fitted), right=True, short="skill"),
        *(over_copying if fitted else []),
        *(twin if future.twin else []),
        Column("Cosine", lambda step: score_cell(step.cosine["predictor"]), right=True),
        Column("Verdict", lambda step: cell(step.verdict, kind="verdict"), short="verdict", fold=True),
        Column("n", lambda step: in_groups(step.n, step.n_groups), right=True),
    ]  # fmt: skip
    return Table(
        f"{future.encoder}: L1 by horizon, 95 % intervals", columns, _rows(future), look="num scores wordy",
        caption=f"{future.headline}\nLeak (change of context and prediction when only the future changes): "
        f"{leaks}.",
        tone=lambda step: "" if step.tokens == "changed" else "other",
    )  # fmt: skip


def _rows(future: Future) -> tuple[HorizonScores, ...]:
    """Changed tokens, then all of them, which horizon 0 stands before."""
    changed = [step for step in future.steps if step.tokens == "changed"]
    others = [step for step in future.steps if step.tokens == "all"]
    return (*changed, *([future.window_change] if future.window_change else []), *others)


def _own(step: HorizonScores) -> Cell:
    return score_cell(step.l1["predictor"], 3, kind="probe")


def _skill(step: HorizonScores, fitted: bool) -> Cell:
    return score_cell(step.fitted if fitted else step.skill["predictor"], sign=True, strong=True)


def _l1(step: HorizonScores, name: str) -> Cell:
    return score_cell(step.l1.get(name), 3)


def _recalls(future: Future) -> Table[Recall]:
    columns: list[Column[Recall]] = [Column("Horizon", lambda one: str(one.horizon))]
    for way in _WAYS:
        for at, measure in enumerate(("top-1", "top-5", "mean rank")):
            columns.append(Column(f"{way}: {measure}", partial(_recall, way=way, at=at), right=True))
    return Table("Retrieval", columns, future.recalls)


def _recall(one: Recall, way: str, at: int) -> Cell:
    return score_cell(one.found[way][at])


def _pixels(future: Future) -> list[Block]:
    """The same, drawn by a decoder."""
    if not future.shown:
        return []
    note = (
        "DECODE_ACTUAL decodes the true embeddings: the ceiling that the decoder sets, and no prediction. Changed: "
        "PSNR over the pixels of tokens that changed. copy-last frame repeats the last frames that were "
        "seen; mean image is that of other groups."
    )
    columns: list[Column[PixelScores]] = [Column("Horizon", lambda one: str(one.horizon), short="h", right=True)]
    for way, name in PIXEL_METHODS.items():
        for measure, field in (("PSNR", "psnr"), ("changed", "changed"), ("SSIM", "ssim")):
            columns.append(
                Column(
                    f"{name}: {measure}",
                    partial(_pixel_cell, way=way, measure=field),
                    right=True,
                    forms=("html", "markdown"),
                )
            )
        columns.append(Column("", partial(_brief, way=way), short=name, right=True, forms=("terminal",)))
    title = "The future, drawn: PSNR in dB (where changed), SSIM"
    caption = "DECODE_ACTUAL decodes the true embeddings: the ceiling."
    return [
        Heading("The future, drawn"),
        Table(title, columns, future.shown, caption=caption),
        Paragraph(note, "soft"),
        Figure("prediction_comparison", CAPTIONS["prediction_comparison"], drawn=True),
    ]


def _pixel_cell(one: PixelScores, way: str, measure: str) -> Cell:
    scores: dict[str, Score] = getattr(one, measure)
    return score_cell(scores.get(way))


def _brief(one: PixelScores, way: str) -> Cell:
    whole, part, like = (scores.get(way) for scores in (one.psnr, one.changed, one.ssim))
    decibel = f"{number(whole.value if whole else None, 1)} ({number(part.value if part else None, 1)}),"
    return cell((decibel, ""), (" ", "joint"), (number(like.value if like else None), ""))


def _impossible(future: Future) -> list[Block]:
    """Surprise at pairs of possible and impossible videos."""
    if not future.violations:
        return []
    protocol = (
        f"{future.surprise_protocol}. Relative accuracy: the share of pairs in which the impossible video "
        "surprises more (0.5 by chance). AUROC: how well one threshold tells all impossible videos from all "
        "possible ones."
    )
    columns: list[Column[Violation]] = [
        Column("Violation", lambda one: cell((one.name, "strong")), short="violation"),
        Column("Pairs", lambda one: str(one.pairs), right=True, short="pairs"),
    ]
    for key in (one for one in MEASURES if any(one in row.trained for row in future.violations)):
        columns.append(Column(MEASURES[key], partial(_surprise, key=key), right=True, short=MEASURES[key]))
        if future.twin:
            columns.append(
                Column(
                    "untrained",
                    partial(_surprise, key=key, twin=True),
                    right=True,
                    short="untr.",
                    value_only=True,
                )
            )
    title = "Surprise at the impossible"
    return [
        Heading(title),
        *_calibrated(future),
        Paragraph(protocol, "small", lead="Protocol:"),
        Table(f"{title}, 95 % intervals", columns, future.violations, caption=future.surprise_protocol),
        Paragraph(SPEAKS, "soft"),
        Figure("violations", CAPTIONS["violations"], drawn=True),
    ]


def _calibrated(future: Future) -> list[Block]:
    """Surprise in units of what is usual in possible videos, beside what knows nothing of the world."""
    rows = [one for one in future.violations if CALIBRATED in one.trained]
    if not rows:
        return []
    how = (
        "How rare a video's least usual window is among possible videos of other pairs: its errors beside what "
        "they usually are where as much is predicted to change, as much moved and the picture is as varied; too "
        "little is unusual as well as too much. Flagged: the share of impossible videos that are as rare as 1 "
        "possible one in 20. As rare as: 1 possible video in so many; beside it the mean of the logarithm. "
        "ridge, copy-last, pixels: the same of a fitted linear guess, of the last tokens again, of colours that "
        "change. none: two possible videos, which nothing should tell apart."
    )
    columns: list[Column[Violation]] = [
        Column("Violation", lambda one: cell((one.name, "strong")), short="violation"),
        Column("Pairs", lambda one: str(one.pairs), right=True, short="pairs"),
        Column(
            "AUROC", lambda one: score_cell(one.trained.get(CALIBRATED), strong=True), right=True, short="AUROC"
        ),
        *(
            Column(name, partial(_control, name=name), right=True, short=short, value_only=True)
            for name, short in _CONTROLS.items()
            if any(name in one.controls for one in rows)
        ),
        Column("Flagged", lambda one: score_cell(one.trained.get("calibrated flagged")), right=True, short="flag."),
        Column("As rare as", _rare, right=True, short="rare as"),
        Column("Verdict", lambda one: cell(one.verdict, kind="verdict", tone=one.kind), short="verdict", fold=True),
    ]  # fmt: skip
    return [
        Paragraph(future.surprise_headline),
        Paragraph(how, "rule", lead="Calibrated surprise."),
        Table("Calibrated surprise, AUROC", columns, rows, caption=future.surprise_protocol),
    ]


_CONTROLS = {"untrained twin": "untr.", "ridge": "ridge", "copy-last": "copy", "pixels": "pixels"}


def _control(one: Violation, name: str) -> Cell:
    return score_cell(one.controls.get(name))


def _rare(one: Violation) -> Cell:
    found = one.trained.get("calibrated rarity")
    if found is None or found.value is None:
        return cell("")
    return cell((f"1 in {number(10**found.value, 0)}", "strong"), (" ", "joint"), *score_parts(found))


def _surprise(one: Violation, key: str, twin: bool = False) -> Cell:
    return score_cell((one.twin if twin else one.trained).get(key))


def _over_time(future: Future) -> list[Block]:
    """Surprise over a video, and what was seen at its peaks."""
    if not future.curves:
        return []
    note = (
        "The error of each window at the time when what is told begins; curves break at cuts. Beneath: what was "
        "seen at the peaks. Where there are enough windows the error is in deviations above what is usual in other "
        "groups, where as much is predicted to change, as much moved and the picture is as varied; 1 in 40: one "
        "window in 40 of this run is as unusual."
    )
    peaks = [f"Peaks of {one.name}: {'; '.join(peak_captions(one)) or 'none'}." for one in future.curves]
    return [
        Heading("Surprise over time"),
        Paragraph(note, "soft", forms=("html",)),
        Template("surprise", {"panels": surprise_panels(future), "width": svg.LONG}),
        Figure("surprise", CAPTIONS["surprise"], forms=("markdown",)),
        *(Paragraph(text, forms=("markdown",)) for text in peaks),
    ]
