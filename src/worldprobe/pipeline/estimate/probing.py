"""What probing would take: its fits are counted before anything is encoded, and such fits timed on noise."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.config import Experiment
from worldprobe.controls import CONTROLS, Control, of_motion
from worldprobe.encoders.load import control_encoders, parse_blocks
from worldprobe.errors import WorldprobeError
from worldprobe.execute.threads import MOST_TOGETHER, blas_threads, small_products
from worldprobe.intervals import Floats
from worldprobe.labels import targets
from worldprobe.labels.load import load_labeller, reads_files
from worldprobe.pipeline.encode.stage import controls_of
from worldprobe.pipeline.estimate.facts import Estimate, priced
from worldprobe.pipeline.probe.answers import CURVES, QUESTIONS
from worldprobe.pipeline.probe.plan import LINEAR_PROBES, Plan
from worldprobe.pipeline.probe.probe import foresee
from worldprobe.pipeline.probe.questions import probe_of, reads_tokens
from worldprobe.pipeline.sources import open_source
from worldprobe.probes.choice import fit_chosen
from worldprobe.probes.controls import COLUMNS, MOST_BUMPS
from worldprobe.probes.curves import FRACTIONS
from worldprobe.probes.evaluate import OutOfFold, cross_fit, draws
from worldprobe.probes.evidence import PORTIONS
from worldprobe.probes.features import CELLS, CHANGES
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import INNER_FOLDS, OUTER_FOLDS, Fold, Folds, partition
from worldprobe.probes.training import TrainingSets
from worldprobe.protocols import Encoder, Probe
from worldprobe.records import Block, Labels, breadth
from worldprobe.store import Input, Store

# Of the sets that the inner folds of five outer ones train on, each serves two of these.
_SHARED = (OUTER_FOLDS + OUTER_FOLDS * INNER_FOLDS / 2) / (OUTER_FOLDS * (1 + INNER_FOLDS))
# Operations of a fit that is timed, for each second there is; and the fewest that are worth timing.
_OPERATIONS, _LEAST = 1e8, 2e6
# Planted effects are dozens of columns: as much work as so many questions of one, on what is decomposed already.
_PLANTED = 30
# Sets that are trained on where a factor of three values is held out: without each, and as usual for each.
_HELD = 3 * (1 + OUTER_FOLDS)
# Columns of the floors that lie in cells.
_FLOORS: dict[Control, int] = {"pixels": 8 * 8 * 6, "flow": 8 * 8 * 2}
_CLASSES, _FEWEST = 4, 6 * (INNER_FOLDS + 1)
_Kind = Literal["regression", "classification"]


@dataclass(frozen=True, slots=True)
class QuestionCount:
    """Questions of one probe: how many columns of this kind there are, and how many of them are of motion."""

    probe: Probe
    name: str
    kind: _Kind
    count: int
    motion: int = 0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Describe what there is to probe.

    Attributes:
        rows: moments, in clips of ``time_steps`` each, of so many ``videos``.
        width: values of a token at one block.
        controls: those that read other encoders.
    """

    rows: int
    videos: int
    time_steps: int
    width: int
    blocks: Sequence[Block]
    controls: Sequence[Control]


@dataclass(frozen=True, slots=True)
class Work:
    """Fits of a size.

    Attributes:
        rows, columns: of what is trained on.
        sets: that are trained on, each with its inner ones. questions: asked of each of them.
        alone: whether no two of these sets share inner ones, as those of code lengths and learning curves do not.
        scored: answers whose interval is resampled.
        planted: whether effects are looked for that are planted in the features of other questions.
        beside: how many sets are worked out side by side with these; these alone where it is 0.
    """

    of_probe: QuestionCount
    rows: int
    columns: int
    sets: int
    questions: int
    alone: bool
    scored: int
    planted: bool = False
    beside: int = 0

    @property
    def fits(self) -> int:
        """A question on a set is one."""
        return self.sets * self.questions


