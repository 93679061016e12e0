"""Scores of probes become rows: each real score beside its controls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from worldprobe.controls import CONTROLS, Control
from worldprobe.errors import WorldprobeError
from worldprobe.findings import verdicts
from worldprobe.findings.rows import ControlledScore, PositiveControl, Row
from worldprobe.findings.wording import ERRORS
from worldprobe.intervals import Score
from worldprobe.probes.detection.by_group import LEAST_Z
from worldprobe.results import EvidenceResult, Metric, PowerResult, ProbeResult, VerdictResult

METRIC_ORDER: tuple[Metric, ...] = ("r2", "balanced_accuracy", "accuracy", "macro_f1", "angular_error")

Key = tuple[str, ...]
Judged = PowerResult | VerdictResult | EvidenceResult


def _key(result: ProbeResult) -> Key:
    """What makes two real scores rows of their own; the split comes on top."""
    r = result
    return (r.task, r.features, r.encoder, r.tap, r.input, r.probe, r.protocol)


def rows_of(probes: Sequence[ProbeResult], run: Path, judged: Sequence[Judged] = ()) -> tuple[Row, ...]:
    """One row a probe and sound split; the random split alone makes a row only where nothing sound was run.

    Args:
        judged: what the probing stage says of its readings; without it the intervals alone judge.
    """
    by_key: dict[Key, dict[str, dict[Metric, ProbeResult]]] = {}
    for real in (r for r in probes if r.control == "none"):
        metrics = by_key.setdefault(_key(real), {}).setdefault(real.split, {})
        if real.metric in metrics:
            raise WorldprobeError(
                f"two results for {real.task} on {real.features} ({real.metric}, {real.split} split) in "
                f"{run / 'results.jsonl'}. Delete the file and run `worldprobe probe ... --out {run}` again."
            )
        metrics[real.metric] = real
    rows = []
    for splits in by_key.values():
        leaky = splits.get("random", {})
        for split in [s for s in splits if s != "random"] or ["random"]:
            reals = [splits[split][m] for m in METRIC_ORDER if m in splits[split]]
            audit = leaky if split != "random" else {}
            lines = [_line(real, _controls(real, probes, run), audit.get(real.metric), judged) for real in reals]
            rows.append(_row(reals[0], lines))
    order = list(dict.fromkeys(row.task for row in rows))
    return tuple(sorted(rows, key=lambda row: order.index(row.task)))


def _row(real: ProbeResult, lines: Sequence[ControlledScore]) -> Row:
    # The reason for a missing score is in the verdict already; said again as a note it would be noise.
    notes = () if real.score is None else tuple(real.notes)
    names = ("task", "features", "encoder", "tap", "input", "probe", "protocol", "split")
    return Row(
        **{name: getattr(real, name) for name in names},
        main=lines[0],
        others=tuple(lines[1:]),
        n_train=real.n_train,
        n_test=real.n_test,
        n_groups=real.n_groups,
        chosen=tuple(real.chosen),
        taps=tuple(real.taps),
        notes=notes,
    )


def _controls(real: ProbeResult, probes: Sequence[ProbeResult], run: Path) -> dict[Control, ProbeResult]:
    """The controls of one score: same task, features, input, split, protocol and metric, and the same tap.

    A control that was read at a tap of its own (``pixels/block0.out``) stands beside every tap of the run.
    """
    taps = {r.tap for r in probes if r.control == "none"}
    same = ("task", "features", "input", "probe", "split", "protocol", "metric")
    found: dict[Control, ProbeResult] = {}
    for r in probes:
        if r.control == "none" or any(getattr(r, name) != getattr(real, name) for name in same):
            continue
        if r.tap != real.tap and r.tap in taps:
            continue
        if r.control in found:
            raise WorldprobeError(
                f"two results of the control {r.control} for {real.task} on {real.features} ({real.metric}) in "
                f"{run / 'results.jsonl'}. Delete the file and run `worldprobe probe ... --out {run}` again."
            )
        found[r.control] = r
    if all(CONTROLS[control].positive for control in found) and real.score is not None:
        raise WorldprobeError(
            f"{real.task} on {real.features} ({real.metric}, {real.split} split) has no controls, and a score "
            f"without them says nothing. Run `worldprobe probe ... --tasks {real.task} --features {real.features} "
            f"--split {real.split} --controls all --out {run}`."
        )
    return found


def _positive(
    real: ProbeResult, control: ProbeResult, chance: float | None, judged: Sequence[Judged], least: float
) -> PositiveControl:
    score, difference = _score(control), Score(value=None)
    contrasts = [one for one in judged if isinstance(one, EvidenceResult) and one.measure == "contrast"]
    for line in contrasts:
        if line.against == control.control and _same(line, real):
            difference = Score(value=line.score, low=line.low, high=line.high)
    return PositiveControl(
        score=score, z=control.z, difference=difference,
        shown=verdicts.is_shown(
            score, control.z, chance=None if real.metric in ERRORS else chance, least=least
        ),
    )  # fmt: skip


def _score(result: ProbeResult) -> Score:
    if result.control == "majority" and result.metric == "r2" and result.score == 0.0:
        # R² is measured against the training folds' mean, so a constant scores 0 with nothing to resample.
        return Score(value=0.0, low=0.0, high=0.0)
    note = "; ".join(result.notes) if result.score is None else ""
    return Score(value=result.score, low=result.low, high=result.high, note=note)


def _line(
    real: ProbeResult,
    beside: dict[Control, ProbeResult],
    leaky: ProbeResult | None,
    judged: Sequence[Judged],
) -> ControlledScore:
    controls: dict[Control, Score] = {c: _score(r) for c, r in beside.items() if not CONTROLS[c].positive}
    chance = verdicts.chance_of(real.metric, controls)
    reading = [one for one in judged if isinstance(one, VerdictResult) and _same(one, real, metric=False)]
    verdict = next((one for one in reading if one.metric == real.metric), None)
    power = next(
        (one for one in judged if isinstance(one, PowerResult) and _same(one, real, tap=False, metric=False)), None
    )
    # What labels that were moved in time reach in a film, a control in the same film has to exceed as well.
    least = power.least_z if power else LEAST_Z
    positive: dict[Control, PositiveControl] = {
        c: _positive(real, r, chance, judged, least) for c, r in beside.items() if CONTROLS[c].positive
    }
    score = _score(real)
    best = verdicts.best(controls, metric=real.metric)
    top = controls[best].value if best else None
    random = _score(leaky) if leaky else None
    sign = -1 if real.metric in ERRORS else 1
    concluded = (
        verdicts.judge(real.metric, score, controls, split=real.split)
        if verdict is None
        else verdicts.stated(verdict, score, controls, power)
    )
    if concluded.kind == "no-evidence" and any(one.verdict == "too few to tell" for one in reading):
        # What there are too few groups for by the main metric, those beside it cannot deny.
        concluded = verdicts.stated(reading[0], score, controls, power)
    elif concluded.kind == "no-evidence" and not reading:
        text = f"{concluded.text}; what would have shown is not known"
        concluded = concluded.model_copy(update={"text": text})
    return ControlledScore(
        metric=real.metric,
        score=score,
        controls=controls,
        positive=positive,
        best_control=best,
        margin=_difference(score.value, top, sign),
        random=random,
        leak=_difference(random.value, score.value, sign) if random else None,
        z=real.z,
        verdict=verdicts.beside_positive(concluded, positive),
    )


def _same(judged: Judged, real: ProbeResult, *, tap: bool = True, metric: bool = True) -> bool:
    """Whether a line is about a reading; what a sample could have shown is known at one tap, and holds at all."""
    names = [
        "task",
        "features",
        "encoder",
        "input",
        "probe",
        "split",
        "protocol",
        *(["metric"] if metric else []),
        *(["tap"] if tap else []),
    ]
    return all(getattr(judged, name) == getattr(real, name) for name in names)


def _difference(a: float | None, b: float | None, sign: int) -> float | None:
    return None if a is None or b is None else sign * (a - b)
