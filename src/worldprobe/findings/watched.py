"""What a watch over the checkpoints of a training states, typed, and by which rules it concludes from intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from worldprobe.findings.score import Fact
from worldprobe.findings.wording import METRICS, difference, property_name, with_interval
from worldprobe.intervals import Score
from worldprobe.results import Metric

RANKS = ("rankme", "effective rank", "lidar")
NEAR = "similarity 1 apart"
# A rank that lost more than this share of its highest is called collapsing.
_LEFT = 0.5
RULE = (
    "Beside each figure stands its 95 % interval, from leaving out videos (ranks, likeness, drift) or by groups "
    "(scores). A figure fell or rose only where the interval of the last checkpoint lies clear of that of its "
    "highest or lowest one before; a rank is called collapsing where even then less than half of it is left. Which "
    "checkpoint is highest is chosen among all: of very many, one is by chance. Above the untrained twin is by "
    "differences paired by group, as worldprobe compare judges them, at a checkpoint and at every later one."
)

Beside = Literal["higher", "lower", "not shown to differ", "not measured"]


class WatchedScore(Fact):
    """A score of a checkpoint, and what it has over the untrained twin's: paired by group, None without a twin."""

    task: str
    features: str
    input: str
    probe: str
    metric: Metric
    score: Score
    over_twin: Score | None = None
    standing: Beside = "not measured"
    n: int
    n_groups: int

    @property
    def reading(self) -> tuple[str, str, str, str]:
        """What tells it from the checkpoint's other scores."""
        return self.task, self.features, self.input, self.probe


class Checkpoint(Fact):
    """All that was measured of a checkpoint: a line of ``watch.jsonl``.

    Attributes:
        kind: "twin" is the untrained twin, of which there is one.
        name: in the folder that is watched. step: as its name has it.
        modified: when the last of its files was written, in seconds since 1970.
        files: their names, sizes and times, hashed; a checkpoint whose files are the same is not looked at again.
        revision: what its output depends on. precision: in which it was computed.
        folder: where its results lie, a run's folder.
        also: other names of the same content in the folder, each with its ``files``.
        features: measures without labels, by name; of ``tubelets`` of ``videos``, ``width`` wide.
        drift: from the first checkpoint and from the one before, by revision.
    """

    kind: Literal["checkpoint", "twin"] = "checkpoint"
    name: str
    step: int | None = None
    modified: float = 0.0
    files: str = ""
    also: dict[str, str] = Field(default_factory=dict)
    encoder: str
    revision: str
    precision: str = ""
    folder: str
    seconds: float
    features: dict[str, Score]
    scores: tuple[WatchedScore, ...] = ()
    drift: dict[str, Score] = Field(default_factory=dict)
    tubelets: int
    videos: int
    width: int
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name, and others of the same content."""
        return " = ".join([self.name, *(name for name in self.also if name != self.name)])

    @property
    def where(self) -> str:
        """``step 1,200``, or its name where that has no step."""
        return self.name if self.step is None else f"step {self.step:,}"


class LeftOut(Fact):
    """An entry of the folder that was not measured, and why; ``final``: it will not be tried again as it is."""

    name: str
    why: str
    final: bool


class Watched(Fact):
    """A training so far. ``checkpoints`` are in order: by step, those without one last, by time."""

    folder: str
    split: str
    twin: Checkpoint | None
    checkpoints: tuple[Checkpoint, ...]
    left: tuple[LeftOut, ...]
    conclusions: tuple[str, ...]
    rule: str = RULE

    @property
    def by_step(self) -> bool:
        """Whether every checkpoint has a step, and no two the same one."""
        steps = [one.step for one in self.checkpoints]
        return None not in steps and len(set(steps)) == len(steps)

    @property
    def readings(self) -> list[WatchedScore]:
        """One score of each reading, in order: the first checkpoint's that has it."""
        found: dict[tuple[str, str, str, str], WatchedScore] = {}
        for one in (*([self.twin] if self.twin else []), *self.checkpoints):
            for score in one.scores:
                found.setdefault(score.reading, score)
        return list(found.values())

    def label(self, reading: WatchedScore) -> str:
        """A reading's features, with its input and probe where these tell it from others of its task."""
        return _label(reading, self.readings)


Run = list[tuple[Checkpoint, WatchedScore]]
"""The scores of one reading, checkpoint by checkpoint."""


