"""Conclusions and caveats, worked out from the figures alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from worldprobe.controls import NEGATIVE, Control
from worldprobe.findings.rows import ControlledScore, PositiveControl, Row, Verdict
from worldprobe.findings.score import ABOVE, VerdictKind
from worldprobe.findings.wording import (
    CHOSEN,
    ERRORS,
    METRICS,
    NONE,
    count,
    number,
    property_name,
    signed,
    with_interval,
)
from worldprobe.intervals import Score, Standing
from worldprobe.results import FEW_GROUPS, Metric, PowerResult, VerdictResult

FLATTERY = 0.05

RULE = (
    "Whether a property is there at all is tested by whole groups: predictions have to go along with the target "
    "more than 97.5 % of targets moved between groups do. Where they do not, and no control does better, it is "
    "“no evidence” if an effect of R² 0.2 (of classes a balanced accuracy 0.2 over chance), planted in the same "
    "features, would have shown, and else “too few groups to tell”. “Above every control”: the paired difference "
    "to each control exceeds what the largest difference of all readings of the property reaches by chance. "
    "“Below” a control: the difference is as far under 0. “Not shown to be above” a control: the difference may "
    "be chance, which is no proof that the two are equal; the rule claims less rather than more. A positive "
    "control, such as flow, is none to beat: where its interval lies above what a constant scores and the probe "
    "shows nothing, the property is “learnable here, not read from the encoder”; where it shows nothing either, "
    "it “cannot be learnt from this sample”. Metrics beside the main one are judged by their 95 % intervals "
    "alone. Figures are printed rounded and compared unrounded."
)

OLD_RULE = (
    "This run is older than the test by groups, paired differences and planted effects, and is judged by its 95 % "
    "intervals alone: “no evidence” where the probe's contains or lies below what a constant scores, which is no "
    "proof that nothing is there; “above every control” where it lies over all of theirs, “below” where it lies "
    "under one, “not shown to be above” where they overlap. Figures are printed rounded and compared unrounded."
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
    chance = chance_of(metric, controls)
    if chance is not None and ends[0] <= chance:
        what = "0" if metric == "r2" else f"the majority's {number(chance)}"
        where = "lies below" if ends[1] < chance else "contains"
        return Verdict(kind="no-evidence", text=f"no evidence: the interval {where} {what}", short="no evidence")
    return _against(ends, controls)


def stated(
    verdict: VerdictResult, score: Score, controls: Mapping[Control, Score], power: PowerResult | None
) -> Verdict:
    """What probing found of a reading by ``RULE``, in words."""
    if verdict.verdict == "too few to tell":
        return _too_few(verdict, power)
    if verdict.verdict == "no evidence":
        seen = f", and {_effect(power, 'hard')} would have shown" if power else ""
        return Verdict(kind="no-evidence", text=f"no evidence{seen}", short="no evidence")
    known: dict[Control, Score] = {c: s for c, s in controls.items() if s.value is not None}
    against = [c for c in NEGATIVE if c in verdict.against and c in known]
    if not against:
        return _above(known, [c for c in NEGATIVE if c not in known])
    higher = [c for c in against if c in verdict.below]
    return _not_above(higher, [c for c in against if c not in higher], known)


def by_intervals(score: Score, other: Score, *, groups: int, less_is_better: bool = False) -> Standing:
    """How runs of older versions are judged, which hold no paired differences: by whole intervals that lie apart.

    Of few groups those intervals are too narrow, and show nothing.
    """
    ends, others = ((_turned(one) if less_is_better else one).interval for one in (score, other))
    if ends is None or others is None or groups < FEW_GROUPS:
        return "not shown"
    return "above" if ends[0] > others[1] else "below" if ends[1] < others[0] else "not shown"


def is_shown(score: Score, z: float | None, *, chance: float | None, least: float) -> bool | None:
    """Whether a positive control shows that its target is there to be read; None where neither can be said.

    Args:
        least: what ``z`` of a target that is not there stays below.
    """
    if z is not None and z <= least:
        return False
    ends = score.interval
    return True if ends and chance is not None and ends[0] > chance else None


def beside_positive(verdict: Verdict, positive: Mapping[Control, PositiveControl]) -> Verdict:
    """A conclusion, and what positive controls add to it."""
    for control, one in positive.items():
        text, short = _added(verdict.kind, control, one)
        verdict = verdict.model_copy(update={"text": verdict.text + text, "short": verdict.short + short})
    return verdict


def _added(kind: VerdictKind, control: Control, one: PositiveControl) -> tuple[str, str]:
    """What follows from a positive control, in full and for a terminal."""
    found = with_interval(one.score)
    if kind in ("no-evidence", "too-few"):
        if one.shown:
            text = f"; {control} {found} shows it: learnable here, not read from the encoder"
            return text, f"; {control} shows it"
        if one.shown is False:
            more = (
                "it cannot be learnt from this sample"
                if kind == "too-few"
                else "it is not shown to be learnable here"
            )
            return f"; nor does {control} {found} show it: {more}", f"; nor does {control}"
    ends = one.difference.interval
    if kind in ("not-measured", "not-judged") or not ends:
        return "", ""
    if ends[1] < 0:
        return f"; {control} reads it better, {found}", f"; {control} reads it better"
    above = " too" if kind in ABOVE else ""
    return (f"; above {control}{above}, {found}" if ends[0] > 0 else f"; not apart from {control}, {found}"), ""


def _too_few(verdict: VerdictResult, power: PowerResult | None) -> Verdict:
    short = f"too few {'videos' if verdict.split == 'video' else 'groups'} to tell"
    if power is None:
        text = f"{short}: no evidence, and what would have shown is not known"
        return Verdict(kind="too-few", text=text, short=short)
    text = f"{short}: what is under {_effect(power, 'hard')} need not show"
    if power.hard is None and power.easy is not None:
        text += f", under {_effect(power, 'easy')} not even where the features vary most"
    if power.groups_needed:
        text += f"; about {power.groups_needed:,} groups would show {_amount(power.metric, 0.2)}"
    return Verdict(kind="too-few", text=text, short=short)


def would_show(power: PowerResult) -> str:
    """State the least effect that a sample would have shown, wherever in the features it lies."""
    if power.hard is None:
        return f"even {_effect(power, 'hard')} need not have shown"
    return f"{_effect(power, 'hard')} would have shown wherever in the features it lies (in 80 % of samples)"


def _effect(power: PowerResult, end: Literal["easy", "hard"]) -> str:
    """``an R² of 0.17``, ``a balanced accuracy 0.12 over chance``."""
    value = getattr(power, end)
    return "an R² of 0.5" if value is None else _amount(power.metric, value)


def _amount(metric: Metric, value: float) -> str:
    return f"an R² of {number(value)}" if metric == "r2" else f"a {METRICS[metric]} {number(value)} over chance"


def _turned(score: Score) -> Score:
    """Of an error, less of which is better, a score, more of which is."""
    value, low, high = (None if end is None else -end for end in (score.value, score.high, score.low))
    return Score(value=value, low=low, high=high, note=score.note)


def chance_of(metric: Metric, controls: Mapping[Control, Score]) -> float | None:
    """What a constant scores: 0 for R², the majority's score otherwise."""
    if metric == "r2":
        return 0.0
    majority = controls.get("majority")
    return majority.value if majority else None


