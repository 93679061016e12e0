"""What a page of the gallery states, as plain JSON: the part that the index and the findings are written of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worldprobe.findings.comparison import ComparedRun, Comparison
from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.decoding import Decoding
from worldprobe.findings.sections.deltas import PLACES, Deltas
from worldprobe.findings.sections.original import STEP_TEXTS, Original, step_name
from worldprobe.findings.sections.prediction import Future
from worldprobe.findings.watched import Watched
from worldprobe.intervals import Score

Facts = dict[str, Any]
_DIGITS = 6  # more than are printed, which rounding twice would change


def of_report(summary: Summary) -> Facts:
    """Take a report's figures: story, scores beside their best control, uses, and what each stage found."""
    made = summary.provenance
    return {
        "form": "report",
        "encoder": summary.encoder.name,
        "story": list(summary.story),
        "rows": [
            {
                "task": row.task, "features": summary.label(row), "metric": row.main.metric,
                "score": _score(row.main.score), "best": row.main.best_control or "",
                "floor": _score(row.main.controls.get(row.main.best_control)) if row.main.best_control else None,
                "leak": _rounded(row.main.leak), "verdict": row.main.verdict.short, "groups": row.n_groups,
            }
            for row in summary.rows
        ],
        "uses": [use.model_dump(mode="json") for use in summary.use_cases],
        "shift": [
            {
                "factor": summary.shift.factor, "task": row.task, "features": row.features,
                "held": _score(row.held), "usual": _score(row.usual), "difference": _score(row.difference),
                "survives": row.survives,
            }
            for row in (summary.shift.rows if summary.shift else ())
            if not row.value
        ],
        "original": _original(summary, summary.original) if summary.original else None,
        "deltas": _deltas(summary.deltas) if summary.deltas else None,
        "future": _future(summary.future) if summary.future else None,
        "decoding": _decoding(summary.decoding) if summary.decoding else None,
        "made": {
            "videos": (made.get("videos") or {}).get("count"), "versions": made.get("versions", {}),
            "labeller": (made.get("labels") or {}).get("labeller", ""),
        },
    }  # fmt: skip


def of_comparison(comparison: Comparison) -> Facts:
    """Take a comparison's differences, and how many are shown."""
    return {
        "form": "comparison",
        "runs": [_with_status(run) for run in comparison.runs],
        "by_chance": comparison.by_chance,
        "readings": [
            {
                "task": reading.task, "features": comparison.label(reading), "metric": reading.metric,
                "groups": reading.n_groups,
                "cells": [
                    {"score": _score(cell.score), "difference": _score(cell.difference), "standing": cell.standing}
                    for cell in reading.cells
                ],
            }
            for reading in comparison.readings
        ],
    }  # fmt: skip


def _with_status(run: ComparedRun) -> str:
    """A run's name; of one that is no trained network with what it is, which the name alone may not say."""
    return run.name if run.status == "trained" else f"{run.name} ({run.status})"


def of_watch(found: Watched) -> Facts:
    """Take what a watch concludes, and of which checkpoints."""
    return {
        "form": "watch",
        "checkpoints": [one.where for one in found.checkpoints],
        "conclusions": list(found.conclusions),
    }


def _score(score: Score | None) -> dict[str, float | None] | None:
    if score is None:
        return None
    return {"value": _rounded(score.value), "low": _rounded(score.low), "high": _rounded(score.high)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _scores(by_name: Mapping[str, Score]) -> dict[str, Any]:
    return {name: _score(score) for name, score in by_name.items()}


def _original(summary: Summary, original: Original) -> Facts:
    judged = {answer.task: answer.verdict for answer in summary.answers if answer.about == "property"}
    return {
        "looked_at": original.looked_at,
        "labelled": original.labelled,
        "noise": _scores(original.noise),
        "majority": _scores(original.majority),
        "falls": [
            {
                "task": fall.task, "metric": fall.metric, "verdict": judged.get(fall.task, ""),
                "steps": [
                    {
                        "name": step_name(step), "why": STEP_TEXTS.get(step.protocol, ""),
                        "score": _score(step.score), "best": step.best_control or "",
                        "floor": _score(step.floor), "change": _rounded(step.change),
                    }
                    for step in fall.steps
                ],
            }
            for fall in original.falls
        ],
        "scaling": [
            {"task": one.task, "n": one.n, "score": _score(one.score), "chosen": _score(one.chosen)}
            for one in original.scaling
        ],
    }  # fmt: skip


def _deltas(deltas: Deltas) -> Facts:
    return {
        "conclusion": deltas.conclusion,
        "rows": [
            {
                "task": row.task, "metric": row.metric, "input": row.input, "probe": row.probe,
                "place": PLACES[row.place],
                "cells": {
                    cell.features: {
                        "score": _score(cell.score), "best": cell.best_control or "", "floor": _score(cell.floor)
                    }
                    for cell in row.cells
                },
            }
            for row in deltas.rows
        ],
    }  # fmt: skip


def _future(future: Future) -> Facts:
    return {
        "headline": future.headline,
        "steps": [
            {
                "tokens": step.tokens, "horizon": step.horizon, "l1": _scores(step.l1),
                "skill": _score(step.fitted), "verdict": step.verdict,
            }
            for step in future.steps
        ],
        "leaks": [
            {"call": one.call, "context": one.context_change, "prediction": one.prediction_change}
            for one in future.leaks
        ],
        "drawn": [{"horizon": one.horizon, "psnr": _scores(one.psnr)} for one in future.shown],
    }  # fmt: skip


def _decoding(decoding: Decoding) -> Facts:
    return {
        "tap": decoding.tap, "width": decoding.width, "height": decoding.height, "headline": decoding.headline,
        "drawings": [
            {
                "name": one.name, "control": one.control, "psnr": _score(one.psnr), "ssim": _score(one.ssim),
                "sharpness": _score(one.sharpness), "verdict": one.verdict, "groups": one.n_groups,
                "trained_on": one.n_train,
            }
            for one in decoding.drawings
        ],
    }  # fmt: skip
