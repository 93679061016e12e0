"""Does a predictor that takes actions know a robot's true one from others?"""

from __future__ import annotations

from typing import Literal

from worldprobe.findings.finding import Finding, Run
from worldprobe.findings.score import Fact, score_of
from worldprobe.intervals import Score, Standing
from worldprobe.results import EnergyResult

_NAMES = {-1.0: "the opposite", 0.0: "none", 1.0: "the true action"}


class EnergyRow(Fact):
    """One kind of action: its mean energy, what that is above the true action's, and how often the true action's is
    lower (None: it is that one itself).

    ``times`` is the multiple of the true action, None for those of other groups; ``twin_excess`` and ``twin`` are
    the untrained twin's, None where there is none. ``against_twin``: how ``lower`` stands to ``twin``.
    """

    name: str
    times: float | None
    energy: Score
    excess: Score | None
    lower: Score | None
    twin_excess: Score | None
    twin: Score | None
    against_twin: Standing | None


class Energy(Finding):
    """Is the true action's energy lower than that of others?"""

    encoder: str
    rows: tuple[EnergyRow, ...]
    headline: str
    protocol: str
    n: int
    n_groups: int

    @classmethod
    def of(cls, run: Run) -> Energy | None:
        lines = [one for one in run.results if isinstance(one, EnergyResult)]
        if not lines:
            return None
        first = lines[0]
        own = {(one.times, one.metric): one for one in lines if one.encoder == first.encoder}
        twin = {(one.times, one.metric): score_of(one) for one in lines if one.encoder != first.encoder}
        rows = tuple(_row(times, own, twin) for times, metric in own if metric == "l1")
        return cls(
            encoder=first.encoder, rows=rows, headline=_headline(rows), protocol=first.protocol, n=first.n,
            n_groups=first.n_groups,
        )  # fmt: skip


_Key = tuple[float | None, Literal["l1", "excess", "accuracy"]]


def _row(times: float | None, own: dict[_Key, EnergyResult], twin: dict[_Key, Score]) -> EnergyRow:
    excess, lower = own.get((times, "excess")), own.get((times, "accuracy"))
    name = "those of other groups" if times is None else _NAMES.get(times, f"{times:g} times the true one")
    return EnergyRow(
        name=name, times=times, energy=score_of(own[times, "l1"]), excess=score_of(excess) if excess else None,
        lower=score_of(lower) if lower else None, twin_excess=twin.get((times, "excess")),
        twin=twin.get((times, "accuracy")),
        against_twin=lower.against_twin if lower else None,
    )  # fmt: skip


def _headline(rows: tuple[EnergyRow, ...]) -> str:
    """What the intervals show of others' actions, and of none; where the mean energy is least."""
    said = []
    for row in rows:
        if row.times not in (None, 0.0) or row.lower is None or row.lower.interval is None:
            continue
        low, high = row.lower.interval
        what = "actions of other groups" if row.times is None else "no action"
        if low > 0.5:
            said.append(f"The true action's energy is lower than that of {what}")
        elif high < 0.5:
            said.append(f"The true action's energy is higher than that of {what}")
        else:
            said.append(f"The true action is not shown to be told from {what}")
        if row.against_twin == "above":
            said[-1] += ", more often than the untrained twin's"
        elif row.against_twin is not None:
            said[-1] += "; the untrained twin's is so as often" if low > 0.5 else ""
    scaled = [row for row in rows if row.times is not None and row.energy.value is not None]
    if scaled:
        least = min(scaled, key=lambda row: row.energy.value or 0.0)
        said.append(f"Of its multiples the mean energy is least at {least.name}")
    return ". ".join(said) + "."
