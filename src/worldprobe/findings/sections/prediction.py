"""What a run tells of the future, as facts: the predictor beside its baselines, its leak and its surprise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from worldprobe.findings.finding import Finding, Run, mode_of, read_record
from worldprobe.findings.score import Fact, VerdictKind, of_folder
from worldprobe.findings.verdicts import by_intervals
from worldprobe.findings.violations import Violation, read_violations, surprise_caveats, surprise_headline
from worldprobe.findings.wording import number, rough
from worldprobe.intervals import Score, Standing
from worldprobe.results import FEW_GROUPS, AnyResult, LeakResult, PredictionResult, SurpriseResult

SURPRISE, CURVES = "surprise", "curves.json"
# What an axis can hold.
Drawable = Annotated[float, Field(ge=-1e9, le=1e9)]


class HorizonScores(Fact):
    """One horizon, for all tokens or the changed ones: scores by method; ``verdict`` is the predictor's.

    ``fitted`` is its skill over the best of the fitted baselines, which ``chosen`` names; ``skill`` is over
    copy-last. ``twin`` is the untrained twin's, over the same as far as that is known. ``other`` is the predictor's
    L1 in the mode that is not judged; None in runs of older versions.
    """

    tokens: Literal["all", "changed"]
    horizon: int
    l1: dict[str, Score]
    cosine: dict[str, Score]
    skill: dict[str, Score]
    fitted: Score
    chosen: str
    twin: Score
    other: Score | None
    verdict: str
    kind: VerdictKind
    better: tuple[str, ...]
    n: int
    n_groups: int


class Recall(Fact):
    """Where the true moment stands among its video's: (top-1, top-5, mean rank) by method."""

    horizon: int
    found: dict[str, tuple[Score, Score, Score]]


class LeakFact(Fact):
    """What changed when only the future changed."""

    encoder: str
    call: str
    context_change: float
    prediction_change: float
    clips: int


class PixelScores(Fact):
    """Decoded pixels at one horizon, by method: PSNR in dB, also where tokens changed, and SSIM."""

    horizon: int
    psnr: dict[str, Score]
    changed: dict[str, Score]
    ssim: dict[str, Score]


class Peak(Fact):
    """Which window surprises, and the file of a frame of what came.

    ``among``: of so many of the run's windows one is as unusual; None where that is not known.
    """

    window: int
    picture: str
    among: Annotated[float, Field(ge=1, le=1e9)] | None = None

    @field_validator("picture")
    @classmethod
    def _of_the_folder(cls, name: str) -> str:
        of_folder(name)
        return name


class SurpriseCurve(Fact):
    """Surprise over the time of one video, a value a window.

    Attributes:
        seconds: when what is told begins.
        told, copied: the predictor's error and copy-last's: L1, or by how many deviations it is above the usual.
        shots: the number of each window's shot; curves break between them.
        peaks: the highest, in order of time.
    """

    name: str
    seconds: tuple[Drawable, ...]
    told: tuple[Drawable, ...]
    copied: tuple[Drawable, ...]
    shots: tuple[int, ...]
    peaks: tuple[Peak, ...]
    unit: Literal["L1", "deviations"] = "L1"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        windows = len(self.seconds)
        if {len(self.told), len(self.copied), len(self.shots)} != {windows}:
            raise ValueError(f"{self.name} has {windows} times of {len(self.told)} windows")
        if any(not 0 <= peak.window < windows for peak in self.peaks):
            raise ValueError(f"a peak of {self.name} is in none of its {windows} windows")
        return self


class SurpriseCurves(Fact):
    """What ``surprise/curves.json`` of a run holds."""

    curves: tuple[SurpriseCurve, ...]


