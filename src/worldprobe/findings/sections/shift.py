"""Does a read-out survive values of a factor that it was not trained on?"""

from __future__ import annotations

from worldprobe.controls import CONTROLS
from worldprobe.findings.finding import Finding, Run
from worldprobe.findings.score import Fact, score_of
from worldprobe.findings.wording import property_name
from worldprobe.intervals import Score
from worldprobe.results import Metric, ShiftResult


class ShiftRow(Fact):
    """A reading on values held out, beside the usual split on the same moments; ``value``: one alone, "" for all.

    ``controls``: each control on values held out, by name; ``survives``: the judgement, in words, of all values.
    """

    task: str
    features: str
    probe: str
    input: str
    metric: Metric
    value: str
    held: Score
    usual: Score
    difference: Score
    controls: dict[str, Score]
    survives: str
    n_train: int
    n_test: int
    n_groups: int


class ShiftFacts(Finding):
    """Does the read-out survive?"""

    factor: str
    rows: tuple[ShiftRow, ...]
    note: str

    @classmethod
    def of(cls, run: Run) -> ShiftFacts | None:
        lines = [one for one in run.results if isinstance(one, ShiftResult)]
        beside: dict[tuple[str, ...], dict[str, Score]] = {}
        for one in lines:
            if one.control != "none" and not CONTROLS[one.control].positive:
                beside.setdefault(_key(one), {})[one.control] = score_of(one)
        rows = tuple(_row(one, beside.get(_key(one), {})) for one in lines if one.control == "none")
        return cls(factor=lines[0].factor, rows=rows, note=NOTE) if rows else None


NOTE = (
    "Trained on some values, tested on another, each in turn; beside it whole groups held out as usual, on the "
    "same moments and as much training data, so that the difference is the new value's doing. R² of both is "
    "against the constant of the usual training sets. Survives: above every control on values held out, and not "
    "shown to be less than usual. Weaker: above every control, and less than usual. Lost: above every control as "
    "usual, less and no longer above them here. Cannot tell: no longer above every control, and not shown to be "
    "less. Nothing to keep: not above every control as usual either. All by paired differences on resampled "
    "groups. In brackets: 95 % intervals."
)


def _key(line: ShiftResult) -> tuple[str, ...]:
    return line.task, line.features, line.probe, line.input, line.value


def _beside(line: ShiftResult, of: str) -> Score:
    """A line's score as "usual", or the "difference"."""
    value, low, high = (getattr(line, f"{of}{end}") for end in ("", "_low", "_high"))
    return Score(value=value, low=low, high=high)


def _row(line: ShiftResult, controls: dict[str, Score]) -> ShiftRow:
    judged: str = line.survives or ""
    if line.against and judged != "nothing to keep":
        judged += f" (not shown above {', '.join(line.against)})"
    return ShiftRow(
        task=property_name(line.task), features=line.features, probe=line.probe, input=line.input,
        metric=line.metric, value=line.value, held=score_of(line), usual=_beside(line, "usual"),
        difference=_beside(line, "difference"), controls=controls, survives=judged, n_train=line.n_train,
        n_test=line.n_test, n_groups=line.n_groups,
    )  # fmt: skip
