"""How a run was made: its encoder, its labels, and what failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from worldprobe.findings.score import Fact
from worldprobe.labels.values import counted

UNTRAINED = "untrained weights: these figures describe the architecture, not a trained model"


# How the notes begin that say what a stage was done on, or with, where that is not all there was: stages write them
# by the functions below, and they are known again by this.
_REDUCED, _THINNED = "Probes saw ", "Probes, and those of controls, were trained on "
_SOME = {"predict": "Predicted: ", "decode": "Decoded: "}
_CONDITIONS = {"probe": (_REDUCED, _THINNED), **{stage: (begins,) for stage, begins in _SOME.items()}}


class EncoderFacts(Fact):
    """The encoder as the run recorded it; further facts (parameters, width, ...) are kept in ``more``."""

    name: str
    revision: str = ""
    status: str = "unknown"
    more: dict[str, Any] = Field(default_factory=dict)


class LabelFacts(Fact):
    """What became of the labels: pairs of (name, count), and what alignment kept and dropped by reason."""

    kept: int | None = None
    dropped: tuple[tuple[str, int], ...] = ()
    sources: tuple[tuple[str, int], ...] = ()
    classes: tuple[tuple[str, int], ...] = ()
    videos: int | None = None
    camera: Literal["kept", "subtracted"] | None = None
    notes: tuple[str, ...] = ()

    @property
    def lost(self) -> int:
        return sum(count for _, count in self.dropped)


class FailedClip(Fact):
    """A clip that could not be encoded, and why."""

    video: str
    clip: str
    error: str


def encoder_of(provenance: dict[str, Any], names: Sequence[str]) -> EncoderFacts:
    """The encoder as the run recorded it, else by the ``names`` that its results give, less untrained twins."""
    recorded = provenance.get("encoder")
    if not isinstance(recorded, dict):
        own = [name for name in dict.fromkeys(names) if name.replace("random:", "", 1) not in {*names} - {name}]
        return EncoderFacts(name=", ".join(own))
    known = {key: str(recorded[key]) for key in ("name", "revision", "status") if recorded.get(key) is not None}
    known.setdefault("name", next(iter(names), ""))
    return EncoderFacts(**known, more={k: v for k, v in recorded.items() if k not in EncoderFacts.model_fields})


def reduced_note(components: int) -> str:
    """Say what probes saw of features that were reduced to so many principal components."""
    return (
        f"{_REDUCED}the first {components} principal components of the standardised features, found in each "
        "training fold by itself, inner folds too; so did those of controls that read features, or noise like these"
    )


def thinned_note(moments: int) -> str:
    """Say what probes were trained on, where that was so many moments of each clip."""
    return f"{_THINNED}{counted(moments, 'moment')} of each clip, evenly spread, and scored on all"


def spread_note(stage: Literal["predict", "decode"], some: int, every: int) -> list[str]:
    """Say on how many of a run's videos a stage was done, where it was not done on every one."""
    return [f"{_SOME[stage]}{some:,} of {every:,} videos, evenly spread"] if some < every else []


def conditions(notes: Sequence[str], stage: str) -> list[str]:
    """Those of a run's notes that go with a stage's scores wherever these stand alone, as in a paper's table."""
    return [note for note in notes if note.startswith(_CONDITIONS.get(stage, ()))]


def flatten(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested facts as (dotted name, text) pairs, in their order."""
    pairs: list[tuple[str, str]] = []
    for key, value in facts.items():
        if isinstance(value, dict):
            pairs += flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)))
    return pairs