def ordered(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """By step; those without one last, by time."""
    return sorted(checkpoints, key=lambda one: (one.step is None, one.step or 0, one.modified, one.name))


def watched(
    folder: str, split: str, twin: Checkpoint | None, checkpoints: Iterable[Checkpoint], left: Sequence[LeftOut]
) -> Watched:
    """Set what was measured in order, and conclude from it."""
    every = tuple(ordered(checkpoints))
    return Watched(
        folder=folder,
        split=split,
        twin=twin,
        checkpoints=every,
        left=tuple(left),
        conclusions=conclude(twin, every),
    )


def conclude(twin: Checkpoint | None, checkpoints: Sequence[Checkpoint]) -> tuple[str, ...]:
    """Say what ranks and scores show, each in a sentence; nothing where nothing was measured."""
    if not checkpoints:
        return ()
    found = [_of_rank(name, twin, checkpoints) for name in RANKS]
    found.append(_of_likeness(checkpoints))
    tasks = dict.fromkeys(score.task for one in checkpoints for score in one.scores)
    found += [_of_task(task, twin is not None, checkpoints) for task in tasks]
    return tuple(filter(None, found))


def _of_rank(name: str, twin: Checkpoint | None, checkpoints: Sequence[Checkpoint]) -> str:
    points = [(one.where, score) for one in checkpoints if (score := one.features.get(name)) and score.interval]
    if not points:
        return ""
    last_at, last = points[-1]
    beside = _beside(last, twin.features.get(name) if twin else None)
    if fell := _fell(points):
        at, top = fell
        lost = last.high is not None and top.low is not None and last.high < _LEFT * top.low
        how = ", less than half of it: collapsing" if lost else ""
        return f"{name} fell from {_rank(top)} ({at}) to {_rank(last)} ({last_at}){how}{beside}."
    if rose := _rose(points):
        at, least = rose
        return f"{name} rose from {_rank(least)} ({at}) to {_rank(last)} ({last_at}){beside}."
    so_far = "not shown to have changed" if len(points) > 1 else "one checkpoint so far"
    return f"{name}: {so_far}, {_rank(last)} ({last_at}){beside}."


def _beside(last: Score, twin: Score | None) -> str:
    """How a rank stands to the twin's, where the intervals say it."""
    if twin is None or twin.interval is None or last.interval is None:
        return ""
    if last.interval[1] < twin.interval[0]:
        return f"; below the untrained twin's {_rank(twin)}"
    if last.interval[0] > twin.interval[1]:
        return f"; above the untrained twin's {_rank(twin)}"
    return ""


def _of_likeness(checkpoints: Sequence[Checkpoint]) -> str:
    """Only that tokens side by side have grown alike: what dense features lose first."""
    points = [(one.where, score) for one in checkpoints if (score := one.features.get(NEAR)) and score.interval]
    if len(points) < 2 or not (rose := _rose(points)):
        return ""
    at, least = rose
    last_at, last = points[-1]
    return (
        f"Tokens side by side grew alike: cosine {with_interval(least)} ({at}), {with_interval(last)} ({last_at})."
    )


def _of_task(task: str, has_twin: bool, checkpoints: Sequence[Checkpoint]) -> str:
    """Since when a property is above the twin, by the reading that is so first; and whether its score fell."""
    runs: dict[tuple[str, str, str, str], Run] = {}
    for one in checkpoints:
        for score in one.scores:
            if score.task == task and score.score.value is not None:
                runs.setdefault(score.reading, []).append((one, score))
    if not runs:
        return ""
    above = {reading: since for reading, run in runs.items() if (since := _since(run)) is not None}
    # That which is above the twin for longest speaks, else that which is highest at last.
    run = min(runs.values(), key=lambda run: (above.get(run[0][1].reading, len(checkpoints)), -_value(run[-1][1])))
    last, score = run[-1]
    label = _label(score, [one[0][1] for one in runs.values()])
    reached = f"{METRICS[score.metric]} {with_interval(score.score)} at {last.where}, from {label}"
    over = f", {difference(score.over_twin)} over the twin" if score.over_twin else ""
    if score.reading in above:
        at = run[above[score.reading]][0]
        alone = " (the last, so far)" if at is last else ""
        stands = f"above the untrained twin since {at.where}{alone}; "
    elif not has_twin:
        stands = ""
    elif score.standing == "lower":
        stands = "below the untrained twin; "
    else:
        before = [one.where for run in runs.values() for one, score in run if score.standing == "higher"]
        stands = "not shown to be above the untrained twin" + (
            f" any more (it was at {before[-1]}); " if before else "; "
        )
    fell = _fell([(one.where, score.score) for one, score in run if score.score.interval])
    fallen = f"; it fell from {with_interval(fell[1])} at {fell[0]}" if fell else ""
    return f"{property_name(task)}: {stands}{reached}{over}{fallen}."


def _since(run: Run) -> int | None:
    """From which of a reading's checkpoints on it is above the twin at all; None where not at the last."""
    first = len(run)
    while first and run[first - 1][1].standing == "higher":
        first -= 1
    return first if first < len(run) else None


def _value(score: WatchedScore) -> float:
    return score.score.value or 0.0


def _fell(points: Sequence[tuple[str, Score]]) -> tuple[str, Score] | None:
    """The highest of the points before the last, where the last one's interval lies below its own."""
    if len(points) < 2:
        return None
    top = max(points[:-1], key=lambda one: one[1].value or 0.0)
    last = points[-1][1]
    return top if last.interval and top[1].interval and last.interval[1] < top[1].interval[0] else None


def _rose(points: Sequence[tuple[str, Score]]) -> tuple[str, Score] | None:
    """The lowest of the points before the last, where the last one's interval lies above its own."""
    if len(points) < 2:
        return None
    least = min(points[:-1], key=lambda one: one[1].value or 0.0)
    last = points[-1][1]
    return least if last.interval and least[1].interval and last.interval[0] > least[1].interval[1] else None


def _rank(score: Score) -> str:
    return with_interval(score, 1)


def _label(reading: WatchedScore, among: Sequence[WatchedScore]) -> str:
    alike = [one for one in among if one.task == reading.task]
    parts = [reading.features]
    parts += [reading.input] if len({one.input for one in alike}) > 1 else []
    parts += [reading.probe] if len({one.probe for one in alike}) > 1 else []
    return ", ".join(parts)