class Future(Finding):
    """Everything a run says of the future, predicted by ``mode``. ``twin`` names the untrained twin, or is empty.

    ``window_change`` is horizon 0: the context's last tubelet, encoded alone, against the same frames within the
    window.
    """

    encoder: str
    twin: str
    mode: Literal["joint", "rolling"]
    protocol: str
    surprise_protocol: str
    split: str
    headline: str
    rule: str
    window_change: HorizonScores | None
    steps: tuple[HorizonScores, ...]
    recalls: tuple[Recall, ...]
    leaks: tuple[LeakFact, ...]
    violations: tuple[Violation, ...]
    surprise_headline: str
    shown: tuple[PixelScores, ...]
    caveats: tuple[str, ...]
    curves: tuple[SurpriseCurve, ...] = ()

    @classmethod
    def of(cls, run: Run) -> Future | None:
        return read_prediction(run.results, run.encoder, read_curves(run.folder))


BASELINES = ("copy-last", "corrected", "linear", "mean", "ridge")
RULE = (
    "“Better than” a baseline: the predictor's L1 error lies below the baseline's by more than the largest such "
    "difference of all horizons reaches by chance, both on the same resampled groups. “Worse than”: as far above. "
    "Otherwise it is not shown to be better. Groups are resampled, not tokens. Skill is 1 less the error over that "
    "of the best of the fitted baselines, which validation groups chose at each horizon: 0 is that baseline, 1 is "
    "perfect."
)
OLD_RULE = (
    "“Better than” a baseline: the predictor's whole 95 % interval of the L1 error lies below the baseline's, in "
    f"{FEW_GROUPS} groups or more. “Worse than”: it lies above. Otherwise it is not shown to be better. Groups are "
    "resampled, not tokens. Skill is 1 less the error over copy-last's on the same tokens: 0 is copy-last, 1 is "
    "perfect. (A run of an older version: predict again for paired differences and fitted baselines.)"
)


def read_curves(run: Path) -> tuple[SurpriseCurve, ...]:
    """Surprise over time, where the run kept it. Raises WorldprobeError where damaged."""
    written = read_record(run / SURPRISE / CURVES, SurpriseCurves)
    return written.curves if written else ()


def read_prediction(
    results: Sequence[AnyResult], encoder: str, curves: tuple[SurpriseCurve, ...] = ()
) -> Future | None:
    """The facts of an encoder and its twin; None where a run predicts nothing."""
    every = [r for r in results if isinstance(r, PredictionResult)]
    mode = mode_of(every)
    predictions = [r for r in every if r.mode == mode]
    surprises = [r for r in results if isinstance(r, SurpriseResult)]
    if not predictions and not surprises:
        return None
    names = [*(r.encoder for r in predictions), *(r.encoder for r in surprises)]
    twin = next((name for name in names if name != encoder), "")
    steps = _steps(
        [r for r in predictions if r.encoder == encoder], [r for r in predictions if r.encoder == twin],
        [r for r in every if r.encoder == encoder and r.mode != mode],
    )  # fmt: skip
    leaks = [r for r in results if isinstance(r, LeakResult)]
    violations = read_violations(surprises, encoder)
    return Future(
        encoder=encoder,
        twin=twin,
        mode=mode,
        protocol=predictions[0].protocol if predictions else "",
        surprise_protocol=surprises[0].protocol if surprises else "",
        split=predictions[0].split if predictions else "",
        headline=_headline(steps),
        rule=RULE if any(r.against for r in predictions) else OLD_RULE,
        window_change=_window_change([r for r in predictions if r.encoder == encoder], steps),
        steps=tuple(steps),
        recalls=tuple(_recalls([r for r in predictions if r.encoder == encoder])),
        leaks=tuple(LeakFact(**{key: getattr(r, key) for key in LeakFact.model_fields}) for r in leaks),
        violations=tuple(violations),
        surprise_headline=surprise_headline(violations),
        shown=tuple(_pixel_scores(predictions)),
        curves=curves,
        caveats=(*_caveats(predictions, leaks, steps), *surprise_caveats(surprises, violations)),
    )


