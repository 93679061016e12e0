"""Runs beside each other: the same moments, the same resampled groups, and the interval of each difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldprobe import intervals
from worldprobe.errors import CompareError
from worldprobe.findings.comparison import ComparedRun, ComparedScore, Comparison, Reading, Standing
from worldprobe.findings.run_files import read_provenance
from worldprobe.findings.wording import rough
from worldprobe.intervals import Draws, Score, no_draws, standings
from worldprobe.io.files import StrPath, paths_of
from worldprobe.pipeline.costs import read_costs
from worldprobe.pipeline.differences import differing, why_targets_differ
from worldprobe.pipeline.probe.table import OF_MOMENT, OF_PROBE, read_answers
from worldprobe.probes.evidence import difference
from worldprobe.probes.metrics import classification_draws, r2_draws
from worldprobe.results import FEW_GROUPS, Metric, Verdict, VerdictResult, read_results

if TYPE_CHECKING:
    import polars as pl

# Each says where two runs may not differ at all, and what a reader calls it.
_SAME = {
    "split": "splits",
    "frames": "frames a clip",
    "stride": "strides",
    "tubelet_frames": "frames a tubelet",
}
_IN_PAIRS = {"tubelet_frames": " An encoder E of single frames is read two at a time as pairs:E."}
_STANDINGS: dict[intervals.Standing, Standing] = {
    "above": "higher",
    "below": "lower",
    "not shown": "not shown to differ",
}
# Targets are kept in single precision.
_TOLERANCE = 1e-5
# Of moments, that may be left out since two encoders see other labels of them.
_MOST_AT_EDGES = 0.1


@dataclass(frozen=True, slots=True)
class _Answered:
    """A reading without its cells, and what each run has for it: where it was read, and its score on resamples."""

    reading: Reading
    taps: tuple[str, ...]
    draws: tuple[Draws, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    name: str
    folder: Path
    table: pl.DataFrame


def compare(folders: Sequence[StrPath] | StrPath) -> Comparison:
    """Set each run beside the first, probe by probe.

    For every task, kind of features, input and probe that the first run and one other at least have: each run's
    score on the moments that all of them answered, and its difference to the first run's, both drawn on the same
    1,000 resamples of groups (paired bootstrap: Efron and Tibshirani 1993; of clusters: Field and Welsh 2007), and
    judged among all readings of its property (``intervals.standings``).
    What is read is each run's last block, and the taps that validation groups chose where there are several.

    Args:
        folders: of runs with probes; two or more.

    Raises:
        CompareError: a folder without answers, or runs that differ in what must be the same: videos, clips, split,
            groups, the targets' values.
    """
    folders = paths_of(folders)
    if len(folders) < 2:
        raise CompareError(f"comparing needs at least two runs, got {len(folders)}. Name their folders.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise CompareError("a run is named twice: " + ", ".join(map(str, folders)))
    runs = [_Run(name, folder, read_answers(folder)) for name, folder in zip(_names(folders), folders, strict=True)]
    _check_same(runs)
    warnings, lost = _seeds(runs), dict[str, list[str]]()
    notes: list[str] = []
    readings: list[_Answered] = []
    for key in runs[0].table.select(OF_PROBE).unique(maintain_order=True).rows():
        having = [run for run in runs if len(_of(run, key))]
        if len(having) < 2:
            notes.append(f"{_name(key)}: only in {runs[0].name}")
            continue
        reading, sentences = _reading(runs, key)
        readings.append(reading)
        for sentence in sentences:
            lost.setdefault(sentence, []).append(_name(key))
    warnings += [f"{', '.join(names)}: {sentence}" for sentence, names in lost.items()]
    notes += _unmatched(runs)
    if not readings:
        raise CompareError(
            "the runs share no task, features, input and probe: "
            + "; ".join(dict.fromkeys(notes))
            + ". Probe alike."
        )
    judged = _with_verdicts(_judged(readings), [_verdicts(run) for run in runs])
    fewest = min(reading.n_groups for reading in judged)
    if fewest < FEW_GROUPS:
        warnings.append(rough(fewest, "that all runs share"))
    if len({run.table["revision"][0] for run in runs}) < len(runs):
        warnings.append("The same encoder stands in more than one run: these differ in something else.")
    return Comparison(
        runs=tuple(_facts(run) for run in runs),
        split=runs[0].table["split"][0],
        readings=judged,
        warnings=tuple(dict.fromkeys(warnings)),
        notes=tuple(dict.fromkeys(notes)),
        differing=differing([run.folder for run in runs]),
    )


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names where these tell them apart."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def _facts(run: _Run) -> ComparedRun:
    first = run.table.row(0, named=True)
    cost, sight = read_costs(run.folder)
    return ComparedRun(
        name=run.name, encoder=first["encoder"], revision=first["revision"][:12], status=first["status"], cost=cost,
        sight=sight,
    )  # fmt: skip


def _verdicts(run: _Run) -> dict[tuple[str, ...], Verdict]:
    """A run's own verdicts, by what was probed and at which tap; none where its results are gone."""
    path = run.folder / "results.jsonl"
    lines = read_results(path, damaged=[]) if path.exists() else []
    return {
        (line.task, line.features, line.input, line.probe, line.tap): line.verdict
        for line in lines
        if isinstance(line, VerdictResult) and line.protocol == "sound"
    }


