"""What all targets and strengths of a fold ask for of the same rows, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from worldprobe.probes.linear.picked import Inputs

Made = TypeVar("Made")


class Last(Generic[Made]):
    """Remember what was last made of rows."""

    def __init__(self, make: Callable[[Inputs], Made]) -> None:
        self._make = make
        self._kept: tuple[Inputs, Made] | None = None

    def __call__(self, inputs: Inputs) -> Made:
        kept = self._kept  # another thread may ask for other rows meanwhile
        if kept is None or kept[0] is not inputs:
            kept = self._kept = (inputs, self._make(inputs))
        return kept[1]

    def forget(self) -> None:
        """Let go of it."""
        self._kept = None
