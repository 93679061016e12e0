"""A run's answer in about five sentences of plain words, by the same verdicts as everything else."""

from __future__ import annotations

from collections.abc import Sequence

from worldprobe.findings.answer import Answer
from worldprobe.findings.meanings import names
from worldprobe.findings.score import ABOVE
from worldprobe.findings.sections.consistency import Consistency
from worldprobe.findings.sections.original import Original
from worldprobe.findings.sections.prediction import Future
from worldprobe.findings.sections.readouts import Readouts
from worldprobe.findings.sections.unlabelled import Unlabelled
from worldprobe.findings.wording import count, joined, plain_name, with_interval
from worldprobe.results import FEW_GROUPS


def tell_story(found: Sequence[Answer], future: Future | None) -> tuple[str, ...]:
    """Summarize properties by what was found of them, then the future, surprise and what is drawn.

    Properties of one verdict share a sentence. Which of a property's readings is quoted ``verdicts.QUOTED`` says.
    """
    of_each: dict[str, list[Answer]] = {}
    for one in found:
        if one.about == "property":
            of_each.setdefault(_beginning(one), []).append(one)
    order = sorted(of_each, key=lambda beginning: _ORDER.index(of_each[beginning][0].kind))
    lines = [f"{beginning}: {', '.join(map(_named, of_each[beginning]))}." for beginning in order]
    lines += [_of_future(future)] if any(one.about == "prediction" for one in found) and future else []
    lines += [_measured(one) for one in found if one.about in ("surprise", "energy", "decoder")]
    return tuple(lines)


def headlines(
    told: Sequence[Future | Readouts | Consistency | None], original: Original | None, unlabelled: Unlabelled | None
) -> tuple[str, ...]:
    """Summarize a run that answers none of the questions which the report opens with, by what it has instead.

    Those are the first lines of its other sections; of numbers that judge nothing, that they are there.
    """
    found = [one.headline for one in told if one]
    if original:
        found.append("The original experiment was made again; no score of it is by the sound protocol.")
    if unlabelled:
        measures = joined(dict.fromkeys(row.measure for row in unlabelled.rows))
        found.append(f"Measured without labels: {measures}. None of these says what the features know.")
    return tuple(found) or ("No property was read, no future predicted and nothing drawn in this run.",)


_ORDER = ("above", "above-run", "not-shown", "below", "no-evidence", "too-few", "not-judged", "not-measured")


def _beginning(one: Answer) -> str:
    if one.kind in ABOVE:
        run = ", the controls that were run" if one.kind == "above-run" else ""
        if one.groups < FEW_GROUPS:
            return f"Better than {names(one.beaten)}{run}, but not yet sure in {count(one.groups, 'group')}"
        return f"Known, and better than {names(one.beaten)}{run}"
    if one.kind == "not-shown":
        return f"Read, but not shown to be better than {names(one.even)}"
    if one.kind == "below":
        return f"Better read from {names(one.higher)} than from the encoder"
    if one.kind == "too-few":
        return f"Too few groups to tell ({one.groups} scenes, shots or stretches of film, which are held out whole)"
    if one.kind == "no-evidence":
        return "No evidence of"
    name, _, reason = one.verdict.partition(": ")
    return f"{name[:1].upper()}{name[1:]}{f' ({reason})' if reason else ''}"


def _measured(one: Answer) -> str:
    metric, _, unit = one.metric.partition(", ")
    score = " ".join(filter(None, (with_interval(one.score, one.digits), unit)))
    return f"{one.subject}: {metric} {score}, {one.verdict}."


def _named(one: Answer) -> str:
    return plain_name(one.task, one.how)


def _of_future(future: Future) -> str:
    steps = [step for step in future.steps if step.tokens == "changed"]
    better = [step.horizon for step in steps if step.kind == "above"]
    rest = [step for step in steps if step.kind != "above"]
    ahead = "tubelet ahead" if [step.horizon for step in steps][-1] == 1 else "tubelets ahead"
    groups = steps[0].n_groups
    few = f", but not yet sure in {count(groups, 'group')}" if groups < FEW_GROUPS else ""
    if not rest:
        return f"Future: predicted better than by every baseline {_range(better)} {ahead}{few}."
    others: dict[str, list[int]] = {}
    for step in rest:
        parts = step.verdict.split("; ")
        less = [part for part in parts if not part.startswith("better than")] or parts
        others.setdefault(", ".join(less), []).append(step.horizon)
    said = "; ".join(f"at {_range(horizons)} {verdict}" for verdict, horizons in others.items())
    if not better:
        return f"Future: not shown to be predicted better than by every baseline; {said} ({ahead})."
    return f"Future: predicted better than by every baseline {_range(better)} {ahead}{few}; {said}."


def _range(horizons: Sequence[int]) -> str:
    """``1``, ``2 to 4``, ``1, 3 and 4``."""
    if len(horizons) > 2 and horizons[-1] - horizons[0] == len(horizons) - 1:
        return f"{horizons[0]} to {horizons[-1]}"
    return joined(map(str, horizons))
