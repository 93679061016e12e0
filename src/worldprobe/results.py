"""What a run found: one model a kind, one line of ``results.jsonl`` each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from worldprobe.errors import WorldprobeError
from worldprobe.files import write_whole

Control = Literal["none", "gaussian", "shuffled", "random-init", "pixels", "nuisance", "majority"]
Metric = Literal["r2", "accuracy", "balanced_accuracy", "macro_f1"]
# ``ProbeResult.protocol`` of the waterfall: the original protocol, then one correction more at each step, those
# before it kept; the last one is sound. On n frames only, for the scaling table, it is "original@n".
WATERFALL = (
    "original",
    "original+own-size",
    "original+controls",
    "original+native",
    "original+grouped",
    "original+chosen",
    "sound",
)  # fmt: skip


class _Result(BaseModel):
    # An infinite strength is written as a string, which every JSON reader can take and pydantic reads back.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class ProbeResult(_Result):
    """One score of one probe, out of fold.

    ``score, low, high`` are None where the score could not be had; ``notes`` then say why. ``low`` and
    ``high`` bound the 95 % interval by resampling groups. ``chosen`` lists the regularisation strength
    that the inner folds chose in each outer fold;
    an infinite one leaves a constant. ``control`` is "none" for the real probe.
    """

    kind: Literal["probe"] = "probe"
    task: str
    encoder: str
    tap: str
    features: str
    input: str
    probe: str
    control: Control
    split: str
    protocol: str = "sound"
    metric: Metric
    score: float | None
    low: float | None
    high: float | None
    n_train: int
    n_test: int
    n_groups: int
    chosen: list[float] = Field(default_factory=list)
    seed: int
    notes: list[str] = Field(default_factory=list)


class CostResult(_Result):
    """What a stage took: wall seconds, items done, the process's peak memory in bytes."""

    kind: Literal["cost"] = "cost"
    stage: str
    seconds: float
    items: int
    items_per_second: float
    peak_rss_bytes: int
    device: str
    price: float | None = None


Result = Annotated[ProbeResult | CostResult, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[ProbeResult | CostResult] = TypeAdapter(Result)


def read_results(path: Path) -> list[ProbeResult | CostResult]:
    """Read a ``results.jsonl``. Raises WorldprobeError naming the line that is not a result."""
    results = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise WorldprobeError(
            f"no results at {path}. Run `worldprobe probe ... --out {path.parent}` first."
        ) from None
    for number, line in enumerate(lines, start=1):
        try:
            results.append(_ADAPTER.validate_python(json.loads(line)))
        except (json.JSONDecodeError, ValidationError) as error:
            raise WorldprobeError(f"{path} line {number} is not a result: {error}") from error
    return results


def write_results(path: Path, results: Iterable[ProbeResult | CostResult]) -> None:
    """Write the whole file at once, so that no line is ever torn or written twice."""
    write_whole(path, "".join(result.model_dump_json() + "\n" for result in results).encode())
