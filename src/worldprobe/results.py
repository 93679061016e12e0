"""What a run found: one model a kind, one line of ``results.jsonl`` each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from worldprobe.controls import Control
from worldprobe.errors import WorldprobeError
from worldprobe.intervals import Standing
from worldprobe.io.files import StrPath, write_whole

DecodingBaseline = Literal[
    "none", "mean-image", "shuffled-embedding", "random-init", "pixels", "bicubic-8", "bicubic-16", "copy-last"
]

DecodingMetric = Literal["psnr", "ssim", "lpips", "sharpness", "spread"]


class Result(BaseModel):
    """Typed, frozen; unknown fields are errors. ``written_by`` is the stage that replaces lines of this kind."""

    written_by: ClassVar[Literal["", "probe", "predict", "decode"]] = ""

    # An infinite strength is written as a string, which every JSON reader can take and pydantic reads back.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class DecodingResult(Result):
    """How near the frames drawn from embeddings come to the real ones, on groups that no decoder was trained on.

    ``metric``: PSNR in dB and SSIM, means over frames; ``sharpness``, the mean length of differences between
    neighbouring px over that of the real frames; ``spread``, the mean deviation of a px (0 to 1) between samples.
    ``region`` is "all", or the px "inside" or "outside" the labelled objects' boxes. ``variant`` says how a decoder
    sampled ("4 steps", "mean of 4 samples"). ``protocol`` is "sound", or a rung of the ladder from the original
    protocol to it, whose ``change`` says what was changed; only there may frames be of training pairs.
    ``against``: how its PSNR stands to each baseline's, frames paired.
    """

    written_by = "decode"
    kind: Literal["decoding"] = "decoding"
    encoder: str
    tap: str
    decoder: str
    target: Literal["actual", "predicted"] = "actual"
    baseline: DecodingBaseline = "none"
    variant: str = ""
    protocol: str = "sound"
    change: str = ""
    metric: DecodingMetric
    region: Literal["all", "inside", "outside"] = "all"
    score: float | None
    low: float | None
    high: float | None
    n: int
    n_groups: int
    n_train: int
    width: int
    height: int
    split: str
    seed: int
    against: dict[str, Standing] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)


Metric = Literal["r2", "accuracy", "balanced_accuracy", "macro_f1", "angular_error"]
Measure = Literal["skill", "selectivity", "contrast"]
Verdict = Literal["above every control", "not above", "no evidence", "too few to tell"]
PredictionMethod = Literal[
    "predictor", "copy-last", "corrected", "linear", "mean", "ridge", "fitted", "chance", "decode-actual",
    "copy-last-frame", "mean-image",
]  # fmt: skip
PredictionMetric = Literal["l1", "cosine", "skill", "skill_fitted", "top1", "top5", "mean_rank", "psnr", "ssim"]
# Below so many, an interval from groups is rough.
FEW_GROUPS = 20
# ``ProbeResult.protocol`` of the waterfall: the original protocol, then one correction more at each step, those
# before it kept; the last one is sound. On n frames only, for the scaling table, it is "original@n".
WATERFALL = (
    "original", "original+own-size", "original+controls", "original+native", "original+grouped", "original+chosen",
    "sound",
)  # fmt: skip


class ProbeResult(Result):
    """One score of one probe, out of fold.

    ``score, low, high`` are None where the score could not be had; ``notes`` then say why. ``low`` and
    ``high`` bound the 95 % interval by resampling groups. ``chosen`` lists the penalty
    that the inner folds chose in each outer fold;
    an infinite one leaves a constant. ``control`` is "none" for the real probe. ``taps`` lists the tap and features
    that each fold's inner folds chose, where the tap was part of the choice. ``angular_error`` is in degrees.
    ``z`` is the one-sided test by groups of whether the target is there at all; None where it does not apply.
    """

    written_by = "probe"
    kind: Literal["probe"] = "probe"
    task: str
    encoder: str
    tap: str
    features: str
    input: str
    probe: str
    control: Control
    split: str
    protocol: str = "sound"
    metric: Metric
    score: float | None
    low: float | None
    high: float | None
    n_train: int
    n_test: int
    n_groups: int
    chosen: list[float] = Field(default_factory=list)
    taps: list[str] = Field(default_factory=list)
    z: float | None = None
    seed: int
    notes: list[str] = Field(default_factory=list)


class PredictionResult(Result):
    """Score the predictor or a baseline at one horizon.

    ``tokens`` is "all", or "changed": those whose pixels moved since the context's end, beyond the film's noise.
    ``context`` and ``horizon`` count tubelets; horizon 0 is the context's last, encoded alone, against the same
    frames within the window. ``protocol`` says how the prediction was made and what it is held against.
    ``corrected`` is copy-last through one linear map fitted to horizon 0, ``fitted`` the fitted baseline that did
    best on validation groups; ``skill`` is over copy-last, ``skill_fitted`` over ``fitted``. ``against``: how the
    predictor's L1 stands to each baseline's, windows paired.
    ``n`` counts tokens (moments for retrieval, tubelets for pixels); ``low`` and ``high`` bound the 95 %
    interval by resampling groups. ``chance`` is a blind choice among moments; ``decode-actual`` decodes the
    true embeddings: the decoder's ceiling.
    """

    written_by = "predict"
    kind: Literal["prediction"] = "prediction"
    encoder: str
    method: PredictionMethod
    tokens: Literal["all", "changed"]
    context: int
    horizon: int
    mode: Literal["joint", "rolling"]
    protocol: str
    metric: PredictionMetric
    score: float | None
    low: float | None
    high: float | None
    n: int
    n_groups: int
    split: str
    seed: int
    against: dict[str, Standing] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)


class LeakResult(Result):
    """How far the context and the prediction move when only the future frames change, at most.

    ``call`` "prefix" is worldprobe's: the context is encoded from its own frames. "plain forward" is what
    transformers' model does when called with masks: it encodes the whole clip first.
    """

    written_by = "predict"
    kind: Literal["leak"] = "leak"
    encoder: str
    call: Literal["prefix", "plain forward"]
    context: int
    horizon: int
    context_change: float
    prediction_change: float
    clips: int


class SurpriseResult(Result):
    """How well prediction error separates impossible videos from possible ones, alike but for the violation.

    ``violation`` is one kind of them, or "all". ``measure`` is how a video's windows make one surprise.
    ``n`` counts pairs, which are what intervals resample. ``against_twin``: how it stands to the
    untrained twin's on the same pairs; None where there is none.
    """

    written_by = "predict"
    kind: Literal["surprise"] = "surprise"
    encoder: str
    violation: str
    measure: Literal["mean", "max"]
    metric: Literal["relative_accuracy", "auroc"]
    score: float
    low: float
    high: float
    n: int
    context: int
    horizon: int
    protocol: str
    seed: int
    against_twin: Standing | None = None


class _OfProbe(Result):
    """Which probe's answer a line of evidence is about."""

    written_by = "probe"
    task: str
    encoder: str
    tap: str
    features: str
    input: str
    probe: str
    split: str
    protocol: str = "sound"
    metric: Metric
    n_groups: int
    seed: int
    notes: list[str] = Field(default_factory=list)


