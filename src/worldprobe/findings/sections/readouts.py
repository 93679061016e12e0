"""Does it know where the object will be? What is read from predicted futures, beside true ones and from guesses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from worldprobe.findings.finding import Finding, Run, mode_of
from worldprobe.findings.score import Fact, VerdictKind, score_of
from worldprobe.findings.wording import METRICS, count, interval, number, property_name
from worldprobe.intervals import Score, Standing
from worldprobe.results import READOUT_ERRORS, ReadoutMetric, ReadoutResult

METRIC_NAMES: dict[ReadoutMetric, str] = {
    "distance": "distance, % of a frame",
    "r2": METRICS["r2"],
    "balanced_accuracy": METRICS["balanced_accuracy"],
    "angular_error": METRICS["angular_error"],
}
GUESSES = {"copy-last": "copy-last", "ridge": "a ridge", "mean": "a constant"}
"""What knows nothing of the future: a predictor has to be better than all of them."""
_BESIDE = {"truth": "the true future", "constant-velocity": "labels carried on"}
_ORDER: tuple[ReadoutMetric, ...] = ("distance", "angular_error", "balanced_accuracy", "r2")
_Mode = Literal["joint", "rolling"]


class ReadoutRow(Fact):
    """A task, features and horizon: the score by method, "joint" and "rolling" the predictor's by mode.

    ``mode`` is the one that is judged, ``metric`` what all are by. "corrected" of ``scores`` is that mode's through
    a linear map to true tokens; ``corrected`` says whether it is better than every guess.
    """

    task: str
    name: str
    features: str
    horizon: int
    metric: ReadoutMetric
    scores: dict[str, Score]
    twin: Score | None
    mode: _Mode
    verdict: str
    kind: VerdictKind
    corrected: VerdictKind
    n: int
    n_groups: int


class Readouts(Finding):
    """What of the scene is read from predicted futures? ``opening``: where the object will be, if that is known."""

    rows: tuple[ReadoutRow, ...]
    opening: str
    headline: str
    protocol: str

    @property
    def shown(self) -> tuple[ReadoutRow, ...]:
        """Rows by each task's best features, as true futures have them."""
        tasks = dict.fromkeys(row.task for row in self.rows)
        return tuple(row for task in tasks for row in best(self.rows, task))

    @classmethod
    def of(cls, run: Run) -> Readouts | None:
        lines = [one for one in run.results if isinstance(one, ReadoutResult)]
        own = [one for one in lines if one.encoder == run.encoder]
        if not own:
            return None
        twins = [one for one in lines if one.encoder != run.encoder]
        mode = mode_of(run.results)
        judged = {task: _metric(own, task) for task in dict.fromkeys(one.task for one in own)}
        own, twins = ([one for one in of if one.metric == judged[one.task]] for of in (own, twins))
        places = dict.fromkeys((one.task, one.features, one.horizon) for one in own)
        rows = tuple(
            _row([one for one in own if _at(one) == at], [one for one in twins if _at(one) == at], mode)
            for at in places
        )
        return cls(rows=rows, opening=_opening(rows), headline=_headline(rows), protocol=own[0].protocol)


def best(rows: Sequence[ReadoutRow], task: str) -> list[ReadoutRow]:
    """A task's rows, by the features that the true future is read from best."""
    of = [row for row in rows if row.task == task]

    def quality(row: ReadoutRow) -> float:
        value = row.scores["truth"].value
        return float("-inf") if value is None else -value if row.metric in READOUT_ERRORS else value

    chosen = max(of, key=quality).features
    return [row for row in of if row.features == chosen]


def _metric(lines: Sequence[ReadoutResult], task: str) -> ReadoutMetric:
    """The one by which a task is judged."""
    return min({one.metric for one in lines if one.task == task}, key=_ORDER.index)


def _at(line: ReadoutResult) -> tuple[str, str, int]:
    return line.task, line.features, line.horizon


