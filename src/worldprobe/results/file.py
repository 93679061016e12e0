"""``results.jsonl``: read, checked and typed line by line, and written whole."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, get_args

from pydantic import Field, TypeAdapter, ValidationError

from worldprobe.errors import WorldprobeError
from worldprobe.io.files import StrPath, write_whole
from worldprobe.results.decoding import DecodingResult
from worldprobe.results.line import CostResult, OtherResult
from worldprobe.results.prediction import (
    ConsistencyResult,
    EnergyResult,
    FuturesResult,
    LeakResult,
    PredictionResult,
    ReadoutResult,
    SurpriseResult,
)
from worldprobe.results.probe import EvidenceLine, ProbeResult, UnlabelledResult

KnownResult = (
    ProbeResult
    | EvidenceLine
    | UnlabelledResult
    | PredictionResult
    | LeakResult
    | SurpriseResult
    | EnergyResult
    | ConsistencyResult
    | ReadoutResult
    | FuturesResult
    | DecodingResult
    | CostResult
)
AnyResult = KnownResult | OtherResult
KINDS = tuple(one.model_fields["kind"].default for one in get_args(KnownResult))
_ADAPTER: TypeAdapter[KnownResult] = TypeAdapter(Annotated[KnownResult, Field(discriminator="kind")])


def read_results(path: StrPath, *, damaged: list[str] | None = None) -> list[AnyResult]:
    """Read a ``results.jsonl``; a line of an unknown kind is an ``OtherResult``.

    Args:
        damaged: gets what is wrong with each line that is not a result, instead of an error for the first.

    Raises:
        WorldprobeError: there is no such file, it is no text, or a line (which is named) is not a result.
    """
    path = Path(path)
    results: list[AnyResult] = []
    try:
        # Not splitlines: names may hold other characters that end a line, which JSON leaves as they are.
        lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise WorldprobeError(f"{path} is damaged: {error}. Run the stage that writes it again.") from error
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise WorldprobeError(
            f"no results at {path}. Run `worldprobe probe ... --out {path.parent}` or another stage first."
        ) from None
    for number, line in enumerate(lines if lines != [""] else [], start=1):
        try:
            results.append(_result(line))
        except (json.JSONDecodeError, ValidationError, RecursionError) as error:
            if damaged is None:
                raise WorldprobeError(
                    f"{path} line {number} is not a result: {_reason(error)}. Delete the line, or run the stage "
                    "that wrote it again."
                ) from error
            damaged.append(f"line {number} is not a result.")
    return results


def write_results(path: StrPath, results: Iterable[AnyResult]) -> None:
    """Write the whole file at once, so that no line is ever torn or written twice; other lines as they were."""
    lines = (one.text if isinstance(one, OtherResult) else one.model_dump_json() for one in results)
    write_whole(Path(path), "".join(line + "\n" for line in lines).encode())


def _reason(error: Exception) -> str:
    """What is wrong with a line, in one sentence."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if not isinstance(error, ValidationError):
        return str(error)
    unknown = error.errors(include_url=False)[0]["type"] == "extra_forbidden"
    return first_problem(error) + ("; a newer version may have written it" if unknown else "")


def first_problem(error: ValidationError) -> str:
    """Name the first value that does not fit, and why."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


def _result(line: str) -> AnyResult:
    written = json.loads(line)
    kind = written.get("kind") if isinstance(written, dict) else None
    if isinstance(kind, str) and kind not in KINDS:
        return OtherResult(kind=kind, text=line)
    return _ADAPTER.validate_python(written)