class EvidenceResult(_OfProbe):
    """One score beside another, on the same resampled groups.

    ``skill``: (score - control) / (1 - control) against the best control, which ``against`` names. ``selectivity``:
    score less that on shuffled labels. ``contrast``: score less that of the features, the input or the positive
    control in ``against``.
    """

    kind: Literal["evidence"] = "evidence"
    measure: Measure
    against: str
    score: float | None
    low: float | None
    high: float | None


class CodeResult(_OfProbe):
    """Bits to send the labels by online coding: with the probe, with a constant, with nothing. None: not had."""

    kind: Literal["code"] = "code"
    rows: int
    online_bits: float | None = None
    constant_bits: float | None = None
    uniform_bits: float | None = None
    compression: float | None = None
    compression_of_constant: float | None = None
    saved_bits_per_row: float | None = None


class PowerResult(_OfProbe):
    """State the least effect that 80 % of probes would have found in this sample, had it been there.

    ``easy``: R² (of classes: balanced accuracy over chance) found along the features' own spread;
    ``hard``: along their whitened axes. None where it is over an R² of 0.5. ``least_z``: what ``z`` has to exceed
    on these groups. ``groups_needed``: with about how many a hard effect of 0.2 would be found; None: not known.
    """

    kind: Literal["power"] = "power"
    easy: float | None
    hard: float | None
    least_z: float
    groups_needed: int | None


