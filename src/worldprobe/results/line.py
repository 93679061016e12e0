"""What all lines of ``results.jsonl`` have in common, and those that no stage replaces."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

# Below so many, an interval from groups is rough.
FEW_GROUPS = 20


class Result(BaseModel):
    """Typed, frozen; unknown fields are errors. ``written_by`` is the stage that replaces lines of this kind."""

    written_by: ClassVar[Literal["", "probe", "predict", "decode"]] = ""

    # An infinite strength is written as a string, which every JSON reader can take and pydantic reads back.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class CostResult(Result):
    """What a stage took: wall seconds, items done, the process's peak memory in bytes.

    ``expected_seconds`` is what a dry run into the same folder foretold for so many items; None without one.
    """

    kind: Literal["cost"] = "cost"
    stage: str
    seconds: float
    items: int
    items_per_second: float
    peak_rss_bytes: int
    device: str
    price: float | None = None
    expected_seconds: float | None = None


class OtherResult(Result):
    """A line of a kind that this version does not know (a later one's, a third party's): ``text`` is the line."""

    kind: str
    text: str
