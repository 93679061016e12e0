"""What a report states of predictions, typed."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from worldprobe.findings.score import Fact, Score, VerdictKind, of_folder

# What an axis can hold.
Drawable = Annotated[float, Field(ge=-1e9, le=1e9)]


class Step(Fact):
    """One horizon, for all tokens or the changed ones: scores by method; ``verdict`` is the predictor's."""

    tokens: Literal["all", "changed"]
    horizon: int
    l1: dict[str, Score]
    cosine: dict[str, Score]
    skill: dict[str, Score]
    twin: Score
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


class Violation(Fact):
    """How well surprise tells one kind of impossible videos: scores by "measure metric", for both encoders."""

    name: str
    pairs: int
    trained: dict[str, Score]
    twin: dict[str, Score]


class Shown(Fact):
    """Decoded pixels at one horizon, by method: PSNR in dB, also where tokens changed, and SSIM."""

    horizon: int
    psnr: dict[str, Score]
    changed: dict[str, Score]
    ssim: dict[str, Score]


class Peak(Fact):
    """Which window surprises, and the file of a frame of what came."""

    window: int
    picture: str

    @field_validator("picture")
    @classmethod
    def _of_the_folder(cls, name: str) -> str:
        of_folder(name)
        return name


class SurpriseCurve(Fact):
    """Surprise over the time of one video, a value a window.

    Attributes:
        seconds: when what is told begins.
        told, copied: the predictor's mean L1 error and copy-last's.
        shots: the number of each window's shot; curves break between them.
        peaks: the highest, in order of time.
    """

    name: str
    seconds: tuple[Drawable, ...]
    told: tuple[Drawable, ...]
    copied: tuple[Drawable, ...]
    shots: tuple[int, ...]
    peaks: tuple[Peak, ...]

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


class Future(Fact):
    """Everything a run says of the future. ``twin`` is the name of the untrained twin, or empty."""

    encoder: str
    twin: str
    protocol: str
    surprise_protocol: str
    split: str
    headline: str
    rule: str
    steps: tuple[Step, ...]
    recalls: tuple[Recall, ...]
    leaks: tuple[LeakFact, ...]
    violations: tuple[Violation, ...]
    shown: tuple[Shown, ...]
    caveats: tuple[str, ...]
    curves: tuple[SurpriseCurve, ...] = ()
