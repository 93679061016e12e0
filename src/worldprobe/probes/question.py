"""What is asked of a probe."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError
from worldprobe.protocols import Probe

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A target to decode, and the probe to decode it with.

    ``name`` tells its answer from others': any key, such as (task, probe); names hold whatever a user likes, so
    nothing is joined to one string and taken apart again. ``classes`` is 0 for regression; ``circular`` says that
    the target is the cosine and sine of an angle, or the first two columns of a rotation. ``blocks``: how many
    targets of equally many columns stand side by side, each with a penalty of its own (regression only).

    Raises ProbeError for a probe without penalties, or with some that are none.
    """

    name: Hashable
    probe: Probe
    target: Floats
    classes: int = 0
    circular: bool = False
    blocks: int = 1

    def __post_init__(self) -> None:
        require_penalties(self.probe)

    @property
    def title(self) -> str:
        """The name in a sentence."""
        return "@".join(map(str, self.name)) if isinstance(self.name, tuple) else str(self.name)

    def constant(self, rows: NDArray[np.int64]) -> Floats:
        """These rows' mean [k], or their majority class [1]."""
        target = self.target[rows]
        if self.classes:
            counts = np.bincount(target[:, 0].astype(np.int64), minlength=self.classes)
            return np.array([float(counts.argmax())])
        return np.asarray(target.mean(axis=0))


def require_penalties(probe: Probe) -> None:
    """Raises ProbeError for a probe whose penalties are none at all, or not penalties; one of tokens has none."""
    if not hasattr(probe, "strengths"):
        return
    strengths = list(probe.strengths)
    if not strengths or not all(strength >= 0 for strength in strengths):
        raise ProbeError(
            f"{type(probe).__name__}.strengths holds {strengths or 'nothing'}: a probe has one penalty or more, "
            "numbers from 0 to infinity, which leaves a constant"
        )
