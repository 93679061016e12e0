"""What is predicted of the future, and what surprises."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worldprobe.intervals import Standing
from worldprobe.results.line import Result

PredictionMethod = Literal[
    "predictor", "copy-last", "corrected", "linear", "mean", "ridge", "fitted", "chance", "decode-actual",
    "copy-last-frame", "mean-image",
]  # fmt: skip
PredictionMetric = Literal["l1", "cosine", "skill", "skill_fitted", "top1", "top5", "mean_rank", "psnr", "ssim"]


class PredictionResult(Result):
    """Score the predictor or a baseline at one horizon.

    ``mode`` is how the run predicts; the predictor is scored in both, in the other one by its errors alone.
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


ConsistencyTarget = Literal["action", "change", "state"]
ConsistencyMethod = Literal["true", "predictor", "predictor-corrected", "corrected", "ridge"]


class FutureReading(Result):
    """What lines have in common of what is read from a predicted future, by a probe fitted to true ones.

    ``mode`` is how the predictor made it, None where it is not the predictor's. ``against``: how the predictor's
    score stands to those of others, windows paired ("above": better). ``n`` counts windows.
    """

    written_by = "predict"
    encoder: str
    features: str
    mode: Literal["joint", "rolling"] | None
    context: int
    horizon: int
    protocol: str
    score: float | None
    low: float | None
    high: float | None
    n: int
    n_groups: int
    split: str
    seed: int
    against: dict[str, Standing] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)


class ConsistencyResult(FutureReading):
    """How much of what a robot did can be read from predicted futures, by a probe fitted to true ones.

    ``score`` is the R2 of ``target``, the mean over its ``dimensions``, at one horizon: of an action, and of the
    "change" of the state meanwhile, from the tokens before and their change; of a state from those that follow.
    ``method`` "true" reads what came and is the ceiling, "predictor-corrected" what was predicted through a linear
    map to what came, of each horizon, "corrected" the context's last tokens again (through one linear map), "ridge"
    a fitted linear guess; all of these are fitted on other groups.
    """

    kind: Literal["consistency"] = "consistency"
    target: ConsistencyTarget
    method: ConsistencyMethod
    dimensions: int


SurpriseMethod = Literal["predictor", "ridge", "copy-last", "pixels"]
SurpriseMeasure = Literal["calibrated", "mean", "max"]


class SurpriseResult(Result):
    """How well prediction error separates impossible videos from possible ones, alike but for the violation.

    ``violation`` is one kind of them, "all", or "none": two possible videos. ``method`` "ridge" is a fitted linear
    guess, "copy-last" the context's last tokens again, "pixels" the change of colours since then. ``measure`` is
    how a video's windows make one surprise: "mean" and "max" of their L1, or "calibrated", how rare the least usual
    window is among possible videos of other pairs. ``metric`` "flagged" is the share of impossible videos that are
    as rare as 1 possible one in 20, "rarity" the mean of -log10 of how rare they are.
    ``n`` counts pairs, which are what intervals resample. ``against_twin``: how it stands to the untrained twin's
    on the same pairs; None where there is none. ``against``: how the predictor's stands to those of other methods.
    """

    written_by = "predict"
    kind: Literal["surprise"] = "surprise"
    encoder: str
    violation: str
    method: SurpriseMethod = "predictor"
    measure: SurpriseMeasure
    metric: Literal["relative_accuracy", "auroc", "flagged", "rarity"]
    score: float
    low: float
    high: float
    n: int
    context: int
    horizon: int
    protocol: str
    seed: int
    against_twin: Standing | None = None
    against: dict[str, Standing] = Field(default_factory=dict)


ReadoutMethod = Literal[
    "predictor", "predictor-corrected", "truth", "copy-last", "ridge", "constant-velocity", "mean"
]
ReadoutMetric = Literal["distance", "r2", "balanced_accuracy", "angular_error"]
READOUT_ERRORS: tuple[ReadoutMetric, ...] = ("distance", "angular_error")
"""Of which less is better."""


class ReadoutResult(FutureReading):
    """How well a property of the scene is read from a predicted future, by a probe fitted to true ones.

    ``metric``: "distance" of a place, in shares of a frame's sides; "r2"; "balanced_accuracy" of a class;
    "angular_error" in degrees. ``method`` "truth" reads what came and is the ceiling,
    "predictor-corrected" what was predicted through a linear map to what came, of each horizon, "copy-last" the
    context's last tokens again (through one linear map), "ridge" a fitted linear guess, all of other groups;
    "constant-velocity" carries the context's own labels on, and "mean" is the training groups' constant.
    """

    kind: Literal["readout"] = "readout"
    task: str
    method: ReadoutMethod
    metric: ReadoutMetric


FuturesShape = Literal["point", "dressed", "constant", "noise"]
FuturesMetric = Literal["energy", "nearest", "within50", "within90", "radius90", "spread", "surest", "unsure"]


class FuturesResult(Result):
    """Score futures that are sampled around a prediction, and whether they say how sure it is.

    ``of``: "all" tokens, "changed" ones, or the places ("xy") that a probe reads from predicted tokens; lengths are
    root mean squares over a token's numbers, or distances in shares of a frame's sides. ``method`` is what is
    predicted by, ``shape`` what is added to it: nothing ("point"); errors of other groups' windows, each scaled by
    what is known before the future is seen ("dressed") or as it was ("constant"); independent normal numbers of the
    same size ("noise"). ``metric``: "energy", the energy score (of a point how far it is off; less is better);
    "nearest", how far the nearest of 8 futures is off; "within50" and "within90", the share within the radius that
    holds so many of the errors in other groups, "radius90" that radius on average; "spread", how far it was
    expected to be off, with ``calibration``: by how sure it is the size expected, the size found (means), and their
    share; "surest" and "unsure", how far it is off where the expected size is in its lowest and highest quarter.
    ``n`` counts tokens, of "nearest" and of places windows. ``against`` of the predictor's dressed energy: how it
    stands ("above": better) to its other shapes' and to the other methods' dressed.
    """

    written_by = "predict"
    kind: Literal["futures"] = "futures"
    encoder: str
    of: Literal["all", "changed", "xy"]
    features: str
    method: Literal["predictor", "copy-last", "ridge"]
    shape: FuturesShape
    context: int
    horizon: int
    mode: Literal["joint", "rolling"]
    protocol: str
    metric: FuturesMetric
    score: float | None
    low: float | None
    high: float | None
    n: int
    n_groups: int
    split: str
    seed: int
    against: dict[str, Standing] = Field(default_factory=dict)
    calibration: list[tuple[float, float, float]] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class EnergyResult(Result):
    """How far the frame that came lies from what a robot's actions would lead to, by a predictor that takes them.

    ``actions`` "scaled" are the true one ``times`` a number (1: itself, 0: none), "shuffled" those of other groups.
    ``metric`` "l1" is the mean energy, "excess" what that is above the true action's (paired), "accuracy" the share
    of transitions in which the true action's is lower than that of these (0.5: chance). ``n``
    counts transitions of ``stride`` source frames.
    ``against_twin``: how an accuracy stands to the untrained twin's; None of energies, and where there is no twin.
    """

    written_by = "predict"
    kind: Literal["energy"] = "energy"
    encoder: str
    actions: Literal["scaled", "shuffled"]
    times: float | None
    metric: Literal["l1", "excess", "accuracy"]
    score: float | None
    low: float | None
    high: float | None
    n: int
    n_groups: int
    stride: int
    protocol: str
    seed: int
    against_twin: Standing | None = None
    notes: list[str] = Field(default_factory=list)
