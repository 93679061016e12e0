"""Does motion live in the differences of embeddings? One table, and a conclusion by a stated rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from worldprobe.controls import Control, of_motion
from worldprobe.findings.finding import Finding, Run
from worldprobe.findings.rows import Row
from worldprobe.findings.score import Fact
from worldprobe.findings.wording import count, property_name
from worldprobe.intervals import Score
from worldprobe.probes.detection.by_group import LEAST_Z
from worldprobe.results import AnyResult, EvidenceResult, Metric

Place = Literal["deltas", "both", "z", "together", "controls", "unsure", "missed", "nowhere", "unknown"]


class DeltaCell(Fact):
    """One kind of features: the score, the best control beside it, and whether it is above all of them."""

    features: str
    score: Score
    best_control: Control | None
    floor: Score
    above: bool
    evident: bool
    unsure: bool
    missed: bool
    skill: Score


class DeltaRow(Fact):
    """One property by one probe from one kind of input: where it is. ``gain`` is delta less z, paired by group."""

    task: str
    metric: Metric
    input: str
    probe: str
    cells: tuple[DeltaCell, ...]
    gain: Score
    place: Place
    n_test: int
    n_groups: int


class Deltas(Finding):
    """Does motion live in the deltas?"""

    features: tuple[str, ...]
    rows: tuple[DeltaRow, ...]
    conclusion: str
    rule: str

    @classmethod
    def of(cls, run: Run) -> Deltas | None:
        return compare_deltas(run.rows, run.results)


FEATURES = ("z", "delta", "z+delta")
PLACES: dict[Place, str] = {
    "deltas": "in the deltas",
    "both": "in z and in the deltas",
    "z": "in z, not shown in the deltas",
    "together": "only in z and delta together",
    "controls": "decodable, but not beyond the controls",
    "unsure": "too few groups to tell",
    "missed": "not read, though a control reads it",
    "nowhere": "nowhere: no evidence",
    "unknown": "not measured",
}
RULE = (
    "Where a property is follows from the verdicts on its scores. “In the deltas”: delta is above every control, "
    "and z is not, or delta less z, paired by group, is above 0. “In z and in the deltas”: both are above every "
    "control, and delta adds nothing to z that is shown. “In z”, “together”: of the three only z, or only "
    "z+delta, is above every control. “Not beyond the controls”: there is evidence of it, and no score is "
    "above every control. “Too few groups to tell”: there is no evidence, and of some features it might not have "
    "shown; “not read, though a control reads it”: there is none, and below that control; “nowhere”: it would have "
    "shown. All features are scored on the same moments."
)
_ABOVE = ("above", "above-run")
_EVIDENT = (*_ABOVE, "not-shown", "below")
_KINDS = ("-regression", "-classification")


def family(probe: str) -> str:
    """``linear`` for ridge and logistic regression, ``mlp`` for both of its kinds, and so on."""
    head, colon, argument = probe.partition(":")
    if head in ("ridge", "logistic"):
        return "linear"
    for kind in _KINDS:
        head = head.removesuffix(kind)
    return head + colon + argument


def compare_deltas(rows: Sequence[Row], results: Sequence[AnyResult]) -> Deltas | None:
    """The table of properties that have to do with motion; None where changes were not read."""
    wanted = [row for row in rows if of_motion(row.task) and row.features in FEATURES]
    if not any(row.features == "delta" for row in wanted):
        return None
    lines = [r for r in results if isinstance(r, EvidenceResult)]
    groups: dict[tuple[str, str, str, str], dict[str, Row]] = {}
    for row in wanted:
        groups.setdefault((row.task, row.input, row.probe, row.tap), {})[row.features] = row
    # Of several blocks the last is shown; the others are in the table of all scores. What is not measured has none.
    taps = [row.tap for row in wanted if row.main.score.value is not None]
    found = [
        _row(kinds, lines)
        for (*_, tap), kinds in groups.items()
        if tap in taps[-1:] or all(row.main.score.value is None for row in kinds.values())
    ]
    features = tuple(kind for kind in FEATURES if any(kind in kinds for kinds in groups.values()))
    return Deltas(features=features, rows=tuple(found), conclusion=_conclusion(found), rule=RULE)


def _row(kinds: Mapping[str, Row], lines: Sequence[EvidenceResult]) -> DeltaRow:
    first = next(iter(kinds.values()))
    gain = Score(value=None)
    for line in lines:
        if line.measure == "contrast" and line.against == "z" and line.features == "delta" and _same(line, first):
            gain = Score(value=line.score, low=line.low, high=line.high)
    cells = tuple(_cell(kinds[kind], lines) for kind in FEATURES if kind in kinds)
    return DeltaRow(
        task=first.task, metric=first.main.metric, input=first.input, probe=family(first.probe), cells=cells,
        gain=gain, place=_place({cell.features: cell for cell in cells}, gain), n_test=first.n_test,
        n_groups=first.n_groups,
    )  # fmt: skip


def _cell(row: Row, lines: Sequence[EvidenceResult]) -> DeltaCell:
    skill = Score(value=None)
    for line in lines:
        if line.measure == "skill" and line.features == row.features and _same(line, row):
            skill = Score(value=line.score, low=line.low, high=line.high)
    best, kind, z = row.main.best_control, row.main.verdict.kind, row.main.z
    missed = kind == "below" and z is not None and z <= LEAST_Z
    return DeltaCell(
        features=row.features, score=row.main.score, best_control=best,
        floor=row.main.controls[best] if best else Score(value=None),
        above=kind in _ABOVE, evident=kind in _EVIDENT and not missed, unsure=kind == "too-few", missed=missed,
        skill=skill,
    )  # fmt: skip


def _same(line: EvidenceResult, row: Row) -> bool:
    return (line.task, line.input, line.probe, line.tap) == (row.task, row.input, row.probe, row.tap)


def _place(cells: Mapping[str, DeltaCell], gain: Score) -> Place:
    if all(cell.score.value is None for cell in cells.values()):
        return "unknown"
    above = {kind for kind, cell in cells.items() if cell.above}
    if "delta" in above:
        more = gain.low is not None and gain.low > 0
        return "deltas" if more or "z" not in above else "both"
    if "z" in above:
        return "z"
    if above:
        return "together"
    if any(cell.evident for cell in cells.values()):
        return "controls"
    if any(cell.unsure for cell in cells.values()):
        return "unsure"
    return "missed" if any(cell.missed for cell in cells.values()) else "nowhere"


def _conclusion(rows: Sequence[DeltaRow]) -> str:
    """The answer in a sentence, and one for each kind of input that counts what was found."""
    native = [row for row in rows if row.input == "native"]
    within: dict[str, list[str]] = {}
    for row in native or rows:
        if row.place in ("deltas", "both"):
            within.setdefault(_beside_z(row), []).append(_named(row))
    lead = "Does motion live in the deltas? "
    if within:
        each = [f"{way}: {', '.join(dict.fromkeys(within[way]))}" for way in _WAYS if way in within]
        lead += f"Yes, {'; '.join(each)}."
    elif any(row.place == "controls" for row in native or rows):
        lead += "Not shown: what the deltas hold of it, some control holds as well."
    else:
        lead += "Not shown."
    sentences = [lead]
    titles = {
        "native": "Native clips",
        "still": "Stills",
        "shuffled": "Shuffled clips",
        "reversed": "Reversed clips",
    }
    for kind, title in titles.items():
        mine = [row for row in rows if row.input == kind]
        places = [row.place for row in mine]
        if mine:
            parts = [f"{places.count(place)} {text}" for place, text in PLACES.items() if place in places]
            sentences.append(f"{title}, {count(len(mine), 'reading')}: {'; '.join(parts)}.")
    return " ".join(sentences)


_MORE, _ALONE, _EVEN, _LESS, _UNKNOWN = _WAYS = (
    "more than in z",
    "and not shown in z",
    "as well as in z, with no difference shown",
    "but less than in z",
    "with no z beside it to compare with",
)


def _beside_z(row: DeltaRow) -> str:
    """How what the deltas hold stands to what z holds of it, by the paired difference."""
    if all(cell.features != "z" for cell in row.cells):
        return _UNKNOWN
    if row.gain.low is not None and row.gain.low > 0:
        return _MORE
    if row.place == "deltas":
        return _ALONE
    return _LESS if row.gain.high is not None and row.gain.high < 0 else _EVEN


def _named(row: DeltaRow) -> str:
    return f"{property_name(row.task)} ({row.probe})"
