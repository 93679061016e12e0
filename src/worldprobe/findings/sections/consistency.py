"""Do predicted futures hold what the robot did? What is read from them, beside true ones and from guesses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from worldprobe.findings.finding import Finding, Run, mode_of
from worldprobe.findings.score import Fact, VerdictKind, score_of
from worldprobe.findings.wording import number
from worldprobe.intervals import Score, Standing
from worldprobe.results import ConsistencyResult, ConsistencyTarget

TARGET_NAMES: dict[ConsistencyTarget, str] = {
    "action": "the action", "change": "the change of the state", "state": "the state",
}  # fmt: skip


class ConsistencyRow(Fact):
    """A target, features and horizon: R2 read from the true future, and from each way of telling it.

    ``mode`` is the one that is judged; ``joint`` and ``rolling`` are the predictor's scores by mode. ``share`` is
    that of the true future's which is in the predicted one; None where the true one holds nothing.
    ``predictor_corrected`` is the judged mode's through a linear map to true tokens, ``corrected`` copy-last's.
    """

    target: ConsistencyTarget
    features: str
    horizon: int
    true: Score
    joint: Score
    rolling: Score
    ridge: Score
    corrected: Score
    predictor_corrected: Score | None
    twin: Score | None
    mode: Literal["joint", "rolling"]
    share: float | None
    verdict: str
    kind: VerdictKind
    n: int
    n_groups: int


class Consistency(Finding):
    """Do predicted futures hold what the robot did?"""

    rows: tuple[ConsistencyRow, ...]
    headline: str
    protocol: str
    unmeasured: str = ""

    @classmethod
    def of(cls, run: Run) -> Consistency | None:
        lines = [one for one in run.results if isinstance(one, ConsistencyResult)]
        own = [one for one in lines if one.encoder == run.encoder]
        if not own:
            return None
        known = [one for one in own if one.dimensions]
        twins = [one for one in lines if one.encoder != run.encoder]
        places = dict.fromkeys((one.target, one.features, one.horizon) for one in known)
        mode = mode_of(run.results)
        rows = tuple(
            _row([one for one in known if _at(one) == at], [one for one in twins if _at(one) == at], mode)
            for at in places
        )
        why = "; ".join(own[0].notes) if not known else ""
        return cls(rows=rows, headline=_headline(rows), protocol=own[0].protocol, unmeasured=why)


def _at(line: ConsistencyResult) -> tuple[str, str, int]:
    return line.target, line.features, line.horizon


def _row(
    lines: Sequence[ConsistencyResult], twins: Sequence[ConsistencyResult], mode: Literal["joint", "rolling"]
) -> ConsistencyRow:
    by = {(one.method, one.mode): one for one in lines}
    first, judged = lines[0], by["predictor", mode]
    scores = {key: score_of(one) for key, one in by.items()}
    twin = next((score_of(one) for one in twins if (one.method, one.mode) == ("predictor", mode)), None)
    true, own = scores["true", None], scores["predictor", mode]
    holds = true.low is not None and true.low > 0 and true.value and own.value is not None
    verdict, kind = _judge(judged, true)
    return ConsistencyRow(
        target=first.target, features=first.features, horizon=first.horizon, true=true,
        joint=scores["predictor", "joint"], rolling=scores["predictor", "rolling"], ridge=scores["ridge", None],
        corrected=scores["corrected", None],
        predictor_corrected=scores.get(("predictor-corrected", mode)), twin=twin, mode=mode,
        share=(own.value or 0.0) / true.value if holds and true.value else None, verdict=verdict, kind=kind,
        n=first.n, n_groups=first.n_groups,
    )  # fmt: skip


_NAMES = {"corrected": "copy-last", "ridge": "ridge", "true": "the true future"}


def _judge(line: ConsistencyResult, true: Score) -> tuple[str, VerdictKind]:
    """Where the predictor stands, in words and by kind: a guess that it is not above says as much."""
    if line.score is None:
        return f"not measured: {'; '.join(line.notes)}", "not-measured"
    if true.low is None or true.low <= 0:
        return f"the true future is not shown to hold {TARGET_NAMES[line.target]}", "no-evidence"
    guesses = {_NAMES[name]: line.against[name] for name in ("corrected", "ridge") if name in line.against}
    over: dict[Standing, list[str]] = {
        standing: [name for name, found in guesses.items() if found == standing]
        for standing in ("above", "not shown", "below")
    }
    said = {"above": "more than", "not shown": "not shown to hold more than", "below": "less than"}
    parts = [f"{said[standing]} {' and '.join(names)}" for standing, names in over.items() if names]
    rest = ", less than the true future" if line.against.get("true") == "below" else ""
    kind: VerdictKind = "below" if over["below"] else "not-shown" if over["not shown"] else "above"
    return "; ".join(parts) + rest if parts else "not judged: no guess has a score", kind if parts else "not-judged"


def _headline(rows: Sequence[ConsistencyRow]) -> str:
    """For each target, by the features that the true future holds it best in."""
    found = []
    for target in dict.fromkeys(row.target for row in rows):
        of = [row for row in rows if row.target == target]
        best = max(of, key=lambda row: row.true.value if row.true.value is not None else -1.0).features
        ahead = [row for row in of if row.features == best]
        better = [str(row.horizon) for row in ahead if row.kind == "above"]
        shares = [row.share for row in ahead if row.share is not None]
        held = (
            f"of what true futures hold, {number(100 * min(shares), 0)} to {number(100 * max(shares), 0)} %"
            if shares else "true futures are not shown to hold it either"
        )  # fmt: skip
        found.append(
            f"{TARGET_NAMES[target].capitalize()}, read from {best}: predicted futures are "
            f"shown to hold more than copy-last and a ridge at horizons {', '.join(better) or 'none'}; {held}."
        )
    return " ".join(found)
