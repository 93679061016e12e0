"""How sure is what is predicted, and is that worth anything? Futures that are sampled around a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from worldprobe.findings.finding import Finding, Run
from worldprobe.findings.score import Fact, VerdictKind, score_of
from worldprobe.findings.wording import count, interval, joined, number
from worldprobe.intervals import Score
from worldprobe.results import FuturesResult

Of = Literal["all", "changed", "xy"]
NAMES: dict[Of, str] = {"all": "all tokens", "changed": "changed tokens", "xy": "where objects are"}
BESIDE = {
    "point": "one future", "constant": "one width for all", "noise": "noise of the same size",
    "copy-last": "the same around copy-last", "ridge": "the same around a ridge",
}  # fmt: skip
"""What the predictor's futures stand beside."""
_LEVEL = 0.9


class FuturesRow(Fact):
    """Tokens, or places, at one horizon; places in % of a frame.

    ``energies``: the energy score of futures around the predictor ("dressed") and of what is ``BESIDE``.
    ``within``: the share within the radius for 50 % and for 90 %, which is on average ``radius``. ``surest`` and
    ``unsure``: how far it is off where it seems surest, and least sure (a quarter each). ``nearest``: how far the
    nearest of 8 futures is off, and of as many of noise; None of changed tokens. ``calibration``: as in
    ``FuturesResult``.
    """

    of: Of
    features: str
    horizon: int
    energies: dict[str, Score]
    within: tuple[Score, Score]
    radius: Score
    spread: Score
    surest: Score | None
    unsure: Score | None
    nearest: tuple[Score, Score] | None
    calibration: tuple[tuple[float, float, float], ...]
    verdict: str
    kind: VerdictKind
    n: int
    n_groups: int

    @property
    def name(self) -> str:
        """What it is of, in words."""
        return f"{NAMES[self.of]} ({self.features})" if self.features else NAMES[self.of]


class SeveralFutures(Finding):
    """Do sampled futures say how sure a prediction is? ``opening``: how sure places are, if that is known."""

    rows: tuple[FuturesRow, ...]
    opening: str
    headline: str
    protocols: tuple[str, ...]

    @classmethod
    def of(cls, run: Run) -> SeveralFutures | None:
        own = [one for one in run.results if isinstance(one, FuturesResult) and one.encoder == run.encoder]
        places = dict.fromkeys((one.of, one.features, one.horizon) for one in own)
        rows = [_row([one for one in own if (one.of, one.features, one.horizon) == at]) for at in places]
        found = _best([row for row in rows if row is not None])
        if not found:
            return None
        return cls(
            rows=found, opening=_opening(found), headline=_headline(found),
            protocols=tuple(dict.fromkeys(one.protocol for one in own)),
        )  # fmt: skip


def _best(rows: Sequence[FuturesRow]) -> tuple[FuturesRow, ...]:
    """Of places those by the features that they are read from best; all else."""
    places = [row for row in rows if row.of == "xy"]
    by = {row.features: row.energies["point"].value or float("inf") for row in places}
    return tuple(row for row in rows if row.of != "xy" or row.features == min(by, key=by.__getitem__))


def _row(lines: Sequence[FuturesResult]) -> FuturesRow | None:
    by: dict[tuple[str, str, str], FuturesResult] = {(one.method, one.shape, one.metric): one for one in lines}
    judged = by.get(("predictor", "dressed", "energy"))
    if judged is None or judged.score is None:
        return None
    unit = 100.0 if judged.of == "xy" else 1.0

    def length(method: str, shape: str, metric: str) -> Score | None:
        line = by.get((method, shape, metric))
        return None if line is None else _times(score_of(line), unit)

    ways = {key: ("predictor", key) for key in ("dressed", "point", "constant", "noise")}
    ways |= {key: (key, "dressed") for key in ("copy-last", "ridge")}
    energies = {name: found for name, way in ways.items() if (found := length(*way, "energy")) is not None}
    own = {metric: length("predictor", "dressed", metric) for metric in
           ("radius90", "spread", "surest", "unsure", "nearest")}  # fmt: skip
    of_noise = length("predictor", "noise", "nearest")
    within = [score_of(by["predictor", "dressed", metric]) for metric in ("within50", "within90")]
    verdict, kind = _judge(judged)
    spread = by["predictor", "dressed", "spread"]
    return FuturesRow(
        of=judged.of, features=judged.features, horizon=judged.horizon, energies=energies,
        within=(within[0], within[1]), radius=own["radius90"] or Score(value=None),
        spread=own["spread"] or Score(value=None), surest=own["surest"], unsure=own["unsure"],
        nearest=(own["nearest"], of_noise) if own["nearest"] and of_noise else None,
        calibration=tuple((unit * expected, unit * found, share) for expected, found, share in spread.calibration),
        verdict=verdict, kind=kind, n=judged.n, n_groups=judged.n_groups,
    )  # fmt: skip