def _score(r: PredictionResult) -> Score:
    note = "; ".join(r.notes) if r.score is None else ""
    return Score(value=r.score, low=r.low, high=r.high, note=note)


def _by_method(predictions: Sequence[PredictionResult], **at: object) -> dict[str, Score]:
    return {r.method: _score(r) for r in predictions if all(getattr(r, key) == value for key, value in at.items())}


def _steps(
    ours: Sequence[PredictionResult], twins: Sequence[PredictionResult], others: Sequence[PredictionResult]
) -> list[HorizonScores]:
    steps = []
    absent = Score(value=None, note="not run")
    kinds: tuple[Literal["changed", "all"], ...] = ("changed", "all")
    for tokens in kinds:
        for horizon in sorted({r.horizon for r in ours if r.metric == "l1" and r.tokens == tokens and r.horizon}):
            at = {"tokens": tokens, "horizon": horizon}
            l1 = {"predictor": absent, **_by_method(ours, metric="l1", **at)}
            lines = {r.method: r for r in ours if r.metric == "l1" and (r.tokens, r.horizon) == (tokens, horizon)}
            first = next(iter(lines.values()))
            better, verdict, kind = _judge(l1, _stands(l1, lines.get("predictor", first)))
            fitted, twin = (
                _by_method(ones, metric="skill_fitted", **at).get("predictor") for ones in (ours, twins)
            )
            one = HorizonScores(
                tokens=tokens, horizon=horizon, l1=l1,
                cosine={"predictor": absent, **_by_method(ours, metric="cosine", **at)},
                skill={"predictor": absent, **_by_method(ours, metric="skill", **at)},
                fitted=fitted or absent,
                chosen="; ".join(lines["fitted"].notes) if fitted and fitted.value is not None else "",
                twin=twin or _by_method(twins, metric="skill", **at).get("predictor", absent),
                other=_by_method(others, metric="l1", **at).get("predictor"),
                verdict=verdict, kind=kind, better=better, n=first.n, n_groups=first.n_groups,
            )  # fmt: skip
            steps.append(one)
    return steps


def _stands(l1: Mapping[str, Score], predictor: PredictionResult) -> dict[str, Standing]:
    """How the predictor stands to each baseline that was measured."""
    if predictor.against:
        return predictor.against
    own = l1["predictor"]
    known = {name: s for name in BASELINES if (s := l1.get(name)) and s.interval}
    return {
        name: by_intervals(own, other, groups=predictor.n_groups, less_is_better=True)
        for name, other in known.items()
    }


def _judge(l1: Mapping[str, Score], stands: Mapping[str, Standing]) -> tuple[tuple[str, ...], str, VerdictKind]:
    """Baselines that the predictor is better than, and the verdict in words and by its kind."""
    if l1["predictor"].interval is None:
        return (), f"not measured: {l1['predictor'].note or 'no reason given'}", "not-measured"
    better, even, worse = (
        tuple(name for name in BASELINES if stands.get(name) == stand) for stand in ("above", "not shown", "below")
    )
    parts = [
        f"{said} {', '.join(names)}"
        for said, names in (("better than", better), ("not shown better than", even), ("worse than", worse))
        if names
    ]
    if better and better == tuple(name for name in BASELINES if name in l1):
        return better, "better than every baseline", "above"
    kind: VerdictKind = "below" if worse else "not-shown" if even else "above-run" if better else "not-judged"
    return better, "; ".join(parts) or "not judged: no baseline has an interval", kind


def _headline(steps: Sequence[HorizonScores]) -> str:
    """Where the predictor is better than everything, and than copy-last, among the changed tokens."""
    changed = [step for step in steps if step.tokens == "changed"]
    if not changed:
        return ""
    over = [str(step.horizon) for step in changed if "copy-last" in step.better]
    every = [str(step.horizon) for step in changed if step.verdict == "better than every baseline"]
    last = changed[-1].horizon
    return (
        f"Of horizons 1 to {last}, on tokens that changed, the predictor's error is shown to be below that of "
        f"every baseline at {', '.join(every) or 'none'}; below that of copy-last at {', '.join(over) or 'none'}."
    )


