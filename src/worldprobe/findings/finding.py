"""What a run's folder holds for its findings, and what each finding offers: to be read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from worldprobe.errors import WorldprobeError
from worldprobe.findings.rows import Row
from worldprobe.findings.score import Fact
from worldprobe.results import AnyResult, PredictionResult

Record = TypeVar("Record", bound=Fact)


@dataclass(frozen=True, slots=True)
class Run:
    """What findings are made of.

    Attributes:
        folder: the run's, for whoever reads a file of its own.
        results: the lines of ``results.jsonl``. rows: what its probes say, each score beside its controls.
        encoder: its name.
        alignment, provenance: the files of these names, empty where there is none.
    """

    folder: Path
    results: tuple[AnyResult, ...]
    rows: tuple[Row, ...]
    encoder: str
    alignment: dict[str, Any]
    provenance: dict[str, Any]


def mode_of(results: Sequence[AnyResult]) -> Literal["joint", "rolling"]:
    """The mode in which a run predicts: its first prediction's; the other one stands beside it."""
    return next((one.mode for one in results if isinstance(one, PredictionResult)), "joint")


def read_record(path: Path, kind: type[Record]) -> Record | None:
    """Read a file of a folder that a stage makes; None if there is none. Raises WorldprobeError if damaged."""
    if not path.exists():
        return None
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise WorldprobeError(f"{path} is damaged: {error}. Delete its folder and run the stage again.") from error


class Finding(Fact):
    """What a section of the report says. A field of ``facts.Summary`` of such a type is filled by its ``of``."""

    @classmethod
    def of(cls, run: Run) -> Self | None:
        """Read it from a run; None where the run has nothing of it. Raises WorldprobeError for a damaged file."""
        raise NotImplementedError