def _row(lines: Sequence[ReadoutResult], twins: Sequence[ReadoutResult], mode: _Mode) -> ReadoutRow:
    by = {(one.method, one.mode): one for one in lines}
    judged, corrected = by["predictor", mode], by.get(("predictor-corrected", mode))
    scores: dict[str, Score] = {
        of or method: _score(one) for (method, of), one in by.items() if method != "predictor-corrected"
    }
    if corrected:
        scores["corrected"] = _score(corrected)
    verdict, kind = _judge(judged)
    return ReadoutRow(
        task=judged.task, name=property_name(judged.task), features=judged.features,
        horizon=judged.horizon, metric=judged.metric, scores=scores,
        twin=next((_score(one) for one in twins if (one.method, one.mode) == ("predictor", mode)), None),
        mode=mode, verdict=verdict, kind=kind, corrected=_judge(corrected)[1] if corrected else "not-measured",
        n=judged.n, n_groups=judged.n_groups,
    )  # fmt: skip


def _score(line: ReadoutResult) -> Score:
    found = score_of(line)
    if line.metric != "distance":
        return found
    value, low, high = (None if end is None else 100 * end for end in (found.value, found.low, found.high))
    return Score(value=value, low=low, high=high, note=found.note)


def _judge(line: ReadoutResult) -> tuple[str, VerdictKind]:
    """Where the predictor stands to what knows nothing, in words and by kind."""
    if line.score is None:
        return f"not measured: {'; '.join(line.notes)}", "not-measured"
    over: dict[Standing, list[str]] = {
        standing: [name for key, name in GUESSES.items() if line.against.get(key) == standing]
        for standing in ("above", "not shown", "below")
    }
    if over["below"]:
        return f"worse than {' and '.join(over['below'])}", "below"
    if over["not shown"]:
        return f"not shown to beat {' and '.join(over['not shown'])}", "not-shown"
    return ("better than every guess", "above") if over["above"] else ("no guess has a score", "not-judged")


def _opening(rows: Sequence[ReadoutRow]) -> str:
    """How far off places are, at the first and the last horizon at which they are better than every guess."""
    above = [row for row in best(rows, "xy") if row.kind == "above"] if any(r.task == "xy" for r in rows) else []
    return _places([row for row in above if row.horizon in (above[0].horizon, above[-1].horizon)]) if above else ""


def _headline(rows: Sequence[ReadoutRow]) -> str:
    """What is read better than from what knows nothing, at which horizons; and what is not."""
    found, better, worse, rest, displaced = [], [], [], [], []
    for task in dict.fromkeys(row.task for row in rows):
        ahead = best(rows, task)
        above = [row for row in ahead if row.kind == "above"]
        name = f"{ahead[0].name} ({ahead[0].features})"
        if mapped := [row for row in ahead if row.kind != "above" and row.corrected == "above"]:
            displaced.append(f"{name} at {_horizons(mapped)}")
        if above:
            better.append(f"{name} at {_horizons(above)}")
        elif any(row.kind == "below" for row in ahead):
            worse.append(name)
        else:
            rest.append(name)
    than = "Read better from predicted tokens than from copy-last, a ridge and a constant"
    found.append(f"{than}: {'; '.join(better) or 'nothing that was asked'}.")
    if worse:
        found.append(f"Worse than one of these at some horizon: {', '.join(worse)}.")
    if rest and (better or worse):
        found.append(f"Not shown either way: {', '.join(rest)}.")
    if displaced:
        found.append(
            "There, but displaced (better than every guess through one linear map to true tokens): "
            f"{'; '.join(displaced)}."
        )
    return " ".join(found)


def _horizons(rows: Sequence[ReadoutRow]) -> str:
    return f"horizon{'s' * (len(rows) > 1)} {', '.join(str(row.horizon) for row in rows)}"


def _percent(score: Score) -> str:
    return f"{number(score.value, 1)} % {interval(score, 1)}".strip()


def _places(rows: Sequence[ReadoutRow]) -> str:
    """To within how much of a frame it knows where an object will be, beside others."""
    off = " and ".join(
        f"to within {_percent(row.scores[row.mode])} of a frame {count(row.horizon, 'tubelet')} ahead"
        for row in rows
    )
    beside = "; ".join(
        f"{name} {' and '.join(_percent(row.scores[key]) for row in rows)}"
        for key, name in (("copy-last", "copy-last"), *_BESIDE.items())
        if all(row.scores[key].value is not None for row in rows)
    )
    return f"It knows where the object will be {off} ({beside})."