def _check_same(runs: Sequence[_Run]) -> None:
    """Raises CompareError for what must be the same of whole runs."""
    base = runs[0]
    for run in runs[1:]:
        ours, theirs = (set(one.table["video"].unique()) for one in (base, run))
        if ours != theirs:
            raise CompareError(
                f"{base.name} and {run.name} are of different videos: {len(ours - theirs)} only in {base.name}, "
                f"{len(theirs - ours)} only in {run.name}, {len(ours & theirs)} in both. Take the same videos."
            )
        for column, words in _SAME.items():
            values = [set(one.table.select("input", column).unique().rows()) for one in (base, run)]
            shared = {name for name, _ in values[0]} & {name for name, _ in values[1]}
            left, right = ({pair for pair in one if pair[0] in shared} for one in values)
            if left != right:
                listed = [", ".join(sorted({str(value) for _, value in one})) for one in (left, right)]
                raise CompareError(
                    f"{base.name} and {run.name} have different {words}: {listed[0]} and {listed[1]}. "
                    "Their scores answer different questions; run both alike." + _IN_PAIRS.get(column, "")
                )


def _seeds(runs: Sequence[_Run]) -> list[str]:
    seeds = [run.table["seed"][0] for run in runs]
    if len(set(seeds)) == 1:
        return []
    listed = ", ".join(f"{run.name} {seed}" for run, seed in zip(runs, seeds, strict=True))
    return [f"The seeds differ ({listed}): so do the folds, and a part of each difference is theirs."]


def _of(run: _Run, key: tuple[Any, ...]) -> pl.DataFrame:
    """A run's rows of one probe's answers, in an order that is the same in every run."""
    import polars as pl

    rows = run.table.filter(*(pl.col(name) == value for name, value in zip(OF_PROBE, key, strict=True)))
    return rows.sort(OF_MOMENT)


