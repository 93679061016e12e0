"""The lines that a report opens with: each property, then the prediction, then the decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from worldprobe.controls import Control
from worldprobe.findings.meanings import beaten, explain
from worldprobe.findings.rows import Row
from worldprobe.findings.score import ABOVE, Fact, VerdictKind
from worldprobe.findings.sections.decoding import DecoderScores, Decoding
from worldprobe.findings.sections.energy import Energy
from worldprobe.findings.sections.moments import Moments
from worldprobe.findings.sections.prediction import Future, HorizonScores
from worldprobe.findings.verdicts import quotable, quoted
from worldprobe.findings.violations import Violation
from worldprobe.findings.wording import METRICS, count, joined, property_name
from worldprobe.intervals import Score
from worldprobe.results import FEW_GROUPS, PredictionMethod


class Answer(Fact):
    """One line: how well (``score``), against what (``floor``, of ``against``), how sure (intervals, n), verdict.

    Attributes:
        task, features, tap, probe, input: of a property, the row that is quoted; empty for the others.
        subject, how: what is answered, and from what, in words.
        metric: as it is printed; ``digits`` behind the point.
        ways: of so many rows of the same property this one is quoted.
        unit: what ``groups`` counts: what the intervals resample.
        positive: what positive controls score, of a property.
        beaten, higher, even: of a property, the negative controls that were measured, those that score more, and
            those to which the difference may be chance.
        meaning: what the verdict rules out, and what it does not.
    """

    about: Literal["property", "prediction", "surprise", "energy", "decoder"]
    subject: str
    how: str
    metric: str
    digits: int
    score: Score
    against: str
    floor: Score
    kind: VerdictKind
    verdict: str
    n: int
    groups: int
    unit: Literal["group", "pair"] = "group"
    ways: int = 1
    positive: dict[Control, Score] = Field(default_factory=dict)
    task: str = ""
    features: str = ""
    tap: str = ""
    probe: str = ""
    input: str = ""
    beaten: tuple[Control, ...] = ()
    higher: tuple[Control, ...] = ()
    even: tuple[Control, ...] = ()
    meaning: str = ""

    @property
    def mark(self) -> VerdictKind:
        """Which mark stands before the verdict: above in few groups, or pairs, is not yet shown."""
        return "not-shown" if self.groups < FEW_GROUPS and self.kind in ABOVE else self.kind


_NOTHING = Score(value=None)
_NOUGHT = Score(value=0.0, low=0.0, high=0.0)  # what skill is measured against
_CHANCE = Score(value=0.5, low=0.5, high=0.5)
_SURPRISES: dict[VerdictKind, str] = {
    "above": "Rules out chance, and the untrained network where it was run: of a possible and an impossible video "
    "the impossible one surprises more.",
    "not-shown": "Rules out chance, but not that an untrained network is surprised as well.",
    "below": "An untrained network tells impossible videos better.",
    "no-evidence": "Impossible videos surprise no more often than chance has it.",
    "not-measured": "Nothing is ruled out: there is no score.",
}


_ENERGIES: dict[VerdictKind, str] = {
    "above": "Rules out chance, and the untrained network where it was run: the predictor knows what the action "
    "that was taken leads to better than what others would lead to.",
    "not-shown": "Rules out chance, but not that an untrained predictor tells the true action as often.",
    "below": "An untrained predictor tells the true action more often.",
    "no-evidence": "The true action fits what came no more often than chance has it.",
    "not-measured": "Nothing is ruled out: there is no score.",
}


def answer_questions(
    rows: Sequence[Row],
    future: Future | None,
    energy: Energy | None,
    decoding: Decoding | None,
    label: Callable[[Row], str],
) -> tuple[Answer, ...]:
    """One line a property, the first and last horizon, surprise over all violations, energy, one a decoder."""
    tasks = dict.fromkeys(row.task for row in rows)
    found = [_property([row for row in rows if row.task == task], label) for task in tasks]
    if future:
        found += _of_prediction(future)
    if energy:
        found += _of_energy(energy)
    if decoding:
        found += _of_decoders(decoding)
    return tuple(found)


def _property(rows: Sequence[Row], label: Callable[[Row], str]) -> Answer:
    row = quoted(rows)
    assert row is not None
    best = row.main.best_control
    return Answer(
        about="property",
        subject=property_name(row.task),
        how=label(row),
        metric=METRICS[row.main.metric],
        digits=2,
        score=row.main.score,
        against=best or "",
        floor=row.main.controls[best] if best else _NOTHING,
        kind=row.main.verdict.kind,
        verdict=row.main.verdict.short + _of_few(row.main.verdict.kind, row.n_groups),
        n=row.n_test,
        groups=row.n_groups,
        ways=len(quotable(rows)),
        positive={control: one.score for control, one in row.main.positive.items()},
        task=row.task,
        features=row.features,
        tap=row.tap,
        probe=row.probe,
        input=row.input,
        beaten=beaten(row.main),
        higher=row.main.verdict.higher,
        even=row.main.verdict.even,
        meaning=explain(row.main, row.n_groups),
    )


def _of_prediction(future: Future) -> list[Answer]:
    changed = [step for step in future.steps if step.tokens == "changed"]
    ends = [changed[0], changed[-1]] if len(changed) > 1 else changed
    over = next((one for one in future.violations if one.name == "all"), None)
    return [*map(_step, ends), *([_surprise(over, future)] if over else [])]


def _step(step: HorizonScores) -> Answer:
    """Skill over the best of the fitted baselines; in runs of older versions over copy-last, beside the best."""
    fitted = step.fitted.value is not None
    errors = {name: s.value for name, s in step.l1.items() if name != "predictor" and s.value is not None}
    best = min(errors, key=lambda name: errors[name], default="")
    copying: PredictionMethod = "copy-last"
    return Answer(
        about="prediction",
        subject=f"Prediction, {step.horizon} ahead",
        how="tokens that changed",
        metric=f"skill over {'the best fitted baseline' if fitted else copying}",
        digits=2,
        score=step.fitted if fitted else step.skill["predictor"],
        against=step.chosen if fitted else best,
        floor=_NOUGHT if fitted or best == copying else step.skill.get(best, _NOTHING),
        kind=step.kind,
        verdict=step.verdict,
        n=step.n,
        groups=step.n_groups,
        meaning=_of_future(step),
    )


def _of_future(step: HorizonScores) -> str:
    if step.kind in ABOVE:
        return (
            f"Rules out that {joined(step.better)} does as well: each errs more on the tokens that changed, "
            "beyond chance."
        )
    return f"The prediction is {step.verdict}: such a way of guessing the future is not ruled out."


def _surprise(over: Violation, future: Future) -> Answer:
    """The share of impossible videos that surprise more, above chance and above the untrained twin."""
    key, how = "calibrated relative_accuracy", "calibrated"
    if key not in over.trained:
        key, how = "mean relative_accuracy", "mean over windows"
    score, twin = over.trained.get(key, _NOTHING), over.twin.get(key, _NOTHING)
    own, other = score.interval, twin.interval
    stand = over.stands.get(key)
    kind: VerdictKind = "above"
    verdict = f"above chance{' and the untrained twin' if other else ''}"
    if own is None:
        kind, verdict = "not-measured", "not measured"
    elif own[0] <= 0.5:
        kind, verdict = "no-evidence", "no evidence: not above chance"
    elif other and stand == "below":
        kind, verdict = "below", "below the untrained twin"
    elif other and stand == "not shown":
        kind, verdict = "not-shown", "above chance, not shown above the untrained twin"
    elif over.kind == "not-shown":
        kind, verdict = "not-shown", over.verdict
    return Answer.model_validate(
        {
            "about": "surprise", "subject": "Surprise at the impossible", "how": how,
            "metric": "relative accuracy", "digits": 2, "score": score, "kind": kind, "verdict": verdict,
            "against": future.twin if other else "chance", "floor": twin if other else _CHANCE,
            "n": over.pairs, "groups": over.pairs, "unit": "pair", "meaning": _SURPRISES[kind],
        }
    )  # fmt: skip


def _of_energy(energy: Energy) -> list[Answer]:
    """How often the true action has less energy than those of other groups (than none, where these are not)."""
    rows = {row.times: row for row in energy.rows if row.lower is not None}
    times = next((one for one in (None, 0.0, *rows) if one in rows), None)
    if times not in rows:
        return []
    row = rows[times]
    score, twin = row.lower or _NOTHING, row.twin or _NOTHING
    kind: VerdictKind = "above"
    verdict = f"above chance{' and the untrained twin' if twin.interval else ''}"
    if score.interval is None:
        kind, verdict = "not-measured", "not measured"
    elif score.interval[0] <= 0.5:
        kind, verdict = "no-evidence", "no evidence: not above chance"
    elif row.against_twin == "below":
        kind, verdict = "below", "above chance, below the untrained twin"
    elif row.against_twin == "not shown" or (row.against_twin is None and twin.interval):
        kind, verdict = "not-shown", "above chance, not shown above the untrained twin"
    return [
        Answer(
            about="energy",
            subject="Energy of the true action",
            how="than no action's" if times == 0.0 else f"than {row.name if times else 'that of other groups'}",
            metric="lower in, of transitions",
            digits=2,
            score=score,
            against="the untrained twin" if twin.interval else "chance",
            floor=twin if twin.interval else _CHANCE,
            kind=kind,
            verdict=verdict + _of_few(kind, energy.n_groups),
            n=energy.n,
            groups=energy.n_groups,
            meaning=_ENERGIES[kind],
        )
    ]


def _of_few(kind: VerdictKind, groups: int) -> str:
    """What a verdict adds where few groups have borne it, as the mark before it shows where there are marks."""
    return f", in {count(groups, 'group')} only" if kind in ABOVE and groups < FEW_GROUPS else ""


def _of_decoders(decoding: Decoding) -> list[Answer]:
    """Each decoder's main way of drawing."""
    found: dict[str, Answer] = {}
    for one in decoding.drawings:
        kind = one.name.partition(",")[0]
        if one.control or kind in found:
            continue
        found[kind] = Answer(
            about="decoder",
            subject=f"Frames drawn by {kind}",
            how=one.name.partition(", ")[2],
            metric="PSNR, dB",
            digits=1,
            score=one.psnr,
            against=one.best_control,
            floor=one.floor,
            kind=one.kind,
            verdict=one.verdict + _of_few(one.kind, one.n_groups),
            n=one.n,
            groups=one.n_groups,
            meaning=_of_drawing(one),
        )
    return list(found.values())


def _of_drawing(one: DecoderScores) -> str:
    if one.kind in ABOVE:
        return (
            f"The pictures are {one.verdict}: rules out that these draw as well, so what is drawn comes from the "
            "tokens."
        )
    return f"The pictures are {one.verdict}: what they are not above may draw as well."


def quoted_only(moments: Moments | None, answers: Sequence[Answer]) -> Moments | None:
    """The clips with the readings alone that the report opens with."""
    if moments is None:
        return None
    places = [(a.task, a.features, a.tap, a.probe, a.input) for a in answers if a.about == "property"]
    clips = []
    for clip in moments.clips:
        by_place = {(r.task, r.features, r.tap, r.probe, r.input): r for r in clip.readings}
        kept = tuple(by_place[place] for place in places if place in by_place)
        clips.append(clip.model_copy(update={"readings": kept}))
    return moments.model_copy(update={"clips": tuple(clips)})
