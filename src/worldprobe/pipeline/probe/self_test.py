"""Send a known answer through labels, folds and probe before anything is concluded from them."""

from __future__ import annotations

from functools import cache

import numpy as np

from worldprobe.errors import ProbeError
from worldprobe.pipeline.probe.moments import align
from worldprobe.pipeline.probe.targets import split_rows, target
from worldprobe.probes.controls import shuffled
from worldprobe.probes.detection.by_group import LEAST_Z
from worldprobe.probes.evaluate import cross_fit, draws, evidence
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import make_folds
from worldprobe.records import ClipSpec, Labels, TokenGrid, VideoRef, View
from worldprobe.series import Series

SHOTS, FRAMES, TUBELET, SIDE, RATE = 160, 8, 2, 100, 10.0
_OTHERS = 6
# Half of what the features hold of velocity is noise; other columns cost the probe a little of the rest.
_KNOWN, _NEAR = 0.5, 0.12


@cache
def self_test() -> None:
    """Probe velocity where features of R² 0.5 by design hold it, and where none does.

    Raises:
        ProbeError: it does not come out, so nothing else that this installation computes is to be believed.
    """
    score, z, nothing = known_answer()
    if not abs(score - _KNOWN) < _NEAR or not z > LEAST_Z or not nothing < _NEAR:
        raise ProbeError(
            f"the self-test failed: a velocity that made-up features hold with an R² of {_KNOWN} came out as "
            f"{score:.2f} (test of evidence {z:.1f}, needed over {LEAST_Z}), and one that they do not hold as "
            f"{nothing:.2f}. No score of this installation is to be believed. Reinstall worldprobe with its pinned "
            "dependencies; if it stays so, report it with what `worldprobe doctor` prints."
        )


def known_answer() -> tuple[float, float, float]:
    """R² and test of evidence of a velocity that is half there, and R² of one that belongs to other shots.

    One object moves evenly through each shot of a made-up video; boxes become labels, labels become targets.
    """
    rng = np.random.default_rng(0)
    speed = rng.normal(scale=10.0, size=(SHOTS, 2))
    start = rng.uniform(40, 60, size=(SHOTS, 2))
    seconds = np.arange(FRAMES) / RATE
    centre = (start[:, None] + speed[:, None] * seconds[:, None]).reshape(-1, 2)
    frame = np.arange(SHOTS * FRAMES)
    video = VideoRef("self-test", "self-test", SIDE, SIDE, len(frame), RATE)
    labels = Labels.from_columns(
        video=video.id, frame=frame, pts_seconds=frame / RATE, object=frame // FRAMES, **{"class": "thing"},
        x=centre[:, 0], y=centre[:, 1], w=8.0, h=8.0, confidence=1.0, source=video.id,
    )  # fmt: skip
    shots = tuple(range(0, len(frame), FRAMES))
    specs = tuple(ClipSpec(video, first, FRAMES, 1) for first in shots)
    grid, view = TokenGrid(FRAMES // TUBELET, 1, 1, TUBELET, SIDE), View((1.0, 1.0), (0.0, 0.0), (SIDE, SIDE))
    series = Series(video, specs, video.id, "", "trained", None, "native", "space", grid, view, shots)
    moments = align([series], labels)
    values = target(moments, "velocity", moments.group).values
    held = speed + rng.normal(scale=10.0, size=speed.shape)
    inputs = np.concatenate([held, rng.normal(size=(SHOTS, _OTHERS))], axis=1)[moments.clip].astype(np.float32)
    folds = make_folds(split_rows(moments), kind="grouped", seed=0)
    real = Question("there", Ridge(), values)
    moved = Question("not there", Ridge(), shuffled(values, folds.unit, seed=0))
    answers = cross_fit(inputs, [real, moved], folds)
    scores = [draws(one, answers[one.name], folds.unit, seed=0)["r2"].value for one in (real, moved)]
    score, nothing = (np.nan if value is None else value for value in scores)
    return float(score), evidence(real, answers[real.name], folds.unit), float(nothing)