def _reading(runs: Sequence[_Run], key: tuple[Any, ...]) -> tuple[_Answered, list[str]]:
    """One probe's answers in every run that has them, and what must be said of moments that not all have."""
    found = {run.name: _of(run, key) for run in runs}
    shared = found[runs[0].name].select(OF_MOMENT)
    for rows in found.values():
        shared = shared.join(rows.select(OF_MOMENT), on=OF_MOMENT, how="semi") if len(rows) else shared
    if not len(shared):
        raise CompareError(f"{_name(key)}: the runs share no moment, so their labels or clips cannot be the same")
    lost = [
        f"{run.name} answered {len(found[run.name]):,} moments, of which {len(shared):,} are in all "
        "runs; only these are compared, and the probes were trained on different ones."
        for run in runs
        if len(found[run.name]) not in (0, len(shared))
    ]
    shared, unseen = _without_edges(runs, found, shared)
    lost += unseen
    here = {name: _at(table, shared) for name, table in found.items()}
    base = here[runs[0].name]
    for run in runs[1:]:
        if len(here[run.name]):
            _check_rows(runs[0], run, base, here[run.name], key)
    # The first run's groups and seed for all: the same resamples, so that every difference is paired.
    unit, seed = base["unit"].to_numpy(), int(base["seed"][0])
    metric, first = _draws(base, unit, seed)
    others = (
        _draws(rows, unit, seed)[1] if len(rows := here[run.name]) else no_draws("not in this run")
        for run in runs[1:]
    )
    draws = (first, *others)
    taps = tuple(str(rows["tap"][0]) if len(rows := here[run.name]) else "" for run in runs)
    names = dict(zip(OF_PROBE, key, strict=True))
    reading = Reading(**names, metric=metric, n=len(base), n_groups=len(np.unique(unit)), cells=())
    return _Answered(reading, taps, draws), lost


def _at(table: pl.DataFrame, shared: pl.DataFrame) -> pl.DataFrame:
    """A run's rows at these moments, in their order."""
    return table.join(shared, on=OF_MOMENT, how="semi").sort(OF_MOMENT)


def _without_edges(
    runs: Sequence[_Run], found: dict[str, pl.DataFrame], shared: pl.DataFrame
) -> tuple[pl.DataFrame, list[str]]:
    """The moments without those few whose target is of other frames in one run, and a sentence on them.

    Where a subject leaves the part of a frame that an encoder sees, only the frames before count for it. Of other
    labels, or where these moments are many, nothing is left out: the runs are then refused.
    """
    base, others, apart = _at(found[runs[0].name], shared), [], np.zeros(len(shared), dtype=bool)
    for run in runs[1:]:
        if not len(found[run.name]) or not _only_seen_otherwise(runs[0], run):
            continue
        rows = _at(found[run.name], shared)
        mine = _apart(base, rows)
        if base["classes"][0] == rows["classes"][0] and 0 < mine.sum() <= _MOST_AT_EDGES * len(mine):
            apart |= mine
            others.append(run.name)
    if not others:
        return shared, []
    sentence = (
        f"at {int(apart.sum()):,} of {len(apart):,} moments {', '.join(others)} and {runs[0].name} see other "
        "labels, since a subject leaves what one of them sees of a frame; these are left out."
    )
    return base.filter(~apart).select(OF_MOMENT), [sentence]


def _only_seen_otherwise(one: _Run, other: _Run) -> bool:
    """Whether two runs have the same labels, taken alike, and encoders that see other parts of a frame."""
    hashes, views = [], []
    for run in (one, other):
        labels = read_provenance(run.folder / "provenance.json").get("labels") or {}
        sight = read_costs(run.folder)[1]
        hashes.append(labels.get("sha256"))
        views.append(sight and sight.shares)
    same = hashes[0] is not None and hashes[0] == hashes[1] and not why_targets_differ([one.folder, other.folder])
    return same and None not in views and views[0] != views[1]


def _why_apart(one: _Run, other: _Run) -> str:
    if _only_seen_otherwise(one, other):
        return (
            "their encoders do not see the same part of a frame, and too much of what is labelled lies between. "
            "squashed:E shows an encoder E the whole frame."
        )
    return f"their labels are not the same.{why_targets_differ([one.folder, other.folder])}"


def _apart(ours: pl.DataFrame, theirs: pl.DataFrame) -> NDArray[np.bool_]:
    """At which of the same moments the targets are not the same; at all where these are of other kinds."""
    left, right = _array(ours, "target"), _array(theirs, "target")
    if left.shape != right.shape:
        return np.ones(len(left), dtype=bool)
    return np.asarray(~np.isclose(left, right, atol=_TOLERANCE).all(axis=1))