def probing(
    experiment: Experiment,
    plan: Plan,
    encoder: Encoder,
    encoded: Estimate,
    videos: Sequence[Path],
    *,
    price: float | None,
    seconds: float,
) -> list[Estimate]:
    """Fits that answer questions, beside every control; and those of code lengths and learning curves.

    Every tubelet of every clip counts as a moment, so the run may have to do less. Probes of tokens are left out.

    Args:
        plan: as the run makes it of the experiment.
        encoded: what is told of the encoder: its clips, and the width of its tokens.
    """
    counts, time_steps = _question_counts(experiment, plan, videos), encoder.grid(experiment.frames).time
    # Of stills there is one for each tubelet of a native clip.
    share = sum(time_steps if input == "still" else 1 for input in experiment.inputs)
    sizes = Sizes(
        encoded.clips // share * time_steps,
        encoded.videos,
        time_steps,
        encoded.width,
        parse_blocks(plan.blocks, encoder.blocks),
        tuple(controls_of(experiment, encoder)),
    )
    found = []
    for name, works in works_of(plan, experiment.inputs, sizes, counts).items():
        fits = sum(one.fits for one in works)
        if fits:
            expected = _seconds(works, seconds / 2)
            found.append(_fits(name, fits, len(videos), expected, priced(expected, price), most=True))
    return found


def probing_stored(
    store: Store, labels: Labels, plan: Plan, inputs: Sequence[Input], *, seconds: float
) -> list[Estimate]:
    """Count the fits to moments of embeddings that are there, and estimate their time.

    Probes of tokens are left out.

    Raises:
        StoreError, ProbeError, ConfigError: as ``probe``.
    """
    fits, expected, videos = Counter[str](), dict[str, float](), 0
    for input in inputs:
        foreseen = foresee(store, labels, replace(plan, input=input))
        series, last = foreseen.series[0], foreseen.blocks[-1]
        read, videos = tuple(control_encoders(plan.encoder, series.twin)), len(foreseen.series)
        sizes = Sizes(
            len(foreseen.moments),
            videos,
            series.grid.time,
            store.width(series, last) // breadth(last),
            foreseen.blocks,
            tuple(control for control in read if control in plan.controls),
        )
        kinds = Counter((one.probe, one.question.probe.kind) for one in foreseen.probe_tasks)
        counts = [
            QuestionCount(
                next(one.question.probe for one in foreseen.probe_tasks if one.probe == name), name, kind, count,
                motion=sum(of_motion(one.task) for one in foreseen.probe_tasks if one.probe == name),
            )
            for (name, kind), count in kinds.items()
        ]  # fmt: skip
        for name, works in works_of(plan, [input], sizes, counts).items():
            fits[name] += foreseen.fits[name]
            own = _seconds(works, seconds / 2 / len(inputs)) if foreseen.fits[name] else 0.0
            expected[name] = expected.get(name, 0.0) + own
    return [_fits(name, count, videos, expected[name], None) for name, count in fits.items() if count]


def _fits(
    name: str, fits: int, videos: int, seconds: float, price: float | None, *, most: bool = False
) -> Estimate:
    return Estimate(
        encoder=name, device="cpu", videos=videos, clips=fits, stored=0, tokens=0, gflop=None, store_bytes=0,
        seconds=seconds, price=price, stage="probe", unit="fits", most=most,
    )  # fmt: skip