class VerdictResult(_OfProbe):
    """Judge one reading by the test of evidence, and by paired differences with each control.

    ``against``: the controls that it does not lie above beyond chance; ``below``: those that it lies below.
    """

    kind: Literal["verdict"] = "verdict"
    verdict: Verdict
    against: list[str] = Field(default_factory=list)
    below: list[str] = Field(default_factory=list)


class LearningPoint(Result):
    """The score of probes that saw so many rows and groups, the mean over the folds."""

    rows: float
    groups: float
    score: float | None
    low: float | None
    high: float | None


class LearningResult(_OfProbe):
    """How the score grows with data: ``ceiling - scale n^-exponent`` (n in rows), and whether more would help.

    ``plateau_rows`` is the n at which the law comes within 0.01 of its ceiling; ``gain_by_doubling`` is what it
    gains by twice the data, with its interval.
    """

    kind: Literal["learning"] = "learning"
    points: list[LearningPoint]
    ceiling: float | None = None
    scale: float | None = None
    exponent: float | None = None
    plateau_rows: float | None = None
    gain_by_doubling: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    more_data_would_help: Literal["yes", "no", "cannot tell"]


EvidenceLine = EvidenceResult | CodeResult | LearningResult | PowerResult | VerdictResult


class CostResult(Result):
    """What a stage took: wall seconds, items done, the process's peak memory in bytes.

    ``expected_seconds`` is what a dry run into the same folder foretold for so many items; None without one.
    """

    kind: Literal["cost"] = "cost"
    stage: str
    seconds: float
    items: int
    items_per_second: float
    peak_rss_bytes: int
    device: str
    price: float | None = None
    expected_seconds: float | None = None


class OtherResult(Result):
    """A line of a kind that this version does not know (a later one's, a third party's): ``text`` is the line."""

    kind: str
    text: str


KnownResult = (
    ProbeResult | EvidenceLine | PredictionResult | LeakResult | SurpriseResult | DecodingResult | CostResult
)
AnyResult = KnownResult | OtherResult
KINDS = tuple(one.model_fields["kind"].default for one in get_args(KnownResult))
_ADAPTER: TypeAdapter[KnownResult] = TypeAdapter(Annotated[KnownResult, Field(discriminator="kind")])


def read_results(path: StrPath, *, damaged: list[str] | None = None) -> list[AnyResult]:
    """Read a ``results.jsonl``; a line of an unknown kind is an ``OtherResult``.

    Args:
        damaged: gets what is wrong with each line that is not a result, instead of an error for the first.

    Raises:
        WorldprobeError: there is no such file, it is no text, or a line (which is named) is not a result.
    """
    path = Path(path)
    results: list[AnyResult] = []
    try:
        # Not splitlines: names may hold other characters that end a line, which JSON leaves as they are.
        lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise WorldprobeError(f"{path} is damaged: {error}. Run the stage that writes it again.") from error
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise WorldprobeError(
            f"no results at {path}. Run `worldprobe probe ... --out {path.parent}` or another stage first."
        ) from None
    for number, line in enumerate(lines if lines != [""] else [], start=1):
        try:
            results.append(_result(line))
        except (json.JSONDecodeError, ValidationError, RecursionError) as error:
            if damaged is None:
                raise WorldprobeError(f"{path} line {number} is not a result: {_reason(error)}") from error
            damaged.append(f"line {number} is not a result.")
    return results


def write_results(path: StrPath, results: Iterable[AnyResult]) -> None:
    """Write the whole file at once, so that no line is ever torn or written twice; other lines as they were."""
    lines = (one.text if isinstance(one, OtherResult) else one.model_dump_json() for one in results)
    write_whole(Path(path), "".join(line + "\n" for line in lines).encode())


def _reason(error: Exception) -> str:
    """What is wrong with a line, in one sentence."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if not isinstance(error, ValidationError):
        return str(error)
    unknown = error.errors(include_url=False)[0]["type"] == "extra_forbidden"
    return first_problem(error) + ("; a newer version may have written it" if unknown else "")


def first_problem(error: ValidationError) -> str:
    """Name the first value that does not fit, and why."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


def _result(line: str) -> AnyResult:
    written = json.loads(line)
    kind = written.get("kind") if isinstance(written, dict) else None
    if isinstance(kind, str) and kind not in KINDS:
        return OtherResult(kind=kind, text=line)
    return _ADAPTER.validate_python(written)