def _window_change(ours: Sequence[PredictionResult], steps: Sequence[HorizonScores]) -> HorizonScores | None:
    """What encoding the context alone does to the same frames' tokens; None in runs of older versions."""
    first = next((r for r in ours if r.horizon == 0), None)
    if first is None:
        return None
    absent = Score(value=None, note="nothing is predicted at horizon 0")
    l1, cosine = (
        {"predictor": absent, **_by_method(ours, metric=metric, horizon=0)} for metric in ("l1", "cosine")
    )
    own = l1["copy-last"].value
    ahead = next((step.l1["copy-last"].value for step in steps if step.tokens == "all"), None)
    share = f": {number(100 * own / ahead, 0)} % of copy-last's error at horizon 1" if own and ahead else ""
    return HorizonScores(
        tokens="all", horizon=0, l1=l1, cosine=cosine, skill={"predictor": absent}, fitted=absent, chosen="",
        twin=absent, other=None, verdict=f"the change of window alone{share}", kind="not-judged", better=(),
        n=first.n, n_groups=first.n_groups,
    )  # fmt: skip


def _recalls(ours: Sequence[PredictionResult]) -> list[Recall]:
    ranked = [r for r in ours if r.metric == "mean_rank"]
    recalls = []
    for horizon in sorted({r.horizon for r in ranked}):
        by = [_by_method(ours, metric=metric, horizon=horizon) for metric in ("top1", "top5", "mean_rank")]
        recalls.append(
            Recall(horizon=horizon, found={name: (by[0][name], by[1][name], by[2][name]) for name in by[2]})
        )
    return recalls


def _pixel_scores(predictions: Sequence[PredictionResult]) -> list[PixelScores]:
    horizons = sorted({r.horizon for r in predictions if r.metric == "psnr"})
    return [
        PixelScores(
            horizon=horizon,
            psnr=_by_method(predictions, metric="psnr", tokens="all", horizon=horizon),
            changed=_by_method(predictions, metric="psnr", tokens="changed", horizon=horizon),
            ssim=_by_method(predictions, metric="ssim", horizon=horizon),
        )
        for horizon in horizons
    ]


def _caveats(
    predictions: Sequence[PredictionResult], leaks: Sequence[LeakResult], steps: Sequence[HorizonScores]
) -> list[str]:
    found = []
    for r in leaks:
        if r.call == "prefix" and max(r.context_change, r.prediction_change) > 0:
            found.append(
                f"THE CONTEXT HAS SEEN THE FUTURE ({r.encoder}): changing only later frames moved its tokens by "
                f"{r.context_change:g} and the prediction by {r.prediction_change:g}. No prediction score here "
                "means anything."
            )
    if steps and steps[0].n_groups < FEW_GROUPS:
        old = not any(r.against for r in predictions)
        found.append(rough(steps[0].n_groups, "predictions", old=old))
    missing = {(method, s.note) for step in steps for method, s in step.l1.items() if s.value is None}
    found += [f"No {method} among the predictions: {note}." for method, note in sorted(missing)]
    undrawn = {
        note
        for r in predictions
        if r.metric == "psnr" and r.score is None and r.tokens == "all"
        for note in r.notes
    }
    found += [f"The future is not drawn: {note}." for note in sorted(undrawn)]
    still = [step for step in steps if step.tokens == "changed" and step.l1["predictor"].value is None]
    if still:
        found.append(f"At {len(still)} horizons no token changed: nothing can be seen there.")
    moved, every = (sum(step.n for step in steps if step.tokens == tokens) for tokens in ("changed", "all"))
    if moved < 0.05 * every:
        share = number(100 * moved / every, 1)
        found.append(f"Only {share} % of the tokens change: scores on all tokens say next to nothing here.")
    return found
