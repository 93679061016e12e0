"""The files of a run's folder that are not results: read with one clear error each, written whole."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from worldprobe.errors import WorldprobeError
from worldprobe.findings.setup import FailedClip, LabelFacts
from worldprobe.io.tables import read_table
from worldprobe.results import first_problem

CLASSES_LISTED = 12
# What figures of predictions show, a file a figure, by its name.
PREDICTIONS = "predictions"


class _FilePart(BaseModel):
    """What the report reads of a file; what else stands there is shown as it is, or not at all."""

    model_config = ConfigDict(extra="allow", frozen=True)


class _Frames(_FilePart):
    looked_at: int | None = None
    labelled: int | None = None


class _Alignment(_FilePart):
    kept: int | None = None
    dropped: dict[str, int] = {}
    notes: list[str] = []
    frames: _Frames | None = None


class _Videos(_FilePart):
    count: int = 0
    sha256: str = ""
    sizes: dict[str, int] = {}
    notes: list[str] = []


class _Stage(_FilePart):
    """How a stage was made: the part of it that is read again."""

    encoder: dict[str, Any] = {}
    versions: dict[str, str | None] = {}
    videos: _Videos | None = None
    labels: dict[str, Any] = {}


class _Provenance(_Stage):
    stages: list[str] = []
    otherwise: dict[str, _Stage] = {}


class _Written(_FilePart):
    videos: list[str] = []


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where there is no file. Raises WorldprobeError where it is damaged."""
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise WorldprobeError(f"{path} is damaged: {error}. Run the stage that writes it again.") from error
    if not isinstance(value, dict):
        raise WorldprobeError(f"{path} holds {type(value).__name__}, expected an object. Run the stage again.")
    return value


def read_provenance(path: Path) -> dict[str, Any]:
    """How a run was made; an empty object where there is no file. Raises WorldprobeError where it is damaged."""
    facts = read_json(path)
    _fitting(path, _Provenance, facts)
    return facts


def read_experiment_text(path: Path) -> str:
    """An experiment file as it stands; empty where there is none. Raises WorldprobeError where it is damaged."""
    if not path.exists():
        return ""
    try:
        text = path.read_text(encoding="utf-8")
        written = tomllib.loads(text)
    except (ValueError, OSError, RecursionError) as error:
        raise WorldprobeError(f"{path} is damaged: {error}. Run the stage that writes it again.") from error
    _fitting(path, _Written, written)
    return text


def _fitting(path: Path, model: type[Any], facts: dict[str, Any]) -> Any:
    """Facts as the model has them. Raises WorldprobeError that names the first that is of another kind."""
    try:
        return model(**facts)
    except ValidationError as error:
        raise WorldprobeError(
            f"{path} is damaged: {first_problem(error)}. Run the stage that writes it again."
        ) from error


def read_failures(path: Path) -> tuple[FailedClip, ...]:
    """Lines ``{"video", "clip", "error"}``; none where there is no file. Raises WorldprobeError."""
    if not path.exists():
        return ()
    failures = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise WorldprobeError(f"{path} is damaged: {error}. Run the stage that writes it again.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            # A video that could not be read at all has no clip.
            named = {key: entry.get(key) for key in ("video", "clip", "error")}
            failures.append(FailedClip(**{key: "" if of is None else str(of) for key, of in named.items()}))
        except (json.JSONDecodeError, AttributeError, RecursionError) as error:
            raise WorldprobeError(
                f"{path} line {number} is not a failure record: {error}. Delete the line, or run the stage again."
            ) from error
    return tuple(failures)


def read_labels(run: Path) -> LabelFacts | None:
    """What alignment kept and dropped, and what the labels hold; None where the run has neither file."""
    written = read_alignment(run)
    table = run / "labels.parquet"
    if not written and not table.exists():
        return None
    alignment = _Alignment(**written)
    by_count = sorted(alignment.dropped.items(), key=lambda item: -item[1])
    facts = LabelFacts(kept=alignment.kept, dropped=tuple(by_count), notes=tuple(alignment.notes))
    return facts.model_copy(update=_of_table(table)) if table.exists() else facts


def read_alignment(run: Path) -> dict[str, Any]:
    """What became of the labels; an empty object where there is no file. Raises WorldprobeError where damaged."""
    facts = read_json(run / "alignment.json")
    _fitting(run / "alignment.json", _Alignment, facts)
    return facts


def _of_table(path: Path) -> dict[str, Any]:
    import polars as pl

    try:
        table = read_table(path, columns=["video", "class", "source"])
        camera = "subtracted" if "camera_vx" in pl.scan_parquet(path, glob=False).collect_schema() else "kept"
    except (pl.exceptions.PolarsError, OSError) as error:
        raise WorldprobeError(f"{path} is not a labels table: {error}. Run `worldprobe label` again.") from error

    def counts(column: str) -> tuple[tuple[str, int], ...]:
        rows = table[column].value_counts(sort=True).rows()
        return tuple((str(name) if name else "(none)", int(number)) for name, number in rows)

    return {
        "videos": table["video"].n_unique(),
        "sources": counts("source"),
        "classes": counts("class")[:CLASSES_LISTED],
        "camera": camera,
    }
