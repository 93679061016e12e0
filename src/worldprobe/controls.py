"""The controls: what each is, what a score above it rules out, and what its probe reads.

A new control is a record here, and what makes its inputs: a function in ``probes.controls.COLUMNS``, or the name of
an encoder in ``encoders.load.control_encoders``. Negative controls are those that a score has to be above; a
positive one shows what can be read where a score should not be nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Control = Literal["none", "majority", "nuisance", "pixels", "random-init", "shuffled", "gaussian", "flow"]
"""Name a control; "none" is the probe itself."""


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """Describe a control for whoever computes it, judges by it or prints it.

    Attributes:
        short: its name where columns are narrow, six characters at most.
        plain: its name in a sentence for who has never heard of controls; several may be called the same.
        what: what it is. rules_out: the explanation that a score above it excludes, after "rules out".
        reads: in place of the features, or of the labels ("labels": they are permuted between groups). "nothing" is
            the constant; "columns" are side columns, of where and when a moment lies.
        positive: whether it shows what can be read where a score should not be nothing, and is none to be above.
        motion: whether it holds change in time alone, so that it is of no use but to ``MOTION_TASKS``, and nothing
            of stills.
        once: whether it reads the same beside every block. An encoder of this kind has one block, and its
            tokens, which are few, are taken side by side.
    """

    short: str
    plain: str
    what: str
    rules_out: str
    reads: Literal["nothing", "columns", "encoder", "labels", "noise"]
    once: bool = False
    positive: bool = False
    motion: bool = False


CONTROLS: dict[Control, ControlRecord] = {
    "majority": ControlRecord(
        short="major.",
        plain="chance",
        what="a constant: the training folds' mean or commonest class",
        rules_out="that the score can be had without looking at the video at all",
        reads="nothing",
    ),
    "nuisance": ControlRecord(
        short="nuis.",
        plain="video and time alone",
        what="the same probe on video identity and time alone",
        rules_out="that knowing which video it is, and when, is enough",
        reads="columns",
        once=True,
    ),
    "pixels": ControlRecord(
        short="pixels",
        plain="pixels",
        what="the same probe on frames averaged down to 8 × 8 pixels",
        rules_out="that the property lies open in coarse pixels, with no need of an encoder",
        reads="encoder",
        once=True,
    ),
    "random-init": ControlRecord(
        short="r-init",
        plain="the untrained network",
        what="the same probe on the same architecture with random weights",
        rules_out="that architecture and sheer width do it, and training adds nothing",
        reads="encoder",
    ),
    "shuffled": ControlRecord(
        short="shuf.",
        plain="chance",
        what="the same probe with labels permuted between groups",
        rules_out="that the procedure finds structure where there is none: expect chance or less",
        reads="labels",
    ),
    "gaussian": ControlRecord(
        short="gauss.",
        plain="chance",
        what="the same probe on noise of the same shape",
        rules_out="that many inputs alone fit the labels: expect chance or less",
        reads="noise",
    ),
    "flow": ControlRecord(
        short="flow",
        plain="flow",
        what="positive, for motion alone: the same probe on products of gradients in time and space, 8 × 8 cells",
        rules_out="that motion is read as well without an encoder; a score below it: learnable here, and not read",
        reads="encoder",
        once=True,
        positive=True,
        motion=True,
    ),
}
"""By name, in the order in which reports print them."""

NEGATIVE: tuple[Control, ...] = tuple(name for name, one in CONTROLS.items() if not one.positive)
"""Those that a score has to be above."""
POSITIVE: tuple[Control, ...] = tuple(name for name, one in CONTROLS.items() if one.positive)

MOTION_TASKS = (
    "motion", "motion8", "direction", "velocity", "approach", "xyz-velocity", "time-to-contact", "camera-motion",
    "relative-action",
)  # fmt: skip
"""Tasks of how fast and in which direction something moves or grows."""


def of_motion(task: str) -> bool:
    """Whether a task, or the task that it is a dimension of, is one of motion."""
    return task.partition(".")[0] in MOTION_TASKS


def stands_beside(control: Control, tasks: Iterable[str], input: str) -> bool:
    """Whether a control ("none": the probe itself) says something of any of these tasks, read from such input."""
    needs_motion = control != "none" and CONTROLS[control].motion
    return not needs_motion or (input != "still" and any(map(of_motion, tasks)))