def _against(ends: tuple[float, float], controls: Mapping[Control, Score]) -> Verdict:
    """Compare an interval with that of each control."""
    unknown = [c for c in NEGATIVE if c not in controls or controls[c].interval is None]
    known: dict[Control, Score] = {c: s for c, s in controls.items() if s.interval is not None}
    higher = [c for c in NEGATIVE if (s := known.get(c)) and s.interval and s.interval[0] > ends[1]]
    equal = [
        c for c in NEGATIVE if (s := known.get(c)) and s.interval and s.interval[1] >= ends[0] and c not in higher
    ]
    if higher or equal:
        return _not_above(higher, equal, known)
    return _above(known, unknown)


def _above(known: Mapping[Control, Score], unknown: Sequence[Control]) -> Verdict:
    """Name the control that comes next, and those that were not run."""
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
            short=f"above {len(known)} of {len(NEGATIVE)} controls",
        )
    return Verdict(kind="above", text=f"above every control {beside}", short="above every control")


def _not_above(higher: Sequence[Control], equal: Sequence[Control], known: Mapping[Control, Score]) -> Verdict:
    """Name the controls that lie higher, and those whose intervals overlap."""
    texts, shorts = [], []
    for controls, long, short in ((higher, "below", "below"), (equal, "not shown to be above", "not shown above")):
        if controls:
            texts.append(f"{long} " + ", ".join(f"{c} {with_interval(known[c])}" for c in controls))
            shorts.append(f"{short} " + ", ".join(controls))
    return Verdict(
        kind="below" if higher else "not-shown",
        text="; ".join(texts),
        short="; ".join(shorts),
        higher=tuple(higher),
        even=tuple(equal),
    )


def leak_sentence(rows: Iterable[Row]) -> str:
    """How far the random split flatters, in one sentence."""
    known: list[tuple[Row, ControlledScore, float]] = [
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
        f"{row_name(row)}: {signed(leak)} ({number(line.score.value)} becomes "
        f"{number(line.random.value) if line.random else NONE})."
    )


def row_name(row: Row) -> str:
    """``XY position from grid``."""
    return f"{property_name(row.task)} from {row.features}"


def chance(line: ControlledScore) -> float | None:
    """What a constant scores beside a score."""
    return chance_of(line.metric, line.controls)


def no_better(line: ControlledScore) -> str:
    """What stands after a score that a constant reaches too; below 0 is not worse than nothing. Else nothing."""
    least, value = chance(line), line.score.value
    said = value is not None and least is not None and line.metric not in ERRORS and value <= least
    return "no better than a constant" if said else ""


QUOTED = (
    "Of several readings of a property (features, block, input, probe) one is quoted: that at the tap which "
    "validation groups chose, where several blocks were read; else the one that reaches furthest above its best "
    "control. Of n ways tried the best is quoted, so a narrow win counts for little. Clips in another order than "
    "the video's are there to be compared with, and are not quoted where there is anything else."
)


def cautious_skill(row: Row) -> float | None:
    """Skill from the probe's low end and the highest high end among the controls; None where either lacks."""
    ends = row.main.score.interval
    highs = [s.interval[1] for s in row.main.controls.values() if s.interval]
    if ends is None or not highs or max(highs) >= 1:
        return None
    return (ends[0] - max(highs)) / (1 - max(highs))


def quotable(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows that ``QUOTED`` chooses among."""
    return [row for row in rows if row.input not in ("shuffled", "reversed")] or rows


def quoted(rows: Sequence[Row]) -> Row | None:
    """The row that ``QUOTED`` quotes; one without a score only where there is no other. None of none."""
    ways = quotable(rows)
    return max([row for row in ways if row.features == CHOSEN] or ways, key=_reach, default=None)


def _reach(row: Row) -> tuple[bool, bool, float]:
    skill = cautious_skill(row)
    known = row.main.score.value is not None
    return known, row.main.verdict.kind in ABOVE, float("-inf") if skill is None else skill