def _check_rows(one: _Run, other: _Run, ours: pl.DataFrame, theirs: pl.DataFrame, key: tuple[Any, ...]) -> None:
    """Raises CompareError unless the same moments have the same targets and lie in the same groups."""
    if ours["classes"][0] != theirs["classes"][0]:
        classes = " and ".join(", ".join(table["classes"][0].split("\n")) for table in (ours, theirs))
        raise CompareError(f"{_name(key)}: {one.name} and {other.name} have different classes: {classes}")
    if (apart := _apart(ours, theirs)).any():
        raise CompareError(
            f"{_name(key)}: the targets of {one.name} and {other.name} differ at {int(apart.sum()):,} of "
            f"{len(apart):,} moments: {_why_apart(one, other)}"
        )
    pairs = {*zip(ours["unit"].to_list(), theirs["unit"].to_list(), strict=True)}
    if not len(pairs) == len({mine for mine, _ in pairs}) == len({their for _, their in pairs}):
        raise CompareError(
            f"{_name(key)}: {one.name} and {other.name} do not hold out the same groups, so nothing can be paired. "
            "Run both with the same split on the same labels."
        )


def _judged(readings: Sequence[_Answered]) -> tuple[Reading, ...]:
    """Each run's difference to the first, among all readings of a property; properties together."""
    by_task: dict[str, list[_Answered]] = {}
    for one in readings:
        by_task.setdefault(one.reading.task, []).append(one)
    found = []
    for family in by_task.values():
        runs = zip(*(one.draws for one in family), strict=True)
        first = next(runs)
        beside = [{"first": draws} for draws in first]
        stands = [standings(list(zip(draws, beside, strict=True))) for draws in runs]
        for one, *how in zip(family, *stands, strict=True):
            base = ComparedScore(
                tap=one.taps[0], score=one.draws[0].score(), difference=Score(value=None), standing="base"
            )
            cells = [
                ComparedScore(
                    tap=tap,
                    score=draws.score(),
                    difference=difference(draws, one.draws[0]),
                    standing=_STANDINGS[stand["first"]] if stand else "not measured",
                )
                for tap, draws, stand in zip(one.taps[1:], one.draws[1:], how, strict=True)
            ]
            found.append(one.reading.model_copy(update={"cells": (base, *cells)}))
    return tuple(found)


def _with_verdicts(
    readings: Sequence[Reading], verdicts: Sequence[dict[tuple[str, ...], Verdict]]
) -> tuple[Reading, ...]:
    found = []
    for one in readings:
        key = (one.task, one.features, one.input, one.probe)
        cells = tuple(
            cell.model_copy(update={"verdict": of.get((*key, cell.tap), "")})
            for cell, of in zip(one.cells, verdicts, strict=True)
        )
        found.append(one.model_copy(update={"cells": cells}))
    return tuple(found)


def _draws(rows: pl.DataFrame, unit: NDArray[np.int64], seed: int) -> tuple[Metric, Draws]:
    """The judged metric on the rows and on each resample of the units."""
    target, prediction, constant = (_array(rows, name) for name in ("target", "prediction", "constant"))
    if classes := rows["classes"][0]:
        truth, predicted = (values[:, 0].astype(np.int64) for values in (target, prediction))
        found = classification_draws(truth, predicted, unit, classes=len(classes.split("\n")), seed=seed)
        return "balanced_accuracy", found["balanced_accuracy"]
    return "r2", r2_draws(target, prediction, constant, unit, seed=seed)


def _array(rows: pl.DataFrame, column: str) -> NDArray[np.float64]:
    return np.array(rows[column].to_list(), dtype=np.float64).reshape(len(rows), -1)


def _unmatched(runs: Sequence[_Run]) -> list[str]:
    ours = set(runs[0].table.select(OF_PROBE).unique().rows())
    return [
        f"{_name(key)}: not in {runs[0].name}, so {run.name}'s is not shown"
        for run in runs[1:]
        for key in run.table.select(OF_PROBE).unique(maintain_order=True).rows()
        if key not in ours
    ]


def _name(key: tuple[Any, ...]) -> str:
    return f"{key[0]} from {key[1]} ({key[2]}, {key[3]})"