def _times(score: Score, unit: float) -> Score:
    value, low, high = (None if end is None else unit * end for end in (score.value, score.low, score.high))
    return Score(value=value, low=low, high=high, note=score.note)


def _judge(line: FuturesResult) -> tuple[str, VerdictKind]:
    """Where the futures stand to what is beside them, in words and by kind."""
    stands = {
        standing: [name for key, name in BESIDE.items() if line.against.get(key) == standing]
        for standing in ("above", "below", "not shown")
    }
    said = {"above": "better than", "below": "worse than", "not shown": "not shown over"}
    parts = [f"{words} {joined(stands[key])}" for key, words in said.items() if stands[key]]
    kind: VerdictKind = "above"
    if stands["below"]:
        kind = "below"
    elif stands["not shown"]:
        kind = "not-shown"
    return "; ".join(parts) or "nothing beside it has a score", kind if parts else "not-judged"


def _percent(score: Score) -> str:
    return f"{number(score.value, 1)} % {interval(score, 1)}".strip()


def _opening(rows: Sequence[FuturesRow]) -> str:
    """How sure places are, at the last horizon at which what is said of it holds by the intervals."""
    sure = [row for row in rows if row.of == "xy" and _holds(row) and _knows_when(row)]
    if not sure:
        return ""
    row = sure[-1]
    assert row.surest is not None
    assert row.unsure is not None
    return (
        f"How sure it is can be said beforehand: {count(row.horizon, 'tubelet')} ahead a place is known to within "
        f"{_percent(row.radius)} of a frame in 9 of 10 windows (found: {number(row.within[1].value)} "
        f"{interval(row.within[1])}), and it is off by {_percent(row.surest)} in the quarter of windows that seems "
        f"surest, by {_percent(row.unsure)} in the one that seems least sure."
    )


def _holds(row: FuturesRow) -> bool:
    """Whether the interval of the share within the radius holds what it is to be."""
    ends = row.within[1].interval
    return ends is not None and ends[0] <= _LEVEL <= ends[1]


def _knows_when(row: FuturesRow) -> bool:
    """Whether the least sure are shown to be farther off than the surest."""
    surest, unsure = (one.interval if one else None for one in (row.surest, row.unsure))
    return surest is not None and unsure is not None and unsure[0] > surest[1]


def _headline(rows: Sequence[FuturesRow]) -> str:
    """At which horizons a width of its own for each beats one for all; whether radii hold what they are to."""
    found = []
    for of in dict.fromkeys(row.of for row in rows):
        ahead = [row for row in rows if row.of == of]
        when = [row for row in ahead if "one width for all" in _better(row)]
        parts = [f"{ahead[0].name}: a width of its own for each is "]
        parts.append(
            f"better than one for all at {_horizons(when)}" if when else "not shown to be better than one for all"
        )
        if rest := [row for row in ahead if row not in when and _knows_when(row)]:
            parts.append(f", though at {_horizons(rest)} the least sure are farther off than the surest")
        if of == "changed":  # which tokens change is not known before
            found.append("".join(parts))
            continue
        off = [row for row in ahead if not _holds(row)]
        parts.append(
            f"; the share within the radius for 90 % is another at {_horizons(off)}"
            if off
            else "; as many lie within the radius for 90 % as are to"
        )
        found.append("".join(parts))
    return f"{'. '.join(one[:1].upper() + one[1:] for one in found)}."


def _better(row: FuturesRow) -> str:
    return next((part for part in row.verdict.split("; ") if part.startswith("better than")), "")


def _horizons(rows: Sequence[FuturesRow]) -> str:
    return f"horizon{'s' * (len(rows) > 1)} {', '.join(str(row.horizon) for row in rows)}"
