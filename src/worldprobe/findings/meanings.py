"""What a verdict rules out, in words for a reader who has never heard of a control."""

from __future__ import annotations

from collections.abc import Iterable

from worldprobe.controls import CONTROLS as RECORDS
from worldprobe.controls import NEGATIVE, Control
from worldprobe.findings.rows import ControlledScore
from worldprobe.findings.score import ABOVE, VerdictKind
from worldprobe.findings.wording import count, joined
from worldprobe.results import FEW_GROUPS

CONTROL = "the same probe on what should not work, one easy explanation each: " + "; ".join(
    f"{name}, {one.what.removeprefix('the same probe ')}" for name, one in RECORDS.items() if not one.positive
)
BASELINE = (
    "a way to guess what comes that needs no predictor: copy-last takes the last tokens again, linear carries "
    "their last step on, mean and ridge are fitted on other groups"
)
TUBELET = "a few frames in a row, which the network takes as one; so many tubelets ahead is so far into the future"
LEGEND: dict[VerdictKind, tuple[str, str]] = {
    "above": (
        "above every control",
        "each of them, or each baseline, scores less, beyond chance: none explains the score",
    ),
    "above-run": (
        "above some controls",
        "those that were run score less, beyond chance; the others are not ruled out",
    ),
    "not-shown": (
        "not shown above",
        "the difference to the control that is named may be chance, or fewer than 20 groups were resampled: that "
        "explanation is not ruled out",
    ),
    "below": ("below", "the control that is named scores more: it is an easier way to the same"),
    "no-evidence": ("no evidence", "no more than chance allows; a small effect is not ruled out"),
    "too-few": ("too few to tell", "nothing is ruled out: in so few groups even a large effect need not show"),
    "not-judged": ("not judged", "there is a score, but nothing sound to judge it by"),
    "not-measured": ("not measured", "there is no score"),
}
"""What verdicts of each kind are called, and what they rule out."""


def names(controls: Iterable[Control]) -> str:
    """Controls in plain words: ``chance, pixels and the untrained network``."""
    found = set(controls)
    return joined(dict.fromkeys(one.plain for name, one in RECORDS.items() if name in found))


def beaten(line: ControlledScore) -> tuple[Control, ...]:
    """The negative controls that were measured beside a score."""
    return tuple(c for c in NEGATIVE if c in line.controls and line.controls[c].value is not None)


def explain(line: ControlledScore, groups: int) -> str:
    """What the verdict of one score rules out, and what it does not, in a sentence or two."""
    verdict = line.verdict
    if verdict.kind in ABOVE:
        return _above(line, groups)
    if verdict.kind in ("not-shown", "below"):
        first = f"{names(verdict.higher)}: scores more than the encoder. " if verdict.higher else ""
        even = (
            f"The difference to {names(verdict.even)} may be chance, so what is read may come from there."
            if verdict.even
            else "There is an easier way to the property than the encoder."
        )
        return (first + even)[:1].upper() + (first + even)[1:]
    if verdict.kind == "no-evidence":
        return f"Predictions go along with the property no more than chance allows: {verdict.text}."
    return f"Nothing is ruled out: {verdict.text}."


def _above(line: ControlledScore, groups: int) -> str:
    known = beaten(line)
    missing = [c for c in NEGATIVE if c not in known]
    sure = f" In {count(groups, 'group')} only: {FEW_GROUPS} and more make sure." if groups < FEW_GROUPS else ""
    rest = f" Not ruled out, since not run: {joined(missing)}." if missing else ""
    return (
        f"Rules out {names(known)} as the explanation: each scores less, and the difference is beyond chance."
        f"{rest}{sure}"
    )
