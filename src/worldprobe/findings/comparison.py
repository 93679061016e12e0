"""What a comparison of runs states, typed: the terminal, HTML, Markdown and JSON all say this and nothing else."""

from __future__ import annotations

from typing import Literal

from worldprobe.findings.score import Fact
from worldprobe.findings.wording import SPEAKS, count, interval, signed
from worldprobe.intervals import Score
from worldprobe.results import Metric, Verdict

Standing = Literal["base", "higher", "lower", "not shown to differ", "not measured"]
RULE = (
    "Every difference is taken to the first run, on the same moments and the same whole groups, resampled alike "
    "(paired cluster bootstrap: Field and Welsh 2007; Efron and Tibshirani 1993, ch. 13). Higher or lower is said "
    "only where the difference exceeds what the largest difference of all readings of the property reaches by "
    "chance: of several readings, an interval that leaves 0 out is not enough. Two intervals of scores may overlap "
    f"and their difference still be shown: what both runs find hard cancels out. {SPEAKS}"
)


class Cost(Fact):
    """What an encoder takes; None where its run did not record it.

    Attributes:
        parameters: of its network; 0 of a floor, which has none.
        flop: operations of a clip's products, multiplications and additions apart.
        bytes: of a clip's tokens at one block, as stored.
        clips_per_second: films read and embeddings written with it, over ``clips`` clips on ``device``, a
            ``machine``.
    """

    parameters: int | None = None
    flop: float | None = None
    bytes: int | None = None
    clips_per_second: float | None = None
    clips: int = 0
    device: str = ""
    machine: str = ""


class Sight(Fact):
    """What an encoder sees of a film.

    Attributes:
        width, height: of its input in px.
        shares: of a frame's width and of its height that it sees, for each size of film.
        shape: how a frame got that size: its shape ``kept``, ``squashed``, or kept and the rest ``filled``.
        frames, stride: of a clip; a stride of 0 is one frame repeated.
        grid, tubelet: tokens in time, rows and columns; frames that one covers.
        mean, std, colours: the numbers that it takes, (byte / 255 - mean) / std; none where it does not tell.
    """

    width: int
    height: int
    shares: tuple[tuple[float, float], ...]
    shape: Literal["kept", "squashed", "filled"]
    frames: int
    stride: int
    grid: tuple[int, int, int]
    tubelet: int
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    colours: str = ""

    @property
    def part(self) -> str:
        """What of a frame it sees, in words."""
        said = {"squashed": ", squashed", "filled": ", undistorted, the rest filled", "kept": ""}[self.shape]
        parts = [_percent([share[axis] for share in self.shares]) for axis in (0, 1)]
        seen = "all of it" if set(parts) == {"100"} else f"{parts[0]} % of its width, {parts[1]} % of its height"
        return f"{seen}{said}"

    @property
    def numbers(self) -> str:
        """The numbers that it takes, in words."""
        if self.mean is None or self.std is None:
            return "not told"
        mean, std = ("/".join(f"{value:.3g}" for value in one) for one in (self.mean, self.std))
        return f"mean {mean}, deviation {std}" + (", blue first" if self.colours == "bgr" else "")


def _percent(shares: list[float]) -> str:
    low, high = round(100 * min(shares)), round(100 * max(shares))
    return f"{low}" if low == high else f"{low} to {high}"


class ComparedRun(Fact):
    """A run in a comparison. ``status`` is "trained", "untrained" or "floor".

    ``cost`` and ``sight`` are None where an older version made the run.
    """

    name: str
    encoder: str
    revision: str
    status: str
    cost: Cost | None = None
    sight: Sight | None = None


class ComparedScore(Fact):
    """One run's score of one reading, and what it has over the first run's; ``tap`` is where it was read.

    ``verdict`` is the run's own on it, over its controls; empty where it has none.
    """

    tap: str
    score: Score
    difference: Score
    standing: Standing
    verdict: Verdict | Literal[""] = ""


class Reading(Fact):
    """One property by one probe on one kind of features: a cell for each run, on ``n`` moments that all have."""

    task: str
    features: str
    input: str
    probe: str
    metric: Metric
    n: int
    n_groups: int
    cells: tuple[ComparedScore, ...]


class Differing(Fact):
    """What the runs' own records do not say alike of how they were made: a value for each run."""

    name: str
    values: tuple[str, ...]


class Comparison(Fact):
    """Runs side by side. ``warnings`` is what has to be said first; ``notes`` what was left out."""

    runs: tuple[ComparedRun, ...]
    split: str
    readings: tuple[Reading, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    differing: tuple[Differing, ...]
    rule: str = RULE

    def label(self, reading: Reading) -> str:
        """A reading's features, with its input and probe where these tell it from others."""
        parts = [reading.features]
        for name in ("input", "probe"):
            alike = [one for one in self.readings if one.task == reading.task]
            if len({getattr(one, name) for one in alike}) > 1:
                parts.append(getattr(reading, name))
        return ", ".join(parts)

    @property
    def groups(self) -> str:
        """How many groups the readings are of."""
        counts = sorted({one.n_groups for one in self.readings})
        return count(counts[0], "group") if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,} groups"

    @property
    def unlike(self) -> tuple[str, ...]:
        """What the encoders do not see alike, and what of their costs cannot be set side by side: sentences."""
        seen = {run.name: run.sight for run in self.runs if run.sight is not None}
        sizes = {name: f"{one.width} × {one.height} px" for name, one in seen.items()}
        parts = {name: one.part for name, one in seen.items()}
        found = []
        if len(set(sizes.values())) > 1:
            found.append(f"They do not get the same number of px: {_listed(sizes)}.")
        if len(set(parts.values())) > 1:
            found.append(f"They do not see the same part of a frame: {_listed(parts)}.")
        timed = [run.cost for run in self.runs if run.cost and run.cost.clips_per_second is not None]
        where = dict.fromkeys(f"{one.device} {one.machine}".strip() for one in timed)
        if len(where) > 1:
            found.append(f"Clips a second are of different machines ({'; '.join(where)}).")
        return tuple(found)

    @property
    def by_chance(self) -> str:
        """How many differences are shown, and how many properties would show any by chance."""
        cells = [(one.task, at, cell) for one in self.readings for at, cell in enumerate(one.cells[1:])]
        tried = [(task, at) for task, at, cell in cells if cell.difference.value is not None]
        shown_apart = sum(cell.standing in ("higher", "lower") for _, _, cell in cells)
        properties = len(set(tried))
        return (
            f"{shown_apart} of {len(tried)} differences are shown; by chance alone about {properties / 20:.1f} of "
            f"{properties} properties (each run's apart) would show any."
            if tried
            else "No difference could be measured."
        )


def _listed(words: dict[str, str]) -> str:
    """Names by what is said of them: ``a, b: all of it; c: the middle``."""
    by_words: dict[str, list[str]] = {}
    for name, said in words.items():
        by_words.setdefault(said, []).append(name)
    return "; ".join(f"{', '.join(names)}: {said}" for said, names in by_words.items())


def difference(cell: ComparedScore) -> str:
    """``+0.12 [0.04, 0.20] higher``."""
    if cell.difference.value is None:
        return cell.difference.note or cell.score.note or "not measured"
    return f"{signed(cell.difference.value)} {interval(cell.difference)} {cell.standing}"