def works_of(
    plan: Plan, inputs: Sequence[Input], sizes: Sizes, counts: Sequence[QuestionCount]
) -> dict[str, list[Work]]:
    """All fits by what they are for, as ``probe`` does them on every kind of input."""
    rows, time_steps, read, others = sizes.rows, sizes.time_steps, sizes.blocks, sizes.controls
    folds = sizes.videos if plan.split == "video" else OUTER_FOLDS
    every = min(plan.moments_per_clip or time_steps, time_steps) * (rows // time_steps)
    training = every - every // max(folds, 1)
    wide_as = Counter(map(breadth, read))
    # What is read beside the features themselves: another split of them, noise like them, those of the twin.
    beside = (plan.split != "random") + ("gaussian" in plan.controls) + sum(not CONTROLS[c].once for c in others)
    twice = 1 + ("shuffled" in plan.controls)
    kinds = [kind for kind in plan.features if kind != "tokens"]
    # These are the same beside all blocks, and beside all kinds that take no difference in time.
    reads = len({kind in CHANGES and kind for kind in kinds})
    columns = min(MOST_BUMPS, rows // (2 * time_steps)) + sizes.videos
    floors = {control: _FLOORS[control] for control in others if CONTROLS[control].once}
    floors |= {control: columns for control in COLUMNS if control in plan.controls}
    questions, curves = list[Work](), list[Work]()
    asked = [one for one in counts if not reads_tokens(one.probe)]
    for one, input in product(asked, inputs):
        n = one.count
        for kind in kinds:
            for times, blocks in wide_as.items():
                wide = columns_of(kind, sizes.width * times)
                questions.append(Work(one, training, wide, blocks * folds, twice * n, False, blocks * twice * n))
                if beside:
                    sets = blocks * folds * beside
                    questions.append(Work(one, training, wide, sets, n, False, blocks * beside * n))
            wide = columns_of(kind, sizes.width * breadth(read[-1]))  # the rest is worked out at the last one
            for times in (twice, beside - 1) if plan.hold_out else ():  # the leak is not told again
                questions.append(Work(one, training, wide, _HELD * times, n, False, 2 * times * n))
            if one.name in LINEAR_PROBES:
                ridge = QuestionCount(Ridge(), Ridge.name, "regression", n)
                questions.append(Work(ridge, training, wide, folds, n, False, 0, planted=True))
            if one.name in LINEAR_PROBES and "code" in plan.evidence:
                portions = PORTIONS[:-1]
                curves += [
                    Work(one, int(rows * part), wide, 1, n, True, 0, beside=len(portions)) for part in portions
                ]
            if one.name in LINEAR_PROBES and "learning" in plan.evidence:
                curves += [Work(one, int(training * part), wide, folds, n, True, n) for part in FRACTIONS]
        for control, wide in floors.items():
            motion = CONTROLS[control].motion
            of, times = (one.motion * (input != "still"), 1) if motion else (n, reads)
            if of:
                questions.append(Work(one, training, wide, times * folds, of, False, times * of))
                if plan.hold_out:
                    questions.append(Work(one, training, wide, times * _HELD, of, False, 2 * times * of))
    return {QUESTIONS: questions, CURVES: curves}


def columns_of(kind: str, width: int) -> int:
    """How many columns a kind of features has, of tokens so wide."""
    return width * {"grid": CELLS * CELLS, "z+delta": 2}.get(kind, 1)


def _question_counts(experiment: Experiment, plan: Plan, videos: Sequence[Path]) -> list[QuestionCount]:
    """Count the questions; the first video's labels, where these are read, say how many columns the tasks have."""
    measured: list[str] = []
    labeller = load_labeller(experiment.labeller, confidence=experiment.confidence, every=experiment.every)
    if videos and set(plan.tasks) & set(targets.MEASURED_TASKS) and reads_files(labeller):
        try:
            with open_source(videos[0]) as video:
                measured = list(targets.tracks(labeller.label(video), video.ref.id).measured)
        except WorldprobeError:  # the run will say it
            measured = []
    found = []
    for kind in ("regression", "classification"):
        tasks = [task for task in plan.tasks if targets.kind(task) == kind]
        columns = sum(max(1, sum(name.partition(".")[0] == task for name in measured)) for task in tasks)
        for name in plan.probes:
            probe = probe_of(plan, name, kind)
            if columns and probe is not None:
                found.append(
                    QuestionCount(
                        probe[1],
                        probe[0],
                        "regression" if kind == "regression" else "classification",
                        columns,
                        motion=sum(map(of_motion, tasks)),
                    )
                )
    return found


def _seconds(works: Sequence[Work], seconds: float) -> float:
    """What fits would take here, by smaller ones that are timed for about so long."""
    sizes = {(work.of_probe, work.columns) for work in works}
    total = 0.0
    for of_probe, columns in sizes:
        of = [work for work in works if (work.of_probe, work.columns) == (of_probe, columns)]
        rows = max(work.rows for work in of)
        # As probing does them: several at a time with a thread each, where features are small.
        lanes = blas_threads() if rows * columns * np.dtype(np.float32).itemsize <= MOST_TOGETHER else 1
        with small_products(lanes > 1):
            cost = _Cost(of_probe, rows, columns, seconds / len(sizes))
        total += sum(cost.of(work) / min(lanes, max(1, work.sets, work.beside)) for work in of)
    return total


class _Cost:
    """Of fits on so many columns: what a large one and a small one take, and in between by their operations."""

    def __init__(self, of_probe: QuestionCount, rows: int, columns: int, seconds: float) -> None:
        classes = _CLASSES if of_probe.kind == "classification" else 0
        shrink = min(1.0, (max(_LEAST, _OPERATIONS * seconds) / _operations(rows, columns)) ** (1 / 3))
        large = max(_FEWEST, min(rows, int(rows * shrink)))
        wide = max(2, int(columns * shrink))
        small = max(_FEWEST, large // 8)
        slow, self._more = _timed(of_probe.name, of_probe.probe, classes, large, wide)
        quick = _timed(of_probe.name, of_probe.probe, classes, small, wide)[0] if small < large else slow
        span = _operations(large, wide) - _operations(small, wide)
        self._each = max(0.0, slow - quick) / span if span else slow / _operations(large, wide)
        self._begin = max(0.0, slow - self._each * _operations(large, wide))
        self._size, self._columns = large * wide, columns
        self._interval = _resampled(of_probe.name, of_probe.probe, classes, rows)

    def of(self, work: Work) -> float:
        if work.rows < _FEWEST:
            return 0.0
        alone = self._begin + self._each * _operations(work.rows, work.columns)
        more = min(alone, self._more * max(1.0, work.rows * work.columns / self._size))
        if work.planted:
            return work.fits * _PLANTED * more
        intervals = work.scored * self._interval
        if work.alone:
            return work.sets * (alone - more) + work.fits * more + intervals
        return work.sets * ((alone - more) * _SHARED + work.questions * more) + intervals


def _operations(rows: int, columns: int) -> float:
    """About those of a training set: products of its rows, and the reduction of the smaller Gram matrix."""
    least = min(rows, columns)
    return float(rows * columns * least + 2 * least**3)


def _timed(name: str, probe: Probe, classes: int, rows: int, columns: int) -> tuple[float, float]:
    """Seconds of a fit at every penalty with its inner folds, and of one more question on the same rows."""
    inputs, target, unit = _noise(rows, columns, classes)
    train = np.flatnonzero(unit > 0)
    fold = Fold(train, np.flatnonzero(unit == 0), tuple(partition(unit, train, INNER_FOLDS, 0)))
    question = Question(name, probe, target, classes)

    def alone() -> None:
        fit_chosen(question, TrainingSets(inputs, unit).prepare(fold.train, fold.inner))

    def together() -> None:
        others = [Question(f"{name}{one}", probe, target, classes) for one in range(3)]
        cross_fit(inputs, others, Folds("grouped", (fold,), unit))

    one, three = _clocked(alone), _clocked(together)
    return one, max((three - one) / 2, 0.02 * one)


def _resampled(name: str, probe: Probe, classes: int, rows: int) -> float:
    """Seconds that an answer's interval takes."""
    _, target, unit = _noise(rows, 2, classes)
    answer = OutOfFold(target, np.zeros_like(target), ())
    question = Question(name, probe, target, classes)
    return _clocked(lambda: draws(question, answer, unit, seed=0))


def _clocked(work: Callable[[], object]) -> float:
    """Seconds, of two rounds the quicker: what else the machine does only adds."""
    times = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def _noise(rows: int, columns: int, classes: int) -> tuple[NDArray[np.float32], Floats, NDArray[np.int64]]:
    """Inputs [n, d], a target that they half tell, [n, 1], and six groups [n]."""
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((rows, columns), dtype=np.float32)
    signal = inputs[:, :8] @ generator.normal(size=(min(8, columns), max(classes, 1)))
    signal = signal + generator.normal(size=signal.shape) * signal.std()
    target = signal.argmax(axis=1)[:, None].astype(np.float64) if classes else signal
    return inputs, target, np.arange(rows, dtype=np.int64) % (INNER_FOLDS + 2)
