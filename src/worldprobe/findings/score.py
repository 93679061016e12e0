"""What every fact of a report is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from worldprobe.intervals import Score

VerdictKind = Literal[
    "above", "above-run", "not-shown", "below", "no-evidence", "too-few", "not-judged", "not-measured"
]
PICTURES = (".webp", ".png")
ABOVE: tuple[VerdictKind, ...] = ("above", "above-run")


class Fact(BaseModel):
    """Typed and frozen; infinite numbers are written as results have them."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class ScoredLine(Protocol):
    """A line of results with a score, its interval, and what a reader must know of them."""

    @property
    def score(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def notes(self) -> Sequence[str]: ...


def score_of(line: ScoredLine) -> Score:
    """A line's score with its interval; its notes are the score's."""
    return Score(value=line.score, low=line.low, high=line.high, note="; ".join(line.notes))


def of_folder(name: str) -> None:
    """Raises ValueError for what is no name of a picture: a page holds the pictures of the run's folder whole, and
    nothing else may get into it."""
    if name and ("/" in name or "\\" in name or PurePath(name).suffix not in PICTURES):
        raise ValueError(f"{name!r} is no picture's name")


def tap_name(tap: str) -> str:
    """``block3`` of ``vjepa2-tiny/block3.out``: a report is about one encoder."""
    return tap.rpartition("/")[2].removesuffix(".out")


def block_of(tap: str) -> int | None:
    """The block of a tap such as ``vjepa2-tiny/block3.out``; None where it names none."""
    _, found, rest = tap.rpartition("/block")
    digits = rest.partition(".")[0]
    return int(digits) if found and digits.isdigit() else None
