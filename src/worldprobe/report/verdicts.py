"""Conclusions and caveats, worked out from the figures alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from worldprobe.report.facts import CONTROLS, EncoderFacts, Failure, LabelFacts, Line, Row, Score, Verdict
from worldprobe.report.wording import (
    CHOSEN,
    ERRORS,
    NONE,
    count,
    interval,
    number,
    property_name,
    signed,
    with_interval,
)
from worldprobe.results import FEW_GROUPS, Control, Metric

WIDE = 0.2
FLATTERY = 0.05
MANY_WAYS = 4

RULE = (
    "Verdicts follow from the 95 % intervals (groups resampled) and from nothing else. "
    "“No evidence”: the interval reaches down to what a constant scores (0 for R², else the majority's score). "
    "“Above every control”: the low end of the probe's interval is above the high end of the interval of each "
    "control. “Below” a control: the control's whole interval is above the probe's. “Not shown to be above” a "
    "control: the two intervals overlap, which is no proof that the two are equal; the rule claims less rather "
    "than more. Figures are printed rounded and compared unrounded."
)


def best(controls: Mapping[Control, Score], *, metric: Metric = "r2") -> Control | None:
    """The control that scores best, or None where none was measured."""
    sign = -1 if metric in ERRORS else 1
    measured = [(sign * s.value, c) for c, s in controls.items() if s.value is not None]
    return max(measured)[1] if measured else None


def judge(metric: Metric, score: Score, controls: Mapping[Control, Score], *, split: str) -> Verdict:
    """The conclusion that ``RULE`` allows for one score beside its controls."""
    if metric in ERRORS:
        # Turned round, errors are judged as scores; the turned figures are not for print.
        turned = judge("accuracy", _turned(score), {c: _turned(s) for c, s in controls.items()}, split=split)
        return turned.model_copy(update={"text": turned.short})
    if score.value is None:
        reason = score.note or "the run gives no reason"
        return Verdict(kind="not-measured", text=f"not measured: {reason}", short=f"not measured: {reason}")
    ends = score.interval
    if ends is None:
        return Verdict(kind="not-judged", text="not judged: there is no interval", short="not judged: no interval")
    if split == "random":
        return Verdict(
            kind="not-judged",
            text="not judged: only the random split was run, and it leaks",
            short="not judged: random split",
        )
    chance = _chance(metric, controls)
    if chance is not None and ends[0] <= chance:
        what = "0" if metric == "r2" else f"the majority's {number(chance)}"
        where = "lies below" if ends[1] < chance else "contains"
        return Verdict(kind="no-evidence", text=f"no evidence: the interval {where} {what}", short="no evidence")
    return _against(ends, controls)


def _turned(score: Score) -> Score:
    """Of an error, less of which is better, a score, more of which is."""
    value, low, high = (None if end is None else -end for end in (score.value, score.high, score.low))
    return Score(value=value, low=low, high=high, note=score.note)


def _chance(metric: Metric, controls: Mapping[Control, Score]) -> float | None:
    if metric == "r2":
        return 0.0
    majority = controls.get("majority")
    return majority.value if majority else None


def _against(ends: tuple[float, float], controls: Mapping[Control, Score]) -> Verdict:
    """Compare an interval with that of each control."""
    unknown = [c for c in CONTROLS if c not in controls or controls[c].interval is None]
    known: dict[Control, Score] = {c: s for c, s in controls.items() if s.interval is not None}
    higher = [c for c in CONTROLS if (s := known.get(c)) and s.interval and s.interval[0] > ends[1]]
    equal = [
        c for c in CONTROLS if (s := known.get(c)) and s.interval and s.interval[1] >= ends[0] and c not in higher
    ]
    if higher or equal:
        return _not_above(higher, equal, known)
    next_ = best(known)
    if next_ is None:
        return Verdict(
            kind="not-judged",
            text="not judged: no control has an interval",
            short="not judged: controls lack intervals",
        )
    beside = f"(next: {next_} {with_interval(known[next_])})"
    if unknown:
        names = ", ".join(unknown)
        return Verdict(
            kind="above-run",
            text=f"above the {count(len(known), 'control')} measured {beside}; not compared with {names}",
            short=f"above {len(known)} of {len(CONTROLS)} controls",
        )
    return Verdict(kind="above", text=f"above every control {beside}", short="above every control")


def _not_above(higher: Sequence[Control], equal: Sequence[Control], known: Mapping[Control, Score]) -> Verdict:
    """Name the controls that lie higher, and those whose intervals overlap."""
    texts, shorts = [], []
    for controls, long, short in ((higher, "below", "below"), (equal, "not shown to be above", "not shown above")):
        if controls:
            texts.append(f"{long} " + ", ".join(f"{c} {with_interval(known[c])}" for c in controls))
            shorts.append(f"{short} " + ", ".join(controls))
    return Verdict(kind="below" if higher else "not-shown", text="; ".join(texts), short="; ".join(shorts))


def caveats(
    rows: Sequence[Row], encoder: EncoderFacts, labels: LabelFacts | None, failures: Sequence[Failure]
) -> tuple[str, ...]:
    """What a reader must know before quoting a figure; each follows from what happened in the run."""
    found: list[str] = []
    if encoder.status == "untrained":
        found.append(
            f"{encoder.name} has untrained weights: the figures describe the architecture, not a trained model, "
            "and nothing here says what a trained one knows."
        )
    elif encoder.status == "unknown":
        found.append("The run does not record whether the encoder's weights were trained.")
    found += _of_rows(rows)
    found += labels.notes if labels else ()
    if labels and labels.lost:
        reasons = ", ".join(f"{reason} {number_:,}" for reason, number_ in labels.dropped if number_)
        total = labels.lost + (labels.kept or 0)
        found.append(f"{labels.lost:,} of {total:,} labels were dropped: {reasons}.")
    if failures:
        first = failures[0]
        found.append(
            f"{count(len(failures), 'clip')} failed and {'is' if len(failures) == 1 else 'are'} in none of the "
            f"figures; the first: {first.video}, clip {first.clip}: {first.error}"
        )
    return tuple(found)


def _of_rows(rows: Sequence[Row]) -> list[str]:
    found: list[str] = []
    groups: dict[int, list[Row]] = {}
    for row in rows:
        if row.main.score.value is not None and row.n_groups < FEW_GROUPS:
            groups.setdefault(row.n_groups, []).append(row)
    for number_, few in sorted(groups.items()):
        found.append(
            f"Only {count(number_, 'group')} ({_names(few)}): below {FEW_GROUPS}, an interval from resampled "
            "groups is rough and tends to be too narrow."
        )
    for row in rows:
        for line in row.lines:
            ends = line.score.interval
            if line.metric not in ERRORS and ends and ends[1] - ends[0] > WIDE:
                found.append(
                    f"A wide interval, {interval(line.score)}: {_name(row)}, {line.metric}. "
                    "More groups would narrow it."
                )
    lacking = [
        row for row in rows if any(x.score.value is not None and x.score.interval is None for x in row.lines)
    ]
    if lacking:
        found.append(f"No interval, so no verdict: {_names(lacking)}.")
    for control in CONTROLS:
        if missing := [row for row in rows if control in row.main.missing]:
            found.append(f"The control {control} was not run: {_names(missing)}.")
        for row in rows:
            score = row.main.controls.get(control)
            if score and score.value is None and row.main.score.value is not None:
                found.append(
                    f"The control {control} has no score for {_name(row)}: {score.note or 'no reason given'}."
                )
    found += _of_choice(rows)
    if only := [row for row in rows if row.split == "random"]:
        found.append(f"Only the random split was run, and it leaks: {_names(only)}.")
    notes: dict[str, list[Row]] = {}
    for row in rows:
        for note in row.notes:
            notes.setdefault(note, []).append(row)
    found += [f"{note.rstrip('.')} ({_names(named)})." for note, named in notes.items()]
    return found


def _of_choice(rows: Sequence[Row]) -> list[str]:
    """That the best of many stands too high by chance, where many were read."""
    taps = {row.tap for row in rows if row.features != CHOSEN}
    if len(taps) > 2:
        advice = (
            "Quote the rows “chosen”: in each fold their tap was chosen on validation groups, and scored on groups "
            "that had no say in it."
            if any(row.features == CHOSEN for row in rows)
            else "Quote the one that was chosen before, or choose it on videos that are not scored."
        )
        return [f"{len(taps)} taps were read: the best of so many stands too high by chance. {advice}"]
    ways = max((sum(other.task == row.task for other in rows) for row in rows), default=0)
    if ways > MANY_WAYS:
        return [
            f"A property was read in up to {ways} ways (features, input, probe): the best of so many stands too "
            "high by chance. Quote the one that was chosen before, or all of them."
        ]
    return []


def leak_sentence(rows: Iterable[Row]) -> str:
    """How far the random split flatters, in one sentence."""
    known: list[tuple[Row, Line, float]] = [
        (row, line, line.leak)
        for row in rows
        for line in row.lines
        if line.leak is not None and line.metric not in ERRORS
    ]
    if not known:
        return "The random split was not run, so the leak is not known."
    row, line, leak = max(known, key=lambda item: item[2])
    large = len({id(row) for row, _, leak in known if leak > FLATTERY})
    if leak <= FLATTERY:
        return f"No score gains more than {number(FLATTERY)} from the random split: it leaks little here."
    return (
        f"The random split adds more than {number(FLATTERY)} to {count(large, 'probe')}; the most to "
        f"{_name(row)}: {signed(leak)} ({number(line.score.value)} becomes "
        f"{number(line.random.value) if line.random else NONE})."
    )


def _name(row: Row) -> str:
    return f"{property_name(row.task)} from {row.features}"


def _names(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(_name(row) for row in rows))
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def headline(rows: Sequence[Row]) -> str:
    """How many of the probes reached which verdict."""
    said = {
        "above": "above every control",
        "above-run": "above those controls that were run",
        "not-shown": "not shown to be above some control",
        "below": "below some control",
        "no-evidence": "without evidence",
        "not-judged": "not judged",
        "not-measured": "not measured",
    }
    kinds: list[str] = [row.main.verdict.kind for row in rows]
    parts = [f"{kinds.count(kind)} {text}" for kind, text in said.items() if kind in kinds]
    return f"{count(len(rows), 'probe')}: {'; '.join(parts)}."
