"""What do motion and order add? Native clips beside stills, shuffled and reversed clips, paired by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worldprobe.config import INPUTS
from worldprobe.findings.finding import Finding, Run
from worldprobe.findings.rows import Row
from worldprobe.findings.score import Fact
from worldprobe.findings.wording import CHOSEN, property_name
from worldprobe.intervals import Score
from worldprobe.results import AnyResult, EvidenceResult, Metric


class InputCell(Fact):
    """The score from one kind of input; ``gain``: by how much that from native clips is higher, paired by group."""

    input: str
    score: Score
    gain: Score


class InputRow(Fact):
    """One property by one probe from one kind of features: native clips, and other input beside them."""

    task: str
    metric: Metric
    features: str
    probe: str
    native: Score
    others: tuple[InputCell, ...]
    n_test: int
    n_groups: int


class Inputs(Finding):
    """What do motion, order and the direction of time add?"""

    others: tuple[str, ...]
    rows: tuple[InputRow, ...]
    conclusion: str
    rule: str

    @classmethod
    def of(cls, run: Run) -> Inputs | None:
        return compare_inputs(run.rows, run.results)


ADDS = {"still": "Motion", "shuffled": "Order", "reversed": "The direction of time"}
RULE = (
    "A probe is trained and tested on each kind of input, on the same groups and targets. Something is added where "
    "the 95 % interval of native less the other, paired by group, lies above 0. Stills repeat one frame, so that "
    "what they lack is motion. Shuffled clips hold the frames of native ones, tubelets and the frames of each in a "
    "random order: what they lack is order. Reversed clips are seen backwards: what they lack is the direction of "
    "time."
)


def compare_inputs(rows: Sequence[Row], results: Sequence[AnyResult]) -> Inputs | None:
    """Native clips beside each other kind of input; None where there is no other."""
    lines = [r for r in results if isinstance(r, EvidenceResult) and r.measure == "contrast"]
    ways: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        if row.features != CHOSEN and row.main.score.value is not None:
            ways.setdefault((row.task, row.features, row.probe, row.split, row.tap), {})[row.input] = row
    # Of several blocks the last is shown; the others are in the table of all scores.
    last = [tap for *_, tap in ways][-1:]
    beside = [kinds for (*_, tap), kinds in ways.items() if tap in last and "native" in kinds and len(kinds) > 1]
    if not beside:
        return None
    found = [_row(kinds, lines) for kinds in beside]
    others = tuple(input for input in INPUTS if any(input in kinds for kinds in beside) and input != "native")
    return Inputs(others=others, rows=tuple(found), conclusion=_conclusion(found, others), rule=RULE)


def _row(kinds: Mapping[str, Row], lines: Sequence[EvidenceResult]) -> InputRow:
    native = kinds["native"]
    others = [
        InputCell(input=i, score=kinds[i].main.score, gain=_gain(native, i, lines)) for i in INPUTS if i in kinds
    ]
    return InputRow(
        task=native.task, metric=native.main.metric, features=native.features, probe=native.probe,
        native=native.main.score, others=tuple(one for one in others if one.input != "native"),
        n_test=native.n_test, n_groups=native.n_groups,
    )  # fmt: skip


def _gain(native: Row, input: str, lines: Sequence[EvidenceResult]) -> Score:
    names = ("task", "features", "input", "probe", "tap", "split")
    for line in lines:
        if line.against == input and all(getattr(line, name) == getattr(native, name) for name in names):
            return Score(value=line.score, low=line.low, high=line.high)
    return Score(value=None)


def several_probes(rows: Sequence[InputRow]) -> bool:
    """Whether a property is read from the same features by more probes than one."""
    return len({(row.task, row.features) for row in rows}) < len(rows)


def _conclusion(rows: Sequence[InputRow], others: Sequence[str]) -> str:
    """A sentence for each kind of input."""
    several = several_probes(rows)

    def name(row: InputRow) -> str:
        return f"{property_name(row.task)} ({row.features}{f', {row.probe}' if several else ''})"

    sentences = []
    for input in others:
        gains = [(row, one.gain) for row in rows for one in row.others if one.input == input]
        more = [name(row) for row, gain in gains if gain.low and gain.low > 0]
        less = [name(row) for row, gain in gains if gain.high and gain.high < 0]
        text = f"{ADDS[input]} adds to {', '.join(more)}." if more else f"{ADDS[input]} adds nothing that is shown."
        sentences.append(text + (f" Higher without it: {', '.join(less)}." if less else ""))
    return " ".join(sentences)
