"""The axes of every chart: what span they have, where a value lies on them, and which ticks are round."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from worldprobe.findings.wording import number, signed
from worldprobe.intervals import Score
from worldprobe.results import Metric

FLOOR = -0.5
_QUARTER = 0.25
_ROUND = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Axis:
    """The span of a chart. What lies beyond it is drawn at the edge as an arrow, its value in print.

    Attributes:
        step: between ticks; None: round ones, about five.
        log: places go by the logarithm; both ends are then above 0.
    """

    low: float
    high: float
    step: float | None = _QUARTER
    log: bool = False

    @property
    def ticks(self) -> tuple[float, ...]:
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [lead * 10.0**power for power in powers for lead in _ROUND[:3]]
            return tuple(value for value in every if self.low <= value <= self.high)
        step = self.step or round_step(self.low, self.high)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple(round(step * i, 9) for i in range(first, last + 1))

    def beyond(self, value: float | None) -> Literal["", "low", "high"]:
        """Which end a value lies behind; empty where it lies between them, or there is none."""
        if value is None or self.low <= value <= self.high:
            return ""
        return "low" if value < self.low else "high"

    def clip(self, value: float) -> float:
        return min(max(value, self.low), self.high)

    def place(self, start: float, end: float) -> Callable[[float], float]:
        """From a value to its place between ``start`` and ``end`` px; what lies beyond is at the nearer of them."""
        change = math.log if self.log else float
        low, high = change(self.low), change(self.high)
        scale = (end - start) / ((high - low) or 1.0)
        return lambda value: round(start + (change(self.clip(value)) - low) * scale, 1)


def axis(metric: Metric, scores: Iterable[Score]) -> Axis:
    """From 0 to 1; for R² down to the lowest score or interval, but no further than -0.5."""
    if metric != "r2":
        return Axis(0.0, 1.0)
    seen = [v for s in scores for v in (s.value, s.low) if v is not None]
    lowest = min([0.0, *seen])
    return Axis(max(FLOOR, math.floor(lowest / _QUARTER) * _QUARTER), 1.0)


def around(ends: Sequence[float], *, margin: float = 0.08, least: float | None = None) -> Axis:
    """An axis that holds all ends with some room; ``least`` is how far down it may reach."""
    low, high = min(ends), max(ends)
    if least is not None:
        low, high = max(low, least), max(high, least)
    room = margin * ((high - low) or abs(high) or 1.0)
    return Axis(low - room if least is None else max(low - room, least), high + room, step=None)


def round_step(low: float, high: float, *, most: int = 6) -> float:
    """1, 2 or 5 times a power of ten, such that at most so many steps fit."""
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(power * one for one in _ROUND if span / (power * one) <= most)


def tick_texts(axis: Axis, *, sign: bool = False) -> list[str]:
    """What stands at each tick, with as many digits as tell them apart; of differences with its sign."""
    if axis.log:
        return [f"{tick:g}" for tick in axis.ticks]
    places = digits(axis.step or round_step(axis.low, axis.high))
    return [(signed if sign else number)(tick, places) for tick in axis.ticks]


def digits(step: float) -> int:
    """How many digits behind the point such steps need."""
    return next(count for count in range(9) if abs(round(step, count) - step) < 1e-9)
